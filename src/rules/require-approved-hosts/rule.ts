import type { Approval, PortFact } from '../../core/facts.ts'
import { gatewayOfHost } from '../../core/gateway.ts'
import { defaultServiceExportTo } from '../../core/mesh.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { enumerate } from '../../core/text.ts'
import { isClusterHost, parseHost } from '../../istio/host.ts'
import { dig, field, list, text } from '../../istio/json.ts'
import { portNumber } from '../../istio/port.ts'
import { type Protocol, parseProtocol, protocolClass } from '../../istio/protocol.ts'
import { readExportTo, type Visibility } from '../../istio/visibility.ts'
import { judgeDestinations } from './destination.ts'

/** What this rule can say. */
export type Message =
  | 'not-approved'
  | 'wildcard-not-approved'
  | 'dynamic-dns'
  | 'partial-wildcard'
  | 'cluster-host'
  | 'approval-expired'
  | 'namespace-not-approved'
  | 'port-not-approved'
  | 'exported-to-all'
  | 'exported-beyond-approval'
  | 'destination-not-approved'
  | 'mirror-not-approved'

/** What this rule judges with. */
export type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'require-approved-hosts',
  summary: 'Require that every external host, port and namespace was approved together',
  risk: [
    'Under `REGISTRY_ONLY` a ServiceEntry *is* the permission to reach a host: whoever may write one may open the mesh to',
    'any destination. Each host of an entry must be covered by an approval that also covers the port with its protocol',
    'and the namespace that would use it; the parts of two approvals never add up. Whether the traffic then takes the',
    'egress gateway is a question of routes, which this version does not trace: it is said as not judged.',
  ].join(' '),
  judges: ['ServiceEntry.networking.istio.io', 'VirtualService.networking.istio.io'],
  reads: ['ConfigMap', 'Service', 'ServiceEntry.networking.istio.io'],
  facts: ['approvedHosts', 'mesh', 'egressGateways', 'ranges'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    'not-approved': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'host "{value}" is not approved, and this entry would let workloads reach it',
      fix: 'remove the host, or have "{value}" approved (ApprovedHosts)',
      threats: ['se/host-not-approved'],
    },
    'wildcard-not-approved': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '"{value}" admits every name with that ending, and no approved wildcard covers it',
      fix: 'name each host, or have "{value}" approved (ApprovedHosts)',
      threats: ['se/wildcard'],
    },
    'dynamic-dns': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the proxy would look up whatever name a client sends under "{value}", which no approved wildcard covers',
      fix: 'name each host and use resolution DNS, or have "{value}" approved (ApprovedHosts)',
      threats: ['se/dynamic-dns'],
    },
    'partial-wildcard': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'a star beside other characters makes Envoy refuse the whole listener on a TLS port: an outage for all',
      fix: 'use "*" only as the whole first label, or name each host',
      threats: ['se/partial-wildcard'],
    },
    'cluster-host': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '"{value}" is a name of the cluster itself; in this namespace the entry would win over the real Service',
      fix: 'remove the host; a Service needs no ServiceEntry',
      threats: ['se/shadow-cluster-host'],
    },
    'approval-expired': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'the approval of "{value}" expired {expires}',
      fix: 'have it renewed (ApprovedHosts, owner {owner}), or remove the host',
      threats: ['se/host-not-approved'],
    },
    'namespace-not-approved': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'host "{host}" is approved for {approved}, not for {namespaces}',
      fix: '{remedy}',
      threats: ['se/host-not-approved'],
    },
    'port-not-approved': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'host "{host}" is approved on {approved}, not on {value}',
      fix: 'use an approved port, or have {value} approved (ApprovedHosts)',
      threats: ['se/network-scope-ports'],
    },
    'exported-to-all': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'without a limit this entry becomes the definition of "{value}" for the whole mesh',
      fix: 'set spec.exportTo to ["."]',
      threats: ['se/export-to'],
    },
    'exported-beyond-approval': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: 'every namespace sees the entry, but host "{value}" is approved for {approved} only',
      fix: 'name the namespaces in spec.exportTo, with "." for its own',
      threats: ['se/export-to'],
    },
    'destination-not-approved': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'traffic would be sent to "{value}", a host that is not approved for namespace "{namespace}"',
      fix: 'route to a Service of the mesh or to the egress gateway, or have "{value}" approved (ApprovedHosts)',
      threats: ['vs/mesh-leg-direct'],
    },
    'mirror-not-approved': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'a copy of every request would be sent to "{value}", a host that is not approved for namespace "{namespace}"',
      fix: 'mirror to a Service of the mesh, or have "{value}" approved (ApprovedHosts)',
      threats: ['vs/mirror'],
    },
  },
  check(subject, tools) {
    if (subject.kind === 'VirtualService.networking.istio.io') judgeDestinations(subject, tools)
    else judgeEntry(subject, tools)
  },
})

/** Which namespaces may use an entry, as far as the policy cares. */
interface Clients {
  /** Every namespace, also those to come. */
  readonly all: boolean
  /** Governed namespaces by name. */
  readonly names: readonly string[]
}

function judgeEntry(subject: Subject, tools: Judge): void {
  const spec = field(subject.object, 'spec')
  const clients = clientsOf(subject, tools)
  const outsidePolicy = subject.namespaceClass === 'notGoverned' && !clients.all && clients.names.length === 0
  if (outsidePolicy) return
  const ports = readPorts(spec, tools)
  const internal = isInternal(spec)
  for (const [i, given] of list(field(spec, 'hosts')).entries()) {
    const path = ['spec', 'hosts', i]
    const parsed = typeof given === 'string' ? parseHost(given) : undefined
    if (!parsed?.ok) {
      tools.malformed(path, parsed === undefined ? 'must be a text' : `host ${JSON.stringify(given)} ${parsed.why}`)
      continue
    }
    const { text: host, form } = parsed.value
    if (form === 'partial-wildcard') tools.report('partial-wildcard', { path, value: host })
    else if (isClusterHost(host, tools.facts.mesh.clusterDomain)) {
      if (subject.namespaceClass !== 'platform') tools.report('cluster-host', { path, value: host })
    } else if (!internal) judgeHost({ subject, tools, path, host, form, clients, ports, spec })
  }
}

/** An entry inside the mesh that says itself where its workloads are; require-honest-endpoints judges whether it is true. */
function isInternal(spec: unknown): boolean {
  const placed = list(field(spec, 'endpoints')).length > 0 || field(spec, 'workloadSelector') !== undefined
  return field(spec, 'location') === 'MESH_INTERNAL' && placed
}

/** A port of an entry. */
interface EntryPort {
  readonly path: readonly (string | number)[]
  readonly number: number
  readonly protocol: Protocol
  readonly label: string
}

function readPorts(spec: unknown, tools: Judge): readonly EntryPort[] {
  const ports: EntryPort[] = []
  for (const [i, port] of list(field(spec, 'ports')).entries()) {
    const path = ['spec', 'ports', i]
    const number = portNumber(field(port, 'number'))
    if (!number.ok) {
      tools.malformed([...path, 'number'], number.why)
      continue
    }
    const given = text(field(port, 'protocol')) ?? ''
    ports.push({
      path,
      number: number.value,
      protocol: parseProtocol(given),
      label: `${number.value} ${given === '' ? '(no protocol)' : given.toUpperCase()}`,
    })
  }
  return ports
}

function clientsOf(subject: Subject, tools: Judge): Clients {
  const given = field(field(subject.object, 'spec'), 'exportTo')
  const exportTo = given === undefined ? undefined : list(given).filter(entry => typeof entry === 'string')
  const fallback =
    exportTo === undefined || exportTo.length === 0 ? defaultServiceExportTo(tools.facts, tools.inventory) : undefined
  const visibility: Visibility = readExportTo(exportTo, 'ServiceEntry', fallback)
  if (visibility === 'public') return { all: true, names: [] }
  if (visibility === 'nobody' || visibility === 'refused') return { all: false, names: [] }
  const names = new Set(visibility.namespaces)
  if (visibility.own) names.add(subject.ref.namespace)
  const classOf = (name: string): string =>
    name === subject.ref.namespace ? subject.namespaceClass : tools.facts.namespaces.classOf(name, undefined)
  return { all: false, names: [...names].filter(name => classOf(name) === 'governed').sort() }
}

interface HostQuestion {
  readonly subject: Subject
  readonly tools: Judge
  readonly path: readonly (string | number)[]
  readonly host: string
  readonly form: string
  readonly clients: Clients
  readonly ports: readonly EntryPort[]
  readonly spec: unknown
}

function judgeHost(question: HostQuestion): void {
  const { tools, path, host } = question
  const covering = tools.facts.approvedHosts.covering(host)
  const live = covering.filter(approval => approval.expires === undefined || tools.now < approval.expires)
  if (live.length === 0) return reportUnapproved(question, covering[0])
  if (!judgeClients(question, live)) return
  if (!judgePorts(question, live)) return
  if (!endsAtGateway(question)) {
    const unknown = `whether traffic to "${host}" takes the egress gateway`
    tools.notJudged(path, unknown, 'see to its routes: this version does not trace them')
  }
}

function reportUnapproved(question: HostQuestion, expired: Approval | undefined): void {
  const { tools, path, host, form, spec } = question
  if (expired !== undefined) {
    const slots = { expires: expired.expiresText ?? '', owner: expired.owner ?? 'unknown' }
    tools.report('approval-expired', { path, value: host, slots })
  } else if (form !== 'wildcard' && form !== 'any') tools.report('not-approved', { path, value: host })
  else if (field(spec, 'resolution') === 'DYNAMIC_DNS') tools.report('dynamic-dns', { path, value: host })
  else tools.report('wildcard-not-approved', { path, value: host })
}

/** Returns true where every client namespace has an approval. */
function judgeClients(question: HostQuestion, live: readonly Approval[]): boolean {
  const { subject, tools, path, host, clients } = question
  const approved = approvedNamespaces(live)
  if (clients.all && subject.namespaceClass !== 'platform') {
    tools.report('exported-to-all', { path, value: host })
    return false
  }
  if (clients.all && approved !== undefined) {
    tools.report('exported-beyond-approval', { path, value: host, slots: { approved } })
  }
  const refused = clients.names.filter(name => !live.some(approval => approval.allows(name)))
  if (refused.length === 0) return true
  const quoted = enumerate(refused.map(name => `"${name}"`))
  const own = refused.includes(subject.ref.namespace)
  const slots = {
    host,
    approved: approved ?? 'none',
    namespaces: `namespace ${quoted}`,
    remedy: own
      ? `define the host in the namespace of the egress gateway${gatewayNamespace(tools)}, or have ${quoted} approved (ApprovedHosts)`
      : `take ${quoted} out of spec.exportTo, or have it approved (ApprovedHosts)`,
  }
  tools.report('namespace-not-approved', { path, value: `${host} for ${refused.join(', ')}`, slots })
  return false
}

function gatewayNamespace(tools: Judge): string {
  const namespaces = [...new Set((tools.facts.egressGateways ?? []).map(gateway => gateway.namespace))]
  return namespaces.length === 0 ? '' : ` (${enumerate(namespaces, 'or')})`
}

/** Returns the namespaces of all approvals as text, or undefined where one of them holds for every governed namespace. */
function approvedNamespaces(live: readonly Approval[]): string | undefined {
  const names = new Set<string>()
  for (const approval of live) {
    if (approval.namespaces === undefined) return undefined
    for (const name of approval.namespaces) names.add(`"${name}"`)
  }
  return enumerate([...names].sort())
}

/** Returns true where every port has, for every client, an approval that covers both. */
function judgePorts(question: HostQuestion, live: readonly Approval[]): boolean {
  const { tools, host, clients, ports } = question
  let good = true
  for (const port of ports) {
    const approvalsFor = (name: string): Approval[] => live.filter(approval => approval.allows(name))
    const covered = (approvals: readonly Approval[]): boolean =>
      approvals.some(approval => approval.ports.some(fact => isSamePort(fact, port)))
    const ok = clients.names.length === 0 ? covered(live) : clients.names.every(name => covered(approvalsFor(name)))
    if (ok) continue
    good = false
    const relevant = clients.names.length === 0 ? live : live.filter(approval => clients.names.some(approval.allows))
    const approved = enumerate([...new Set(relevant.flatMap(approval => approval.ports.map(portLabel)))].sort())
    tools.report('port-not-approved', { path: port.path, value: port.label, slots: { host, approved } })
  }
  return good
}

/** Routes are chosen by the class of a protocol: HTTPS and TLS are one to Istio, so are HTTP and GRPC. */
function isSamePort(fact: PortFact, port: EntryPort): boolean {
  return fact.number === port.number && protocolClass(fact.protocol) === protocolClass(port.protocol)
}

function portLabel(fact: PortFact): string {
  return `${fact.number} ${fact.protocol.toUpperCase()}`
}

/** In the fail-safe form the entry's endpoints are the egress gateway's Service, so the entry alone leads there. */
function endsAtGateway(question: HostQuestion): boolean {
  const endpoints = list(field(question.spec, 'endpoints'))
  const isGateway = (endpoint: unknown): boolean =>
    gatewayOfHost(text(dig(endpoint, 'address')) ?? '', question.tools.facts) !== undefined
  return endpoints.length > 0 && endpoints.every(isGateway)
}
