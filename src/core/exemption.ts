import { createHash } from 'node:crypto'
import { field } from '../istio/json.ts'
import { podTemplateOf } from '../istio/workload.ts'
import type { ExemptionMark, Finding } from './finding.ts'
import type { Inventory } from './inventory.ts'
import type { Kind } from './kind.ts'
import { type Owner, ownersOf } from './owner.ts'
import { matchesPattern, type Path, type PatternSegment } from './path.ts'
import type { FindExemption } from './policy.ts'
import type { Review } from './review.ts'

/** Any name or any namespace, said explicitly. */
export const any = '*'

/** A recorded, scoped, expiring permission to deviate. */
export interface Exemption extends ExemptionMark {
  readonly rule: string
  /** An object is reached itself; a workload is reached with the pods that its controllers make for it. */
  readonly reach: 'object' | 'workload'
  readonly kind: Kind
  /** Exact, or `*`. */
  readonly namespace: string
  /** Exact, or `*`. */
  readonly objectName: string
  /** What is permitted: one value at one path (of a workload: of its pods), or a whole spec by its digest. */
  readonly permits:
    | { readonly path: readonly PatternSegment[]; readonly value: string }
    | { readonly specDigest: string }
  /** The first moment it no longer holds, milliseconds since the epoch. */
  readonly expiresAt: number
}

/** Returns a look-up over the exemptions whose cost does not grow with their number. */
export function indexExemptions(exemptions: readonly Exemption[]): FindExemption {
  const index = new Map<string, Exemption[]>()
  for (const exemption of exemptions) {
    const key = keyOf(exemption.rule, exemption.kind, exemption.namespace, exemption.objectName)
    index.set(key, [...(index.get(key) ?? []), exemption])
  }
  const named = (rule: string, kind: Kind, namespace: string, name: string): Exemption[] =>
    [
      keyOf(rule, kind, namespace, name),
      keyOf(rule, kind, namespace, any),
      keyOf(rule, kind, any, name),
      keyOf(rule, kind, any, any),
    ].flatMap(key => index.get(key) ?? [])

  // All findings of a review ask for its owners, one after the other.
  let last: { readonly review: Review; readonly inventory: Inventory; readonly owners: readonly Owner[] } | undefined
  const ownersOnce = (review: Review, inventory: Inventory): readonly Owner[] => {
    if (last?.review !== review || last.inventory !== inventory) {
      last = { review, inventory, owners: ownersOf(review, inventory) }
    }
    return last.owners
  }

  return (finding, review, inventory, now) => {
    if (index.size === 0) return undefined
    const { ref } = review
    const own = named(finding.rule, review.kind, ref.namespace, ref.name)
    const owned = ownersOnce(review, inventory).flatMap(owner =>
      named(finding.rule, owner.kind, ref.namespace, owner.name).filter(exemption => exemption.reach === 'workload'),
    )
    return [...own, ...owned].find(exemption => now < exemption.expiresAt && permits(exemption, finding, review))
  }
}

function keyOf(rule: string, kind: Kind, namespace: string, name: string): string {
  return `${rule} ${kind} ${namespace} ${name}`
}

function permits(exemption: Exemption, finding: Finding, review: Review): boolean {
  const object = review.object ?? review.oldObject
  if ('specDigest' in exemption.permits) return specDigest(object) === exemption.permits.specDigest
  const path = exemption.reach === 'workload' ? podPath(review.kind, object, finding.path) : finding.path
  return exemption.permits.value === finding.value && matchesPattern(exemption.permits.path, path)
}

/** Returns the path as seen from the pod inside a template; unchanged where the object holds none. */
function podPath(kind: Kind, object: unknown, path: Path): Path {
  const root = podTemplateOf(kind, object)?.root ?? []
  return root.every((segment, i) => path[i] === segment) ? path.slice(root.length) : path
}

/**
 * Returns `sha256:…` over the object's `spec` in canonical JSON (keys sorted), or undefined where it has none or is
 * nested too deep to be written out.
 */
export function specDigest(object: unknown): string | undefined {
  const spec = field(object, 'spec')
  if (typeof spec !== 'object' || spec === null) return digestOf(spec)
  const known = digests.get(spec)
  if (known !== undefined) return known.digest
  const digest = digestOf(spec)
  digests.set(spec, { digest })
  return digest
}

/** Digests that were asked for: each finding of an object asks for that of its spec. */
const digests = new WeakMap<object, { readonly digest: string | undefined }>()

/** Returns `sha256:…` over a JSON value, its keys sorted; undefined where there is none or it is nested too deep. */
export function digestOf(value: unknown): string | undefined {
  if (value === undefined) return undefined
  try {
    return `sha256:${createHash('sha256').update(canonicalJson(value)).digest('hex')}`
  } catch {
    return undefined
  }
}

/** Returns JSON with the keys of every object sorted, so that equal values give equal text. Throws on deep nesting. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
