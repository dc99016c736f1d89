import { servedRevisions, webhookKind } from '../../core/injector.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { enumerate } from '../../core/text.ts'
import { revisionLabel } from '../../istio/injection.ts'
import { labelsOf } from '../../istio/workload.ts'

type Judge = Tools<'hidden', Record<never, never>>

/** The one kind that a tag of a revision is good enough for. Istio: pilot/pkg/config/kube/gateway/controller.go (buildClient). */
const takesTags = 'Gateway.gateway.networking.k8s.io'

const path = ['metadata', 'labels', revisionLabel]

export default defineRule<'hidden', Record<never, never>>({
  id: 'require-visible-revision',
  summary: 'Require that configuration of the mesh is for a control plane that the organisation runs',
  risk: [
    'A control plane reads only objects without the label `istio.io/rev` and those that bear its own revision, never a',
    'tag. The label with any other value hides an object as if it were deleted: a route that led to the egress gateway is',
    'gone and traffic leaves directly, and nobody sees a deletion. It also takes the object out of Istio’s own validation.',
  ].join(' '),
  team: [
    'The label was copied from a pod or namespace, where it chooses the control plane. On configuration it hides the',
    'object from every other one: remove it.',
  ].join(' '),
  judges: [
    '*.networking.istio.io',
    '*.security.istio.io',
    '*.telemetry.istio.io',
    '*.extensions.istio.io',
    '*.gateway.networking.k8s.io',
    '*.gateway.networking.x-k8s.io',
  ],
  reads: [webhookKind],
  facts: ['mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform'],
  outsideLaw: false,
  params: {},
  messages: {
    hidden: {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'no control plane has the revision "{value}", so the object has no effect, as if it were deleted',
      fix: 'remove the label{remedy}',
      threats: ['cfg/rev-label'],
    },
  },
  check(subject, tools) {
    if (subject.subresource !== '') return
    const revision = labelsOf(subject.object).get(revisionLabel)
    if (revision === undefined) return
    const known = revisionsFor(subject, tools)
    if (known === undefined) {
      const unknown = `whether a control plane has the revision "${revision}"`
      tools.notJudged(path, unknown, 'give spec.mesh.revisions in the policy, or remove the label')
    } else if (!known.includes(revision)) {
      const remedy = known.length === 0 ? '' : `, or give it the value ${enumerate(known, 'or')}`
      tools.report('hidden', { path, value: revision, slots: { remedy } })
    }
  },
})

/**
 * Returns the values by which a control plane of the organisation takes an object of the kind for its own. Istio:
 * pkg/config/model.go (LabelsInRevision), which is asked with istiod's own revision.
 */
function revisionsFor(subject: Subject, tools: Judge): readonly string[] | undefined {
  const served = servedRevisions(tools)
  const stated = tools.facts.mesh.revisions
  if (served === undefined || served.size === 0) return stated ?? (served && [])
  const names = subject.kind === takesTags ? [...served.keys(), ...served.values()] : served.values()
  return [...new Set(names)].sort()
}
