import { isFields, text } from '../istio/json.ts'
import type { ManifestDocument, Problem } from './read.ts'

/**
 * Returns the documents inside a list, recursively, or the document itself where it is none. As for kubectl, a list is
 * what has `items` of its own (and a kind), whatever that kind is called. Items inherit nothing from the list.
 */
export function unwrap(document: ManifestDocument, problems: Problem[]): readonly ManifestDocument[] {
  const found: ManifestDocument[] = []
  const todo = [document]
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const items = itemsOf(next.object)
    if (items === undefined) found.push(next)
    else if (!Array.isArray(items)) problems.push(problemAt(next, ['items'], 'items of a list must be a list'))
    else for (const [index, item] of [...items.entries()].reverse()) todo.push(inner(next, item, index))
  }
  return found.filter(item => {
    if (!isFields(item.object)) problems.push(problemAt(item, [], 'an item of a list is not an object'))
    return isFields(item.object)
  })
}

function itemsOf(object: unknown): unknown {
  if (!isFields(object) || !Object.hasOwn(object, 'items') || !text(object['kind'])) return undefined
  return object['items'] ?? []
}

function inner(list: ManifestDocument, object: unknown, index: number): ManifestDocument {
  const position: ManifestDocument['position'] = path => list.position(['items', index, ...path])
  return {
    file: list.file,
    object,
    position,
    get line() {
      return position([]).line
    },
  }
}

/** Returns the problem of a document at a path of it. */
export function problemAt(document: ManifestDocument, path: readonly (string | number)[], what: string): Problem {
  return { file: document.file, ...document.position(path), what }
}
