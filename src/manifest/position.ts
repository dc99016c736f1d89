/** A place in a file: line and column start at 1, columns count UTF-16 units, as editors and SARIF do. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** Tells lines and columns of one text; where its lines start is found when first asked. */
export class Lines {
  readonly #text: string
  readonly #from: Position
  #starts: readonly number[] | undefined

  /** `from` is where the text itself starts, if it is a part of a file. */
  constructor(text: string, from: Position = { line: 1, column: 1 }) {
    this.#text = text
    this.#from = from
  }

  /** Returns the place of an offset. */
  at(offset: number): Position {
    this.#starts ??= lineStarts(this.#text)
    let low = 0
    for (let high = this.#starts.length; high - low > 1; ) {
      const middle = (low + high) >> 1
      if ((this.#starts[middle] ?? 0) > offset) high = middle
      else low = middle
    }
    const column = offset - (this.#starts[low] ?? 0) + (low === 0 ? this.#from.column : 1)
    return { line: this.#from.line + low, column }
  }
}

function lineStarts(text: string): readonly number[] {
  const starts = [0]
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', end + 1)) starts.push(end + 1)
  return starts
}
