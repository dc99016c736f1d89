import { gatewayHost, gatewayOfHost } from '../../core/gateway.ts'
import type { Path } from '../../core/path.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { enumerate } from '../../core/text.ts'
import { giveRanges, judgeUncaptured } from '../../core/uncaptured.ts'
import {
  includes,
  meets,
  nothing,
  parseAddress,
  parseSubnet,
  type Ranges,
  seeThrough,
  union,
} from '../../istio/cidr.ts'
import { covers, isClusterHost, parseHost } from '../../istio/host.ts'
import { dig, field, isFields, list, text } from '../../istio/json.ts'
import { portNumber } from '../../istio/port.ts'
import { parseProtocol, protocolClass } from '../../istio/protocol.ts'

type Message =
  | 'no-resolution'
  | 'any-address'
  | 'address-range'
  | 'cluster-address'
  | 'foreign-endpoint'
  | 'socket-endpoint'
  | 'short-gateway'
  | 'internal-outside'
  | 'endpoint-network'
  | 'port-remapped'

type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'require-honest-endpoints',
  summary: 'Require that a ServiceEntry leads where its hosts say',
  risk: [
    'The hosts of a ServiceEntry are labels. Where its traffic goes is decided by `resolution`, `addresses`, `endpoints`',
    'and `targetPort`: without resolution the client picks the address, an endpoint may be any machine on the internet,',
    'and an approved port may be another one in reality. An approved name then opens the way to anywhere.',
  ].join(' '),
  judges: ['ServiceEntry.networking.istio.io'],
  reads: [],
  facts: ['approvedHosts', 'ranges', 'egressGateways', 'mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform'],
  outsideLaw: false,
  params: {},
  messages: {
    'no-resolution': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '{state}: the client picks the address, and the name is not checked against it',
      fix: 'set spec.resolution to DNS',
      threats: ['se/resolution-none'],
    },
    'any-address': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'port {value} has no address of its own, so the entry takes the traffic of every address on that port',
      fix: 'give the entry spec.addresses, or use protocol TLS where the client speaks it',
      threats: ['se/tcp-no-address'],
    },
    'address-range': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '"{value}" opens a whole range, which no approval of the hosts covers',
      fix: 'name single addresses, or have the range approved (addresses of the host in ApprovedHosts)',
      threats: ['se/cidr-address'],
    },
    'cluster-address': {
      severity: 'high',
      enforcementAction: 'deny',
      why: '"{value}" is an address of the cluster’s own pods or Services, whose traffic the entry would take',
      fix: 'use an address outside spec.ranges of the policy, or none',
      threats: ['se/address-claims-foreign-ip'],
    },
    'foreign-endpoint': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'traffic for {hosts} would go to "{value}", which is neither approved for it nor the egress gateway',
      fix: 'remove the endpoint and set spec.resolution to DNS, or have the address approved (ApprovedHosts)',
      threats: ['se/endpoint-mismatch'],
    },
    'socket-endpoint': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '"{value}" hands the traffic to a process in the pod, which may send it anywhere',
      fix: 'remove the endpoint and set spec.resolution to DNS',
      threats: ['se/endpoint-mismatch'],
    },
    'short-gateway': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'Istio does not expand "{value}": the proxy asks DNS for just that name',
      fix: 'write "{full}"',
      threats: ['se/endpoint-mismatch'],
    },
    'internal-outside': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the entry says MESH_INTERNAL, but "{value}" is outside the mesh',
      fix: 'set spec.location to MESH_EXTERNAL, or give the range under spec.ranges.virtualMachines of the policy',
      threats: ['se/mesh-internal-external'],
    },
    'endpoint-network': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'network "{value}" sends the traffic through the gateway of that network, whatever the address',
      fix: 'remove the network of the endpoint',
      threats: ['se/endpoint-network'],
    },
    'port-remapped': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'port {number} is port {value} in reality, which is not approved',
      fix: 'remove the mapping, or have port {value} approved (ApprovedHosts)',
      threats: ['se/port-remap'],
    },
  },
  check(subject, tools) {
    const entry = readEntry(subject, tools)
    judgeResolution(entry, tools)
    judgeAddresses(entry, tools)
    for (const [i, endpoint] of list(field(entry.spec, 'endpoints')).entries()) {
      judgeEndpoint(entry, ['spec', 'endpoints', i], endpoint, subject, tools)
    }
    judgeTargetPorts(entry, tools)
  },
})

/** What the parts of an entry are judged against. */
interface Entry {
  readonly spec: unknown
  readonly hosts: readonly string[]
  readonly internal: boolean
  readonly resolution: string
  /** Fixed addresses approved for every host of the entry. */
  readonly approvedAddresses: Ranges
}

function readEntry(subject: Subject, tools: Judge): Entry {
  const spec = field(subject.object, 'spec')
  const hosts: string[] = []
  for (const given of list(field(spec, 'hosts'))) {
    const parsed = parseHost(text(given) ?? '')
    if (parsed.ok) hosts.push(parsed.value.text)
  }
  const perHost = hosts.map(host => addressesOf(host, tools))
  const [first = nothing, ...rest] = perHost
  const approvedAddresses = rest.every(ranges => includes(ranges, first) && includes(first, ranges)) ? first : nothing
  return {
    spec,
    hosts,
    internal: field(spec, 'location') === 'MESH_INTERNAL',
    resolution: text(field(spec, 'resolution')) ?? 'NONE',
    approvedAddresses,
  }
}

function addressesOf(host: string, tools: Judge): Ranges {
  return tools.facts.approvedHosts
    .covering(host)
    .filter(approval => approval.expires === undefined || tools.now < approval.expires)
    .map(approval => approval.addresses ?? nothing)
    .reduce(union, nothing)
}

function judgeResolution(entry: Entry, tools: Judge): void {
  const { spec, resolution } = entry
  if (resolution === 'NONE') {
    if (addressesApproved(entry, tools)) return
    const given = field(spec, 'resolution') !== undefined
    const state = given ? 'resolution NONE' : 'no resolution means NONE'
    tools.report('no-resolution', { path: given ? ['spec', 'resolution'] : ['spec'], value: 'NONE', slots: { state } })
    return
  }
  if (list(field(spec, 'addresses')).length > 0) return
  for (const [i, port] of list(field(spec, 'ports')).entries()) {
    const protocol = protocolClass(parseProtocol(text(field(port, 'protocol')) ?? ''))
    const number = portNumber(field(port, 'number'))
    if ((protocol === 'tcp' || protocol === 'sniffed') && number.ok) {
      tools.report('any-address', { path: ['spec', 'ports', i], value: String(number.value) })
    }
  }
}

/** Without resolution the addresses are the destinations: all of them must be approved, or inside where the entry is. */
function addressesApproved(entry: Entry, tools: Judge): boolean {
  const addresses = list(field(entry.spec, 'addresses')).map(address => parseSubnet(text(address) ?? ''))
  const inside = entry.internal ? insideRanges(tools) : nothing
  const accepted = union(entry.approvedAddresses, inside)
  return addresses.length > 0 && addresses.every(address => address.ok && includes(accepted, seeThrough(address.value)))
}

function insideRanges(tools: Judge): Ranges {
  const { pods, services, virtualMachines } = tools.facts.ranges
  return [pods ?? nothing, services ?? nothing, virtualMachines ?? nothing].reduce(union)
}

function judgeAddresses(entry: Entry, tools: Judge): void {
  const { pods, services } = tools.facts.ranges
  const cluster = union(pods ?? nothing, services ?? nothing)
  for (const [i, given] of list(field(entry.spec, 'addresses')).entries()) {
    const path: Path = ['spec', 'addresses', i]
    const value = text(given) ?? ''
    const parsed = parseSubnet(value)
    if (!parsed.ok) tools.malformed(path, `address ${JSON.stringify(value)} ${parsed.why}`)
    else if (includes(entry.approvedAddresses, seeThrough(parsed.value))) continue
    else if (meets(cluster, seeThrough(parsed.value)) && !entry.internal)
      tools.report('cluster-address', { path, value })
    else if (!isSingle(value) && !(entry.internal && includes(insideRanges(tools), parsed.value))) {
      tools.report('address-range', { path, value })
    }
  }
}

function isSingle(address: string): boolean {
  return !address.includes('/') || /\/(32|128)$/.test(address)
}

function judgeEndpoint(entry: Entry, path: Path, endpoint: unknown, subject: Subject, tools: Judge): void {
  const network = text(field(endpoint, 'network'))
  if (network !== undefined && network !== '' && subject.namespaceClass !== 'platform') {
    tools.report('endpoint-network', { path: [...path, 'network'], value: network })
  }
  const address = text(field(endpoint, 'address')) ?? ''
  if (address !== '') judgeEndpointAddress(entry, [...path, 'address'], address, tools)
  if (gatewayOfHost(address, tools.facts) === undefined) judgeEndpointPorts(entry, path, endpoint, tools)
}

function judgeEndpointAddress(entry: Entry, path: Path, address: string, tools: Judge): void {
  if (address.startsWith('unix:')) return tools.report('socket-endpoint', { path, value: address })
  const parsed = parseAddress(address)
  if (parsed.ok) return judgeEndpointIp(entry, path, address, seeThrough(parsed.value), tools)
  const host = parseHost(address)
  if (!host.ok) return tools.malformed(path, `address ${JSON.stringify(address)} ${host.why}`)
  const name = host.value.text
  if (gatewayOfHost(name, tools.facts) !== undefined) return
  const meant = shortGateway(name, tools)
  if (meant !== undefined) return tools.report('short-gateway', { path, value: address, slots: { full: meant } })
  if (isClusterHost(name, tools.facts.mesh.clusterDomain)) return
  if (entry.internal) return tools.report('internal-outside', { path, value: address })
  // An endpoint may be the host itself, one below an approved wildcard, or another approved host.
  if (entry.hosts.some(given => covers(given, name)) || tools.facts.approvedHosts.covering(name).length > 0) return
  tools.report('foreign-endpoint', { path, value: address, slots: { hosts: quoted(entry.hosts) } })
}

function judgeEndpointIp(entry: Entry, path: Path, address: string, ip: Ranges, tools: Judge): void {
  const { virtualMachines } = tools.facts.ranges
  const answer = judgeUncaptured(ip, tools.facts, union(entry.approvedAddresses, virtualMachines ?? nothing))
  if (answer.leaves === 'unknown') tools.notJudged(path, `whether ${address} is inside the cluster`, giveRanges)
  if (answer.leaves !== 'yes') return
  if (entry.internal) tools.report('internal-outside', { path, value: address })
  else tools.report('foreign-endpoint', { path, value: address, slots: { hosts: quoted(entry.hosts) } })
}

/** Returns the full name of the gateway that a shortened one means. */
function shortGateway(name: string, tools: Judge): string | undefined {
  for (const gateway of tools.facts.egressGateways ?? []) {
    const short = [
      gateway.service,
      `${gateway.service}.${gateway.namespace}`,
      `${gateway.service}.${gateway.namespace}.svc`,
    ]
    if (short.includes(name)) return gatewayHost(gateway, tools.facts.mesh.clusterDomain)
  }
  return undefined
}

function quoted(hosts: readonly string[]): string {
  return enumerate(hosts.slice(0, 3).map(host => `"${host}"`))
}

function judgeTargetPorts(entry: Entry, tools: Judge): void {
  for (const [i, port] of list(field(entry.spec, 'ports')).entries()) {
    const target = field(port, 'targetPort')
    if (target !== undefined && target !== 0)
      judgeMapping(entry, ['spec', 'ports', i, 'targetPort'], port, target, tools)
  }
}

function judgeEndpointPorts(entry: Entry, path: Path, endpoint: unknown, tools: Judge): void {
  const mapped = field(endpoint, 'ports')
  if (!isFields(mapped)) return
  for (const [name, target] of Object.entries(mapped)) {
    const port = list(field(entry.spec, 'ports')).find(candidate => field(candidate, 'name') === name)
    judgeMapping(entry, [...path, 'ports', name], port, target, tools)
  }
}

function judgeMapping(entry: Entry, path: Path, port: unknown, target: unknown, tools: Judge): void {
  const number = portNumber(target)
  if (!number.ok) return tools.malformed(path, number.why)
  if (number.value === dig(port, 'number') || entry.internal) return
  const wanted = protocolClass(parseProtocol(text(field(port, 'protocol')) ?? ''))
  const approved = entry.hosts.every(host =>
    tools.facts.approvedHosts
      .covering(host)
      .some(({ ports }) => ports.some(fact => fact.number === number.value && protocolClass(fact.protocol) === wanted)),
  )
  if (approved) return
  tools.report('port-remapped', {
    path,
    value: String(number.value),
    slots: { number: String(dig(port, 'number') ?? 'of an unknown name') },
  })
}
