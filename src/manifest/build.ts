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

  constructor(text: string, start: number) {
    this.#text = text
    this.#at = start
  }

  value(): unknown {
    const first = this.#text[this.#at]
    if (first === '[') return this.#list(']', () => this.value())
    // Object.fromEntries makes even a key named __proto__ an ordinary own property.
    if (first === '{') return Object.fromEntries(this.#list('}', () => this.#entry()))
    return this.#scalar()
  }

  #list<T>(end: string, read: () => T): T[] {
    const found: T[] = []
    this.#skip(1)
    while (this.#text[this.#at] !== end) {
      found.push(read())
      this.#skip(0)
      if (this.#text[this.#at] === ',') this.#skip(1)
    }
    this.#at++
    return found
  }

  #entry(): [string, unknown] {
    const key = String(this.#scalar())
    this.#skip(0)
    this.#skip(1)
    return [key, this.value()]
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
