import { dig, type Fields, field, isFields, list, text } from '../istio/json.ts'
import type { Inventory } from './inventory.ts'
import type { Path } from './path.ts'
import type { Review } from './review.ts'

/** Fields of `metadata` by which controllers and the API server take objects down and keep books. */
const housekeeping: ReadonlySet<string> = new Set([
  'finalizers',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'managedFields',
  'resourceVersion',
  'generation',
])

/** Accounts of kube-controller-manager that delete what a namespace or an owner leaves behind. */
const cleaners: ReadonlySet<string> = new Set([
  'system:serviceaccount:kube-system:namespace-controller',
  'system:serviceaccount:kube-system:generic-garbage-collector',
])

/**
 * Returns true for an UPDATE that changes nothing but finalizers, deletion marks and the API server's own bookkeeping:
 * refusing it would leave an object that can neither be kept nor removed.
 */
export function isHousekeeping(review: Review): boolean {
  if (review.operation !== 'UPDATE' || review.object === undefined || review.oldObject === undefined) return false
  return sameJson(withoutHousekeeping(review.oldObject), withoutHousekeeping(review.object))
}

/**
 * Returns true for a DELETE that only carries out what was decided before: the namespace is being deleted, or the
 * requester is the namespace controller or the garbage collector.
 */
export function isCleanUp(review: Review, inventory: Inventory): boolean {
  if (review.operation !== 'DELETE') return false
  if (review.requester !== undefined && cleaners.has(review.requester.username)) return true
  const namespace = inventory.find('Namespace', '', review.ref.namespace)
  return (
    field(field(namespace, 'metadata'), 'deletionTimestamp') !== undefined ||
    dig(namespace, 'status', 'phase') === 'Terminating'
  )
}

function withoutHousekeeping(object: Fields): Fields {
  const metadata = field(object, 'metadata')
  if (!isFields(metadata)) return object
  const kept = Object.entries(metadata).filter(([key]) => !housekeeping.has(key))
  return { ...object, metadata: Object.fromEntries(kept) }
}

/** Returns true where two JSON values are equal; works with a list of pairs, so nesting cannot exhaust the stack. */
export function sameJson(left: unknown, right: unknown): boolean {
  const pairs: [unknown, unknown][] = [[left, right]]
  for (let pair = pairs.pop(); pair !== undefined; pair = pairs.pop()) {
    const [a, b] = pair
    if (Object.is(a, b)) continue
    if (Array.isArray(a) && Array.isArray(b) && a.length === b.length) {
      for (let i = 0; i < a.length; i++) pairs.push([a[i], b[i]])
    } else if (isFields(a) && isFields(b)) {
      const keys = Object.keys(a)
      if (keys.length !== Object.keys(b).length) return false
      for (const key of keys) {
        if (!Object.hasOwn(b, key)) return false
        pairs.push([a[key], b[key]])
      }
    } else return false
  }
  return true
}

/**
 * Returns true where a request reaches the metadata of a built-in object: it is for the object itself, or a write to one of
 * its subresources that changes labels, annotations or owners. The API server keeps the spec of such a write, not the
 * metadata. Kubernetes: pkg/registry/core/namespace/strategy.go (namespaceStatusStrategy, namespaceFinalizeStrategy).
 */
export function reachesMetadata({ subresource, object, oldObject }: Change): boolean {
  if (subresource === '' || oldObject === undefined) return true
  const keys = ['labels', 'annotations', 'ownerReferences']
  return keys.some(key => !sameJson(dig(oldObject, 'metadata', key), dig(object, 'metadata', key)))
}

type Change = Pick<Review, 'subresource' | 'object' | 'oldObject'>

/** An owner that an object gets. */
export interface NewOwner {
  readonly path: Path
  /** As `Kind name`. */
  readonly owner: string
}

/**
 * Returns the first owner that an UPDATE gives to an object: when it goes, or where it is not there at all, the garbage
 * collector deletes the object, and what decides about deletions does not refuse that. Kubernetes: Garbage Collection,
 * section "Orphaned dependents".
 */
export function newOwner({ object, oldObject }: Pick<Change, 'object' | 'oldObject'>): NewOwner | undefined {
  if (oldObject === undefined) return undefined
  const read = (of: unknown): readonly unknown[] => list(dig(of, 'metadata', 'ownerReferences'))
  const before = new Set(read(oldObject).map(ownerKey))
  const owners = read(object)
  const at = owners.findIndex(owner => !before.has(ownerKey(owner)))
  if (at < 0) return undefined
  const owner = ['kind', 'name'].map(key => text(field(owners[at], key)) ?? '').join(' ')
  return { path: ['metadata', 'ownerReferences', at], owner }
}

function ownerKey(owner: unknown): string {
  return ['apiVersion', 'kind', 'name', 'uid'].map(key => text(field(owner, key)) ?? '').join(' ')
}
