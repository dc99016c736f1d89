import { liveApprovals } from '../../core/clients.ts'
import { gatewayHost, gatewayOfHost } from '../../core/gateway.ts'
import { insideRanges, whereIs } from '../../core/machine.ts'
import { isInside } from '../../core/outside.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { giveRanges, judgeUncaptured } from '../../core/uncaptured.ts'
import { meets, nothing, parseAddress, type Ranges, rangesOf, seeThrough, union } from '../../istio/cidr.ts'
import { parseHost } from '../../istio/host.ts'
import { dig, field, isFields, list, text } from '../../istio/json.ts'
import { portNumber } from '../../istio/port.ts'
import { type Entry, type EntryPort, isApproved, quoteHosts } from './entry.ts'
import type { Judge } from './rule.ts'

const loopback = rangesOf('127.0.0.0/8', '::1/128')

/** Judges where the endpoints of an entry are, and which ports of theirs stand for its own. */
export function judgeEndpoints(entry: Entry, subject: Subject, tools: Judge): void {
  const endpoints = list(field(entry.spec, 'endpoints'))
  for (const [i, endpoint] of endpoints.entries()) {
    judgeEndpoint(entry, ['spec', 'endpoints', i], endpoint, subject, tools)
  }
  const leadsToGateway = endpoints.length > 0 && endpoints.every(endpoint => isGateway(endpoint, tools))
  for (const port of entry.ports) {
    const given = port.target !== undefined && port.target !== null && port.target !== 0
    if (given && !leadsToGateway) judgeMapping(entry, [...port.path, 'targetPort'], port, port.target, tools)
  }
}

function isGateway(endpoint: unknown, tools: Judge): boolean {
  return gatewayOfHost(text(dig(endpoint, 'address')) ?? '', tools.facts) !== undefined
}

function judgeEndpoint(entry: Entry, path: Path, endpoint: unknown, subject: Subject, tools: Judge): void {
  const network = text(field(endpoint, 'network')) ?? ''
  if (network !== '' && subject.namespaceClass !== 'platform') {
    tools.report('endpoint-network', { path: [...path, 'network'], value: network })
  }
  const address = text(field(endpoint, 'address')) ?? ''
  if (address !== '') judgeAddress(entry, [...path, 'address'], address, tools)
  // What the ports of the gateway stand for is its own business.
  if (!isGateway(endpoint, tools)) judgePorts(entry, path, endpoint, tools)
}

function judgeAddress(entry: Entry, path: Path, address: string, tools: Judge): void {
  if (address.startsWith('unix:')) return tools.report('socket-endpoint', { path, value: address })
  const parsed = parseAddress(address)
  if (parsed.ok) return judgeIp(entry, path, address, seeThrough(parsed.value), tools)
  const host = parseHost(address)
  if (!host.ok) return tools.malformed(path, `address ${JSON.stringify(address)} ${host.why}`)
  judgeName(entry, path, host.value.text, tools)
}

function judgeIp(entry: Entry, path: Path, address: string, ip: Ranges, tools: Judge): void {
  if (meets(loopback, ip)) return tools.report('socket-endpoint', { path, value: address })
  const { virtualMachines } = tools.facts.ranges
  const answer = judgeUncaptured(ip, tools.facts, union(entry.approvedAddresses, virtualMachines ?? nothing))
  if (answer.leaves === 'unknown') tools.notJudged(path, `whether ${address} is inside the cluster`, giveRanges)
  if (answer.leaves !== 'yes') return
  if (entry.internal) tools.report('internal-outside', { path, value: address })
  else reportForeign(entry, path, address, tools)
}

function judgeName(entry: Entry, path: Path, name: string, tools: Judge): void {
  if (gatewayOfHost(name, tools.facts) !== undefined) return
  const meant = shortGateway(name, tools)
  if (meant !== undefined) return tools.report('short-gateway', { path, value: name, slots: { full: meant } })
  // A pod may be named by an address anywhere.
  const where = whereIs(name, tools.facts, insideRanges(tools.facts, entry.approvedAddresses))
  if (where === 'inside') return
  if (where === 'unknown') return tools.notJudged(path, `whether ${name} is inside the cluster`, giveRanges)
  if (entry.internal) return tools.report('internal-outside', { path, value: name })
  // An endpoint may be the host itself, one below an approved wildcard, or another host approved for the same.
  const isOwn = entry.hosts.every(host => host === name)
  if (isOwn || entry.ports.every(port => isApproved(name, port, entry, tools))) return
  reportForeign(entry, path, name, tools)
}

function reportForeign(entry: Entry, path: Path, value: string, tools: Judge): void {
  const remedy = entry.hosts.some(host => isForApproval(host, tools))
    ? 'remove the endpoint and set spec.resolution to DNS, or have the address approved (ApprovedHosts)'
    : 'use an address that spec.internalHosts of the policy gives the host, or have this one added there'
  tools.report('foreign-endpoint', { path, value, slots: { hosts: quoteHosts(entry.hosts), remedy } })
}

/** Returns the full name of the gateway that a shortened one means. */
function shortGateway(name: string, tools: Judge): string | undefined {
  for (const gateway of tools.facts.egressGateways ?? []) {
    const full = gatewayHost(gateway, tools.facts.mesh.clusterDomain)
    const short = [gateway.service, `${gateway.service}.${gateway.namespace}`]
    if (short.includes(name) || name === `${gateway.service}.${gateway.namespace}.svc`) return full
  }
  return undefined
}

function judgePorts(entry: Entry, path: Path, endpoint: unknown, tools: Judge): void {
  const mapped = field(endpoint, 'ports')
  if (!isFields(mapped)) return
  // Istio does not know a port of a name that the entry lacks, so a mapping of such a name leads nowhere.
  for (const port of entry.ports) {
    if (port.name === undefined || !Object.hasOwn(mapped, port.name)) continue
    judgeMapping(entry, [...path, 'ports', port.name], port, mapped[port.name], tools)
  }
}

/** A name of the mesh itself that nobody approved needs no approval of its ports either. */
function isForApproval(host: string, { facts, now }: Judge): boolean {
  return facts.internalHosts.covering(host).length === 0 || liveApprovals(host, facts, now).length > 0
}

function judgeMapping(entry: Entry, path: Path, port: EntryPort, target: unknown, tools: Judge): void {
  const number = portNumber(target)
  if (!number.ok) return tools.malformed(path, number.why)
  if (number.value === port.number || isInside(entry.spec)) return
  const inReality = { number: number.value, protocol: port.protocol }
  for (const host of entry.hosts.filter(
    name => isForApproval(name, tools) && !isApproved(name, inReality, entry, tools),
  )) {
    const value = `${host} from ${port.number} to ${number.value}`
    tools.report('port-remapped', {
      path,
      value,
      slots: { port: String(port.number), target: String(number.value), host },
    })
  }
}
