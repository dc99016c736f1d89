import { type Clients, liveApprovals, serves } from '../../core/clients.ts'
import type { Approval } from '../../core/facts.ts'
import { internalAddresses } from '../../core/machine.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { enumerate } from '../../core/text.ts'
import { everything, includes, intersect, nothing, type Ranges, union } from '../../istio/cidr.ts'
import { parseHost } from '../../istio/host.ts'
import { field, list, text } from '../../istio/json.ts'
import { portNumber } from '../../istio/port.ts'
import { type ProtocolClass, parseProtocol, protocolClass } from '../../istio/protocol.ts'
import type { Judge } from './rule.ts'

/** A port of an entry, as far as it can be read; require-approved-hosts says what is wrong with the others. */
export interface EntryPort {
  readonly path: Path
  readonly name: string | undefined
  readonly number: number
  readonly protocol: ProtocolClass
  /** Another number, in reality. */
  readonly target: unknown
}

/** What the parts of an entry are judged against. */
export interface Entry {
  readonly spec: unknown
  readonly hosts: readonly string[]
  readonly ports: readonly EntryPort[]
  readonly clients: Clients
  readonly internal: boolean
  readonly resolution: string
  /**
   * Fixed addresses approved for every host of the entry and everybody who sees it, and those that the policy gives
   * every host as one of the mesh itself.
   */
  readonly approvedAddresses: Ranges
  /** The latter alone. */
  readonly internalAddresses: Ranges
}

/** Returns what the rule looks at in a ServiceEntry; hosts and ports that cannot be read are left out. */
export function readEntry(subject: Subject, clients: Clients, tools: Judge): Entry {
  const spec = field(subject.object, 'spec')
  const hosts: string[] = []
  for (const given of list(field(spec, 'hosts'))) {
    const parsed = parseHost(text(given) ?? '')
    if (parsed.ok) hosts.push(parsed.value.text)
  }
  const [first, ...rest] = hosts.map(host => addressesOf(host, clients, tools))
  return {
    spec,
    hosts,
    ports: readPorts(spec),
    clients,
    internal: field(spec, 'location') === 'MESH_INTERNAL',
    resolution: text(field(spec, 'resolution')) ?? 'NONE',
    approvedAddresses: rest.reduce(intersect, first ?? nothing),
    internalAddresses: hosts
      .map(host => internalAddresses(host, tools.facts) ?? nothing)
      .reduce(intersect, hosts.length === 0 ? nothing : everything),
  }
}

function readPorts(spec: unknown): readonly EntryPort[] {
  const ports: EntryPort[] = []
  for (const [i, port] of list(field(spec, 'ports')).entries()) {
    const number = portNumber(field(port, 'number'))
    if (!number.ok) continue
    ports.push({
      path: ['spec', 'ports', i],
      name: text(field(port, 'name')),
      number: number.value,
      protocol: protocolClass(parseProtocol(text(field(port, 'protocol')) ?? '')),
      target: field(port, 'targetPort'),
    })
  }
  return ports
}

/** Returns the addresses approved for a host; every client must be named by an approval that holds them. */
function addressesOf(host: string, clients: Clients, tools: Judge): Ranges {
  const live = liveApprovals(host, tools.facts, tools.now)
  const addresses = (approvals: readonly Approval[]): Ranges =>
    approvals.map(approval => approval.addresses ?? nothing).reduce(union, nothing)
  const all = addresses(live)
  const forAll = clients.governed
    .map(name => addresses(live.filter(approval => approval.allows(name))))
    .reduce(intersect, all)
  return union(forAll, internalAddresses(host, tools.facts) ?? nothing)
}

/** Returns true where an approval covers a host on a port for every client. */
export function isApproved(
  host: string,
  port: Pick<EntryPort, 'number' | 'protocol'>,
  { clients }: Entry,
  tools: Judge,
): boolean {
  return serves(clients, liveApprovals(host, tools.facts, tools.now), approval =>
    approval.ports.some(fact => fact.number === port.number && protocolClass(fact.protocol) === port.protocol),
  )
}

/** Returns true where the policy's ranges have all these addresses inside the mesh. */
export function isInsideMesh(ranges: Ranges, tools: Judge): boolean {
  const { pods, services, virtualMachines } = tools.facts.ranges
  return includes([pods ?? nothing, services ?? nothing, virtualMachines ?? nothing].reduce(union), ranges)
}

/** Names the hosts of an entry, as many as a line holds. */
export function quoteHosts(hosts: readonly string[]): string {
  const shown = hosts.slice(0, 3).map(host => `"${host}"`)
  return enumerate(hosts.length > shown.length ? [...shown, 'others'] : shown)
}
