import type { Kind } from '../core/kind.ts'
import { type PatternSegment, parsePattern } from '../core/path.ts'
import { type Fields, isFields } from '../istio/json.ts'
import { fieldsRead } from './fields.ts'

/** Returns a kind's object with nothing in it but what rules read. */
export type Project = (object: Fields) => Fields

/** What is kept of a value: all of it, or of an object some fields and of a list of each item a part. */
type Part = 'all' | { readonly fields: Map<string, Part>; item: Part | undefined }

/** What every object has. */
const always = ['metadata.name', 'metadata.namespace']

/** Returns what leaves of an object of a kind only what is read; apiVersion and kind are given, since lists leave them out. */
export function projectionOf(
  apiVersion: string,
  kind: string,
  paths: readonly string[],
  intern: <T>(value: T) => T = value => value,
): Project {
  const part = partOf([...always, ...paths])
  return object => ({ apiVersion, kind, ...(take(object, part, intern) as Fields) })
}

/** Returns what is read of a kind: paths of `fieldsRead`; a kind that is not there has no more than its metadata. */
export function pathsOf(kind: Kind): readonly string[] {
  return fieldsRead[kind] ?? []
}

/** Returns true for a kind of which nothing is read but its metadata, so that no more need be asked for. */
export function isMetadataOnly(kind: Kind): boolean {
  return pathsOf(kind).every(path => path.startsWith('metadata.'))
}

function partOf(paths: readonly string[]): Part {
  const root: Part = { fields: new Map(), item: undefined }
  for (const path of paths) {
    const segments = parsePattern(path)
    if (segments === undefined) throw new Error(`no path: ${path}`)
    add(root, segments)
  }
  return root
}

function add(root: Exclude<Part, 'all'>, segments: readonly PatternSegment[]): void {
  let here = root
  for (const [i, segment] of segments.entries()) {
    const isLast = i === segments.length - 1
    const isItem = typeof segment === 'object'
    const below = isItem ? here.item : here.fields.get(String(segment))
    if (below === 'all') return
    // Of the items of a list an empty object stays, so that something is there for whoever counts them.
    const part: Part = isLast && !isItem ? 'all' : (below ?? { fields: new Map(), item: undefined })
    if (isItem) here.item = part
    else here.fields.set(String(segment), part)
    if (part === 'all') return
    here = part
  }
}

/** What stands where something else belongs is kept if it is small, since a rule may say that it is malformed. */
function take(value: unknown, part: Part, intern: <T>(value: T) => T): unknown {
  if (part === 'all') return intern(value)
  if (Array.isArray(value)) {
    const { item } = part
    return item === undefined ? [] : intern(value.map(one => take(one, item, intern)))
  }
  if (!isFields(value)) return value
  const kept: Record<string, unknown> = {}
  for (const [key, below] of part.fields) if (Object.hasOwn(value, key)) kept[key] = take(value[key], below, intern)
  return kept
}

/** Values that are remembered at least as being the same, of either sort. */
const internLimit = 4_000

/** Longest text that is likely to come again, as such and as the JSON of a value. */
const longestShared = { text: 64, json: 512 }

/**
 * Returns what gives back one and the same value for equal ones, where they are not large: the labels of a thousand pods are
 * few, and so are the ways that routes take. What did not come again for long is forgotten, so that nothing grows for ever.
 */
export function interner(limit = internLimit): <T>(value: T) => T {
  const texts = memory<string>(limit)
  const values = memory<unknown>(limit)
  return <T>(value: T): T => {
    if (typeof value === 'string') return (value.length > longestShared.text ? value : texts(value, value)) as T
    if (typeof value !== 'object' || value === null) return value
    const json = JSON.stringify(value)
    return (json.length > longestShared.json ? value : values(json, value)) as T
  }
}

/** Returns what gives back the first value of a key, for as long as it comes again among so many others. */
function memory<T>(limit: number): (key: string, value: T) => T {
  let recent = new Map<string, T>()
  let before = new Map<string, T>()
  return (key, value) => {
    const known = recent.get(key)
    if (known !== undefined) return known
    const first = before.get(key) ?? value
    if (recent.size >= limit) {
      before = recent
      recent = new Map()
    }
    recent.set(key, first)
    return first
  }
}
