import type { Approval, ApprovedHosts, Facts, InternalHost } from '../core/facts.ts'
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
  return { covering: coveringOf(hosts) }
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
 * Returns what finds the entries that a wildcard covers. Wildcards of a few labels are rare, so the index by ending is made
 * when the first is asked for.
 */
function belowOf<T extends OfHost>(entries: readonly T[]): (wildcard: string) => readonly T[] {
  let byEnding: Map<string, T[]> | undefined
  return wildcard => {
    byEnding ??= indexEndings(entries)
    const dot = wildcard.indexOf('.')
    const found = dot < 0 ? entries : (byEnding.get(wildcard.slice(dot + 1)) ?? [])
    return found.filter(entry => covers(wildcard, entry.host))
  }
}

/** Puts each entry under every ending of whole labels that its host has. */
function indexEndings<T extends OfHost>(entries: readonly T[]): Map<string, T[]> {
  const byEnding = new Map<string, T[]>()
  for (const entry of entries) {
    for (let dot = entry.host.indexOf('.'); dot >= 0; dot = entry.host.indexOf('.', dot + 1)) {
      const ending = entry.host.slice(dot + 1)
      const bucket = byEnding.get(ending)
      if (bucket === undefined) byEnding.set(ending, [entry])
      else bucket.push(entry)
    }
  }
  return byEnding
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
