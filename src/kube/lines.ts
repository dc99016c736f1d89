/** Longest line that is kept: no event of an API server comes near, its objects being at most a few MiB. */
const longestLine = 16 * 1024 * 1024

/** Takes bytes and gives back whole lines. */
export interface LineReader {
  /** Returns the lines that the bytes complete; undefined where one is too long. */
  take(bytes: Buffer): readonly string[] | undefined
  /** True where a line has begun and not ended. */
  readonly isWithin: boolean
}

/** Returns what cuts bytes into lines, at line feeds alone: JSON may hold every other separator unescaped. */
export function readLines(limit = longestLine): LineReader {
  let rest: Buffer[] = []
  let length = 0
  return {
    get isWithin() {
      return length > 0
    },
    take: bytes => {
      const lines: string[] = []
      let from = 0
      for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, from)) {
        const part = bytes.subarray(from, at)
        const line = rest.length === 0 ? part.toString() : Buffer.concat([...rest, part]).toString()
        rest = []
        length = 0
        from = at + 1
        if (line.trim() !== '') lines.push(line)
      }
      if (from < bytes.length) {
        rest.push(bytes.subarray(from))
        length += bytes.length - from
      }
      return length > limit ? undefined : lines
    },
  }
}
