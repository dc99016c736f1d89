import { skipSpace } from './json.ts'

/**
 * Returns the JSON value that starts at an offset of a text known to be valid there.
 *
 * For objects whose keys have escapes, in place of JSON.parse: V8 from 12.8 to at least 14.6 may return another key than
 * the text holds, one that an earlier text had in its place (nodejs/node#63785). Whoever writes both texts could hide a
 * field from us that way.
 */
export function buildJson(text: string, start: number): unknown {
  return new Builder(text, start).value()
}

class Builder {
  readonly #text: string
  #at: number
  /** The lists and objects that are open, innermost last: a nesting of any depth needs no stack. */
  readonly #open: (unknown[] | Entries)[] = []

  constructor(text: string, start: number) {
    this.#text = text
    this.#at = start
  }

  value(): unknown {
    for (;;) {
      const value = this.#enter()
      if (value === opened) continue
      const done = this.#leave(value)
      if (this.#open.length === 0) return done
    }
  }

  /** Reads a scalar, or opens a list or object and goes to its first value. */
  #enter(): unknown {
    const first = this.#text[this.#at]
    if (first !== '[' && first !== '{') return this.#scalar()
    const inner = first === '[' ? [] : new Entries()
    this.#open.push(inner)
    this.#skip(1)
    const isEmpty = this.#text[this.#at] === (first === '[' ? ']' : '}')
    if (isEmpty) return this.#close()
    if (inner instanceof Entries) this.#key(inner)
    return opened
  }

  /** Hands a value to what is open around it, closing what ends there; returns the outermost when it ends. */
  #leave(value: unknown): unknown {
    let done = value
    for (let outer = this.#open.at(-1); outer !== undefined; outer = this.#open.at(-1)) {
      if (outer instanceof Entries) outer.add(done)
      else outer.push(done)
      this.#skip(0)
      if (this.#text[this.#at] === ',') {
        this.#skip(1)
        if (outer instanceof Entries) this.#key(outer)
        return done
      }
      done = this.#close()
    }
    return done
  }

  #close(): unknown {
    const inner = this.#open.pop()
    this.#at++
    return inner instanceof Entries ? inner.object() : inner
  }

  #key(entries: Entries): void {
    entries.key = String(this.#scalar())
    this.#skip(0)
    this.#skip(1)
  }

  #skip(characters: number): void {
    this.#at = skipSpace(this.#text, this.#at + characters)
  }

  #scalar(): unknown {
    const start = this.#at
    this.#at = scalarEnd(this.#text, start)
    return JSON.parse(this.#text.slice(start, this.#at))
  }
}

/** Says that a list or object was opened. */
const opened = Symbol('opened')

/** An object under construction. */
class Entries {
  key = ''
  readonly #entries: [string, unknown][] = []

  add(value: unknown): void {
    this.#entries.push([this.key, value])
  }

  /** Object.fromEntries makes even a key named __proto__ an ordinary own property. */
  object(): object {
    return Object.fromEntries(this.#entries)
  }
}

/** Returns where the text, number or word ends that starts at an offset of a valid JSON text. */
export function scalarEnd(text: string, start: number): number {
  let at = start
  if (text[at] !== '"') {
    while (/[^\s,\]}]/.test(text.charAt(at))) at++
    return at
  }
  for (at++; text[at] !== '"'; ) at += text[at] === '\\' ? 2 : 1
  return at + 1
}
