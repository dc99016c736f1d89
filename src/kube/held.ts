import { type Change, placeOf } from '../core/inventory.ts'
import type { ObjectRef } from '../core/kind.ts'
import { dig, type Fields, text } from '../istio/json.ts'
import type { Project } from './projection.ts'

/** An object as it is held, and the version of the server's that it was made from. */
interface Record {
  readonly object: Fields
  readonly version: string
}

/** Most objects whose names are kept because they could not be taken in. */
const faultLimit = 20

/** The objects of a collection as a reflector holds them, and what changes about them. */
export class Held {
  readonly #kind: Pick<ObjectRef, 'group' | 'kind'>
  readonly #take: (changes: readonly Change[]) => void
  readonly #faults = new Set<string>()
  #records = new Map<string, Record>()
  /** Places that changed since a check began; undefined while there is none. */
  #touched: Set<string> | undefined

  constructor(kind: Pick<ObjectRef, 'group' | 'kind'>, take: (changes: readonly Change[]) => void) {
    this.#kind = kind
    this.#take = take
  }

  get size(): number {
    return this.#records.size
  }

  get faults(): readonly string[] {
    return [...this.#faults]
  }

  /** Takes one stored object in. An object that cannot be is kept as it was, and named. */
  store(item: Fields, project: Project): void {
    const ref = this.#refOf(item)
    const place = placeOf(ref.namespace, ref.name)
    const record = this.#recordOf(item, place, project)
    if (record === undefined) return
    this.#touched?.add(place)
    this.#records.set(place, record)
    this.#tell([{ ref, object: record.object }])
  }

  /** Takes one deleted object out. */
  remove(item: Fields): void {
    const ref = this.#refOf(item)
    const place = placeOf(ref.namespace, ref.name)
    this.#touched?.add(place)
    if (this.#records.delete(place)) this.#tell([{ ref, object: undefined }])
  }

  /** Begins a list: nothing counts before it is `swap`ped in. */
  begin(project: Project): NewList {
    const next = new Map<string, Record>()
    return {
      add: item => {
        const ref = this.#refOf(item)
        const place = placeOf(ref.namespace, ref.name)
        const record = this.#recordOf(item, place, project)
        if (record !== undefined) next.set(place, record)
      },
      swap: () => this.#replace(next),
    }
  }

  /** Takes everything out. */
  clear(): void {
    this.#replace(new Map())
  }

  /** Begins to watch what changes; returns how to end it, with the places that are other than a list says. */
  compare(): (listed: ReadonlyMap<string, string>) => readonly string[] {
    const touched = new Set<string>()
    this.#touched = touched
    return listed => {
      // A list that was swapped in meanwhile has settled everything.
      if (this.#touched !== touched) return []
      this.#touched = undefined
      const places = new Set([...listed.keys(), ...this.#records.keys()])
      return [...places].filter(place => {
        return !touched.has(place) && this.#records.get(place)?.version !== listed.get(place)
      })
    }
  }

  #replace(next: Map<string, Record>): void {
    const before = this.#records
    const changes: Change[] = []
    for (const [place, record] of next) {
      if (before.get(place) !== record) changes.push({ ref: this.#refOf(record.object), object: record.object })
    }
    for (const [place, { object }] of before) {
      if (!next.has(place)) changes.push({ ref: this.#refOf(object), object: undefined })
    }
    this.#records = next
    this.#touched = undefined
    if (changes.length > 0) this.#tell(changes)
  }

  /** Returns the record of an object, the same one while its version is. */
  #recordOf(item: Fields, place: string, project: Project): Record | undefined {
    const version = text(dig(item, 'metadata', 'resourceVersion')) ?? ''
    const known = this.#records.get(place)
    if (known?.version === version) return known
    try {
      const record = { object: project(item), version }
      this.#faults.delete(place)
      return record
    } catch {
      this.#blame(place)
      return known
    }
  }

  #refOf(item: Fields): ObjectRef {
    const namespace = text(dig(item, 'metadata', 'namespace')) ?? ''
    return { ...this.#kind, namespace, name: text(dig(item, 'metadata', 'name')) ?? '' }
  }

  /** Who is told may fail over one object; the stream goes on. */
  #tell(changes: readonly Change[]): void {
    try {
      this.#take(changes)
    } catch {
      for (const { ref } of changes.slice(0, faultLimit)) this.#blame(placeOf(ref.namespace, ref.name))
    }
  }

  #blame(place: string): void {
    if (this.#faults.size >= faultLimit) this.#faults.clear()
    this.#faults.add(place)
  }
}

/** A list that is being read. */
export interface NewList {
  add(item: Fields): void
  swap(): void
}
