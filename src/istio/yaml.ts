import { Composer, type CST, isAlias, isMap, isScalar, isSeq, Lexer, type ParsedNode, Parser, type YAMLMap } from 'yaml'
import { decode, isMerge, maxDepth, meaning, pairs, type YamlTree } from './decode.ts'
import { dialectFaults, type TextFault } from './dialect.ts'
import { bad, good, type Result } from './result.ts'
import { keyName } from './scalar.ts'

export type { TextFault, YamlTree }

// Line breaks of YAML 1.1 that YAML 1.2 takes for text, byte order marks inside, and what no YAML may hold.
const oddCharacter = /[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]/u

/** Most tokens of a ConfigMap's text, line breaks and white space among them: a large mesh configuration has some 5,000. */
export const configLimit = 20_000

/**
 * Returns what one YAML text means to Go's sigs.k8s.io/yaml, as programs of the Kubernetes world read the texts inside
 * ConfigMaps and annotations. An empty text means null.
 *
 * Where Go itself accepts a text but YAML 1.1 and 1.2 differ on it, a key is given twice, digits of an integer would be
 * lost, or there is more than one document (Go drops all but the first), the text is refused. What is accepted has the
 * value that Go gives it. A text of more tokens than `tokenLimit` is refused unread: each costs microseconds, and requests
 * bring such texts.
 */
export function readYaml(text: string, tokenLimit = Number.POSITIVE_INFINITY): Result<unknown> {
  const { tree, value, faults } = loadYaml(text.replace(/^\ufeff/, ''), tokenLimit)
  const [fault] = faults
  if (fault === undefined) return good(value)
  const before = tree.text.slice(0, fault.offset)
  return bad(`line ${before.split('\n').length}, column ${before.length - before.lastIndexOf('\n')}: ${fault.what}`)
}

/** Returns the value of one YAML text and everything wrong with it; the value counts only where nothing is. */
export function loadYaml(
  text: string,
  tokenLimit = Number.POSITIVE_INFINITY,
): { tree: YamlTree; value: unknown; faults: readonly TextFault[] } {
  const { tree, faults } = parseYaml(text, tokenLimit)
  return faults.length > 0 ? { tree, value: null, faults } : { tree, ...decode(tree) }
}

/** Parses one YAML text, and refuses what Go would not read the same way. Offsets are those of `tree.text`. */
export function parseYaml(
  original: string,
  tokenLimit = Number.POSITIVE_INFINITY,
): { readonly tree: YamlTree; readonly faults: readonly TextFault[] } {
  const text = original.replaceAll('\r\n', '\n')
  const refused = (offset: number, what: string) => ({
    tree: { text, root: null, targets: new Map() },
    faults: [{ offset, what }],
  })
  const odd = oddCharacter.exec(text)
  if (odd !== null) {
    const code = odd[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')
    return refused(odd.index, `character U+${code} may not stand in YAML text`)
  }
  const parser = new Parser()
  const tokens: CST.Token[] = []
  let left = tokenLimit
  for (const lexeme of new Lexer().lex(text)) {
    if (left-- <= 0) return refused(parser.offset, `more than ${tokenLimit} tokens, the most that is read`)
    for (const token of parser.next(lexeme)) {
      if (token.type === 'error') return refused(token.offset, `invalid YAML: ${clause(token.message)}`)
      tokens.push(token)
    }
    // Composing recurses, so what is too deep must not get there.
    if (parser.stack.length > maxDepth + 2) return refused(parser.offset, `nested deeper than ${maxDepth} levels`)
  }
  tokens.push(...parser.end())
  const faults = dialectFaults(tokens, text)
  if (faults.length > 0) return { tree: { text, root: null, targets: new Map() }, faults }
  const composer = new Composer({ schema: 'failsafe', resolveKnownTags: false, uniqueKeys: false, prettyErrors: false })
  const documents = [...composer.compose(tokens, true, text.length)]
  const error = documents[0]?.errors[0]
  if (error !== undefined) return refused(error.pos[0], `invalid YAML: ${clause(error.message)}`)
  const second = documents[1]
  if (second !== undefined) {
    return refused(second.range[0], 'a second document starts here, and only the first would be read')
  }
  const root = documents[0]?.contents ?? null
  return { tree: { text, root, targets: aliasTargets(root) }, faults: [] }
}

// What the parser says, without the piece of the text that it may quote after a colon.
function clause(message: string): string {
  const bare = message.replace(/(?<=\S):.*/s, '').replace(/[^ -~]/g, '?')
  return bare.charAt(0).toLowerCase() + bare.slice(1)
}

// An alias stands for the last anchor of its name that starts before it. An unknown name is left out, and refused when
// the value is built.
function aliasTargets(root: ParsedNode | null): YamlTree['targets'] {
  const targets = new Map<ParsedNode, ParsedNode>()
  const anchors = new Map<string, ParsedNode>()
  const todo = [root]
  for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
    if (isAlias(node)) {
      const target = anchors.get(node.source)
      if (target !== undefined) targets.set(node, target)
    } else if (node?.anchor !== undefined) anchors.set(node.anchor, node)
    if (isMap(node)) for (const pair of pairs(node).toReversed()) todo.push(pair.value, pair.key)
    if (isSeq(node)) for (const item of node.items.toReversed()) todo.push(item as ParsedNode)
  }
  return targets
}

/**
 * Returns the offset, in the text of a tree, of the key or list item that a path names; where the path leads nowhere, of
 * the last on it that exists. The path follows aliases and merge keys; an empty item is where its list is.
 */
export function locate(tree: YamlTree, path: readonly (string | number)[]): number {
  let node = tree.root
  let offset = node?.range[0] ?? 0
  for (const step of path) {
    const target = (node && tree.targets.get(node)) ?? node
    if (isSeq(target) && typeof step === 'number') node = (target.items[step] ?? null) as ParsedNode | null
    else if (isMap(target) && typeof step === 'string') {
      const found = findPair(tree, target, step)
      if (found === undefined) return offset
      offset = found.key.range[0]
      node = found.value
    } else return offset
    if (node === null) return offset
    if (typeof step === 'number' && (!isScalar(node) || node.range[1] > node.range[0])) offset = node.range[0]
  }
  return offset
}

function findPair(tree: YamlTree, map: YAMLMap, name: string) {
  // The last one wins; what a merge key brings counts where the merge key stands.
  const todo: ReturnType<typeof pairs>[number][] = []
  const open = (next: YAMLMap) => {
    for (const pair of pairs(next)) todo.push(pair)
  }
  open(map)
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const { key, value } = next
    if (isMerge(key)) {
      const sources = isSeq(value) ? [...value.items].reverse() : [value]
      for (const source of sources) {
        const target = tree.targets.get(source as ParsedNode) ?? source
        if (isMap(target)) open(target)
      }
      continue
    }
    const scalar = tree.targets.get(key) ?? key
    const found = isScalar(scalar) ? meaning(scalar, tree.text) : undefined
    if (found !== undefined && keyName(found) === name) return next
  }
  return undefined
}
