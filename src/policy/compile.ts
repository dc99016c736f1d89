import { indexExemptions } from '../core/exemption.ts'
import type { Facts, NamespaceLabels } from '../core/facts.ts'
import { type EnforcementAction, strongestAction } from '../core/finding.ts'
import { groupOfKind, type Kind } from '../core/kind.ts'
import type { ChosenMutation, Mutation } from '../core/mutation.ts'
import type { ChosenRule, Policy } from '../core/policy.ts'
import { judgesKind, type Param, type Rule } from '../core/rule.ts'
import type { ActionStatement, Gathered, MutationSettings, RuleSettings } from './gather.ts'
import { indexApprovals, indexInternalHosts } from './hosts.ts'
import { classifier, matchesNamespace } from './namespaces.ts'

/** What a policy is made of besides its documents. */
export interface CompileOptions {
  readonly rules: readonly Rule[]
  readonly mutations: readonly Mutation[]
  /** Hash of the documents. */
  readonly revision: string
  readonly guardNamespace: string
}

/** Builds the policy that reviews are judged with. */
export function compile(gathered: Gathered, options: CompileOptions): Policy {
  const { rules, mutations, revision, guardNamespace } = options
  const chosen = rules.map(rule => choose(rule, gathered.rules.get(rule.id)))
  return {
    name: gathered.names.length === 0 ? 'baseline' : [...new Set(gathered.names)].join(', '),
    revision,
    facts: factsOf(gathered, guardNamespace),
    rules: chosen,
    rulesFor: rulesByKind(chosen),
    findExemption: indexExemptions(gathered.exemptions),
    mutations: mutations.map(mutation => chooseMutation(mutation, gathered.mutations.get(mutation.id))),
  }
}

/** Returns what finds the rules for a kind, those that judge its whole group among them, in the order of the rules. */
function rulesByKind(chosen: readonly ChosenRule[]): Policy['rulesFor'] {
  const judging = (kind: Kind): readonly ChosenRule[] => chosen.filter(({ rule }) => judgesKind(rule, kind))
  const named = new Set(chosen.flatMap(({ rule }) => rule.judges))
  const byKind = new Map([...named].map(kind => [kind, judging(kind)]))
  // A kind that no rule names is judged with its group; there may be more such kinds than are worth keeping.
  return kind => byKind.get(kind) ?? byKind.get(groupOfKind(kind)) ?? []
}

function choose(rule: Rule, settings: RuleSettings | undefined): ChosenRule {
  const statements = settings?.statements ?? []
  const actionIn = (message: string, namespace: string, labels: NamespaceLabels): EnforcementAction => {
    const stated = statements.findLast(statement => reaches(statement, message, namespace, labels))
    return stated?.enforcementAction ?? baselineAction(rule, message)
  }
  const messages = Object.keys(rule.messages)
  const strongest = (namespace: string, labels: NamespaceLabels): EnforcementAction =>
    strongestAction(messages.map(message => actionIn(message, namespace, labels)))
  const choice = {
    rule,
    params: { ...defaultsOf(rule.params), ...settings?.params },
    onUnknown: settings?.onUnknown ?? 'warn',
  } as const
  if (statements.some(({ namespaces }) => namespaces !== undefined)) {
    return { ...choice, actionOf: actionIn, strongestIn: strongest }
  }
  // Most rules are the same everywhere: then there is nothing to find out for each review.
  const actions = new Map(messages.map(message => [message, actionIn(message, '', undefined)]))
  const everywhere = strongest('', undefined)
  return {
    ...choice,
    actionOf: message => actions.get(message) ?? baselineAction(rule, message),
    strongestIn: () => everywhere,
  }
}

function chooseMutation(mutation: Mutation, settings: MutationSettings | undefined): ChosenMutation {
  const statements = settings?.statements ?? []
  return {
    mutation,
    params: { ...defaultsOf(mutation.params), ...settings?.params },
    enabledIn: (namespace, labels) => {
      const stated = statements.findLast(
        ({ namespaces }) => namespaces === undefined || matchesNamespace(namespaces, namespace, labels),
      )
      return stated?.enabled ?? mutation.enabled
    },
  }
}

function defaultsOf(params: Readonly<Record<string, Param<unknown>>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(params).map(([name, param]) => [name, param.default]))
}

/** Returns what the built-in baseline does about a message. */
function baselineAction(rule: Rule, message: string): EnforcementAction {
  const known = rule.messages[message]
  if (known === undefined) throw new Error(`rule ${rule.id} has no message ${message}`)
  return known.enforcementAction
}

function reaches(statement: ActionStatement, message: string, namespace: string, labels: NamespaceLabels): boolean {
  return (
    (statement.messages === undefined || statement.messages.has(message)) &&
    (statement.namespaces === undefined || matchesNamespace(statement.namespaces, namespace, labels))
  )
}

function factsOf(gathered: Gathered, guardNamespace: string): Facts {
  const { identities, mesh } = gathered
  const classOf = classifier(gathered.namespaces, guardNamespace)
  return {
    approvedHosts: indexApprovals(gathered.approvals),
    egressGateways: gathered.egressGateways === undefined ? undefined : [...gathered.egressGateways.values()],
    waypoints: gathered.waypoints,
    ingressGateways: gathered.ingressGateways,
    eastWestGateways: gathered.eastWestGateways,
    internalHosts: indexInternalHosts(gathered.internalHosts),
    identityProviders: gathered.identityProviders,
    telemetryProviders: gathered.telemetryProviders,
    authorizers: gathered.authorizers,
    nameservers: gathered.nameservers,
    wasmModules: gathered.wasmModules,
    namespaces: { classOf },
    ranges: gathered.ranges,
    identities: {
      platform: gathered.platformKnown
        ? requester =>
            identities.users.has(requester.username) || requester.groups.some(group => identities.groups.has(group))
        : undefined,
      controllers:
        identities.controllers === undefined
          ? undefined
          : requester => identities.controllers?.has(requester.username) === true,
    },
    workloads: gathered.workloads,
    mesh: {
      rootNamespace: mesh.rootNamespace ?? 'istio-system',
      clusterDomain: mesh.clusterDomain ?? 'cluster.local',
      revisions: mesh.revisions,
      proxyImages: mesh.proxyImages,
      cniExcludedNamespaces: mesh.cniExcludedNamespaces,
      outboundTrafficPolicy: mesh.outboundTrafficPolicy,
    },
  }
}
