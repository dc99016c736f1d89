import { isAlias, isMap, isScalar, isSeq, type Pair, type ParsedNode, type Scalar, type YAMLMap } from 'yaml'
import type { TextFault } from './dialect.ts'
import { type GoScalar, keyName, resolvePlain, resolveTagged } from './scalar.ts'
import { quote } from './text.ts'

/** A parsed document: its root (null where it is empty), its text, and the node that each alias stands for. */
export interface YamlTree {
  readonly text: string
  readonly root: ParsedNode | null
  readonly targets: ReadonlyMap<ParsedNode, ParsedNode>
}

/** How deep a document may nest: some levels more than anything in a cluster, and few enough to recurse. */
export const maxDepth = 500

/** Where a key came from in Go's map: an int key and a string key of one text are two keys there. */
type Entries = Map<string, { readonly kind: string; readonly value: unknown }>

/** Returns the value of a document as Go's decoder builds it, with everything that is wrong with it. */
export function decode(tree: YamlTree): { readonly value: unknown; readonly faults: readonly TextFault[] } {
  const decoder = new Decoder(tree)
  const value = decoder.value(tree.root, 0)
  return { value, faults: decoder.faults }
}

/** Returns the meaning of a scalar node, or undefined where Go refuses it. */
export function meaning(node: Scalar.Parsed, text: string): GoScalar | undefined {
  if (node.tag !== undefined) return resolveTagged(content(node, text), node.tag.replace('tag:yaml.org,2002:', ''))
  return node.type === 'PLAIN' ? resolvePlain(node.source) : { kind: 'string', value: content(node, text) }
}

// Go adds no line break to a block text which the end of the file cuts off.
function content({ source, type, range }: Scalar.Parsed, text: string): string {
  const cut = type?.startsWith('BLOCK') && range[1] >= text.length && !text.endsWith('\n')
  return cut && source.endsWith('\n') ? source.slice(0, -1) : source
}

/** Returns true where a key is the merge key `<<`, which a quoted one is not. */
export function isMerge(key: unknown): boolean {
  return isScalar(key) && key.source === '<<' && key.type === 'PLAIN' && key.tag === undefined
}

/** Returns the pairs of a map; the parser types them more loosely than it makes them. */
export function pairs(map: YAMLMap): readonly Pair<ParsedNode, ParsedNode | null>[] {
  return map.items as Pair<ParsedNode, ParsedNode | null>[]
}

// The order, the merging and the limits are those of the decoder in go.yaml.in/yaml/v2 (decode.go). In particular a
// merge key overrides the keys before it and is overridden by those after it.
class Decoder {
  readonly faults: TextFault[] = []
  readonly #tree: YamlTree
  readonly #expanding = new Set<ParsedNode>()
  #decoded = 1
  #aliased = 0
  #stopped = false

  constructor(tree: YamlTree) {
    this.#tree = tree
  }

  value(node: ParsedNode | null, depth: number): unknown {
    return this.#expand(node, depth, null, target => {
      if (isScalar(target)) return this.#scalar(target)
      if (target.tag?.match(/:(?:map|seq)$/) === null)
        this.#refuse(target, 'a tag for scalars stands before a collection')
      if (isSeq(target)) return target.items.map(item => this.value(item as ParsedNode, depth + 1))
      const entries: Entries = new Map()
      if (isMap(target)) this.#map(target, entries, depth)
      // Object.fromEntries makes even a key named __proto__ an ordinary own property.
      return Object.fromEntries(Array.from(entries, ([name, entry]) => [name, entry.value]))
    })
  }

  #refuse({ range: [offset] }: ParsedNode, what: string, fix?: string): void {
    this.faults.push(fix === undefined ? { offset, what } : { offset, what, fix })
  }

  #stop(node: ParsedNode, what: string): void {
    this.#stopped = true
    this.#refuse(node, what)
  }

  /** Hands the node, or what it is an alias of, to `then`; returns `otherwise` where there is nothing to hand. */
  #expand<T>(node: ParsedNode | null, depth: number, otherwise: T, then: (target: ParsedNode) => T): T {
    if (node === null || this.#stopped) return otherwise
    this.#count(node)
    if (depth > maxDepth) this.#stop(node, `nested deeper than ${maxDepth} levels`)
    if (this.#expanding.has(node)) this.#stop(node, 'an alias stands inside its own anchor')
    if (this.#stopped) return otherwise
    if (!isAlias(node)) return then(node)
    const target = this.#tree.targets.get(node)
    if (target === undefined) {
      this.#refuse(node, `no anchor is named ${quote(node.source)} before this alias`)
      return otherwise
    }
    this.#expanding.add(node)
    this.#count(target)
    const result = then(target)
    this.#expanding.delete(node)
    return result
  }

  // Go lets aliases make up 99 % of a small document, less of a large one.
  #count(node: ParsedNode): void {
    this.#decoded++
    if (this.#expanding.size > 0) this.#aliased++
    const share = Math.min(Math.max((this.#decoded - 400_000) / 3_600_000, 0), 1)
    if (this.#aliased > 100 && this.#decoded > 1000 && this.#aliased / this.#decoded > 0.99 - 0.89 * share) {
      this.#stop(node, 'aliases make far more of this document than is written')
    }
  }

  #scalar(node: Scalar.Parsed): unknown {
    const found = meaning(node, this.#tree.text)
    if (found === undefined) this.#refuse(node, 'a value does not fit its tag')
    if (found?.kind !== 'int' && found?.kind !== 'uint' && found?.kind !== 'float') return found?.value
    const number = Number(found.value)
    if (!Number.isFinite(number)) this.#refuse(node, `${quote(node.source)} cannot be stored as JSON`)
    else if (typeof found.value === 'bigint' && BigInt(number) !== found.value) {
      this.#refuse(node, `integer ${found.value} is larger than a double can hold exactly`)
    }
    return number
  }

  #map(map: YAMLMap, into: Entries, depth: number): void {
    const given = new Set<string>()
    let merged = false
    for (const { key, value } of pairs(map)) {
      if (isMerge(key)) {
        if (merged) this.#refuse(key, 'key "<<" is given twice in one map', 'give both maps as a list')
        merged = true
        this.#merge(key, value, { into, depth: depth + 1 })
        continue
      }
      const named = this.#key(key, depth + 1)
      const decoded = this.value(value, depth + 1)
      if (named === undefined) continue
      const { name, kind } = named
      const before = into.get(name)
      if (given.has(name)) this.#refuse(key, `key ${quote(name)} is given twice in one map`, 'remove one of the two')
      else if (before !== undefined && before.kind !== kind) {
        this.#refuse(key, `key ${quote(name)} is merged with a key of another type`, 'quote both keys, or none')
      }
      given.add(name)
      into.set(name, { kind, value: decoded })
    }
  }

  #key(node: ParsedNode, depth: number): { name: string; kind: string } | undefined {
    return this.#expand(node, depth, undefined, target => {
      const found = isScalar(target) ? meaning(target, this.#tree.text) : undefined
      const name = found && keyName(found)
      if (found !== undefined && name !== undefined) return { name, kind: found.kind }
      this.#refuse(node, 'a key is no text, boolean or plain number', 'quote the key')
      return undefined
    })
  }

  #merge(key: ParsedNode, node: ParsedNode | null, { into, depth }: { into: Entries; depth: number }): void {
    // Backwards, since an earlier map of the list wins.
    const sources = isSeq(node) ? [...node.items].reverse() : [node]
    for (const source of sources) {
      const fine = this.#expand(source as ParsedNode | null, depth, false, target => {
        if (isMap(target)) this.#map(target, into, depth)
        return isMap(target)
      })
      if (!fine && !this.#stopped) this.#refuse(key, '"<<" takes a map or a list of maps')
    }
  }
}
