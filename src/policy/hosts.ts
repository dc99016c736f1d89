import type { Approval, ApprovedHosts, Facts, InternalHost } from '../core/facts.ts'
import { nothing, type Ranges, union } from '../istio/cidr.ts'
import { covers } from '../istio/host.ts'

/** Something that is said of a canonical host, maybe a wildcard. */
interface OfHost {
  readonly host: string
}

/** What is said of one host: mostly one thing, so no list is kept for it. */
type Bucket<T> = T | T[]

/** Returns the index over approvals. */
export function indexApprovals(approvals: readonly Approval[]): ApprovedHosts {
  return { size: approvals.length, covering: coveringOf(approvals), below: belowOf(approvals) }
}

/** Returns the index over internal hosts. */
export function indexInternalHosts(hosts: readonly InternalHost[]): Facts['internalHosts'] {
  return { covering: coveringOf(hosts), addresses: unionOf(hosts.map(({ addresses }) => addresses)) }
}

/** Unites halves, so that the cost of many ranges does not grow with their square. */
function unionOf(ranges: readonly Ranges[]): Ranges {
  const [first = nothing, second] = ranges
  if (second === undefined) return first
  const middle = ranges.length >> 1
  return union(unionOf(ranges.slice(0, middle)), unionOf(ranges.slice(middle)))
}

/**
 * Returns what finds the entries that cover a host, the most specific first. A look-up walks the labels of the host asked
 * for, so its cost does not grow with the number of entries.
 *
 * A `*.x` covers every depth below `x`, not `x` itself (Istio's `host.Name.SubsetOf`); a wildcard that is asked for needs
 * a wildcard that covers it.
 */
function coveringOf<T extends OfHost>(entries: readonly T[]): (host: string) => readonly T[] {
  const exact = new Map<string, Bucket<T>>()
  const wildcards = new Map<string, Bucket<T>>()
  for (const entry of entries) {
    if (entry.host.startsWith('*.')) add(wildcards, entry.host.slice(2), entry)
    else add(exact, entry.host, entry)
  }
  return host => {
    const found: T[] = []
    const same = exact.get(host)
    if (same !== undefined) found.push(...listOf(same))
    for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
      const bucket = wildcards.get(host.slice(dot + 1))
      if (bucket !== undefined) found.push(...listOf(bucket))
    }
    return found
  }
}

/**
 * Returns what finds the entries that a wildcard covers, which are those of one ending: read backwards and in order they
 * stand side by side, so a look-up is one search. The order is made when the first is asked for, as wildcards are rare.
 */
function belowOf<T extends OfHost>(entries: readonly T[]): (wildcard: string) => Iterable<T> {
  let ordered: readonly Backwards<T>[] | undefined
  return function* (wildcard) {
    ordered ??= entries
      .map(entry => ({ entry, text: backwards(entry.host) }))
      .sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0))
    const ending = backwards(wildcard.slice(1))
    for (let at = firstFrom(ending, ordered); ordered[at]?.text.startsWith(ending) === true; at++) {
      const entry = ordered[at]?.entry
      if (entry !== undefined && covers(wildcard, entry.host)) yield entry
    }
  }
}

/** An entry with its host read backwards. */
interface Backwards<T> {
  readonly entry: T
  readonly text: string
}

function backwards(host: string): string {
  return [...host].reverse().join('')
}

/** Returns the index of the first entry that does not come before a text. */
function firstFrom(text: string, ordered: readonly Backwards<unknown>[]): number {
  let low = 0
  for (let high = ordered.length; low < high; ) {
    const middle = (low + high) >> 1
    if ((ordered[middle]?.text ?? '') < text) low = middle + 1
    else high = middle
  }
  return low
}

function add<T>(index: Map<string, Bucket<T>>, key: string, entry: T): void {
  const bucket = index.get(key)
  if (bucket === undefined) index.set(key, entry)
  else if (Array.isArray(bucket)) bucket.push(entry)
  else index.set(key, [bucket, entry])
}

function listOf<T>(bucket: Bucket<T>): readonly T[] {
  return Array.isArray(bucket) ? bucket : [bucket]
}
