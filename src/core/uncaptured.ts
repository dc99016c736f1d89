import {
  formatRanges,
  intersect,
  nothing,
  privateRanges,
  type Ranges,
  rangesOf,
  subtract,
  union,
} from '../istio/cidr.ts'
import type { Facts } from './facts.ts'
import { enumerate } from './text.ts'

/** Never leaves the pod, and is never captured: istio-iptables returns it by itself. */
const loopback = rangesOf('127.0.0.0/8', '::1/128')

/** What becomes of traffic that no proxy sees. */
export type Uncaptured =
  /** It stays inside the cluster. */
  | { readonly leaves: 'no' }
  /** It leaves; `outside` names where to. */
  | { readonly leaves: 'yes'; readonly outside: string }
  /** Private addresses of which the policy does not say whether they are inside. */
  | { readonly leaves: 'unknown'; readonly outside: string }

/**
 * Returns whether traffic to `uncaptured` leaves the cluster. Public addresses are always outside; private ones are
 * inside where the policy's ranges of pods and Services (or `accepted`) cover them, unknown where it gives no such ranges.
 */
export function judgeUncaptured(uncaptured: Ranges, facts: Facts, accepted: Ranges): Uncaptured {
  const { pods, services } = facts.ranges
  const inside = [pods ?? nothing, services ?? nothing, loopback, accepted].reduce(union)
  const outside = subtract(uncaptured, inside)
  const known = pods !== undefined && services !== undefined
  const certain = known ? outside : subtract(outside, privateRanges)
  if (formatRanges(certain).length > 0) return { leaves: 'yes', outside: few(formatRanges(outside)) }
  const open = formatRanges(intersect(outside, privateRanges))
  return open.length === 0 ? { leaves: 'no' } : { leaves: 'unknown', outside: few(open) }
}

/** How to make the ranges known. */
export const giveRanges = 'give spec.ranges.pods and spec.ranges.services in the policy'

/** Names as many items as a line holds. */
export function few(items: readonly string[]): string {
  const shown = items.slice(0, 3)
  return items.length > shown.length ? `${shown.join(', ')} and ${items.length - shown.length} more` : enumerate(shown)
}
