import { liveApprovals } from '../../core/clients.ts'
import type { Path } from '../../core/path.ts'
import { giveRanges } from '../../core/uncaptured.ts'
import {
  formatRanges,
  includes,
  meets,
  nothing,
  parseSubnet,
  privateRanges,
  type Ranges,
  rangesOf,
  seeThrough,
  union,
} from '../../istio/cidr.ts'
import { field, list, text } from '../../istio/json.ts'
import { type Entry, type EntryPort, isInsideMesh } from './entry.ts'
import type { Judge } from './rule.ts'

/** Judges, port by port, whether the entry says itself where its traffic goes: each port is a way of its own. */
export function judgeResolution(entry: Entry, tools: Judge): void {
  const isNone = entry.resolution === 'NONE'
  const accepted = isNone && areAddressesApproved(entry, tools)
  for (const port of entry.ports) {
    // On a TCP port nothing but the address tells the entry's traffic from any other.
    const looksAtHost = port.protocol !== 'tcp' && port.protocol !== 'sniffed'
    // HTTP is taken on every address whatever the entry's own are: networking/core/listener.go.
    const isBound = accepted && port.protocol !== 'http'
    if (isNone && !isBound)
      reportUnresolved(entry, port, looksAtHost ? reviewedWildcard(entry, tools) : undefined, tools)
    else if (!looksAtHost && !hasOwnAddress(entry)) {
      tools.report('any-address', { path: port.path, value: String(port.number) })
    }
  }
}

const unspecified = union(rangesOf('0.0.0.0/32'), rangesOf('::/128'))

/**
 * Each address is a listener of its own, and the unspecified one is that of entries without any. Istio:
 * pilot/pkg/serviceregistry/serviceentry/conversion.go (convertServices), networking/core/listener.go.
 */
function hasOwnAddress({ spec }: Entry): boolean {
  const addresses = list(field(spec, 'addresses')).map(address => parseSubnet(text(address) ?? ''))
  return addresses.length > 0 && addresses.every(address => !address.ok || !includes(unspecified, address.value))
}

function reportUnresolved(entry: Entry, port: EntryPort, wildcard: string | undefined, tools: Judge): void {
  const given = text(field(entry.spec, 'resolution')) !== undefined
  const path = given ? ['spec', 'resolution'] : ['spec']
  const value = `NONE on ${port.number}`
  const slots = { state: given ? 'resolution NONE' : 'no resolution means NONE', port: String(port.number) }
  if (wildcard === undefined) tools.report('no-resolution', { path, value, slots })
  else tools.report('wildcard-without-resolution', { path, value, slots: { ...slots, host: wildcard } })
}

/** Returns the first host where all are approved wildcards, for which Istio has no other resolution by DNS. */
function reviewedWildcard({ hosts }: Entry, tools: Judge): string | undefined {
  const isReviewed = (host: string): boolean =>
    host.startsWith('*.') && liveApprovals(host, tools.facts, tools.now).length > 0
  return hosts.every(isReviewed) ? hosts[0] : undefined
}

/** Without resolution the addresses are the destinations: all of them must be approved, or inside where the entry is. */
function areAddressesApproved(entry: Entry, tools: Judge): boolean {
  const addresses = list(field(entry.spec, 'addresses')).map(address => parseSubnet(text(address) ?? ''))
  const isAccepted = (ranges: Ranges): boolean =>
    includes(entry.approvedAddresses, ranges) || (entry.internal && isInsideMesh(ranges, tools))
  return addresses.length > 0 && addresses.every(address => address.ok && isAccepted(seeThrough(address.value)))
}

/** Judges the addresses that the entry listens on. */
export function judgeAddresses(entry: Entry, tools: Judge): void {
  for (const [i, given] of list(field(entry.spec, 'addresses')).entries()) {
    const path: Path = ['spec', 'addresses', i]
    const value = text(given) ?? ''
    const parsed = parseSubnet(value)
    if (parsed.ok) judgeAddress(entry, path, value, seeThrough(parsed.value), tools)
    else tools.malformed(path, `address ${JSON.stringify(value)} ${parsed.why}`)
  }
}

function judgeAddress(entry: Entry, path: Path, value: string, address: Ranges, tools: Judge): void {
  const { pods, services, virtualMachines } = tools.facts.ranges
  if (includes(entry.approvedAddresses, address)) return
  if (entry.internal && includes(virtualMachines ?? nothing, address)) return
  const known = pods !== undefined && services !== undefined
  if (meets(union(pods ?? nothing, services ?? nothing), address)) tools.report('cluster-address', { path, value })
  else if (!isSingle(address)) tools.report('address-range', { path, value })
  else if (!known && meets(privateRanges, address)) {
    tools.notJudged(path, `whether ${value} is an address of the cluster`, giveRanges)
  }
}

function isSingle(ranges: Ranges): boolean {
  const [only = '', ...more] = formatRanges(ranges)
  return more.length === 0 && only.endsWith(only.includes(':') ? '/128' : '/32')
}
