/** Longest text that a message quotes in full; what is longer loses its middle. */
const QUOTED = 64

// Quotes and backslashes, and everything that a terminal would obey or hide: control and format characters, lone
// surrogates, private and unassigned code points, line separators.
const UNSAFE = /["\\\p{C}\p{Zl}\p{Zp}]/gu

/**
 * Returns text of a user in double quotes, fit for one line of a message: what a terminal would obey or hide is
 * written as `\u{…}`, and a long text is shortened in the middle.
 */
export function quote(text: string): string {
  const shown = text.length <= QUOTED ? text : `${text.slice(0, QUOTED / 2)}…${text.slice(1 - QUOTED / 2)}`
  return `"${shown.replace(UNSAFE, escapeCharacter)}"`
}

function escapeCharacter(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`
  return `\\u{${character.codePointAt(0)?.toString(16)}}`
}

/**
 * Returns the text without white space at its ends, as Go's `strings.TrimSpace` sees it. That is Unicode's White_Space;
 * JavaScript's `trim` leaves U+0085 and takes U+FEFF.
 */
export function trimSpace(text: string): string {
  let from = 0
  let to = text.length
  while (from < to && isSpace(text.charCodeAt(from))) from++
  while (to > from && isSpace(text.charCodeAt(to - 1))) to--
  return text.slice(from, to)
}

function isSpace(code: number): boolean {
  if (code <= 0x20) return code === 0x20 || (code >= 0x09 && code <= 0x0d)
  if (code === 0x85 || code === 0xa0) return true
  return (
    code === 0x1680 ||
    (code >= 0x2000 && code <= 0x200a) ||
    code === 0x2028 ||
    code === 0x2029 ||
    code === 0x202f ||
    code === 0x205f ||
    code === 0x3000
  )
}
