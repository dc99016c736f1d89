import { indexExemptions } from '../core/exemption.ts'
import type { Facts, NamespaceLabels } from '../core/facts.ts'
import type { EnforcementAction } from '../core/finding.ts'
import type { Kind } from '../core/kind.ts'
import type { ChosenRule, Policy } from '../core/policy.ts'
import type { Rule } from '../core/rule.ts'
import type { ActionStatement, Gathered, RuleSettings } from './gather.ts'
import { indexApprovals } from './hosts.ts'
import { classifier, matchesNamespace } from './namespaces.ts'

/** Builds the policy that reviews are judged with. */
export function compile(gathered: Gathered, rules: readonly Rule[], revision: string, guardNamespace: string): Policy {
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
  }
}

function choose(rule: Rule, settings: RuleSettings | undefined): ChosenRule {
  const defaults = Object.entries(rule.params).map(([name, param]) => [name, param.default])
  const statements = settings?.statements ?? []
  return {
    rule,
    params: { ...Object.fromEntries(defaults), ...settings?.params },
    onUnknown: settings?.onUnknown ?? 'warn',
    actionOf: (message, namespace, labels) => {
      const stated = statements.findLast(statement => reaches(statement, message, namespace, labels))
      return stated?.enforcementAction ?? baselineAction(rule, message)
    },
  }
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
      outboundTrafficPolicy: mesh.outboundTrafficPolicy,
    },
  }
}
