import { isFields } from '../../src/istio/json.ts'

/** JSON as it is written: keys may come twice, scalars and whole values are literal text. */
export type Tree =
  | { readonly form: 'map'; readonly entries: Entry[] }
  | { readonly form: 'list'; readonly items: Tree[] }
  | { readonly form: 'literal'; readonly text: string }

/** A key, quoted and escaped as it is to be written, with its value. */
export interface Entry {
  key: string
  value: Tree
}

/** Returns a value that is written as the text says. */
export function literal(text: string): Tree {
  return { form: 'literal', text }
}

/** Returns the tree of a JSON value of moderate depth. */
export function treeOf(value: unknown): Tree {
  if (Array.isArray(value)) return { form: 'list', items: value.map(treeOf) }
  if (!isFields(value)) return literal(JSON.stringify(value) ?? 'null')
  const entries = Object.entries(value).map(([key, inner]) => ({ key: JSON.stringify(key), value: treeOf(inner) }))
  return { form: 'map', entries }
}

/** Returns a copy that shares nothing. */
export function copyTree(tree: Tree): Tree {
  if (tree.form === 'list') return { form: 'list', items: tree.items.map(copyTree) }
  if (tree.form === 'literal') return tree
  return { form: 'map', entries: tree.entries.map(({ key, value }) => ({ key, value: copyTree(value) })) }
}

/** Returns the text of a tree. */
export function writeTree(tree: Tree): string {
  if (tree.form === 'literal') return tree.text
  if (tree.form === 'list') return `[${tree.items.map(writeTree).join(',')}]`
  return `{${tree.entries.map(({ key, value }) => `${key}:${writeTree(value)}`).join(',')}}`
}

/** A place in a tree whose value can be exchanged. */
export interface Slot {
  readonly parent: Exclude<Tree, { form: 'literal' }>
  readonly index: number
}

/** Returns every place below a tree; what API servers keep for themselves is left out, since no rule looks there. */
export function slotsOf(tree: Tree): Slot[] {
  const slots: Slot[] = []
  const todo = [tree]
  for (let parent = todo.pop(); parent !== undefined; parent = todo.pop()) {
    if (parent.form === 'literal') continue
    const children = parent.form === 'list' ? parent.items : parent.entries.map(entry => entry.value)
    for (const [index, child] of children.entries()) {
      if (parent.form === 'map' && parent.entries[index]?.key === '"managedFields"') continue
      slots.push({ parent, index })
      todo.push(child)
    }
  }
  return slots
}

/** Returns what stands at a place. */
export function valueAt({ parent, index }: Slot): Tree {
  return (parent.form === 'list' ? parent.items[index] : parent.entries[index]?.value) ?? literal('null')
}

/** Puts a value in a place. */
export function putAt({ parent, index }: Slot, value: Tree): void {
  if (parent.form === 'list') parent.items[index] = value
  else {
    const entry = parent.entries[index]
    if (entry !== undefined) entry.value = value
  }
}

/** Returns the entry of a map by its plain key; where there are several, the last, which counts. */
export function entryOf(tree: Tree | undefined, key: string): Entry | undefined {
  if (tree?.form !== 'map') return undefined
  return tree.entries.findLast(entry => entry.key === JSON.stringify(key))
}

/** Sets a key of a map. */
export function setEntry(tree: Tree | undefined, key: string, value: Tree): void {
  const entry = entryOf(tree, key)
  if (entry !== undefined) entry.value = value
  else if (tree?.form === 'map') tree.entries.push({ key: JSON.stringify(key), value })
}
