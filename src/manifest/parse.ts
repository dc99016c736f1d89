import { buildJson } from './build.ts'
import { scanJson, skipSpace } from './json.ts'

/**
 * Returns what JSON.parse returns, save that keys with escapes are those that the text spells: V8 may return another key
 * in their place (see buildJson). Only texts with `\u` are looked at twice. Throws a SyntaxError as JSON.parse does.
 */
export function parseJson(text: string): unknown {
  if (!text.includes('\\u')) return JSON.parse(text)
  const start = skipSpace(text, 0)
  const scanned = scanJson(text, start)
  const isWhole = scanned.ok && skipSpace(text, scanned.end) === text.length
  return isWhole && scanned.escapedKeys ? buildJson(text, start) : JSON.parse(text)
}
