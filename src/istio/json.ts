/**
 * Readers for untrusted JSON: objects reach an admission webhook before any schema was applied (a mutating webhook sees
 * custom resources unvalidated), so every field may hold anything. Only own properties are read: a key named
 * `constructor` or `__proto__` is data like any other.
 */

/** A JSON object whose fields are not yet checked. */
export type Fields = { readonly [key: string]: unknown }

/** Returns true for a JSON object (not null, not an array). */
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Returns the own property `key` of `value`, or undefined where `value` is no JSON object or has no such key. */
export function field(value: unknown, key: string): unknown {
  return isFields(value) && Object.hasOwn(value, key) ? value[key] : undefined
}

/** Returns the value at the end of a chain of own properties, or undefined where the chain breaks. */
export function dig(value: unknown, ...keys: readonly string[]): unknown {
  let here = value
  for (const key of keys) here = field(here, key)
  return here
}

/** Returns `value` where it is a string, else undefined. */
export function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Returns `value` where it is an array, else an empty one: an absent list and an empty one mean the same here. */
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** Returns the entries of a string map such as labels, leaving out values that are no strings. */
export function stringMap(value: unknown): ReadonlyMap<string, string> {
  const map = new Map<string, string>()
  if (isFields(value)) {
    for (const key of Object.keys(value)) {
      const entry = value[key]
      if (typeof entry === 'string') map.set(key, entry)
    }
  }
  return map
}
