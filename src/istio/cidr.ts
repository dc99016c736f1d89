import { bad, good, type Result } from './result.ts'
import { quote } from './text.ts'

/**
 * A set of IP addresses. Addresses of both families lie on one line, IPv4 from 0 and IPv6 from 2^128 on; `edges` holds
 * the places where the set begins and ends, sorted and without repetition: in at an even index, out at an odd one. Made
 * and read by the functions of this file only.
 */
export type Ranges = { readonly edges: readonly bigint[] }

type Family = { readonly start: bigint; readonly bits: number; readonly text: (address: bigint) => string }

const V4: Family = { start: 0n, bits: 32, text: formatV4 }
const V6: Family = { start: 1n << 128n, bits: 128, text: formatV6 }

/** One address as it is written: an IPv4-mapped one is still of the IPv6 family. */
type Address = { readonly family: Family; readonly value: bigint }

/** `::ffff:0:0/96` above its last 32 bits. */
const MAPPED = 0xffffn

/** The set without any address. */
export const nothing: Ranges = { edges: [] }

/** The set of all IPv4 and all IPv6 addresses. */
export const everything: Ranges = { edges: [0n, 1n << 32n, 1n << 128n, 1n << 129n] }

/**
 * Returns the addresses of a prefix such as `10.0.0.0/8`; bits beyond the prefix length are masked off, and an
 * IPv4-mapped prefix counts as the IPv4 one. Accepts exactly what Go's `netip.ParsePrefix` accepts: no zone, no leading
 * zero in an octet or in the length, no bare address.
 */
export function parsePrefix(text: string): Result<Ranges> {
  const prefix = readPrefix(text)
  return prefix.ok ? good(unmapped(prefix.value.address, prefix.value.length)) : prefix
}

/**
 * Returns the addresses of a prefix or of one bare address, as fields such as ServiceEntry `spec.addresses` take them
 * (istio.io/istio `pkg/config/validation/agent`, `ValidateIPSubnet`). Stricter than Istio in one thing: an address with
 * a zone is refused.
 */
export function parseSubnet(text: string): Result<Ranges> {
  return text.includes('/') ? parsePrefix(text) : parseAddress(text)
}

/**
 * Returns the set of one address, as Go's `netip.ParseAddr` reads it: four decimal octets without leading zeros, or
 * IPv6. A zone is refused, an IPv4-mapped address counts as the IPv4 one.
 */
export function parseAddress(text: string): Result<Ranges> {
  const address = readAddress(text)
  return address.ok ? good(unmapped(address.value, address.value.family.bits)) : address
}

/**
 * Returns the canonical text of one address: an IPv4-mapped one as IPv4, IPv6 in the form of RFC 5952. Accepts what
 * `parseAddress` accepts.
 */
export function canonicalAddress(text: string): Result<string> {
  const address = readAddress(text)
  if (!address.ok) return address
  const { family, value } = address.value
  return good(family === V6 && value >> 32n === MAPPED ? formatV4(value & 0xffffffffn) : family.text(value))
}

/**
 * Returns the union of a comma-separated list of prefixes as the annotations `includeOutboundIPRanges` and
 * `excludeOutboundIPRanges` hold it: no trimming, and the empty text is the empty set (istio.io/istio
 * `pkg/kube/inject/validate.go`, `validateCIDRList`). The exact value `*`, which only `includeOutboundIPRanges` may
 * have, is the caller's: here it is an error.
 *
 * An IPv4-mapped prefix stays an IPv6 one, since `istio-iptables` makes an IPv6 rule of it, which no IPv4 packet meets.
 */
export function parseCidrList(text: string): Result<Ranges> {
  if (text === '') return good(nothing)
  const spans: Span[] = []
  for (const item of text.split(',')) {
    const prefix = readPrefix(item)
    if (!prefix.ok) return bad(`holds ${quote(item)}, which ${prefix.why}`)
    spans.push(block(prefix.value.address, prefix.value.length))
  }
  return good(merge(spans))
}

/** Returns the addresses that are in `a`, in `b`, or in both. */
export function union(a: Ranges, b: Ranges): Ranges {
  return combine(a, b, (inA, inB) => inA || inB)
}

/** Returns the addresses that are in both `a` and `b`. */
export function intersect(a: Ranges, b: Ranges): Ranges {
  return combine(a, b, (inA, inB) => inA && inB)
}

/** Returns the addresses of `a` that are not in `b`. */
export function subtract(a: Ranges, b: Ranges): Ranges {
  return combine(a, b, (inA, inB) => inA && !inB)
}

/** Returns all addresses of both families that are not in `a`. */
export function complement(a: Ranges): Ranges {
  return subtract(everything, a)
}

/**
 * Returns true where every address of `narrow` is in `wide`.
 *
 *     wide         narrow        includes
 *     10.0.0.0/8   10.1.0.0/16   true
 *     10.0.0.0/8   10.0.0.0/8    true
 *     10.0.0.0/8   10.0.0.0/7    false
 *     0.0.0.0/0    ::/0          false
 *     anything     nothing       true
 */
export function includes(wide: Ranges, narrow: Ranges): boolean {
  for (const [from, to] of spansOf(narrow)) {
    const passed = edgesUpTo(wide, from)
    const end = wide.edges[passed]
    if (passed % 2 === 0 || end === undefined || end < to) return false
  }
  return true
}

/**
 * Returns true where `a` and `b` share an address.
 *
 *     a            b             meets
 *     10.0.0.0/8   10.1.0.0/16   true
 *     10.0.0.0/9   10.128.0.0/9  false
 *     0.0.0.0/0    ::/0          false
 *     anything     nothing       false
 */
export function meets(a: Ranges, b: Ranges): boolean {
  for (const [from, to] of spansOf(a)) {
    const passed = edgesUpTo(b, from)
    if (passed % 2 === 1) return true
    const next = b.edges[passed]
    if (next !== undefined && next < to) return true
  }
  return false
}

/** Returns true where `a` and `b` hold the same addresses, however they were written. */
export function equal(a: Ranges, b: Ranges): boolean {
  return a.edges.length === b.edges.length && a.edges.every((edge, index) => edge === b.edges[index])
}

/** Returns the shortest list of prefixes that makes up the set, IPv4 first, each family in ascending order. */
export function formatRanges(ranges: Ranges): string[] {
  const prefixes: string[] = []
  for (const [from, to] of spansOf(ranges)) {
    const family = from < V6.start ? V4 : V6
    let here = from - family.start
    const end = to - family.start
    while (here < end) {
      let free = 0
      // The largest block that begins here, by alignment, and ends within the span.
      while (free < family.bits && ((here >> BigInt(free)) & 1n) === 0n && here + (2n << BigInt(free)) <= end) free++
      prefixes.push(`${family.text(here)}/${family.bits - free}`)
      here += 1n << BigInt(free)
    }
  }
  return prefixes
}

/** Returns the union of prefixes that are known to be good, such as constants. Throws on any other text. */
export function rangesOf(...prefixes: readonly string[]): Ranges {
  const spans = prefixes.map(text => {
    const prefix = readPrefix(text)
    if (!prefix.ok) throw new Error(`${quote(text)} ${prefix.why}`)
    return block(prefix.value.address, prefix.value.length)
  })
  return merge(spans)
}

/**
 * Addresses that are not on the public internet: RFC 1918, shared address space (RFC 6598), loopback, link-local, and
 * unique local IPv6.
 */
export const privateRanges: Ranges = rangesOf(
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
)

/** A block of IPv6 addresses that carry an IPv4 address: where it begins, and how many bits follow that address. */
type Embedding = { readonly base: bigint; readonly shift: bigint }

const EMBEDDINGS: readonly Embedding[] = [
  { base: V6.start + (MAPPED << 32n), shift: 0n },
  { base: V6.start + (0x64ff9bn << 96n), shift: 0n },
  { base: V6.start + (0x2002n << 112n), shift: 80n },
]

/**
 * Returns the set with every IPv6 address that stands for an IPv4 address (IPv4-mapped, NAT64 `64:ff9b::/96` of
 * RFC 6052, 6to4 `2002::/16`) replaced by that IPv4 address. For questions about where traffic ends; both sides of the
 * comparison must be seen through. Not for lists of captured ranges, where such an address is an IPv6 one.
 */
export function seeThrough(ranges: Ranges): Ranges {
  let seen = ranges
  for (const { base, shift } of EMBEDDINGS) {
    const embedding: Ranges = { edges: [base, base + (1n << (32n + shift))] }
    const carried: Span[] = []
    for (const [from, to] of spansOf(intersect(ranges, embedding))) {
      carried.push([(from - base) >> shift, ((to - 1n - base) >> shift) + 1n])
    }
    seen = union(subtract(seen, embedding), merge(carried))
  }
  return seen
}

/** Where a run of addresses begins, and the first place behind it. */
type Span = readonly [from: bigint, to: bigint]

function* spansOf(ranges: Ranges): Generator<Span> {
  let from: bigint | undefined
  for (const edge of ranges.edges) {
    if (from === undefined) {
      from = edge
    } else {
      yield [from, edge]
      from = undefined
    }
  }
}

/** Returns how many edges lie at or before a place; an odd number means that the place is in the set. */
function edgesUpTo(ranges: Ranges, place: bigint): number {
  let low = 0
  let high = ranges.edges.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const edge = ranges.edges[middle]
    if (edge !== undefined && edge <= place) low = middle + 1
    else high = middle
  }
  return low
}

function merge(spans: readonly Span[]): Ranges {
  const sorted = spans.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  const edges: bigint[] = []
  let end = -1n
  for (const [from, to] of sorted) {
    if (from > end) edges.push(from, to)
    else if (to > end) edges[edges.length - 1] = to
    else continue
    end = to
  }
  return { edges }
}

function combine(a: Ranges, b: Ranges, keep: (inA: boolean, inB: boolean) => boolean): Ranges {
  const edges: bigint[] = []
  let passedA = 0
  let passedB = 0
  let inside = false
  for (;;) {
    const nextA = a.edges[passedA]
    const nextB = b.edges[passedB]
    const place = nextA === undefined || (nextB !== undefined && nextB < nextA) ? nextB : nextA
    if (place === undefined) return { edges }
    if (nextA === place) passedA++
    if (nextB === place) passedB++
    if (keep(passedA % 2 === 1, passedB % 2 === 1) !== inside) {
      edges.push(place)
      inside = !inside
    }
  }
}

function block({ family, value }: Address, length: number): Span {
  const free = BigInt(family.bits - length)
  const from = family.start + ((value >> free) << free)
  return [from, from + (1n << free)]
}

function unmapped(address: Address, length: number): Ranges {
  if (address.family === V6 && length >= 96 && address.value >> 32n === MAPPED) {
    return { edges: block({ family: V4, value: address.value & 0xffffffffn }, length - 96) }
  }
  return { edges: block(address, length) }
}

function readPrefix(text: string): Result<{ readonly address: Address; readonly length: number }> {
  const slash = text.lastIndexOf('/')
  if (slash < 0) return bad('has no prefix length')
  const address = readAddress(text.slice(0, slash))
  if (!address.ok) return address
  const digits = text.slice(slash + 1)
  const most = address.value.family.bits
  if (!/^(?:0|[1-9][0-9]{0,2})$/.test(digits) || Number(digits) > most) {
    return bad(`has a prefix length that is no number from 0 to ${most}`)
  }
  return good({ address: address.value, length: Number(digits) })
}

function readAddress(text: string): Result<Address> {
  if (text.includes('%')) return bad('has a zone')
  const six = text.includes(':')
  const value = six ? readV6(text) : readV4(text)
  if (value === undefined) return bad(`is no IPv${six ? 6 : 4} address`)
  return good({ family: six ? V6 : V4, value: BigInt(value) })
}

function readV4(text: string): number | undefined {
  if (text.length > '255.255.255.255'.length) return undefined
  const octets = text.split('.')
  if (octets.length !== 4) return undefined
  let value = 0
  for (const octet of octets) {
    if (!/^(?:0|[1-9][0-9]{0,2})$/.test(octet) || Number(octet) > 255) return undefined
    value = value * 256 + Number(octet)
  }
  return value
}

function readV6(text: string): bigint | undefined {
  if (text.length > 'ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255'.length) return undefined
  const gap = text.indexOf('::')
  const head = readGroups(gap < 0 ? text : text.slice(0, gap), gap < 0)
  const tail = readGroups(gap < 0 ? '' : text.slice(gap + 2), true)
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  if (gap < 0 ? missing !== 0 : missing < 1) return undefined
  let value = 0n
  for (const group of [...head, ...new Array<number>(missing).fill(0), ...tail]) value = (value << 16n) | BigInt(group)
  return value
}

function readGroups(text: string, last: boolean): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const items = text.split(':')
  for (const [index, item] of items.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(item)) {
      groups.push(Number.parseInt(item, 16))
      continue
    }
    // An IPv4 address may stand for the last two groups of the whole address.
    const four = last && index === items.length - 1 ? readV4(item) : undefined
    if (four === undefined) return undefined
    groups.push(Math.floor(four / 0x10000), four % 0x10000)
  }
  return groups
}

function formatV4(address: bigint): string {
  const value = Number(address)
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`
}

/** Returns the form of RFC 5952 section 4: lower case, the longest run of zero groups (the first of equals) as `::`. */
function formatV6(address: bigint): string {
  const groups: string[] = []
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(((address >> shift) & 0xffffn).toString(16))
  let gap = 0
  let width = 1
  let run = 0
  for (const [index, group] of groups.entries()) {
    run = group === '0' ? run + 1 : 0
    if (run > width) {
      width = run
      gap = index + 1 - run
    }
  }
  if (width === 1) return groups.join(':')
  return `${groups.slice(0, gap).join(':')}::${groups.slice(gap + width).join(':')}`
}
