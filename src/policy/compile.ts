import { indexExemptions } from '../core/exemption.ts'
import type { Facts, NamespaceLabels } from '../core/facts.ts'
import { type EnforcementAction, strongestAction } from '../core/finding.ts'
import type { Kind } from '../core/kind.ts'
import type { ChosenMutation, Mutation } from '../core/mutation.ts'
import type { ChosenRule, Policy } from '../core/policy.ts'
import type { Param, Rule } from '../core/rule.ts'
import type { ActionStatement, Gathered, MutationSettings, RuleSettings } from './gather.ts'
import { indexApprovals } from './hosts.ts'
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
  const byKind = new Map<Kind, ChosenRule[]>()
  for (const choice of chosen) {
    for (const kind of choice.rule.judges) byKind.set(kind, [...(byKind.get(kind) ?? []), choice])
  }
  return {
    name: gathered.names.length === 0 ? 'baseline' : [...new Set(gathered.names)].join(', '),
    revision,
    facts: factsOf(gathered, guardNamespace),
    rules: chosen,
    rulesFor: kind => byKind.get(kind) ?? [],
    findExemption: indexExemptions(gathered.exemptions),
    mutations: mutations.map(mutation => chooseMutation(mutation, gathered.mutations.get(mutation.id))),
  }
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
    namespaces: { classOf },
    ranges: gathered.ranges,
    identities: {
      platform: gathered.platformKnown
        ? requester =>
            identities.users.has(requester.username) || requester.groups.some(group => identities.groups.has(group))
        : undefined,
    },
    workloads: gathered.workloads,
    mesh: {
      rootNamespace: mesh.rootNamespace ?? 'istio-system',
      clusterDomain: mesh.clusterDomain ?? 'cluster.local',
      revisions: mesh.revisions,
      proxyImages: mesh.proxyImages,
      outboundTrafficPolicy: mesh.outboundTrafficPolicy,
    },
  }
}
