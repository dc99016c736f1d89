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
  if (Array.isArray(value))
    return part.item === undefined ? [] : value.map(item => take(item, part.item ?? 'all', intern))
  if (!isFields(value)) return value
  const kept: Record<string, unknown> = {}
  for (const [key, below] of part.fields) if (Object.hasOwn(value, key)) kept[key] = take(value[key], below, intern)
  return kept
}

/** Most values that are remembered as being the same; past it all are forgotten, so that nothing grows for ever. */
const internLimit = 20_000

/** Longest text that is likely to come again. */
const longestShared = 64

/**
 * Returns what gives back one and the same text for equal ones, and one and the same object for equal maps of texts: the
 * labels of a thousand pods are few.
 */
export function interner(limit = internLimit): <T>(value: T) => T {
  const texts = new Map<string, string>()
  const maps = new Map<string, Fields>()
  const ofText = (value: string): string => {
    if (value.length > longestShared) return value
    const known = texts.get(value)
    if (known !== undefined) return known
    if (texts.size >= limit) texts.clear()
    texts.set(value, value)
    return value
  }
  const ofMap = (value: Fields): Fields => {
    const entries = Object.entries(value)
    if (entries.length > 32 || !entries.every(([, entry]) => typeof entry === 'string')) return value
    const key = JSON.stringify(entries)
    const known = maps.get(key)
    if (known !== undefined) return known
    if (maps.size >= limit) maps.clear()
    maps.set(key, value)
    return value
  }
  const of = (value: unknown): unknown => {
    if (typeof value === 'string') return ofText(value)
    if (Array.isArray(value)) return value.map(of)
    return isFields(value) ? ofMap(value) : value
  }
  return <T>(value: T): T => of(value) as T
}
