import { clientsOf, isOutsidePolicy } from '../../core/clients.ts'
import { servedHosts } from '../../core/registry.ts'
import { defineRule, type Tools } from '../../core/rule.ts'
import { requireFewCombinations, requireLists } from '../../core/shape.ts'
import { isClusterHost, parseHost } from '../../istio/host.ts'
import { dig, list, text } from '../../istio/json.ts'
import { entryKind } from '../../istio/kinds.ts'
import { judgeHost } from './shadow.ts'

/** What this rule can say. */
export type Message = 'shadows-entry' | 'second-entry'

/** What this rule judges with. */
export type Judge = Tools<Message, Record<never, never>>

const combined = ['hosts', 'exportTo']

export default defineRule<Message, Record<never, never>>({
  id: 'no-shadow-entry',
  summary: 'Disallow a second ServiceEntry for a host that another one serves already',
  risk: [
    'Of several ServiceEntries for one host a proxy takes the one of its own namespace, before that of the platform, and a',
    'name before a wildcard. So a tenant’s entry, approved though its host is, puts its own ports, protocol and endpoints in',
    'the place of those that lead to the egress gateway. It is no excuse to have been there first: of two that others see,',
    'the older wins. Two entries of one namespace become one service, with the endpoints of both.',
  ].join(' '),
  team: [
    'The host was registered before, by another team or the platform. Use that entry, or have it exported to your',
    'namespace.',
  ].join(' '),
  judges: [entryKind],
  reads: ['ConfigMap', 'Namespace', entryKind],
  facts: ['mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    'shadows-entry': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '{host} is served in namespace "{client}" by ServiceEntry "{owner}", whose place this one would take',
      fix: 'remove the host, or have the platform change its entry',
      threats: ['se/shadow-approved-host'],
    },
    'second-entry': {
      severity: 'high',
      enforcementAction: 'warn',
      why: '"{host}" is a host of ServiceEntry "{owner}" too, and a proxy spreads its connections over the endpoints of both',
      fix: 'keep the host in one ServiceEntry of the namespace',
      threats: ['se/shadow-approved-host'],
    },
  },
  check(subject, tools) {
    // A request for the status changes nothing else.
    if (subject.subresource !== '') return
    if (!requireLists(subject, tools, combined) || !requireFewCombinations(subject, tools, combined)) return
    const clients = clientsOf(subject, tools.facts, tools.inventory)
    if (isOutsidePolicy(subject, clients)) return
    const find = servedHosts(tools.inventory)
    const seen = new Set<string>()
    for (const [i, given] of list(dig(subject.object, 'spec', 'hosts')).entries()) {
      const parsed = parseHost(text(given) ?? '')
      // What a name of the cluster itself hides is a Service: require-approved-hosts.
      if (!parsed.ok || isClusterHost(parsed.value.text, tools.facts.mesh.clusterDomain)) continue
      const host = parsed.value.text
      if (seen.has(host)) continue
      seen.add(host)
      judgeHost({ subject, tools, clients, find, path: ['spec', 'hosts', i], host })
    }
  },
})
