import { scalarEnd } from './build.ts'
import { skipSpace } from './json.ts'

const token = /[[{\]}]|[^\s"[\]{},:]+|[\s,:]+/y

/**
 * Finds keys and items inside a text that is known to be valid JSON. Reads the text anew for each, save that it remembers where
 * the items of a list start: every object of a large list may be asked for.
 */
export class JsonPlaces {
  readonly #text: string
  readonly #items = new Map<number, readonly number[]>()

  constructor(text: string) {
    this.#text = text
  }

  /**
   * Returns the offset of the key or list item that a path names inside the value at `start`, or of the last on the path
   * that exists.
   */
  locate(start: number, path: readonly (string | number)[]): number {
    let here = start
    let value = start
    for (const step of path) {
      const next = typeof step === 'number' ? this.#item(value, step) : this.#member(value, step)
      if (next === undefined) return here
      here = next
      value = typeof step === 'number' ? next : this.#value(this.#end(next))
    }
    return here
  }

  #item(start: number, index: number): number | undefined {
    if (this.#text[start] !== '[') return undefined
    let items = this.#items.get(start)
    if (items === undefined) {
      items = Array.from(this.#starts(start))
      this.#items.set(start, items)
    }
    return items[index]
  }

  /** Returns where the key of a name starts. */
  #member(start: number, name: string): number | undefined {
    if (this.#text[start] !== '{') return undefined
    for (const at of this.#starts(start)) {
      if (JSON.parse(this.#text.slice(at, this.#end(at))) === name) return at
    }
    return undefined
  }

  /** Yields where the items of a list start, or the keys of an object. */
  *#starts(start: number): Generator<number> {
    const keyed = this.#text[start] === '{'
    let at = skipSpace(this.#text, start + 1)
    while (this.#text[at] !== '}' && this.#text[at] !== ']') {
      yield at
      const end = this.#end(keyed ? this.#value(this.#end(at)) : at)
      at = skipSpace(this.#text, end)
      if (this.#text[at] === ',') at = skipSpace(this.#text, at + 1)
    }
  }

  /** Returns where the value of a key starts that ends at `end`. */
  #value(end: number): number {
    return skipSpace(this.#text, skipSpace(this.#text, end) + 1)
  }

  // The value is valid, so it is enough to count brackets outside of texts.
  #end(start: number): number {
    let depth = 0
    let at = start
    do {
      const first = this.#text[at]
      if (first === '{' || first === '[') depth++
      if (first === '}' || first === ']') depth--
      at = first === '"' ? scalarEnd(this.#text, at) : this.#tokenEnd(at)
    } while (depth > 0)
    return at
  }

  #tokenEnd(at: number): number {
    token.lastIndex = at
    token.test(this.#text)
    return token.lastIndex
  }
}
