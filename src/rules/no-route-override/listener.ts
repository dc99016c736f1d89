import { liveApprovals } from '../../core/clients.ts'
import type { Approval, ApprovedHosts } from '../../core/facts.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { isClusterHost, parseHost } from '../../istio/host.ts'
import { dig, field, list, text } from '../../istio/json.ts'
import { parseSidecarHost } from '../../istio/name.ts'
import { type ProtocolClass, parseProtocol, protocolClass } from '../../istio/protocol.ts'
import type { Judge } from './rule.ts'

/** Judges the egress listeners of a Sidecar for governed pods: one of a tenant, or the default in the root namespace. */
export function judgeListeners(subject: Subject, tools: Judge): void {
  const isRoot = subject.ref.namespace === tools.facts.mesh.rootNamespace
  if (subject.namespaceClass !== 'governed' && !isRoot) return
  for (const [i, listener] of list(dig(subject.object, 'spec', 'egress')).entries()) {
    const hosts = hostsOf(listener)
    // What only Services of the mesh are reached by leads nowhere else.
    if (hosts.length > 0 && hosts.every(host => isClusterHost(host, tools.facts.mesh.clusterDomain))) continue
    judgeListener(listener, hosts, ['spec', 'egress', i], subject, tools)
  }
}

/** Returns the canonical hosts that a listener imports; what cannot be read may be any. */
function hostsOf(listener: unknown): readonly string[] {
  const hosts: string[] = []
  for (const entry of list(field(listener, 'hosts'))) {
    const scoped = typeof entry === 'string' ? parseSidecarHost(entry) : undefined
    if (scoped?.ok === true && scoped.value.excluded) continue
    const host = scoped?.ok === true ? parseHost(scoped.value.host) : undefined
    hosts.push(host?.ok === true ? host.value.text : '*')
  }
  return hosts
}

function judgeListener(listener: unknown, hosts: readonly string[], at: Path, subject: Subject, tools: Judge): void {
  const port = field(listener, 'port') ?? undefined
  const number = field(port, 'number')
  const given = text(field(port, 'protocol')) ?? ''
  const effect =
    port === undefined ? undefined : (switchedOff(given, number) ?? missed(given, number, hosts, subject, tools))
  if (effect !== undefined) {
    const protocol = given === '' ? 'none' : given
    const value = typeof number === 'number' ? `${protocol} on ${number}` : protocol
    const slots = { kind: given === '' ? 'without a protocol' : `of protocol ${given}`, effect }
    tools.report('listener-protocol', { path: [...at, 'port', ...(given === '' ? [] : ['protocol'])], value, slots })
    return
  }
  judgeCapture(listener, at, tools)
}

function judgeCapture(listener: unknown, at: Path, tools: Judge): void {
  const bind = text(field(listener, 'bind')) ?? ''
  const mode = field(listener, 'captureMode')
  if (mode === 'NONE') {
    const slots = { cause: 'a listener that captures nothing' }
    tools.report('listener-uncaptured', { path: [...at, 'captureMode'], value: mode, slots })
  } else if (bind !== '' && bind !== '0.0.0.0' && bind !== '::') {
    const slots = { cause: `a listener on "${bind}"` }
    tools.report('listener-uncaptured', { path: [...at, 'bind'], value: bind, slots })
  }
}

/**
 * Returns what a listener of the protocol does to routes. Istio: pilot/pkg/networking/core/httproute.go
 * (buildSidecarOutboundHTTPRouteConfig: the port of an HTTP_PROXY listener is 0), listener.go (buildSidecarOutboundListener:
 * one of TCP consults neither http nor tls) and tls.go (buildSidecarOutboundTLSFilterChainOpts: nor does one whose protocol
 * is to be found out consult tls).
 *
 *     protocol           port       answer
 *     HTTP_PROXY         any        routes with a port do not hold
 *     TCP, Mongo, …      80, 443    routes for HTTP and TLS do not hold
 *     (none)             443        routes for TLS do not hold
 *     TLS, HTTPS         80         routes for HTTP do not hold
 *     anything           other      as the hosts are approved there
 */
function switchedOff(given: string, number: unknown): string | undefined {
  const protocol = parseProtocol(given)
  if (protocol === 'HTTP_PROXY') return 'routes that match a port do not hold'
  const kind = protocolClass(protocol)
  if (kind === 'tcp' && (number === 80 || number === 443)) return 'routes for HTTP and TLS do not hold'
  if (kind === 'sniffed' && number === 443) return 'routes for TLS do not hold'
  return kind === 'tls' && number === 80 ? 'routes for HTTP do not hold' : undefined
}

/** Which protocol classes hosts are approved with on a port. */
const classesByPort = new WeakMap<ApprovedHosts, ReadonlyMap<number, ReadonlySet<ProtocolClass>>>()

function approvedClasses(hosts: ApprovedHosts): ReadonlyMap<number, ReadonlySet<ProtocolClass>> {
  const known = classesByPort.get(hosts)
  if (known !== undefined) return known
  const classes = new Map<number, Set<ProtocolClass>>()
  for (const { ports } of hosts.below('*')) {
    for (const { number, protocol } of ports) {
      const some = classes.get(number)
      if (some === undefined) classes.set(number, new Set([protocolClass(protocol)]))
      else some.add(protocolClass(protocol))
    }
  }
  classesByPort.set(hosts, classes)
  return classes
}

/**
 * Returns what a listener does to routes for an approved host that it imports and that is approved on its port with a
 * protocol of another class: their routes stand in a section that the listener does not consult.
 */
function missed(
  given: string,
  number: unknown,
  hosts: readonly string[],
  subject: Subject,
  { facts, now }: Judge,
): string | undefined {
  const kind = protocolClass(parseProtocol(given))
  const classes = typeof number === 'number' ? approvedClasses(facts.approvedHosts).get(number) : undefined
  if (classes === undefined || [...classes].every(other => other === kind)) return undefined
  const isMissed = ({ ports, expires, allows }: Approval): boolean =>
    (expires === undefined || now < expires) &&
    (subject.namespaceClass === 'platform' || allows(subject.ref.namespace)) &&
    ports.some(port => port.number === number) &&
    ports.every(port => port.number !== number || protocolClass(port.protocol) !== kind)
  for (const host of hosts) {
    for (const approval of host.startsWith('*') ? facts.approvedHosts.below(host) : []) {
      if (isMissed(approval)) return `routes for "${approval.host}" do not hold`
    }
    const approval = liveApprovals(host, facts, now).find(isMissed)
    if (approval !== undefined) return `routes for "${approval.host}" do not hold`
  }
  return undefined
}
