import { gatewayClassKind, gatewayServes } from '../../core/gatewayapi.ts'
import { namespaceLabels } from '../../core/inventory.ts'
import { enumerate } from '../../core/text.ts'
import { dig } from '../../istio/json.ts'
import { gatewayApiKind } from '../../istio/kinds.ts'
import { allowsAttachment, takesServices, type WaypointRef, waypointFor } from '../../istio/waypoint.ts'
import type { Judge } from './rule.ts'

/** What a waypoint that somebody names is. */
export type Finding =
  /** There, and of use. */
  | { readonly is: 'fit' }
  /** Not there. */
  | { readonly is: 'missing' }
  /** There, but what would go through it goes past it. */
  | { readonly is: 'unfit'; readonly problem: string; readonly remedy: string }
  /** Whether it is there is not known. */
  | { readonly is: 'unknown' }

/** Returns what a waypoint is to things of a namespace, by its object; one of another controller is its own affair. */
export function findWaypoint({ namespace, name }: WaypointRef, client: string, { inventory }: Judge): Finding {
  const gateway = inventory.find(gatewayApiKind, namespace, name)
  if (gateway === undefined) return { is: inventory.knows(gatewayApiKind) ? 'missing' : 'unknown' }
  if (gatewayServes(gateway, inventory) === 'other') return { is: 'fit' }
  const className = String(dig(gateway, 'spec', 'gatewayClassName'))
  const gatewayClass = inventory.find(gatewayClassKind, '', className)
  const takes = waypointFor(gateway, gatewayClass)
  if (!takesServices(takes)) {
    return { is: 'unfit', problem: `is for "${takes}" only`, remedy: 'the label istio.io/waypoint-for of this one' }
  }
  const allows = allowsAttachment(gateway, client, namespaceLabels(inventory, client), gatewayClass)
  if (allows === undefined) return { is: 'unknown' }
  return allows
    ? { is: 'fit' }
    : { is: 'unfit', problem: `refuses namespace "${client}"`, remedy: 'allowedRoutes of its listener for HBONE' }
}

/** Returns whether the policy lists the waypoint for a namespace; undefined where it lists none at all. */
export function isListed({ namespace, name }: WaypointRef, client: string, { facts }: Judge): boolean | undefined {
  return facts.waypoints?.some(
    waypoint => waypoint.namespace === namespace && waypoint.name === name && waypoint.serves(client),
  )
}

/** Returns how a fix names the waypoints that a namespace may choose; empty where the policy knows none. */
export function knownWaypoints(client: string, { facts }: Judge): string {
  const names = (facts.waypoints ?? []).filter(waypoint => waypoint.serves(client)).slice(0, 3)
  return names.length === 0
    ? ''
    : `: ${enumerate(
        names.map(({ namespace, name }) => `${namespace}/${name}`),
        'or',
      )}`
}
