import { refOf } from '../../core/kind.ts'
import { isInside } from '../../core/outside.ts'
import { dataplaneModeLabel } from '../../istio/injection.ts'
import type { Fields } from '../../istio/json.ts'
import { field } from '../../istio/json.ts'
import { entryKind } from '../../istio/kinds.ts'
import type { Labels } from '../../istio/selector.ts'
import { useWaypointLabel } from '../../istio/waypoint.ts'
import { labelsOf } from '../../istio/workload.ts'
import type { Judge } from './rule.ts'

/** A namespace in ambient mode. */
export interface Ambient {
  readonly name: string
  readonly labels: Labels
}

/** Namespaces in ambient mode by the list of all Namespaces, the same while nothing changes. */
const known = new WeakMap<readonly Fields[], readonly Ambient[]>()

/** Returns the namespaces in ambient mode that the inventory knows, whosoever they are. */
export function ambientNamespaces({ inventory }: Judge): readonly Ambient[] {
  const all = inventory.list('Namespace')
  const before = known.get(all)
  if (before !== undefined) return before
  const ambient = all
    .map(namespace => ({ name: refOf(namespace).name, labels: labelsOf(namespace) }))
    .filter(({ labels }) => labels.get(dataplaneModeLabel) === 'ambient')
  known.set(all, ambient)
  return ambient
}

/** Returns true for a namespace under the policy. */
export function isGoverned({ name, labels }: Ambient, { facts }: Judge): boolean {
  return facts.namespaces.classOf(name, labels) === 'governed'
}

/** Whether a namespace has entries without a waypoint of their own, by the list of its entries. */
const inheriting = new WeakMap<readonly Fields[], boolean>()

/** Returns whether ServiceEntries of a namespace leave by the waypoint that the namespace chooses; undefined: not known. */
export function hasInheritingEntry(namespace: string, { inventory }: Judge): boolean | undefined {
  const entries = inventory.list(entryKind, namespace)
  let has = inheriting.get(entries)
  if (has === undefined) {
    has = entries.some(entry => !labelsOf(entry).has(useWaypointLabel) && !isInside(field(entry, 'spec')))
    inheriting.set(entries, has)
  }
  return has || inventory.knows(entryKind) ? has : undefined
}
