import type { Exemption } from '../core/exemption.ts'
import type {
  Approval,
  EgressGateway,
  InternalHost,
  NamedGateways,
  NamespaceClass,
  Provider,
  Waypoint,
  WorkloadFact,
} from '../core/facts.ts'
import type { EnforcementAction, OnUnknown } from '../core/finding.ts'
import type { Path } from '../core/path.ts'
import type { Rule } from '../core/rule.ts'
import { type Ranges, union } from '../istio/cidr.ts'
import { dig, type Fields, field, isFields, list, text } from '../istio/json.ts'
import { ApprovalReader } from './approval.ts'
import { ExemptionReader } from './exemption.ts'
import { gatherGateways, gatherOthers } from './gateway.ts'
import type { NamespaceMatch } from './namespaces.ts'
import type { PolicyProblem } from './problem.ts'
import type { PolicyDocument } from './read.ts'
import { readNamespaces, readRanges, strings } from './value.ts'

/** An action that a policy states for a rule: for some messages and namespaces, or for all. */
export interface ActionStatement {
  readonly namespaces: NamespaceMatch | undefined
  readonly messages: ReadonlySet<string> | undefined
  readonly enforcementAction: EnforcementAction
}

/** What the policies say about a rule. */
export interface RuleSettings {
  /** In order; the last that matches wins. */
  readonly statements: readonly ActionStatement[]
  readonly onUnknown: OnUnknown | undefined
  readonly params: Fields
}

/** What documents say about one mutation, in their order. */
export interface MutationSettings {
  readonly statements: readonly { readonly namespaces: NamespaceMatch | undefined; readonly enabled: boolean }[]
  readonly params: Fields
}

/** Everything that the documents say, added up. */
export interface Gathered {
  readonly names: string[]
  readonly namespaces: Record<NamespaceClass, NamespaceMatch[]>
  readonly approvals: Approval[]
  readonly exemptions: Exemption[]
  readonly identities: { users: Set<string>; groups: Set<string>; controllers: Set<string> | undefined }
  readonly workloads: {
    mayOptOut: WorkloadFact[]
    mayUseHostNetwork: WorkloadFact[]
    mayHavePrivileges: WorkloadFact[]
  }
  readonly rules: Map<string, RuleSettings>
  readonly mutations: Map<string, MutationSettings>
  egressGateways: Map<string, EgressGateway> | undefined
  waypoints: Waypoint[] | undefined
  ingressGateways: NamedGateways[] | undefined
  eastWestGateways: NamedGateways[] | undefined
  readonly internalHosts: InternalHost[]
  identityProviders: string[] | undefined
  telemetryProviders: Provider[] | undefined
  authorizers: Provider[] | undefined
  nameservers: Ranges | undefined
  wasmModules: string[] | undefined
  ranges: { pods: Ranges | undefined; services: Ranges | undefined; virtualMachines: Ranges | undefined }
  platformKnown: boolean
  mesh: {
    rootNamespace: string | undefined
    clusterDomain: string | undefined
    revisions: string[] | undefined
    proxyImages: string[] | undefined
    cniExcludedNamespaces: string[] | undefined
    outboundTrafficPolicy: 'REGISTRY_ONLY' | 'ALLOW_ANY' | undefined
  }
}

/** Adds up the documents: lists add up, of scalars and rule actions the later wins; problems say what cannot be. */
export function gather(
  documents: readonly PolicyDocument[],
  rules: readonly Rule[],
  now: number,
): { readonly gathered: Gathered; readonly problems: readonly PolicyProblem[] } {
  const problems: PolicyProblem[] = []
  const gathered: Gathered = {
    names: [],
    namespaces: { platform: [], notGoverned: [], governed: [] },
    approvals: [],
    exemptions: [],
    identities: { users: new Set(), groups: new Set(), controllers: undefined },
    workloads: { mayOptOut: [], mayUseHostNetwork: [], mayHavePrivileges: [] },
    rules: new Map(),
    mutations: new Map(),
    egressGateways: undefined,
    waypoints: undefined,
    ingressGateways: undefined,
    eastWestGateways: undefined,
    internalHosts: [],
    identityProviders: undefined,
    telemetryProviders: undefined,
    authorizers: undefined,
    nameservers: undefined,
    wasmModules: undefined,
    ranges: { pods: undefined, services: undefined, virtualMachines: undefined },
    platformKnown: false,
    mesh: {
      rootNamespace: undefined,
      clusterDomain: undefined,
      revisions: undefined,
      proxyImages: undefined,
      cniExcludedNamespaces: undefined,
      outboundTrafficPolicy: undefined,
    },
  }
  for (const document of documents) {
    if (document.kind === 'EgressPolicy') gatherPolicy(document, gathered, problems)
  }
  const gateways = [...(gathered.egressGateways?.keys() ?? [])]
  const approvals = new ApprovalReader(gateways, now)
  const exemptions = new ExemptionReader(rules, now)
  for (const document of documents) {
    if (document.kind === 'ApprovedHosts') gathered.approvals.push(...approvals.read(document, problems))
    if (document.kind === 'EgressExemptions') gathered.exemptions.push(...exemptions.read(document, problems))
  }
  return { gathered, problems }
}

function gatherPolicy(document: PolicyDocument, gathered: Gathered, problems: PolicyProblem[]): void {
  const { spec } = document
  gathered.names.push(document.name)
  for (const namespaceClass of ['platform', 'notGoverned', 'governed'] as const) {
    const given = dig(spec, 'namespaces', namespaceClass)
    if (given === undefined) continue
    const path = ['spec', 'namespaces', namespaceClass]
    // A label can only ask for more: the class "governed" is what a namespace would be anyway.
    const trusted = namespaceClass === 'governed'
    gathered.namespaces[namespaceClass].push(readNamespaces(document, path, given, trusted, problems))
  }
  gatherGateways(document, gathered, problems)
  gatherOthers(document, gathered, problems)
  for (const name of ['pods', 'services', 'virtualMachines'] as const) {
    const given = dig(spec, 'ranges', name)
    if (given === undefined) continue
    const ranges = readRanges(document, ['spec', 'ranges', name], list(given), problems)
    const before = gathered.ranges[name]
    gathered.ranges[name] = before === undefined ? ranges : union(before, ranges)
  }
  gatherIdentities(spec, gathered)
  for (const name of ['mayOptOut', 'mayUseHostNetwork', 'mayHavePrivileges'] as const) {
    for (const entry of list(dig(spec, 'workloads', name))) gathered.workloads[name].push(readWorkload(entry))
  }
  gatherMesh(spec, gathered)
  gatherRules(document, gathered, problems)
  gatherMutations(document, gathered, problems)
}

function readWorkload(entry: unknown): WorkloadFact {
  return { namespace: text(field(entry, 'namespace')) ?? '', serviceAccounts: strings(field(entry, 'serviceAccounts')) }
}

function gatherIdentities(spec: Fields, gathered: Gathered): void {
  const controllers = dig(spec, 'identities', 'controllers')
  if (controllers !== undefined) {
    gathered.identities.controllers ??= new Set()
    for (const account of strings(controllers)) gathered.identities.controllers.add(userOf(account))
  }
  const platform = dig(spec, 'identities', 'platform')
  if (platform === undefined) return
  gathered.platformKnown = true
  for (const user of strings(field(platform, 'users'))) gathered.identities.users.add(user)
  for (const group of strings(field(platform, 'groups'))) gathered.identities.groups.add(group)
  for (const account of strings(field(platform, 'serviceAccounts'))) {
    gathered.identities.users.add(userOf(account))
  }
}

/** Returns the user name that the API server gives the service account `namespace/name`. */
function userOf(account: string): string {
  return `system:serviceaccount:${account.replace('/', ':')}`
}

function gatherMesh(spec: Fields, gathered: Gathered): void {
  const { mesh } = gathered
  mesh.rootNamespace = text(dig(spec, 'mesh', 'rootNamespace')) ?? mesh.rootNamespace
  mesh.clusterDomain = text(dig(spec, 'mesh', 'clusterDomain')) ?? mesh.clusterDomain
  const mode = dig(spec, 'mesh', 'outboundTrafficPolicy')
  if (mode === 'REGISTRY_ONLY' || mode === 'ALLOW_ANY') mesh.outboundTrafficPolicy = mode
  for (const name of ['revisions', 'proxyImages', 'cniExcludedNamespaces'] as const) {
    const given = dig(spec, 'mesh', name)
    if (given !== undefined) mesh[name] = [...(mesh[name] ?? []), ...strings(given)]
  }
}

function gatherRules(document: PolicyDocument, gathered: Gathered, problems: PolicyProblem[]): void {
  const rules = field(document.spec, 'rules')
  if (!isFields(rules)) return
  for (const [id, given] of Object.entries(rules)) {
    const before = gathered.rules.get(id)
    const statements: ActionStatement[] = [...(before?.statements ?? [])]
    const whole = readAction(field(given, 'enforcementAction'))
    if (whole !== undefined) {
      statements.push({ namespaces: undefined, messages: undefined, enforcementAction: whole })
    }
    for (const [i, override] of list(field(given, 'overrides')).entries()) {
      const enforcementAction = readAction(field(override, 'enforcementAction'))
      if (enforcementAction === undefined) continue
      const namespaces = field(override, 'namespaces')
      const path: Path = ['spec', 'rules', id, 'overrides', i, 'namespaces']
      const trusted = enforcementAction === 'deny'
      const messages = field(override, 'messages')
      statements.push({
        namespaces:
          namespaces === undefined ? undefined : readNamespaces(document, path, namespaces, trusted, problems),
        messages: messages === undefined ? undefined : new Set(strings(messages)),
        enforcementAction,
      })
    }
    const params = field(given, 'params')
    gathered.rules.set(id, {
      statements,
      onUnknown: readOnUnknown(field(given, 'onUnknown')) ?? before?.onUnknown,
      params: { ...before?.params, ...(isFields(params) ? params : {}) },
    })
  }
}

function gatherMutations(document: PolicyDocument, gathered: Gathered, problems: PolicyProblem[]): void {
  const mutations = field(document.spec, 'mutations')
  if (!isFields(mutations)) return
  for (const [id, given] of Object.entries(mutations)) {
    const before = gathered.mutations.get(id)
    const statements = [...(before?.statements ?? [])]
    const whole = field(given, 'enabled')
    if (typeof whole === 'boolean') statements.push({ namespaces: undefined, enabled: whole })
    for (const [i, override] of list(field(given, 'overrides')).entries()) {
      const path: Path = ['spec', 'mutations', id, 'overrides', i, 'namespaces']
      const namespaces = readNamespaces(document, path, field(override, 'namespaces'), false, problems)
      statements.push({ namespaces, enabled: field(override, 'enabled') === true })
    }
    const params = field(given, 'params')
    const merged = { ...before?.params, ...(isFields(params) ? params : {}) }
    gathered.mutations.set(id, { statements, params: merged })
  }
}

function readAction(value: unknown): EnforcementAction | undefined {
  return value === 'deny' || value === 'warn' || value === 'dryrun' || value === 'off' ? value : undefined
}

function readOnUnknown(value: unknown): OnUnknown | undefined {
  return value === 'deny' || value === 'warn' || value === 'allow' ? value : undefined
}
