import { newOwner } from '../../core/change.ts'
import { compareText } from '../../core/finding.ts'
import { gatewayWorkloads } from '../../core/gatewaypods.ts'
import { refOf } from '../../core/kind.ts'
import { meshMode } from '../../core/mesh.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { dig, type Fields, field, isFields, list, stringMap, text } from '../../istio/json.ts'
import { type OutboundMode, sidecarOutboundPolicy } from '../../istio/meshconfig.ts'
import { type Labels, mapSelects, parseSelector } from '../../istio/selector.ts'
import { authorizationPolicy, judgeAccess, peerAuthentication } from './access.ts'

/** What this rule can say. */
export type Message =
  | 'isolation-lost'
  | 'isolation-narrowed'
  | 'isolation-owned'
  | 'sidecar-lost'
  | 'sidecar-narrowed'
  | 'sidecar-owned'
  | 'access-opened'

/** What this rule judges with. */
export type Judge = Tools<Message, Record<never, never>>

const networkPolicy = 'NetworkPolicy.networking.k8s.io'
const sidecar = 'Sidecar.networking.istio.io'

export default defineRule<Message, Record<never, never>>({
  id: 'no-opening-delete',
  summary: 'Disallow changes that take away a NetworkPolicy, Sidecar or other policy whose absence opens a way out',
  risk: [
    'Some objects protect by being there. Pods are held inside by a NetworkPolicy only while one with `Egress` selects',
    'them: take the last away, and UDP, processes that escape the proxy, and everything else goes out. A Sidecar with',
    '`REGISTRY_ONLY` in a mesh that allows any destination is all that keeps its namespace closed. And a policy of the',
    'egress gateway that is made to select something else refuses nobody there.',
  ].join(' '),
  team: [
    'A clean-up, or a rename, which is a deletion and a creation. Apply the new policy first, then delete the old',
    'one.',
  ].join(' '),
  judges: [networkPolicy, sidecar, authorizationPolicy, peerAuthentication],
  reads: [...gatewayWorkloads, networkPolicy, sidecar, authorizationPolicy, peerAuthentication, 'ConfigMap'],
  facts: ['egressGateways', 'mesh'],
  operations: ['UPDATE', 'DELETE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform'],
  outsideLaw: true,
  params: {},
  messages: {
    'isolation-lost': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'no other NetworkPolicy holds back what {pods} of namespace "{namespace}" send',
      fix: 'apply the policy that replaces it first (podSelector {}, policyTypes [Egress]), then delete this one',
      threats: ['netpol/delete'],
    },
    'isolation-narrowed': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'it would no longer hold back what {pods} of namespace "{namespace}" send, and no other NetworkPolicy does',
      fix: 'keep {field} as it was, or apply a policy first that holds the same pods',
      threats: ['netpol/policy-types', 'netpol/delete'],
    },
    'isolation-owned': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'when {value} is not there, the garbage collector deletes the policy that alone holds back what {pods} of namespace "{namespace}" send',
      fix: 'remove the owner reference, or apply a policy first that holds the same pods',
      threats: ['netpol/delete'],
    },
    'sidecar-owned': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'when {value} is not there, the garbage collector deletes the Sidecar, and {whose} may reach every destination: {fallback}',
      fix: 'remove the owner reference, or set the mesh to REGISTRY_ONLY first',
      threats: ['sidecar/delete'],
    },
    'sidecar-lost': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'without it {whose} may reach every destination: {fallback}',
      fix: 'apply the Sidecar that replaces it first, or set the mesh to REGISTRY_ONLY',
      threats: ['sidecar/delete'],
    },
    'access-opened': {
      severity: 'high',
      enforcementAction: 'warn',
      why: 'egress gateway "{gateway}" would no longer refuse whom this policy keeps out now',
      fix: 'keep its selector, action and mode as they were, or apply a policy first that refuses the same',
      threats: ['ap/egress-weaken', 'pa/disable'],
    },
    'sidecar-narrowed': {
      severity: 'high',
      enforcementAction: 'deny',
      why: '{whose} would no longer be held by it, and may reach every destination: {fallback}',
      fix: 'keep spec.workloadSelector as it was, or apply a Sidecar with REGISTRY_ONLY for the others first',
      threats: ['sidecar/delete', 'sidecar/selector-override'],
    },
  },
  check(subject, tools) {
    if (subject.subresource !== '') return
    if (subject.kind === networkPolicy) judgeNetworkPolicy(subject, tools)
    else if (subject.kind !== sidecar) judgeAccess(subject, tools)
    else judgeSidecar(subject, tools)
  },
})

function judgeNetworkPolicy(subject: Subject, tools: Judge): void {
  // The platform's own namespaces are closed and opened by the platform.
  if (subject.namespaceClass !== 'governed') return
  const before = subject.operation === 'DELETE' ? subject.object : subject.oldObject
  if (before === undefined || !isolatesEgress(before)) return
  const selector = selectorOf(before)
  const isKept = subject.operation === 'UPDATE' && isolatesEgress(subject.object) && holds(subject.object, selector)
  const given = newOwner(subject)
  if (isKept && given === undefined) return
  if (!tools.inventory.knows(networkPolicy)) {
    const unknown = 'whether another NetworkPolicy holds the same pods'
    tools.notJudged(['spec', 'podSelector'], unknown, 'give the NetworkPolicies of the namespace with --inventory')
    return
  }
  const others = tools.inventory
    .list(networkPolicy, subject.ref.namespace)
    .filter(policy => text(dig(policy, 'metadata', 'name')) !== subject.ref.name)
  if (others.some(policy => isolatesEgress(policy) && holds(policy, selector))) return
  const slots = { pods: selector === '' ? 'the pods' : 'the selected pods', namespace: subject.ref.namespace }
  if (subject.operation === 'DELETE') {
    tools.report('isolation-lost', { path: ['metadata', 'name'], value: subject.ref.name, slots })
    return
  }
  if (isKept && given !== undefined) {
    tools.report('isolation-owned', { path: given.path, value: given.owner, slots })
    return
  }
  const name = isolatesEgress(subject.object) ? 'podSelector' : 'policyTypes'
  tools.report('isolation-narrowed', { path: ['spec', name], slots: { ...slots, field: `spec.${name}` } })
}

/**
 * Whether a NetworkPolicy isolates the egress of the pods it selects: by its types, or where it names none, by having
 * egress rules. Kubernetes: Network Policies, section "The NetworkPolicy resource".
 */
function isolatesEgress(policy: Fields): boolean {
  const types = field(field(policy, 'spec'), 'policyTypes')
  if (Array.isArray(types) && types.length > 0) return types.includes('Egress')
  return list(dig(policy, 'spec', 'egress')).length > 0
}

/** Returns a pod selector in one form for comparison; empty selects every pod. */
function selectorOf(policy: Fields): string {
  const given = dig(policy, 'spec', 'podSelector')
  const parsed = parseSelector(isFields(given) ? given : {})
  if (!parsed.ok) return '?'
  return parsed.value
    .map(requirement =>
      JSON.stringify([
        requirement.key,
        requirement.operator,
        'values' in requirement ? [...requirement.values].sort() : [],
      ]),
    )
    .sort()
    .join(' ')
}

/** Whether a policy selects at least the pods of `selector`: all pods, or fewer of the same requirements. */
function holds(policy: Fields, selector: string): boolean {
  const wide = selectorOf(policy)
  if (wide === '') return true
  const narrow = new Set(selector.split(' '))
  return wide.split(' ').every(requirement => narrow.has(requirement))
}

function judgeSidecar(subject: Subject, tools: Judge): void {
  const { operation, object, oldObject } = subject
  const before = operation === 'DELETE' ? object : oldObject
  const given = newOwner(subject)
  if (before === undefined) return
  if (operation === 'UPDATE' && given === undefined && selectsAllOf(before, object)) return
  // A Sidecar that says nothing keeps its namespace at the mode of the mesh, out of reach of the root namespace's.
  if (modeOf(before, tools) !== 'REGISTRY_ONLY') return
  const heir = heirOf(subject, tools)
  if (heir !== undefined && isInEffectAlready(heir, before, subject)) return
  const mode = heir === undefined ? meshMode(tools.facts, tools.inventory) : modeOf(heir, tools)
  if (mode === 'REGISTRY_ONLY') return
  if (mode === undefined) {
    const unknown = 'which mode holds without this Sidecar'
    const fix = 'give ConfigMap istio with --inventory, or spec.mesh.outboundTrafficPolicy in the policy'
    tools.notJudged(['spec', 'outboundTrafficPolicy'], unknown, fix)
    return
  }
  const fallback = heir === undefined ? `the mesh says ${mode}` : `Sidecar ${nameOf(heir)} says ${mode}`
  const slots = { whose: whoseIs(before, subject, tools), fallback }
  if (operation === 'DELETE')
    tools.report('sidecar-lost', { path: ['metadata', 'name'], value: subject.ref.name, slots })
  else if (given !== undefined) tools.report('sidecar-owned', { path: given.path, value: given.owner, slots })
  else tools.report('sidecar-narrowed', { path: ['spec', 'workloadSelector'], slots })
}

/** Whether a Sidecar still selects every workload that it selected. */
function selectsAllOf(before: Fields, after: Fields): boolean {
  const selector = workloadLabels(after)
  return selector.size === 0 || (isSelective(before) && mapSelects(selector, workloadLabels(before)))
}

function workloadLabels(object: Fields): Labels {
  return stringMap(dig(object, 'spec', 'workloadSelector', 'labels'))
}

function whoseIs(before: Fields, { ref }: Subject, tools: Judge): string {
  if (isSelective(before)) return `the selected pods of namespace "${ref.namespace}"`
  if (ref.namespace === tools.facts.mesh.rootNamespace) return 'every namespace without a Sidecar'
  return `namespace "${ref.namespace}"`
}

/**
 * Returns the Sidecar that takes over: the oldest without a selector in the namespace, else in the root namespace.
 * Istio: Sidecar reference, and pilot/pkg/model/push_context.go (getSidecarScope).
 */
function heirOf(subject: Subject, tools: Judge): Fields | undefined {
  for (const namespace of [subject.ref.namespace, tools.facts.mesh.rootNamespace]) {
    const [oldest] = tools.inventory
      .list(sidecar, namespace)
      .filter(candidate => !isSelective(candidate) && nameOf(candidate) !== nameOf(subject.object))
      .toSorted(compareAge)
    if (oldest !== undefined) return oldest
  }
  return undefined
}

/** Of several Sidecars for a whole namespace the oldest holds: to delete a younger one changes nothing. */
function isInEffectAlready(heir: Fields, before: Fields, { ref }: Subject): boolean {
  const isSameScope = dig(heir, 'metadata', 'namespace') === ref.namespace && !isSelective(before)
  return isSameScope && compareAge(heir, before) < 0
}

function isSelective(object: Fields): boolean {
  return isFields(dig(object, 'spec', 'workloadSelector'))
}

/** What has no age counts as younger than all that have one. */
function compareAge(a: Fields, b: Fields): number {
  return compareText(age(a), age(b))
}

function age(object: Fields): string {
  return `${text(dig(object, 'metadata', 'creationTimestamp')) ?? 'unknown'} ${nameOf(object)}`
}

function modeOf(object: Fields, tools: Judge): OutboundMode | undefined {
  const policy = sidecarOutboundPolicy(field(object, 'spec'))
  return policy.absent ? meshMode(tools.facts, tools.inventory) : policy.mode
}

function nameOf(object: Fields): string {
  const { namespace, name } = refOf(object)
  return `${namespace}/${name}`
}
