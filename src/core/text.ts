const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]/gu

/**
 * Returns the text with control characters, bidirectional overrides and lone surrogates written as `\u….`: names and
 * values of judged objects reach terminals and logs that people trust.
 */
export function printable(text: string): string {
  return text.replace(unprintable, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Half of a character that takes two code units: a text without such has as many characters as code units. */
const surrogate = /[\ud800-\udfff]/

/** Returns how many characters a text has. */
export function countRunes(text: string): number {
  return surrogate.test(text) ? [...text].length : text.length
}

/** Returns the text, or its two ends around `…` where it is longer than `limit` characters; its cost ends at the limit. */
export function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text
  // A character has at most two code units, so only a text of middle length must be counted.
  if (text.length <= 2 * limit && countRunes(text) <= limit) return text
  const head = Math.ceil((limit - 1) / 2)
  const tail = limit - 1 - head
  const [start, end] = [text.slice(0, 2 * head), text.slice(text.length - Math.min(2 * tail, text.length))]
  if (!surrogate.test(start) && !surrogate.test(end)) return `${start.slice(0, head)}…${end.slice(end.length - tail)}`
  const last = [...end]
  return `${[...start].slice(0, head).join('')}…${last.slice(last.length - tail).join('')}`
}

/** Returns the items as prose: `a`, `a and b`, `a, b and c`; an empty list is `none`. */
export function enumerate(items: readonly string[], word: 'and' | 'or' = 'and'): string {
  const last = items.at(-1)
  if (last === undefined) return 'none'
  return items.length === 1 ? last : `${items.slice(0, -1).join(', ')} ${word} ${last}`
}

/** Returns the one of `candidates` that is nearest to `word` by edit distance, if near enough to be a slip of the pen. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Counts insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, i) => i)]
  const at = (i: number, j: number): number => Number(rows[i]?.[j])
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    rows.push(row)
    for (let j = 1; j <= b.length; j++) {
      const substitution = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swap = swapped ? at(i - 2, j - 2) + 1 : substitution
      row.push(Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, substitution, swap))
    }
  }
  return at(a.length, b.length)
}

/** Returns a JSON value as a short text: scalars as they are, `a list` and `a mapping` for the rest. Never throws. */
export function show(value: unknown): string {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'a mapping'
  return String(value)
}
