import {
  type Change,
  type Inventory,
  type Layer,
  layerOver,
  listOver,
  noLayer,
  overlay,
  placeOf,
  snapshotOf,
} from '../core/inventory.ts'
import { type Kind, kindOf, type ObjectRef, refOf } from '../core/kind.ts'
import type { Fields } from '../istio/json.ts'

/** Most changes by which a list is made from that of the view before, instead of from the stored one. */
const nearLimit = 16

/** Fewest changes that lie over the stored objects before they are stored, too. */
const leastChanges = 32

/**
 * The objects that a cluster has, as changes come in. A view of them never changes, and a new one costs as little as what
 * has changed: lists, and what is indexed by them, stay the same while nothing of their kind changes, and a few changes lie
 * over a stored list until there are enough of them to make storing it anew worth while.
 */
export class LiveState {
  readonly #parts = new Map<Kind, Part>()
  readonly #known: () => ReadonlySet<Kind>
  #view: Inventory | undefined

  /** `known` tells the kinds of which all objects are held. */
  constructor(known: () => ReadonlySet<Kind>) {
    this.#known = known
  }

  /** Takes changes in, in their order. */
  apply(changes: readonly Change[]): void {
    this.#view = undefined
    for (const [kind, some] of Map.groupBy(changes, ({ ref }) => kindOf(ref.group, ref.kind))) {
      const part = this.#parts.get(kind) ?? new Part(kind)
      this.#parts.set(kind, part)
      part.apply(some)
    }
  }

  /** Says that a kind has become known, or unknown. */
  learn(): void {
    this.#view = undefined
  }

  /** Returns the objects as they are now; the same inventory while nothing changes. */
  current(): Inventory {
    this.#view ??= new View(new Map([...this.#parts].map(([kind, part]) => [kind, part.view()])), this.#known())
    return this.#view
  }
}

/** Lists by namespace; that of all under undefined. */
type Lists = Map<string | undefined, readonly Fields[]>

/** Lists that somebody asked for before, and what has changed since. */
interface Before {
  readonly lists: Lists
  readonly changes: readonly Change[]
}

/** The objects of one kind: those stored, and what has changed since. */
class Part {
  readonly #kind: Kind
  #stored: Inventory = snapshotOf([], () => false)
  #changes = new Map<string, Change>()
  #view: KindView | undefined
  #near: Before | undefined

  constructor(kind: Kind) {
    this.#kind = kind
  }

  apply(changes: readonly Change[]): void {
    // Only the lists are kept: a view that holds the one before would hold all before it.
    if (this.#view !== undefined && this.#view.lists.size > 0) this.#near = { lists: this.#view.lists, changes }
    else if (this.#near !== undefined) this.#near = { ...this.#near, changes: [...this.#near.changes, ...changes] }
    if ((this.#near?.changes.length ?? 0) > nearLimit) this.#near = undefined
    this.#view = undefined
    for (const change of changes) this.#changes.set(placeOf(change.ref.namespace, change.ref.name), change)
    // Making lists over ever more changes costs as much by then as storing all anew.
    const limit = Math.max(leastChanges, Math.sqrt(2 * this.#stored.list(this.#kind).length))
    if (this.#changes.size > limit) this.#store()
  }

  view(): KindView {
    this.#view ??= new KindView(this.#kind, this.#stored, new Map(this.#changes), this.#near)
    return this.#view
  }

  #store(): void {
    const kept = this.#stored.list(this.#kind).filter(object => {
      const { namespace, name } = refOf(object)
      return !this.#changes.has(placeOf(namespace, name))
    })
    const added = [...this.#changes.values()].flatMap(({ object }) => (object === undefined ? [] : [object]))
    this.#stored = snapshotOf([...kept, ...added], () => false)
    this.#changes = new Map()
    this.#near = undefined
  }
}

/** The objects of one kind at one moment. */
class KindView {
  readonly lists: Lists = new Map()
  readonly #kind: Kind
  readonly #stored: Inventory
  readonly #changes: ReadonlyMap<string, Change>
  readonly #before: Before | undefined
  #layers: Layer | undefined

  constructor(kind: Kind, stored: Inventory, changes: ReadonlyMap<string, Change>, before: Before | undefined) {
    this.#kind = kind
    this.#stored = stored
    this.#changes = changes
    this.#before = before
  }

  find(namespace: string, name: string): Fields | undefined {
    const change = this.#changes.get(placeOf(namespace, name))
    return change === undefined ? this.#stored.find(this.#kind, namespace, name) : change.object
  }

  list(namespace: string | undefined): readonly Fields[] {
    const known = this.lists.get(namespace)
    if (known !== undefined) return known
    const list = this.#makeList(namespace)
    this.lists.set(namespace, list)
    return list
  }

  layers(): Layer {
    const stored = this.#stored.layers(this.#kind)
    this.#layers ??= this.#changes.size === 0 ? stored : layerOver(stored, this.#changes.values())
    return this.#layers
  }

  #makeList(namespace: string | undefined): readonly Fields[] {
    const stored = this.#stored.list(this.#kind, namespace)
    const changes = this.#changesIn(namespace)
    if (changes.length === 0) return stored
    const before = this.#before?.lists.get(namespace)
    // A list in which nothing has changed is the same list.
    const since =
      this.#before?.changes.filter(({ ref }) => namespace === undefined || ref.namespace === namespace) ?? []
    if (before !== undefined && since.length === 0) return before
    // What is near to what comes out saves making all changes again.
    return before === undefined ? listOver(stored, changes) : listOver(before, since)
  }

  #changesIn(namespace: string | undefined): readonly Change[] {
    const all = [...this.#changes.values()]
    return namespace === undefined ? all : all.filter(({ ref }) => ref.namespace === namespace)
  }
}

/** The list of a kind of which there has never been an object. */
const none: readonly Fields[] = []

/** All objects at one moment. */
class View implements Inventory {
  readonly #views: ReadonlyMap<Kind, KindView>
  readonly #known: ReadonlySet<Kind>

  constructor(views: ReadonlyMap<Kind, KindView>, known: ReadonlySet<Kind>) {
    this.#views = views
    this.#known = known
  }

  knows(kind: Kind): boolean {
    return this.#known.has(kind)
  }

  find(kind: Kind, namespace: string, name: string): Fields | undefined {
    return this.#views.get(kind)?.find(namespace, name)
  }

  list(kind: Kind, namespace?: string): readonly Fields[] {
    return this.#views.get(kind)?.list(namespace) ?? none
  }

  layers(kind: Kind): Layer {
    return this.#views.get(kind)?.layers() ?? noLayer
  }

  with(ref: ObjectRef, object: Fields): Inventory {
    return overlay(this, [{ ref, object }])
  }

  without(ref: ObjectRef): Inventory {
    return overlay(this, [{ ref, object: undefined }])
  }
}
