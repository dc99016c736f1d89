import { reachesMetadata } from '../../core/change.ts'
import { webhookKind } from '../../core/injector.ts'
import { defineRule, type Tools } from '../../core/rule.ts'
import { judgeDefinition } from './definition.ts'
import { judgeNamespace } from './namespace.ts'

/** What this rule can say. */
export type Message =
  | 'injection-removed'
  | 'enforce-lowered'
  | 'enforce-pinned'
  | 'hints-lowered'
  | 'undiscovered'
  | 'waypoint-removed'
  | 'namespace-deleted'
  | 'namespace-owned'
  | 'version-lowered'

/** What this rule judges with. */
export type Judge = Tools<Message, Record<never, never>>

/** The kind that brings kinds. */
export const definitionKind = 'CustomResourceDefinition.apiextensions.k8s.io'

export default defineRule<Message, Record<never, never>>({
  id: 'no-weakening',
  summary: 'Disallow changes that take protection away from a namespace or from routes',
  risk: [
    'Some protection is lost by taking a word away: the label that asked for the proxy or for ambient mode, the',
    'level of Pod Security that kept containers from undoing capture, the label by which the control plane reads the',
    'namespace at all, the version mark without which Istio ignores every route of a kind. What was there before and',
    'what is there after are compared, so nothing is said of a namespace that never had it.',
  ].join(' '),
  team: [
    'A label was taken away to change another, or a pod did not pass Pod Security. Set both labels in one change;',
    'move the pod that needs privileges to a namespace of its own instead of lowering the level for all.',
  ].join(' '),
  judges: ['Namespace', definitionKind],
  reads: ['ConfigMap', webhookKind],
  facts: ['egressGateways', 'mesh', 'waypoints', 'workloads'],
  operations: ['UPDATE', 'DELETE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: true,
  params: {},
  messages: {
    'injection-removed': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '{what} put the pods of the namespace behind a proxy, and nothing does after this change',
      fix: 'keep the label, or set another that asks for injection or ambient mode in the same change',
      threats: ['ns/label-removal', 'ns/dataplane-mode', 'ns/injection-off'],
    },
    'enforce-lowered': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'level {before} of Pod Security would give way to {after}, with which containers may undo the capture of traffic',
      fix: 'keep {label} as it was',
      threats: ['ns/pod-security', 'ns/label-removal'],
    },
    'enforce-pinned': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: 'the latest rules of Pod Security would give way to {after}, which knows nothing of later ones',
      fix: 'keep {label} at latest, or pin it to the version that the cluster runs',
      threats: ['ns/pod-security'],
    },
    'hints-lowered': {
      severity: 'low',
      enforcementAction: 'warn',
      why: 'level {before} of Pod Security would give way to {after}, so nobody hears what is wrong',
      fix: 'keep {label} as it was',
      threats: ['ns/pod-security'],
    },
    undiscovered: {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the discovery selectors of ConfigMap {configMap} no longer select the namespace, so Istio forgets its configuration',
      fix: 'keep the labels that the selectors ask for',
      threats: ['ns/discovery-selector', 'ns/label-removal'],
    },
    'waypoint-removed': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'what the ServiceEntries of the namespace are for leaves by waypoint "{value}", and would leave directly',
      fix: 'keep label istio.io/use-waypoint, or label each ServiceEntry with its waypoint first',
      threats: ['ns/label-removal', 'ns/use-waypoint'],
    },
    'namespace-deleted': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'with namespace "{value}" goes {what}, and traffic that was led there fails or leaves directly',
      fix: 'move what it holds first, or have the removal recorded (EgressExemptions)',
      threats: ['ns/delete-egress'],
    },
    'namespace-owned': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'when {value} is not there, the garbage collector deletes the namespace, and with it {what}',
      fix: 'remove the owner reference; nothing that holds the mesh together belongs to another object',
      threats: ['ns/delete-egress'],
    },
    'version-lowered': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'below bundle version {minimum} Istio ignores every {kind}, and traffic goes where it would without',
      fix: 'keep annotation gateway.networking.k8s.io/bundle-version at {before} or newer, with the definition that belongs to it',
      threats: ['crd/istio'],
    },
  },
  check(subject, tools) {
    if (subject.kind !== 'Namespace') {
      if (subject.subresource === '') judgeDefinition(subject, tools)
    } else if (reachesMetadata(subject)) judgeNamespace(subject, tools)
  },
})
