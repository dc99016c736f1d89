import { type Fields, field, stringMap } from '../istio/json.ts'
import type { NamespaceLabels } from './facts.ts'
import { type Kind, kindOf, type ObjectRef, refOf } from './kind.ts'

/** The read-only set of objects that a rule may consult: the state of the mesh as far as it is known. */
export interface Inventory {
  /** Returns true where absence of an object of this kind means that there is none; false where it is unknown. */
  knows(kind: Kind): boolean
  /** Returns the object, or undefined. Cluster-scoped objects have an empty namespace. */
  find(kind: Kind, namespace: string, name: string): Fields | undefined
  /** Returns the objects of a kind, of one namespace where given, in order of namespace and name. */
  list(kind: Kind, namespace?: string): readonly Fields[]
  /** Returns this state with the object added or replaced; the original is unchanged. */
  with(ref: ObjectRef, object: Fields): Inventory
  /** Returns this state without the object; the original is unchanged. */
  without(ref: ObjectRef): Inventory
}

/** The objects of one kind: by place, and in order, so that a look-up neither searches nor sorts. */
interface Shelf {
  readonly byPlace: ReadonlyMap<string, Fields>
  readonly all: readonly Fields[]
  readonly byNamespace: ReadonlyMap<string, readonly Fields[]>
}

/** An inventory of given objects. Later objects replace earlier ones of the same kind, namespace and name. */
export function inventoryOf(objects: Iterable<Fields>, knownKinds: Iterable<Kind> | 'all' = []): Inventory {
  const kinds = new Map<Kind, Map<string, Fields>>()
  for (const object of objects) {
    const ref = refOf(object)
    const kind = kindOf(ref.group, ref.kind)
    const places = kinds.get(kind) ?? new Map<string, Fields>()
    kinds.set(kind, places.set(placeOf(ref.namespace, ref.name), object))
  }
  const shelves = new Map([...kinds].map(([kind, places]) => [kind, shelfOf(places)]))
  const known = knownKinds === 'all' ? 'all' : new Set([...knownKinds, ...shelves.keys()])
  return new Snapshot(shelves, known)
}

function shelfOf(byPlace: ReadonlyMap<string, Fields>): Shelf {
  const all = [...byPlace.values()].sort((a, b) => compareRefs(refOf(a), refOf(b)))
  return { byPlace, all, byNamespace: Map.groupBy(all, object => refOf(object).namespace) }
}

class Snapshot implements Inventory {
  readonly #shelves: ReadonlyMap<Kind, Shelf>
  readonly #known: ReadonlySet<Kind> | 'all'

  constructor(shelves: ReadonlyMap<Kind, Shelf>, known: ReadonlySet<Kind> | 'all') {
    this.#shelves = shelves
    this.#known = known
  }

  knows(kind: Kind): boolean {
    return this.#known === 'all' || this.#known.has(kind)
  }

  find(kind: Kind, namespace: string, name: string): Fields | undefined {
    return this.#shelves.get(kind)?.byPlace.get(placeOf(namespace, name))
  }

  list(kind: Kind, namespace?: string): readonly Fields[] {
    const shelf = this.#shelves.get(kind)
    return (namespace === undefined ? shelf?.all : shelf?.byNamespace.get(namespace)) ?? []
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
    const kept = base.filter(object => {
      const ref = refOf(object)
      return !changes.has(placeOf(ref.namespace, ref.name))
    })
    for (const { ref, object } of changes.values()) {
      if (object !== undefined && (namespace === undefined || namespace === ref.namespace)) kept.push(object)
    }
    return kept.sort((a, b) => compareRefs(refOf(a), refOf(b)))
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

function placeOf(namespace: string, name: string): string {
  return `${namespace}/${name}`
}

function compareRefs(a: ObjectRef, b: ObjectRef): number {
  const [left, right] = a.namespace === b.namespace ? [a.name, b.name] : [a.namespace, b.namespace]
  // No two objects of a kind have the same place.
  return left < right ? -1 : 1
}

/** Returns the labels of a namespace, or undefined where its object is not in the inventory. */
export function namespaceLabels(inventory: Inventory, name: string): NamespaceLabels {
  const namespace = inventory.find('Namespace', '', name)
  return namespace === undefined ? undefined : stringMap(field(field(namespace, 'metadata'), 'labels'))
}
