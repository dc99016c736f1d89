import { dig, type Fields, field, isFields } from '../istio/json.ts'
import type { Inventory } from './inventory.ts'
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
