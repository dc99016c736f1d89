import { type Fields, field, stringMap } from '../istio/json.ts'
import type { NamespaceLabels } from './facts.ts'
import { compareText } from './finding.ts'
import { type Kind, kindOf, type ObjectRef, refOf } from './kind.ts'

/** The read-only set of objects that a rule may consult: the state of the mesh as far as it is known. */
export interface Inventory {
  /** Returns true where absence of an object of this kind means that there is none; false where it is unknown. */
  knows(kind: Kind): boolean
  /** Returns the object, or undefined. Cluster-scoped objects have an empty namespace. */
  find(kind: Kind, namespace: string, name: string): Fields | undefined
  /** Returns the objects of a kind, of one namespace where given, in order of namespace and name. */
  list(kind: Kind, namespace?: string): readonly Fields[]
  /** Returns the objects of a kind as they lie over each other, for who indexes them: nothing is copied for it. */
  layers(kind: Kind): Layer
  /** Returns this state with the object added or replaced; the original is unchanged. */
  with(ref: ObjectRef, object: Fields): Inventory
  /** Returns this state without the object; the original is unchanged. */
  without(ref: ObjectRef): Inventory
}

/**
 * Objects of one kind over others: those of a request, or a few that a watch has brought, over the many that are stored.
 * What is stored is the same layer for as long as it is unchanged, so that an index of it serves also who sees some more.
 */
export interface Layer {
  /** In no order. */
  readonly objects: readonly Fields[]
  /** Places, as of `placeOf`, whose objects below are replaced or gone. */
  readonly hidden: ReadonlySet<string>
  readonly below: Layer | undefined
}

/** The layer of a kind of which there is no object. */
export const noLayer: Layer = { objects: [], hidden: new Set(), below: undefined }

/** Returns the layer that changes make over another. */
export function layerOver(below: Layer, changes: Iterable<Change>): Layer {
  const all = [...changes]
  return {
    objects: all.flatMap(({ object }) => (object === undefined ? [] : [object])),
    hidden: new Set(all.map(({ ref }) => placeOf(ref.namespace, ref.name))),
    below,
  }
}

/** The objects of one kind in order, and by where they are, so that a look-up neither searches nor sorts. */
interface Shelf {
  readonly all: readonly Fields[]
  readonly byNamespace: ReadonlyMap<string, Neighbours>
  readonly layer: Layer
}

/** The objects of one kind in one namespace. */
interface Neighbours {
  readonly all: readonly Fields[]
  readonly byName: ReadonlyMap<string, Fields>
}

/** An inventory of given objects, of whose kinds it knows all there is, as of the further kinds named. */
export function inventoryOf(objects: readonly Fields[], knownKinds: Iterable<Kind> | 'all' = []): Inventory {
  if (knownKinds === 'all') return snapshotOf(objects, () => true)
  const known = new Set([...knownKinds, ...objects.map(kindOfObject)])
  return snapshotOf(objects, kind => known.has(kind))
}

/** An inventory of given objects; later ones replace earlier ones of the same kind, namespace and name. */
export function snapshotOf(objects: Iterable<Fields>, knows: (kind: Kind) => boolean): Inventory {
  const kinds = Map.groupBy(objects, kindOfObject)
  return new Snapshot(new Map([...kinds].map(([kind, some]) => [kind, shelfOf(some)])), knows)
}

function shelfOf(objects: readonly Fields[]): Shelf {
  const placed = objects.map(object => ({ object, ref: refOf(object) }))
  const namespaces = new Map<string, Map<string, Fields>>()
  // Sorting leaves what is of one name in the order in which it came.
  for (const { object, ref } of placed.sort((a, b) => compareRefs(a.ref, b.ref))) {
    const byName = namespaces.get(ref.namespace)
    if (byName === undefined) namespaces.set(ref.namespace, new Map([[ref.name, object]]))
    else byName.set(ref.name, object)
  }
  const byNamespace = new Map(
    [...namespaces].map(([namespace, byName]) => [namespace, { all: [...byName.values()], byName }]),
  )
  const all = [...byNamespace.values()].flatMap(({ all }) => all)
  return { all, byNamespace, layer: { ...noLayer, objects: all } }
}

class Snapshot implements Inventory {
  readonly #shelves: ReadonlyMap<Kind, Shelf>
  readonly knows: (kind: Kind) => boolean

  constructor(shelves: ReadonlyMap<Kind, Shelf>, knows: (kind: Kind) => boolean) {
    this.#shelves = shelves
    this.knows = knows
  }

  find(kind: Kind, namespace: string, name: string): Fields | undefined {
    return this.#shelves.get(kind)?.byNamespace.get(namespace)?.byName.get(name)
  }

  list(kind: Kind, namespace?: string): readonly Fields[] {
    const shelf = this.#shelves.get(kind)
    return (namespace === undefined ? shelf : shelf?.byNamespace.get(namespace))?.all ?? []
  }

  layers(kind: Kind): Layer {
    return this.#shelves.get(kind)?.layer ?? noLayer
  }

  with(ref: ObjectRef, object: Fields): Inventory {
    return overlay(this, [{ ref, object }])
  }

  without(ref: ObjectRef): Inventory {
    return overlay(this, [{ ref, object: undefined }])
  }
}

/** Some objects more or less over another inventory, so that judging a request copies nothing. */
class Overlay implements Inventory {
  readonly #base: Inventory
  readonly #changes: Changes
  readonly #layers = new Map<Kind, Layer>()

  constructor(base: Inventory, changes: Changes) {
    this.#base = base
    this.#changes = changes
  }

  knows(kind: Kind): boolean {
    return this.#base.knows(kind)
  }

  find(kind: Kind, namespace: string, name: string): Fields | undefined {
    const change = this.#changes.get(kind)?.get(placeOf(namespace, name))
    return change === undefined ? this.#base.find(kind, namespace, name) : change.object
  }

  list(kind: Kind, namespace?: string): readonly Fields[] {
    const base = this.#base.list(kind, namespace)
    const changes = this.#changes.get(kind)
    if (changes === undefined) return base
    const here = [...changes.values()].filter(({ ref }) => namespace === undefined || namespace === ref.namespace)
    return here.length === 0 ? base : listOver(base, here)
  }

  layers(kind: Kind): Layer {
    const below = this.#base.layers(kind)
    const changes = this.#changes.get(kind)
    if (changes === undefined) return below
    const known = this.#layers.get(kind) ?? layerOver(below, changes.values())
    this.#layers.set(kind, known)
    return known
  }

  with(ref: ObjectRef, object: Fields): Inventory {
    return overlay(this, [{ ref, object }])
  }

  without(ref: ObjectRef): Inventory {
    return overlay(this, [{ ref, object: undefined }])
  }
}

/** An object that is there, or with `undefined` is not. */
export interface Change {
  readonly ref: ObjectRef
  readonly object: Fields | undefined
}

/** Returns a list in order with changes made to it. */
export function listOver(base: readonly Fields[], changes: readonly Change[]): readonly Fields[] {
  const list = [...base]
  for (const change of changes) apply(change, list)
  return list
}

type Changes = ReadonlyMap<Kind, ReadonlyMap<string, Change>>

/** Returns the inventory with the changes made to it, the later ones last; the original is unchanged. */
export function overlay(base: Inventory, changes: readonly Change[]): Inventory {
  const byKind = new Map<Kind, Map<string, Change>>()
  for (const change of changes) {
    const kind = kindOf(change.ref.group, change.ref.kind)
    const ofKind = byKind.get(kind) ?? new Map<string, Change>()
    byKind.set(kind, ofKind.set(placeOf(change.ref.namespace, change.ref.name), change))
  }
  return new Overlay(base, byKind)
}

/** Makes a change to a list that is in order, and leaves it so. */
function apply({ ref, object }: Change, list: Fields[]): void {
  let low = 0
  for (let high = list.length; low < high; ) {
    const middle = (low + high) >> 1
    if (compareRefs(refOf(list[middle]), ref) < 0) low = middle + 1
    else high = middle
  }
  const isThere = low < list.length && compareRefs(refOf(list[low]), ref) === 0
  list.splice(low, isThere ? 1 : 0, ...(object === undefined ? [] : [object]))
}

function kindOfObject(object: Fields): Kind {
  const { group, kind } = refOf(object)
  return kindOf(group, kind)
}

/** Returns where an object of a kind is, as one text. */
export function placeOf(namespace: string, name: string): string {
  return `${namespace}/${name}`
}

function compareRefs(a: ObjectRef, b: ObjectRef): number {
  const [left, right] = a.namespace === b.namespace ? [a.name, b.name] : [a.namespace, b.namespace]
  return compareText(left, right)
}

/** Labels by Namespace: an inventory hands out the same object for as long as it is unchanged, and every review asks. */
const labelsByNamespace = new WeakMap<Fields, ReadonlyMap<string, string>>()

/** Returns the labels of a namespace, or undefined where its object is not in the inventory. */
export function namespaceLabels(inventory: Inventory, name: string): NamespaceLabels {
  const namespace = inventory.find('Namespace', '', name)
  if (namespace === undefined) return undefined
  const known = labelsByNamespace.get(namespace)
  if (known !== undefined) return known
  const labels = stringMap(field(field(namespace, 'metadata'), 'labels'))
  labelsByNamespace.set(namespace, labels)
  return labels
}
