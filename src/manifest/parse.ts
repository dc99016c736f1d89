import { skipSpace } from './json.ts'

/**
 * Returns what JSON.parse returns, save that each key which can be spelled without escapes is the one that the text
 * spells: V8 may return another key in its place (see buildJson). That other key holds a backslash, so that it is never
 * the name of a field; a key that needs escapes is none either, and stays as V8 reads it. Throws a SyntaxError as
 * JSON.parse does.
 */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text)
  let plain = ''
  let end = 0
  for (const key of escapedKeys(text)) {
    const name = JSON.stringify(JSON.parse(text.slice(key.start, key.end)))
    if (name.includes('\\')) continue
    plain += text.slice(end, key.start) + name
    end = key.end
  }
  return end === 0 ? value : JSON.parse(plain + text.slice(end))
}

/** Where a key stands in a text, its quotes included. */
interface KeyPlace {
  readonly start: number
  readonly end: number
}

/** Escapes of characters that need none: those of letters and other plain ones, and that of the slash. */
const needless = /\\[u/]/g

/** Yields the keys of a text, known to be JSON, that have such an escape. */
function* escapedKeys(text: string): Generator<KeyPlace> {
  needless.lastIndex = 0
  for (let found = needless.exec(text); found !== null; found = needless.exec(text)) {
    const end = closingQuote(text, found.index) + 1
    if (text[skipSpace(text, end)] === ':') yield { start: openingQuote(text, found.index), end }
    needless.lastIndex = end
  }
}

/** Where `from` is the second half of an escaped backslash, the letter behind it is skipped in vain, but the end is right. */
function closingQuote(text: string, from: number): number {
  let at = from
  for (let code = text.charCodeAt(at); code !== quotation; code = text.charCodeAt(at)) at += code === backslash ? 2 : 1
  return at
}

function openingQuote(text: string, from: number): number {
  for (let at = text.lastIndexOf('"', from); ; at = text.lastIndexOf('"', at - 1)) {
    let before = at
    while (text.charCodeAt(before - 1) === backslash) before--
    // A quote behind an even number of backslashes is none of the text.
    if ((at - before) % 2 === 0) return at
  }
}

const quotation = 0x22
const backslash = 0x5c
