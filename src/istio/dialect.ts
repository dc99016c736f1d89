import type { CST } from 'yaml'

/** One fault of a text, at an offset of it: a clause that says what, and where there is one, the way out. */
export interface TextFault {
  readonly offset: number
  readonly what: string
  readonly fix?: string
}

interface Place {
  /** Inside brackets, where tabs and line breaks are free. */
  readonly flow: boolean
  /** A token may start here, so that a tab would be indentation. */
  readonly fresh: boolean
  /** A tag or an anchor may stand here. */
  readonly properties: boolean
}

interface Todo {
  readonly token: CST.Token
  /** Inside brackets. */
  readonly flow: boolean
  /** Indentation of the block around it. */
  readonly indent: number
}

const tabs = 'a tab stands where only spaces may'
const ambiguous = 'quote the text, or write it more plainly'
const endTypes = new Set(['space', 'comment', 'newline', 'flow-map-end', 'flow-seq-end', 'flow-error-end'])
const blanks = /[ \t\n]*/y
const tagForm = /^!!(?:str|int|float|bool|null|binary|map|seq)$/
const nameForm = /^[&*][A-Za-z0-9_-]+$/
// A solidus and halves of surrogate pairs are no escapes of YAML 1.1; an escaped line break before an empty line folds
// differently. The first group passes over escaped backslashes.
const oddEscape = /(?:^|[^\\])(?:\\\\)*\\(?:\/|u[dD][89a-fA-F]|U0000[dD][89a-fA-F]|\n[ \t]*\n)/
// Tabs in the indentation, text at column 1, and a last line of blanks alone (at the end of a file).
const oddBlock = /^(?: *\n)*(?: *\t|[^ \n])|(?:^|\n) +$/

/**
 * Returns the faults of spelling for which a text is refused because YAML 1.2, which the parser knows, and YAML 1.1,
 * which Go reads, understand it differently (or Go not at all). What remains is read alike by both: a differential test
 * against Go's readers holds that, and was how this list was found.
 */
export function dialectFaults(tokens: readonly CST.Token[], text: string): readonly TextFault[] {
  const faults: TextFault[] = []
  const todo: Todo[] = []

  function refuse({ offset }: { readonly offset: number }, what: string, fix = ambiguous): void {
    faults.push({ offset, what, fix })
  }

  function checkMarks(marks: readonly CST.SourceToken[] = [], place: Place): void {
    let { fresh, properties } = place
    const seen = new Set<string>()
    for (const mark of marks) {
      if (mark.type === 'newline' || mark.type === 'seq-item-ind') fresh = true
      if (mark.type === 'map-value-ind') properties = true
      if (mark.type === 'explicit-key-ind') refuse(mark, 'a key is marked with "?"', 'write the key before a ":"')
      if (mark.type === 'space' && fresh && !place.flow && mark.source.includes('\t')) {
        refuse(mark, tabs, 'indent with spaces')
      }
      if (mark.type === 'tag' || mark.type === 'anchor') checkProperty(mark, properties && !seen.has(mark.type))
      if (mark.type === 'map-value-ind') seen.clear()
      else seen.add(mark.type)
    }
  }

  // The parser leaves what it did not expect after a value; each piece would cost an Error in the composer.
  function checkEnd(marks: readonly CST.SourceToken[] = [], flow: boolean): void {
    const odd = marks.find(mark => !endTypes.has(mark.type))
    if (odd !== undefined) refuse(odd, 'more text stands after the end of a value')
    checkMarks(marks, { flow, fresh: false, properties: false })
  }

  function checkProperty(mark: CST.SourceToken, expected: boolean): void {
    if (mark.type === 'tag' && !tagForm.test(mark.source))
      refuse(mark, 'a tag is not one of the plain ones', 'remove it')
    if (mark.type === 'anchor' && !nameForm.test(mark.source)) refuse(mark, 'an anchor has an odd name')
    const next = text[mark.offset + mark.source.length]
    if (!expected || (next !== undefined && !' \t\n'.includes(next))) refuse(mark, 'a tag or an anchor is misplaced')
  }

  function checkItem(item: CST.CollectionItem, flow: boolean, indent: number): void {
    checkMarks(item.start, { flow, fresh: true, properties: true })
    checkMarks(item.sep, { flow, fresh: false, properties: false })
    const colon = item.sep?.find(mark => mark.type === 'map-value-ind')
    if (colon !== undefined) checkKey(item, colon, flow)
    for (const token of [item.key, item.value]) if (token) todo.push({ token, flow, indent })
  }

  function checkKey({ key, start }: CST.CollectionItem, colon: CST.SourceToken, flow: boolean): void {
    if (!key) {
      refuse(colon, 'a ":" has no key before it', 'name the key')
      return
    }
    const from = (start.find(mark => mark.type === 'anchor' || mark.type === 'tag') ?? key).offset
    // Go gives up on a key after 1,024 characters.
    if (colon.offset - from > 1000 || text.slice(from, colon.offset).includes('\n')) {
      refuse(key, 'a key is long or spans lines', 'write it on one line of at most 1000 characters')
    }
    if (flow && key.type === 'scalar' && !' \t\n'.includes(text[colon.offset + 1] ?? '\n')) {
      refuse(colon, 'no space follows the ":" of a key inside brackets', 'quote the text, or put a space after a key')
    }
  }

  // The parser, too, takes some unclosed quotes for closed ones.
  function checkClosed(token: CST.FlowScalar, rest: string): void {
    const closed = rest !== '' && rest.indexOf(token.source.charAt(0)) === rest.length - 1
    if (!closed) refuse(token, 'invalid YAML: a closing quote is missing')
  }

  // After a comment the parser may take less indented lines for a part of the text.
  function checkIndent({ offset }: { readonly offset: number }, lines: string, indent: number): void {
    const odd = [...lines.matchAll(/\n( *)(?=[^ \n])/g)].some(line => line[0].length - 1 <= indent)
    if (odd) refuse({ offset }, 'a line of a text is indented too little')
  }

  function checkBlock({ offset, props, source }: CST.BlockScalar): void {
    const header = props.find(mark => mark.type === 'block-scalar-header')
    const explicit = header !== undefined && 'source' in header && /[0-9]/.test(header.source)
    const start = text.indexOf('\n', offset) + 1
    // With a number in the header, lines of blanks inside and after the text are cut differently.
    const end = start + source.length
    const after = blanksAt(end)
    // Blanks before something else on their line are its indentation.
    const lines = end + after.length < text.length ? after.slice(0, after.lastIndexOf('\n') + 1) : after
    const blank = explicit && /^\n*$|(?:^|\n) +(?:\n|$)/.test(source + lines)
    if (blank || oddBlock.test(source)) refuse({ offset }, 'the indentation of a block text is ambiguous')
  }

  function blanksAt(at: number): string {
    blanks.lastIndex = at
    blanks.test(text)
    return text.slice(at, blanks.lastIndex)
  }

  function checkToken({ token, flow, indent }: Todo): void {
    switch (token.type) {
      case 'alias':
        if (!nameForm.test(token.source)) refuse(token, 'an alias has an odd name')
        checkEnd(token.end, flow)
        return
      case 'scalar':
        if (flow && /^:|\?/.test(token.source))
          refuse(token, 'inside brackets, plain text starts with ":" or has a "?"')
        if (/\n *\t/.test(token.source + blanksAt(token.offset + token.source.length)))
          refuse(token, tabs, 'indent with spaces')
        if (!flow) checkIndent(token, token.source, indent)
        checkEnd(token.end, false)
        return
      case 'double-quoted-scalar':
        if (oddEscape.test(token.source)) refuse(token, 'an escape is read differently by YAML 1.1')
        checkClosed(token, token.source.slice(1).replace(/\\./gs, ''))
        checkEnd(token.end, flow)
        return
      case 'single-quoted-scalar':
        checkClosed(token, token.source.slice(1).replaceAll("''", ''))
        checkEnd(token.end, flow)
        return
      case 'block-scalar':
        checkBlock(token)
        checkIndent(token, `\n${token.source}`, indent)
        return
      case 'flow-collection':
        checkEnd(token.end, flow)
        for (const item of token.items) checkItem(item, true, indent)
        return
      case 'block-map':
      case 'block-seq':
        for (const item of token.items) checkItem(item, flow, token.indent)
        return
      default: // What else there is, the parser has refused.
    }
  }

  let nothing = true
  for (const token of tokens) {
    if (token.type === 'space' && token.source.includes('\t')) refuse(token, tabs, 'indent with spaces')
    if (token.type === 'directive') refuse(token, 'a directive ("%") is used', 'remove it')
    if (token.type === 'doc-end' && nothing) refuse(token, 'the end marker "..." ends nothing', 'remove it')
    if (token.type !== 'document') continue
    const place = { flow: false, fresh: true, properties: true }
    checkMarks(token.start, place)
    checkMarks(token.end, { ...place, properties: false })
    checkEnd(token.end, true)
    nothing = !token.value && !token.start.some(mark => mark.type === 'doc-start')
    if (token.value) todo.push({ token: token.value, flow: false, indent: -1 })
  }
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) checkToken(next)
  return faults.sort((one, other) => one.offset - other.offset)
}
