import { maxDepth } from '../istio/decode.ts'
import type { TextFault } from '../istio/dialect.ts'
import { quote } from '../istio/text.ts'

/** One JSON value found in a text, or the syntax error that cut it off. */
export type ScannedJson =
  | {
      readonly ok: true
      readonly end: number
      readonly faults: readonly TextFault[]
      /** A key has escapes: such a value is for buildJson. */
      readonly escapedKeys: boolean
    }
  | { readonly ok: false; readonly fault: TextFault }

const numeral = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y
const literal = /true|false|null/y
const escaping = /["\\/bfnrt]|u[0-9a-fA-F]{4}/y

/**
 * Scans one JSON value, without building it, for what JSON.parse does not tell: where it ends, keys given twice, digits
 * that a double cannot hold, half characters, and nesting that is too deep. Never recurses.
 */
export function scanJson(text: string, start: number): ScannedJson {
  const scanner = new Scanner(text)
  const end = scanner.value(start)
  return end < 0
    ? { ok: false, fault: scanner.failure }
    : { ok: true, end, faults: scanner.faults, escapedKeys: scanner.escapedKeys }
}

/** Returns the offset of the first character at or after `at` that is no JSON white space. */
export function skipSpace(text: string, at: number): number {
  let here = at
  while (' \t\n\r'.includes(text[here] ?? 'x')) here++
  return here
}

// Every method takes the offset where something starts and returns where it ends, or -1 after a syntax error.
class Scanner {
  readonly faults: TextFault[] = []
  failure: TextFault = { offset: 0, what: '' }
  escapedKeys = false
  readonly #text: string
  /** The open objects, with their keys, and arrays (undefined). */
  readonly #open: (Set<string> | undefined)[] = []

  constructor(text: string) {
    this.#text = text
  }

  value(start: number): number {
    let at = start
    while (at >= 0) {
      const bracket = this.#text[at]
      if (bracket === '{' || bracket === '[') {
        at = this.#enter(at, bracket)
        if (at >= 0 && this.#text[at] !== '}' && this.#text[at] !== ']') continue
      } else at = this.#scalar(at)
      at = this.#leave(at)
      if (this.#open.length === 0) return at
    }
    return at
  }

  #fail(offset: number, what: string): number {
    this.failure = { offset, what: `invalid JSON: ${what}` }
    return -1
  }

  /** Goes to the first value inside a bracket, or to the bracket that closes it at once. */
  #enter(at: number, bracket: string): number {
    const keys = bracket === '{' ? new Set<string>() : undefined
    this.#open.push(keys)
    if (this.#open.length === maxDepth + 1) {
      this.faults.push({ offset: at, what: `nested deeper than ${maxDepth} levels` })
    }
    const inside = skipSpace(this.#text, at + 1)
    if (this.#text[inside] === (keys ? '}' : ']')) return inside
    if (keys) return this.#key(inside, keys)
    return this.#text[inside] === '}' ? this.#fail(inside, 'a value is missing') : inside
  }

  /** Closes brackets after a value, up to the next value or the end of the outermost one. */
  #leave(end: number): number {
    let at = end
    while (at >= 0 && this.#open.length > 0) {
      at = skipSpace(this.#text, at)
      const keys = this.#open.at(-1)
      if (this.#text[at] === ',') {
        const next = skipSpace(this.#text, at + 1)
        if (keys) return this.#key(next, keys)
        return /[\]}]/.test(this.#text[next] ?? ']') ? this.#fail(next, 'a value is missing after ","') : next
      }
      const closing = keys ? '}' : ']'
      if (this.#text[at] !== closing) return this.#fail(at, `"," or "${closing}" is missing`)
      this.#open.pop()
      at++
    }
    return at
  }

  #key(at: number, keys: Set<string>): number {
    const end = this.#text[at] === '"' ? this.#string(at) : this.#fail(at, 'a key in double quotes is missing')
    if (end < 0) return -1
    const raw = this.#text.slice(at + 1, end - 1)
    const escaped = raw.includes('\\')
    const key: string = escaped ? JSON.parse(`"${raw}"`) : raw
    this.escapedKeys ||= escaped
    if (keys.has(key)) {
      this.faults.push({
        offset: at,
        what: `key ${quote(key)} is given twice in one map`,
        fix: 'remove one of the two',
      })
    }
    keys.add(key)
    const colon = skipSpace(this.#text, end)
    if (this.#text[colon] !== ':') return this.#fail(colon, '":" is missing after a key')
    const next = skipSpace(this.#text, colon + 1)
    return /[\]}]/.test(this.#text[next] ?? '}') ? this.#fail(next, 'a value is missing') : next
  }

  #scalar(at: number): number {
    if (this.#text[at] === '"') return this.#string(at)
    numeral.lastIndex = at
    literal.lastIndex = at
    const number = numeral.exec(this.#text)
    if (number !== null) return this.#number(number)
    return literal.test(this.#text) ? literal.lastIndex : this.#fail(at, 'no value starts here')
  }

  // kubectl keeps whole numbers of 64 bits; those beyond become doubles there as well.
  #number([digits, fraction, exponent]: RegExpExecArray): number {
    const end = numeral.lastIndex
    const cut = exponent === undefined && (fraction === undefined ? /[.eE]/ : /[eE]/).test(this.#text.charAt(end))
    if (cut) return this.#fail(end, 'a number is not complete')
    const number = Number(digits)
    const whole = fraction === undefined && exponent === undefined
    if (!Number.isFinite(number))
      this.faults.push({ offset: end - digits.length, what: `number ${digits} is too large` })
    else if (whole && !Number.isSafeInteger(number)) {
      const exact = BigInt(digits)
      if (BigInt.asIntN(64, exact) === exact && BigInt(number) !== exact) {
        const what = `integer ${digits} is larger than a double can hold exactly`
        this.faults.push({ offset: end - digits.length, what })
      }
    }
    return end
  }

  #string(start: number): number {
    let escaped = false
    for (let at = start + 1; ; at++) {
      const code = this.#text.charCodeAt(at)
      if (code === 0x22) {
        if (escaped) this.#checkPairs(start, at + 1)
        return at + 1
      }
      if (code === 0x5c) {
        escaping.lastIndex = at + 1
        if (!escaping.test(this.#text)) return this.#fail(at, 'a "\\" starts no escape')
        at = escaping.lastIndex - 1
        escaped = true
      } else if (Number.isNaN(code)) return this.#fail(start, 'a closing quote is missing')
      else if (code < 0x20) return this.#fail(at, 'a control character or line break stands in a text')
    }
  }

  // Go puts a replacement character where an escape is half of a surrogate pair.
  #checkPairs(start: number, end: number): void {
    const content: string = JSON.parse(this.#text.slice(start, end))
    if (!content.isWellFormed()) this.faults.push({ offset: start, what: 'a text has half of a surrogate pair' })
  }
}
