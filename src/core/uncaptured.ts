import {
  equal,
  formatRanges,
  includes,
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
  if (isEmpty(uncaptured)) return { leaves: 'no' }
  const { pods, services } = facts.ranges
  const inside = [pods ?? nothing, services ?? nothing, loopback, accepted].reduce(union)
  const outside = subtract(uncaptured, inside)
  const known = pods !== undefined && services !== undefined
  const certain = known ? outside : subtract(outside, privateRanges)
  if (!isEmpty(certain)) return { leaves: 'yes', outside: describe(outside) }
  const open = intersect(outside, privateRanges)
  return isEmpty(open) ? { leaves: 'no' } : { leaves: 'unknown', outside: describe(open) }
}

const isEmpty = (ranges: Ranges): boolean => equal(ranges, nothing)

const everyIPv4 = rangesOf('0.0.0.0/0')
const everyIPv6 = rangesOf('::/0')

/** Returns the ranges as people say them: not two dozen prefixes where "every public IPv4 address" is meant. */
function describe(ranges: Ranges): string {
  const isPublic = (family: Ranges): boolean => includes(ranges, subtract(family, privateRanges))
  if (isPublic(everyIPv4) && isPublic(everyIPv6)) return 'every public address'
  const parts: string[] = []
  for (const [family, name] of [
    [everyIPv4, 'IPv4'],
    [everyIPv6, 'IPv6'],
  ] as const) {
    const ofFamily = intersect(ranges, family)
    if (isPublic(family)) parts.push(`every public ${name} address`)
    else if (!isEmpty(ofFamily)) parts.push(few(formatRanges(ofFamily)))
  }
  return enumerate(parts)
}

/** How to make the ranges known. */
export const giveRanges = 'give spec.ranges.pods and spec.ranges.services in the policy'

/** Names as many items as a line holds. */
export function few(items: readonly string[]): string {
  const shown = items.slice(0, 3)
  return items.length > shown.length ? `${shown.join(', ')} and ${items.length - shown.length} more` : enumerate(shown)
}
