import {
  approvedBelow,
  type Clients,
  clientsOf,
  isOutsidePolicy,
  liveApprovals,
  serves,
  unserved,
} from '../../core/clients.ts'
import type { Approval, PortFact } from '../../core/facts.ts'
import { gatewayNamespaces, gatewayOfHost, gatewayPlace } from '../../core/gateway.ts'
import { isInside } from '../../core/outside.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { requireFewCombinations, requireLists } from '../../core/shape.ts'
import { enumerate } from '../../core/text.ts'
import { type HostForm, isClusterHost, parseHost } from '../../istio/host.ts'
import { dig, field, list, text } from '../../istio/json.ts'
import { portNumber } from '../../istio/port.ts'
import { type Protocol, parseProtocol, protocolClass } from '../../istio/protocol.ts'
import { bad } from '../../istio/result.ts'
import { quote as quoted } from '../../istio/text.ts'
import { type FindMissing, missingRoutes } from './route.ts'
import type { Judge } from './rule.ts'

/** One host of a ServiceEntry, and what its approvals are compared with. */
interface HostQuestion {
  readonly subject: Subject
  readonly tools: Judge
  readonly path: Path
  readonly host: string
  readonly form: HostForm
  readonly clients: Clients
  readonly ports: readonly EntryPort[]
  readonly spec: unknown
  readonly missing: FindMissing
}

type Claim = Pick<HostQuestion, 'subject' | 'tools' | 'path' | 'host' | 'clients'>

/** A port of an entry. */
interface EntryPort {
  readonly path: Path
  readonly number: number
  readonly protocol: Protocol
  readonly label: string
}

/** Lists that are judged together: each host on each port, for each namespace, at each endpoint. */
const combined = ['hosts', 'ports', 'exportTo', 'endpoints']

/** Judges the hosts of a ServiceEntry: each must be approved on its ports for the namespaces that see it. */
export function judgeEntry(subject: Subject, tools: Judge): void {
  if (!requireLists(subject, tools, combined) || !requireFewCombinations(subject, tools, combined)) return
  const clients = clientsOf(subject, tools.facts, tools.inventory)
  if (isOutsidePolicy(subject, clients)) return
  const spec = field(subject.object, 'spec')
  const ports = readPorts(spec, tools)
  const inside = isInside(spec)
  const missing = missingRoutes(tools)
  for (const [i, given] of list(field(spec, 'hosts')).entries()) {
    const path = ['spec', 'hosts', i]
    const parsed = typeof given === 'string' ? parseHost(given) : bad('must be a text')
    if (!parsed.ok) {
      tools.malformed(path, typeof given === 'string' ? `host ${quoted(given)} ${parsed.why}` : parsed.why)
      continue
    }
    const { text: host, form } = parsed.value
    if (form === 'partial-wildcard') tools.report('partial-wildcard', { path, value: host })
    else if (isClusterHost(host, tools.facts.mesh.clusterDomain)) {
      if (subject.namespaceClass !== 'platform') tools.report('cluster-host', { path, value: host })
    } else if (inside) judgeClaim({ subject, tools, path, host, clients })
    else judgeHost({ subject, tools, path, host, form, clients, ports, spec, missing })
  }
}

/**
 * A name of the mesh itself needs no approval, but one that is approved as a host outside is not a tenant's to define for
 * others: of two entries that a proxy sees, the older wins, so there need not be another one yet. Istio:
 * pilot/pkg/model/sidecar.go (selectServices).
 */
function judgeClaim({ subject, tools, path, host, clients }: Claim): void {
  const { facts, now } = tools
  if (subject.namespaceClass === 'platform' || facts.internalHosts.covering(host).length > 0) return
  const own = subject.ref.namespace
  if (!clients.all && [...clients.governed, ...clients.platform].every(name => name === own)) return
  if (liveApprovals(host, facts, now).length === 0 && approvedBelow(host, facts, now) === undefined) return
  tools.report('claimed-as-internal', { path, value: host })
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
      label: `${number.value} ${given === '' ? 'without a protocol' : given.toUpperCase()}`,
    })
  }
  return ports
}

function judgeHost(question: HostQuestion): void {
  const { subject, tools, path, host, clients } = question
  // Outside the policy any host is fine, as long as it stays there.
  if (clients.all && subject.namespaceClass === 'notGoverned')
    return tools.report('exported-to-all', { path, value: host })
  const live = liveApprovals(host, tools.facts, tools.now)
  if (live.length === 0) {
    // A name of the mesh itself needs no approval; require-honest-endpoints judges where it leads.
    if (tools.facts.internalHosts.covering(host).length === 0) return reportUnapproved(question)
    if (subject.namespaceClass !== 'platform' && clients.all) tools.report('exported-to-all', { path, value: host })
    return
  }
  if (!judgeClients(question, live)) return
  if (!judgePorts(question, live)) return
  if (endsAtGateway(question, live) || isGatewaysOwn(question)) return
  const missing = question.missing(host)
  if (missing !== undefined) return tools.report('no-gateway-route', { path, value: host, slots: missing })
  const unknown = `whether traffic to "${host}" takes the egress gateway`
  tools.notJudged(path, unknown, 'see to its routes: this version does not trace them')
}

function reportUnapproved({ tools, path, host, form, spec }: HostQuestion): void {
  const [expired] = tools.facts.approvedHosts.covering(host)
  if (expired !== undefined) {
    const slots = { expires: String(expired.expiresText), owner: expired.owner ?? 'unknown' }
    tools.report('approval-expired', { path, value: host, slots })
  } else if (form !== 'wildcard' && form !== 'any') {
    const approvable = `remove the host, or have "${host}" approved (ApprovedHosts)`
    const remedy =
      form === 'name' ? approvable : 'give the full DNS name of the host, and have that approved (ApprovedHosts)'
    tools.report('not-approved', { path, value: host, slots: { remedy } })
  } else if (field(spec, 'resolution') === 'DYNAMIC_DNS') tools.report('dynamic-dns', { path, value: host })
  else tools.report('wildcard-not-approved', { path, value: host })
}

/** Returns true where every namespace that sees the entry may use the host. */
function judgeClients(question: HostQuestion, live: readonly Approval[]): boolean {
  const { subject, tools, path, host, clients } = question
  if (subject.namespaceClass !== 'platform') {
    if (clients.all) {
      // Who may not use the host at all is not helped by exporting it less.
      const own = subject.ref.namespace
      if (live.some(approval => approval.allows(own))) tools.report('exported-to-all', { path, value: host })
      else reportNamespaces([own], question, live)
      return false
    }
    const gateway = gatewayNamespaces(tools.facts).find(name => clients.platform.includes(name))
    if (gateway !== undefined) {
      tools.report('exported-to-gateway', { path, value: `${host} for ${gateway}`, slots: { host, gateway } })
      return false
    }
  }
  if (clients.all && live.every(approval => approval.namespaces !== undefined)) {
    tools.report('exported-beyond-approval', { path, value: host, slots: { approved: namespacesOf(live) } })
  }
  const refused = unserved(clients, live, () => true)
  if (refused.length > 0) reportNamespaces(refused, question, live)
  return refused.length === 0
}

/** Each namespace is a breach of its own, so that taking one back is no new one. */
function reportNamespaces(names: readonly string[], question: HostQuestion, live: readonly Approval[]): void {
  const { tools, path, host } = question
  const approved = namespacesOf(live)
  for (const name of names) {
    const slots = { host, approved, namespace: name, remedy: remedyFor(name, question) }
    tools.report('namespace-not-approved', { path, value: `${host} for ${name}`, slots })
  }
}

function namespacesOf(approvals: readonly Approval[]): string {
  const named = approvals.map(approval => approval.namespaces).filter(names => names !== undefined)
  return enumerate([...new Set(named.flat())].sort().map(quote))
}

function remedyFor(name: string, { subject, tools }: HostQuestion): string {
  const approve = `have it approved for "${name}" (ApprovedHosts)`
  if (name !== subject.ref.namespace) return `set spec.exportTo without "${name}", or ${approve}`
  return `define the host in ${gatewayPlace(tools.facts)}, or ${approve}`
}

function quote(name: string): string {
  return `"${name}"`
}

/** Returns true where every port has, for every client, an approval that covers both. */
function judgePorts({ tools, host, clients, ports }: HostQuestion, live: readonly Approval[]): boolean {
  let good = true
  for (const port of ports) {
    const fits = (approval: Approval): boolean => approval.ports.some(fact => isSamePort(fact, port))
    if (serves(clients, live, fits)) continue
    good = false
    const at = { path: port.path, value: `${host} on ${port.label}` }
    const refused = unserved(clients, live, fits)
    if (refused.length === 0) {
      tools.report('port-not-approved', {
        ...at,
        slots: { host, port: port.label, approved: portsOf(live), whose: '' },
      })
    }
    for (const name of refused) {
      const approved = portsOf(live.filter(approval => approval.allows(name)))
      const slots = { host, port: port.label, approved, whose: ` for namespace "${name}"` }
      tools.report('port-not-approved', { ...at, value: `${at.value} for ${name}`, slots })
    }
  }
  return good
}

function portsOf(approvals: readonly Approval[]): string {
  return enumerate([...new Set(approvals.flatMap(approval => approval.ports.map(portLabel)))].sort())
}

/** Routes are chosen by the class of a protocol: HTTPS and TLS are one to Istio, so are HTTP and GRPC. */
function isSamePort(fact: PortFact, port: EntryPort): boolean {
  return fact.number === port.number && protocolClass(fact.protocol) === protocolClass(port.protocol)
}

function portLabel(fact: PortFact): string {
  return `${fact.number} ${fact.protocol.toUpperCase()}`
}

/** What only the gateway itself sees is how it reaches the host, which is direct as it should be. */
function isGatewaysOwn({ tools, clients }: HostQuestion): boolean {
  const own = gatewayNamespaces(tools.facts)
  const { all, governed, platform } = clients
  return !all && governed.length === 0 && platform.length > 0 && platform.every(name => own.includes(name))
}

/**
 * In the fail-safe form the entry's endpoints are the egress gateway's Service, so the entry alone leads there: to the
 * gateway that the approval names, where it names one.
 */
function endsAtGateway({ tools, spec, clients }: HostQuestion, live: readonly Approval[]): boolean {
  const endpoints = list(field(spec, 'endpoints'))
  const leadsThere = (endpoint: unknown): boolean => {
    const gateway = gatewayOfHost(text(dig(endpoint, 'address')) ?? '', tools.facts)?.name
    if (gateway === undefined) return false
    return serves(clients, live, approval => approval.gateway === undefined || approval.gateway === gateway)
  }
  return endpoints.length > 0 && endpoints.every(leadsThere)
}
