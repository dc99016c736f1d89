import { type HeldMeshConfig, meshConfigKinds, meshConfigsOf } from '../../core/installation.ts'
import { formatPath } from '../../core/path.ts'
import { defineRule, type Tools } from '../../core/rule.ts'
import type { MeshConfig } from '../../istio/meshconfig.ts'
import { judgeReach } from './reach.ts'
import { judgeTrust } from './trust.ts'

/** What this rule can say. */
export type Message =
  | 'trust-domain'
  | 'trust-widened'
  | 'mtls-lowered'
  | 'exports-narrowed'
  | 'exports-changed'
  | 'namespace-dropped'
  | 'selectors-changed'
  | 'visibility-widened'

/** What this rule judges with. */
export type Judge = Tools<Message, Record<never, never>>

/** A mesh configuration before and after an UPDATE. */
export interface Change {
  readonly before: MeshConfig
  readonly after: MeshConfig
  readonly at: HeldMeshConfig['at']
}

export default defineRule<Message, Record<never, never>>({
  id: 'no-mesh-change',
  summary: 'Disallow changes of the mesh configuration by which identities weaken or namespaces drop out',
  risk: [
    'Some settings of the mesh are neither right nor wrong, but everything rests on their staying as they are: the trust',
    'domain is in each identity that the egress gateway authorises, default exports say who sees each object that names',
    'nobody, discovery selectors say which namespaces count at all. Only their change is judged, on an UPDATE, so a scan',
    'cannot repeat it. Plan such a change, and record it (EgressExemptions) where it is refused.',
  ].join(' '),
  team: [
    'An upgrade of Istio or a new default. What opens nothing only warns; what hides a namespace of the mesh or',
    'changes whom it trusts is recorded as an exemption for the change.',
  ].join(' '),
  judges: meshConfigKinds,
  reads: ['Namespace'],
  facts: ['mesh'],
  operations: ['UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: true,
  params: {},
  messages: {
    'trust-domain': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the trust domain changes from "{before}" to "{value}", and policies that name identities of the old one stop to hold',
      fix: 'keep the trust domain, or have the change recorded (EgressExemptions)',
      threats: ['mesh/trust'],
    },
    'trust-widened': {
      severity: 'high',
      enforcementAction: 'deny',
      why: '"{value}" would count as an identity of this mesh, or sign some',
      fix: 'remove the addition, or have the change recorded (EgressExemptions)',
      threats: ['mesh/trust'],
    },
    'mtls-lowered': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'the mesh would speak TLS older than 1.3 again',
      fix: 'keep meshMTLS.minProtocolVersion',
      threats: ['mesh/trust'],
    },
    'exports-narrowed': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'objects without exportTo are no longer seen by every namespace, so routes of the platform may be gone for clients',
      fix: 'keep {field}, or give exportTo to the platform’s objects first',
      threats: ['mesh/export-defaults'],
    },
    'exports-changed': {
      severity: 'high',
      enforcementAction: 'warn',
      why: 'every object without exportTo is seen by others than before',
      fix: 'give exportTo to the objects that rest on {field}',
      threats: ['mesh/export-defaults'],
    },
    'namespace-dropped': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'istiod would no longer look at {class} namespace "{value}"',
      fix: 'label the namespace so that a selector matches, or keep discoverySelectors',
      threats: ['mesh/discovery-selectors'],
    },
    'selectors-changed': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: 'istiod looks at other namespaces than before, and routes in them come or go',
      fix: 'see that no namespace with routes or clients drops out',
      threats: ['mesh/discovery-selectors'],
    },
    'visibility-widened': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'others would see the ServiceEntries that {whose} kept to themselves',
      fix: 'keep serviceEntryVisibility, or have the change recorded (EgressExemptions)',
      threats: ['mesh/service-entry-visibility'],
    },
  },
  check(subject, tools) {
    const { kind, oldObject } = subject
    if (oldObject === undefined || subject.subresource !== '') return
    const root = tools.facts.mesh.rootNamespace
    const placeOf = (held: HeldMeshConfig): string => formatPath(held.at())
    const earlier = new Map(meshConfigsOf({ kind, object: oldObject }, root).map(held => [placeOf(held), held.read]))
    for (const held of meshConfigsOf(subject, root)) {
      const before = earlier.get(placeOf(held))
      // Which one cannot be read is said by no-allow-any; what was not there before is judged for itself.
      if (before === undefined || !before.ok || !held.read.ok) continue
      const change: Change = { before: before.value, after: held.read.value, at: held.at }
      judgeTrust(change, tools)
      judgeReach(change, tools)
    }
  },
})
