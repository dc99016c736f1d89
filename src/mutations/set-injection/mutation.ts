import { isGeneratedGateway } from '../../core/generated.ts'
import { injectionOf, type Served, servedRevisions, webhookKind } from '../../core/injector.ts'
import { defineMutation, type MetadataChange, type MutationSubject, type MutationTools } from '../../core/mutation.ts'
import type { Pod } from '../../core/pod.ts'
import { mayDeviate } from '../../core/workload.ts'
import {
  dataplaneModeLabel,
  type InjectionDecision,
  injectKey,
  revisionLabel,
  templatesAnnotation,
} from '../../istio/injection.ts'
import { gatewayApiKind } from '../../istio/kinds.ts'

interface Params {
  readonly optOuts: boolean
  readonly revisions: boolean
}

export default defineMutation<Params>({
  id: 'set-injection',
  summary: 'Label pods so that the injector takes them',
  detail: [
    'A pod of a governed namespace that Istio’s injector would pass by, or whose inject value the injector and the CNI',
    'plugin read differently, gets the label `sidecar.istio.io/inject: "true"`; an annotation that contradicts it goes.',
    'Where only a named revision is served, the pod gets its label too. The smallest change that makes the pod injected is',
    'made, and none where the pod is injected anyway or no label of its own would help. It leaves alone pods of ambient',
    'namespaces, pods that ask for another template, pods that istiod makes for Gateways, pods that the policy lets opt out,',
    'and an exact `"false"`.',
  ].join(' '),
  enabled: true,
  cures: [
    'require-injection/odd-value',
    'require-injection/not-asked',
    'require-injection/never-selected',
    'require-injection/opted-out',
    'require-injection/unserved-revision',
  ],
  reads: ['ConfigMap', webhookKind, gatewayApiKind],
  facts: ['workloads', 'mesh'],
  params: {
    optOuts: {
      doc: 'Rewrite an exact "false" too, instead of leaving it to be refused.',
      schema: { type: 'boolean' },
      default: false,
    },
    revisions: {
      doc: 'Take away a pod’s revision label that no injector of the organisation serves, instead of leaving it to be refused.',
      schema: { type: 'boolean' },
      default: false,
    },
  },
  change(subject, tools) {
    const { pod, namespace, namespaceLabels } = subject
    if (!concernsSidecars(subject) || mayDeviate(tools.facts.workloads.mayOptOut, namespace, pod)) return []
    if (askedBy(pod) === 'false' && !tools.params.optOuts) return []
    if (isGeneratedGateway(namespace, pod, tools.inventory)) return []
    const served = servedRevisions(tools) ?? assumed(subject)
    const decide = (changed: Pod): InjectionDecision =>
      injectionOf(
        { namespace, namespaceLabels, labels: changed.labels, annotations: changed.annotations },
        tools,
        served,
      )
    if (isRight(pod, decide(pod))) return []
    const candidates = candidatesFor(pod, served, tools)
    return candidates.find(changes => isRight(pod, decide(withChanges(pod, changes)), changes)) ?? []
  },
})

/** Whether the pod is one that a sidecar of the organisation's belongs into. */
function concernsSidecars({ pod, namespaceLabels }: MutationSubject): boolean {
  if (namespaceLabels === undefined || namespaceLabels.get(dataplaneModeLabel) === 'ambient') return false
  return !pod.annotations.has(templatesAnnotation)
}

function askedBy({ labels, annotations }: Pick<Pod, 'labels' | 'annotations'>): string | undefined {
  return labels.get(injectKey) ?? annotations.get(injectKey)
}

/**
 * What is taken for served where nobody knows: what is asked for, and the default. If it is not, nothing is lost, since the
 * final pod is judged by what it is.
 */
function assumed({ pod, namespaceLabels }: MutationSubject): Served {
  const names = ['default', pod.labels.get(revisionLabel), namespaceLabels?.get(revisionLabel)]
  return new Map(names.flatMap(name => (name === undefined ? [] : [[name, name] as const])))
}

/** Returns true where the pod is injected and nobody reads its own word otherwise. */
function isRight(pod: Pod, decision: InjectionDecision, changes: readonly MetadataChange[] = []): boolean {
  const asked = askedBy(withChanges(pod, changes))
  return decision.outcome === 'injected' && (asked === undefined || asked === 'true')
}

/** Returns the changes that may help, the smallest first. */
function candidatesFor(pod: Pod, served: Served, { facts, params }: MutationTools<Params>): MetadataChange[][] {
  const contradicts = (pod.annotations.get(injectKey) ?? 'true') !== 'true'
  const ask: MetadataChange[] = [
    ...(pod.labels.get(injectKey) === 'true' ? [] : [label(injectKey, 'true')]),
    ...(contradicts ? [{ map: 'annotations', key: injectKey, value: undefined } as const] : []),
  ]
  const hasRevision = pod.labels.has(revisionLabel)
  if (hasRevision && !params.revisions) return [ask]
  const drop = hasRevision ? [label(revisionLabel, undefined)] : []
  const ours = (facts.mesh.revisions ?? [...served.keys()]).filter(name => served.has(name))
  const named = ours.map(name => [...ask, label(revisionLabel, name)])
  return [ask, ...(hasRevision ? [drop, [...ask, ...drop]] : []), ...named]
}

function label(key: string, value: string | undefined): MetadataChange {
  return { map: 'labels', key, value }
}

function withChanges(pod: Pod, changes: readonly MetadataChange[]): Pod {
  const maps = { labels: new Map(pod.labels), annotations: new Map(pod.annotations) }
  for (const { map, key, value } of changes) {
    if (value === undefined) maps[map].delete(key)
    else maps[map].set(key, value)
  }
  return { ...pod, ...maps }
}
