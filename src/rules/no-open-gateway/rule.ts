import { liveApprovals } from '../../core/clients.ts'
import { type Configured, egressGatewayOf } from '../../core/egressobjects.ts'
import type { NamedGateways } from '../../core/facts.ts'
import { gatewayWorkloads } from '../../core/gatewaypods.ts'
import type { Path } from '../../core/path.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { requireLists } from '../../core/shape.ts'
import { isPublicSuffix, parseHost } from '../../istio/host.ts'
import { dig, field, list, text } from '../../istio/json.ts'
import { parseServerHost } from '../../istio/name.ts'

type Message = 'open-host' | 'unscoped-host' | 'auto-passthrough' | 'socket-binding' | 'gateway-deleted'

type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'no-open-gateway',
  summary: 'Disallow servers of Istio Gateways that take any host or pass traffic on by its SNI',
  risk: [
    'A server of the egress gateway takes the hosts it names, for routes of the namespaces it names: `*` takes every host,',
    'and a host without a namespace lets every namespace bind routes. With mode AUTO_PASSTHROUGH a server needs no route',
    'at all: the SNI alone chooses among all services of the mesh, which is for gateways between clusters. For what comes',
    'in, `*` is ordinary and not judged.',
  ].join(' '),
  team: [
    '`hosts: ["*"]` was copied from an ingress gateway, where it is fine. On an egress gateway name the hosts, with',
    'the namespace that may bind: `istio-egress/api.example.com`.',
  ].join(' '),
  judges: ['Gateway.networking.istio.io'],
  reads: gatewayWorkloads,
  facts: ['approvedHosts', 'eastWestGateways', 'egressGateways', 'ingressGateways'],
  operations: ['CREATE', 'UPDATE', 'DELETE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    'open-host': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'egress gateway "{gateway}" would take every host that "{value}" holds, approved or not',
      fix: 'name the approved hosts, each with its namespace, such as ./api.example.com',
      threats: ['gw/server-host'],
    },
    'unscoped-host': {
      severity: 'high',
      enforcementAction: 'warn',
      why: 'any namespace may bind routes for "{value}" to egress gateway "{gateway}"',
      fix: 'write "./{host}", so that only routes of this namespace hold, or put the name of theirs before it',
      threats: ['gw/server-host'],
    },
    'auto-passthrough': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'whoever reaches this server reaches every service of the mesh by its SNI, without any route',
      fix: 'set tls.mode to PASSTHROUGH and route by SNI, or have the Gateway named in spec.eastWestGateways',
      threats: ['gw/auto-passthrough'],
    },
    'socket-binding': {
      severity: 'low',
      enforcementAction: 'warn',
      why: 'with {field} "{value}" the gateway listens, or sends, elsewhere than its Service says',
      fix: 'remove {field}',
      threats: ['gw/bind-defaultendpoint'],
    },
    'gateway-deleted': {
      severity: 'low',
      enforcementAction: 'warn',
      why: 'egress gateway "{gateway}" no longer takes what is routed to it by this Gateway, which then fails',
      fix: 'remove the routes and ServiceEntries first, or apply the Gateway that replaces it',
      threats: ['gw/delete'],
    },
  },
  check(subject, tools) {
    if (subject.subresource !== '' || !requireLists(subject, tools, ['servers'])) return
    const { ref, object } = subject
    const egress = egressGatewayOf({ namespace: ref.namespace, name: ref.name, object }, tools)
    if (subject.operation === 'DELETE') {
      if (egress?.selection !== 'yes') return
      const slots = { gateway: egress.gateway.name }
      tools.report('gateway-deleted', { path: ['metadata', 'name'], value: ref.name, slots })
      return
    }
    // A Gateway of others that selects the egress gateway is refused itself (no-gateway-hijack).
    const isOthers = subject.namespaceClass !== 'platform' && egress?.gateway.namespace !== ref.namespace
    for (const [i, server] of list(dig(object, 'spec', 'servers')).entries()) {
      const at = ['spec', 'servers', i]
      if (egress !== undefined && !isOthers) judgeHosts(server, at, egress, subject, tools)
      judgeMode(server, at, egress, subject, tools)
      if (subject.namespaceClass !== 'notGoverned') judgeSockets(server, at, tools)
    }
  },
})

function judgeHosts(server: unknown, at: Path, egress: Configured, subject: Subject, tools: Judge): void {
  for (const [j, entry] of list(field(server, 'hosts')).entries()) {
    const scoped = typeof entry === 'string' ? parseServerHost(entry) : undefined
    const host = scoped?.ok === true ? parseHost(scoped.value.host) : undefined
    if (typeof entry !== 'string' || scoped?.ok !== true || host?.ok !== true) continue
    const path = [...at, 'hosts', j]
    const isOpen = isEveryones(host.value.text, tools)
    if (egress.selection === 'unknown') {
      if (!isOpen || isNamed(tools.facts.ingressGateways, subject)) continue
      const unknown = `whether the Gateway configures egress gateway "${egress.gateway.name}"`
      tools.notJudged(path, unknown, 'give all labels of its pods under spec.egressGateways, or its Deployment')
      continue
    }
    const slots = { gateway: egress.gateway.name, host: host.value.text }
    if (isOpen) tools.report('open-host', { path, value: entry, slots })
    else if (scoped.value.namespace === '*') tools.report('unscoped-host', { path, value: entry, slots })
  }
}

/** Whether a wildcard holds names of many owners, and nobody approved that. */
function isEveryones(host: string, { facts, now }: Judge): boolean {
  return host.startsWith('*') && isPublicSuffix(host) && liveApprovals(host, facts, now).length === 0
}

/** Gateways between clusters are the platform's; where the policy names none, one of its own may be such. */
function judgeMode(server: unknown, at: Path, egress: Configured | undefined, subject: Subject, tools: Judge): void {
  if (dig(server, 'tls', 'mode') !== 'AUTO_PASSTHROUGH') return
  const path = [...at, 'tls', 'mode']
  const { eastWestGateways } = tools.facts
  if (isNamed(eastWestGateways, subject)) return
  if (eastWestGateways === undefined && subject.namespaceClass === 'platform' && egress?.selection !== 'yes') {
    tools.notJudged(path, 'whether this is a gateway between clusters', 'give spec.eastWestGateways in the policy')
    return
  }
  tools.report('auto-passthrough', { path, value: 'AUTO_PASSTHROUGH' })
}

function isNamed(named: readonly NamedGateways[] | undefined, { ref }: Subject): boolean {
  return (named ?? []).some(
    ({ namespace, gateways }) => namespace === ref.namespace && (gateways.includes(ref.name) || gateways.includes('*')),
  )
}

function judgeSockets(server: unknown, at: Path, tools: Judge): void {
  for (const name of ['bind', 'defaultEndpoint'] as const) {
    const value = text(field(server, name)) ?? ''
    if (value === '' || (name === 'bind' && (value === '0.0.0.0' || value === '::'))) continue
    tools.report('socket-binding', { path: [...at, name], value, slots: { field: `spec.servers[].${name}` } })
  }
}
