import { dig, field, isFields } from '../istio/json.ts'
import type { Path } from './path.ts'
import type { Subject, Tools } from './rule.ts'

/** Most entries of one list or map that rules walk: far more than people write, few enough to judge in milliseconds. */
export const entryLimit = 10_000

/** Most values at all depths below one such field, for lists within lists: what etcd takes at most (1.5 MiB) holds less. */
export const valueLimit = 100_000

/** Most combinations of the entries of lists that are judged together, such as each host on each port. */
export const combinationLimit = 100_000

type Reporter = Pick<Tools<string, unknown>, 'malformed'>

/**
 * Reports as malformed what a rule would otherwise take for absent: a `spec` that is no mapping, and fields of it that
 * are no lists. The schema of a custom resource is checked after mutating webhooks, and not at all for files. Returns
 * false where a list is past a limit, which is reported too: the rule must leave the object alone.
 */
export function requireLists(subject: Subject, tools: Reporter, names: readonly string[]): boolean {
  const spec = field(subject.object, 'spec') ?? undefined
  if (spec === undefined) return true
  if (!isFields(spec)) {
    tools.malformed(['spec'], 'must be a mapping')
    return true
  }
  let within = true
  for (const name of names) {
    const value = field(spec, name) ?? undefined
    if (value === undefined) continue
    if (!Array.isArray(value)) tools.malformed(['spec', name], 'must be a list')
    within = isWithinLimits(value, ['spec', name], tools) && within
  }
  return within
}

/** Reports a map that is past a limit, and one that is none; returns false where the rule must leave it alone. */
export function requireMap(subject: Subject, tools: Reporter, path: readonly string[]): boolean {
  const value = dig(subject.object, ...path) ?? undefined
  if (value === undefined) return true
  if (isFields(value)) return isWithinLimits(value, path, tools)
  tools.malformed(path, 'must be a mapping')
  return false
}

/** Reports lists of `spec` that a rule judges in each combination, where those are too many; returns false then. */
export function requireFewCombinations(subject: Subject, tools: Reporter, names: readonly string[]): boolean {
  let combinations = 1
  for (const name of names) combinations *= Math.max(1, sizeOf(dig(subject.object, 'spec', name)))
  if (combinations <= combinationLimit) return true
  const why = `${names.join(', ')} make more than ${combinationLimit} combinations, the most that is judged`
  tools.malformed(['spec'], why, 'unread')
  return false
}

function isWithinLimits(value: unknown, path: Path, tools: Reporter): boolean {
  if (sizeOf(value) > entryLimit) {
    tools.malformed(path, `has more than ${entryLimit} entries, the most that is judged`, 'unread')
    return false
  }
  if (holdsTooMuch(value)) {
    tools.malformed(path, `holds more than ${valueLimit} values, the most that is judged`, 'unread')
    return false
  }
  return true
}

/** Returns the number of entries of a list or map, and 0 for anything else. */
function sizeOf(value: unknown): number {
  if (Array.isArray(value)) return value.length
  return isFields(value) ? Object.keys(value).length : 0
}

/** Whether a field holds too much, which several rules ask of the same one. */
const known = new WeakMap<object, boolean>()

function holdsTooMuch(field: unknown): boolean {
  if (typeof field !== 'object' || field === null) return false
  const before = known.get(field)
  if (before !== undefined) return before
  let left = valueLimit
  const todo: object[] = [field]
  for (let value = todo.pop(); value !== undefined && left >= 0; value = todo.pop()) {
    for (const inner of Array.isArray(value) ? value : Object.values(value)) {
      left--
      if (typeof inner === 'object' && inner !== null) todo.push(inner)
    }
  }
  known.set(field, left < 0)
  return left < 0
}
