import type { Random } from './random.ts'
import {
  copyTree,
  entryOf,
  literal,
  putAt,
  type Slot,
  setEntry,
  slotsOf,
  type Tree,
  valueAt,
  writeTree,
} from './tree.ts'
import { annotations, keys, kinds, literals, texts } from './words.ts'

/** A review that is being changed, and others to take from. */
interface Scene {
  readonly review: Tree
  readonly random: Random
  readonly others: readonly Tree[]
}

type Change = (scene: Scene) => void

/** Most characters that one change makes of something small. */
const growth = 3_000_000

/** How often something is repeated: mostly for bodies of up to 100 kB, now and then for as much as is taken in. */
function multitude(random: Random, repeated: Tree): number {
  const most = Math.ceil(growth / (writeTree(repeated).length + 1))
  const wanted = random.once(150)
    ? 20_000 + random.below(80_000)
    : random.once(4)
      ? 2000 + random.below(3000)
      : 2 + random.below(60)
  return Math.min(most, wanted)
}

const quoted = (text: string): string => JSON.stringify(text)

/** Returns a value that nobody expects. */
function anything(random: Random): Tree {
  const choice = random.below(10)
  if (choice < 4) return literal(random.pick(literals))
  if (choice < 8) return literal(quoted(random.pick(texts)))
  if (choice < 9) return literal(quoted(random.pick(texts).repeat(1 + random.below(2000))))
  const levels = random.once(20) ? 100_000 : 1 + random.below(5000)
  const [open, close] = random.once(2) ? ['[', ']'] : ['{"a":', '}']
  return literal(`${open.repeat(levels)}1${close.repeat(levels)}`)
}

const requestOf = (review: Tree): Tree | undefined => entryOf(review, 'request')?.value

/** Returns the part that rules look at, most of the time. */
function objectOf({ review, random }: Scene): Tree {
  const request = requestOf(review)
  if (random.once(10) || request === undefined) return review
  const name = random.once(4) ? 'oldObject' : 'object'
  return (
    [name, 'object', 'oldObject'].map(key => entryOf(request, key)?.value).find(tree => tree?.form === 'map') ?? review
  )
}

function anySlot(scene: Scene): Slot | undefined {
  const slots = slotsOf(objectOf(scene))
  return slots.length === 0 ? undefined : scene.random.pick(slots)
}

/** Does something to a random place. */
function atSlot(change: (slot: Slot, scene: Scene) => void): Change {
  return scene => {
    const slot = anySlot(scene)
    if (slot !== undefined) change(slot, scene)
  }
}

/** Writes some characters of a key or text as escapes, which change nothing. */
export function escaped(quotedText: string, random: Random): string {
  const characters: string[] = JSON.parse(quotedText).split('')
  const written = characters.map(character =>
    random.once(3)
      ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
      : character === '/' && random.once(2)
        ? '\\/'
        : JSON.stringify(character).slice(1, -1),
  )
  return `"${written.join('')}"`
}

const annotate: Change = ({ review, random }) => {
  const object = entryOf(requestOf(review), 'object')?.value
  const paths = [['metadata'], ['spec', 'template', 'metadata']]
  const metadata = random.pick(paths).reduce<Tree | undefined>((tree, key) => entryOf(tree, key)?.value, object)
  const name = random.pick(['annotations', 'labels'])
  if (entryOf(metadata, name) === undefined) setEntry(metadata, name, { form: 'map', entries: [] })
  setEntry(
    entryOf(metadata, name)?.value,
    random.pick(annotations),
    random.once(3) ? anything(random) : literal(quoted(random.pick(texts))),
  )
}

/** Calls the object by another kind, in the request and in itself, so that other rules judge it. */
const rename: Change = ({ review, random }) => {
  const request = requestOf(review)
  const [group, kind] = random.pick(kinds)
  setEntry(entryOf(request, 'kind')?.value, 'group', literal(quoted(group)))
  setEntry(entryOf(request, 'kind')?.value, 'kind', literal(quoted(kind)))
  for (const name of ['object', 'oldObject']) {
    const object = entryOf(request, name)?.value
    if (object?.form !== 'map') continue
    setEntry(object, 'apiVersion', literal(quoted(group === '' ? 'v1' : `${group}/v1`)))
    setEntry(object, 'kind', literal(quoted(kind)))
  }
}

const changeEnvelope: Change = ({ review, random }) => {
  const request = requestOf(review)
  const operations = ['CREATE', 'UPDATE', 'DELETE', 'CONNECT', 'create', 'PATCH']
  const [key, value] = random.pick([
    ['operation', quoted(random.pick(operations))],
    ['operation', quoted(random.pick(operations))],
    ['subResource', quoted(random.pick(['', 'status', 'scale', 'exec', 'ephemeralcontainers']))],
    ['namespace', quoted(random.pick(['shop', 'istio-system', 'istio-egress', 'kube-system', '', '\u0000']))],
    ['name', quoted(random.pick(texts))],
    ['uid', random.pick(['""', '7', '"\\u0000"', quoted('u'.repeat(200))])],
    ['userInfo', '{"username":"dana","groups":["platform-admins"]}'],
    ['dryRun', 'true'],
    [random.pick(['uid', 'kind', 'object', 'oldObject', 'userInfo', 'options']), random.pick(literals)],
  ] as const)
  setEntry(request, key, literal(value))
}

const changes: readonly Change[] = [
  atSlot((slot, { random }) => putAt(slot, anything(random))),
  atSlot((slot, { random }) => putAt(slot, anything(random))),
  atSlot((slot, { random }) => putAt(slot, literal(quoted(random.pick(texts))))),
  atSlot(({ parent, index }) => {
    if (parent.form === 'list') parent.items.splice(index, 1)
    else parent.entries.splice(index, 1)
  }),
  atSlot(({ parent, index }, { random }) => {
    const entry = parent.form === 'map' ? parent.entries[index] : undefined
    if (entry !== undefined) entry.key = quoted(random.pick(keys))
  }),
  // The same key again, before or after.
  atSlot(({ parent, index }, { random }) => {
    const entry = parent.form === 'map' ? parent.entries[index] : undefined
    if (parent.form !== 'map' || entry === undefined) return
    const again = { key: entry.key, value: anything(random) }
    parent.entries.splice(random.once(2) ? 0 : parent.entries.length, 0, again)
  }),
  atSlot(({ parent, index }, { random }) => {
    const entry = parent.form === 'map' ? parent.entries[index] : undefined
    if (entry !== undefined) entry.key = escaped(entry.key, random)
  }),
  atSlot((slot, { random }) => {
    const levels = 1 + random.below(random.once(10) ? 20_000 : 40)
    const inner = valueAt(slot)
    putAt(slot, random.once(2) ? inner : { form: 'list', items: [inner] })
    if (inner.form === 'literal') putAt(slot, literal(`${'['.repeat(levels)}${inner.text}${']'.repeat(levels)}`))
  }),
  // A list or map has very many entries.
  atSlot((slot, { random }) => {
    const value = valueAt(slot)
    const count = multitude(random, value)
    if (value.form === 'list' && value.items.length > 0) {
      const { items } = value
      putAt(slot, {
        form: 'list',
        items: Array.from({ length: count }, (_, i) => copyTree(items[i % items.length] ?? literal('0'))),
      })
    } else if (value.form === 'map') {
      const entries = Array.from({ length: count }, (_, i) => ({
        key: `"k${i}"`,
        value: literal(quoted(random.pick(texts))),
      }))
      putAt(slot, { form: 'map', entries: [...value.entries, ...entries] })
    } else putAt(slot, { form: 'list', items: Array.from({ length: count }, () => copyTree(value)) })
  }),
  // What stands in one place stands in another, of this review or of another one.
  atSlot((slot, { review, random, others }) => {
    const from = random.once(2) ? review : random.pick(others)
    const taken = slotsOf(from)
    if (taken.length > 0) putAt(slot, copyTree(valueAt(random.pick(taken))))
  }),
  ({ review }) => {
    const [object, old] = ['object', 'oldObject'].map(key => entryOf(requestOf(review), key))
    if (object === undefined || old === undefined) return
    ;[object.value, old.value] = [old.value, object.value]
  },
  // The object was there before, as it is or as it was.
  ({ review, random }) => {
    const request = requestOf(review)
    const object = entryOf(request, 'object')
    if (object === undefined || object.value.form !== 'map') return
    setEntry(request, 'oldObject', copyTree(object.value))
    setEntry(request, 'operation', literal(random.pick(['"UPDATE"', '"UPDATE"', '"DELETE"'])))
  },
  changeEnvelope,
  annotate,
  annotate,
  rename,
]

/** Returns a review with a few changes of its structure. */
export function damageShape(review: Tree, random: Random, others: readonly Tree[]): Tree {
  const damaged = copyTree(review)
  for (let left = 1 + random.below(5); left > 0; left--) random.pick(changes)({ review: damaged, random, others })
  if (!random.once(4)) mend(damaged)
  return damaged
}

/** Makes object and request agree on what the object is, as an API server does, so that rules come to see it. */
function mend(review: Tree): void {
  const request = requestOf(review)
  const [group, kind] = ['group', 'kind'].map(key => textOf(entryOf(entryOf(request, 'kind')?.value, key)?.value))
  for (const name of ['object', 'oldObject']) {
    const object = entryOf(request, name)?.value
    if (object?.form !== 'map' || group === undefined || kind === undefined) continue
    setEntry(object, 'apiVersion', literal(quoted(group === '' ? 'v1' : `${group}/v1`)))
    setEntry(object, 'kind', literal(quoted(kind)))
    const metadata = entryOf(object, 'metadata')
    if (metadata !== undefined && metadata.value.form !== 'map') metadata.value = { form: 'map', entries: [] }
    for (const key of ['namespace', 'name']) {
      const said = textOf(entryOf(request, key)?.value)
      if (said !== undefined) setEntry(metadata?.value, key, literal(quoted(said)))
    }
  }
}

function textOf(tree: Tree | undefined): string | undefined {
  const value: unknown = tree?.form === 'literal' && tree.text.startsWith('"') ? JSON.parse(tree.text) : undefined
  return typeof value === 'string' ? value : undefined
}
