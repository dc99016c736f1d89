import { type Fields, field, isFields, list, text } from '../src/istio/json.ts'
import { readYaml } from '../src/istio/yaml.ts'
import { readObject, readPolicy } from '../src/policy/cases.ts'
import { strings } from '../src/policy/value.ts'

/** One case of a mutation: a pod in a state, and what becomes of it. */
export interface MutationCase {
  readonly name: string
  readonly policy: readonly Fields[]
  readonly inventory: readonly Fields[]
  readonly object: Fields
  /** The whole JSON Patch; empty where nothing is changed. */
  readonly patch: readonly unknown[]
  /** Findings, as `rule/message`, that are there without the mutation and not with it. */
  readonly cures: readonly string[]
}

/**
 * Reads the `cases.yaml` of a mutation: `given` as in those of rules, then cases of which each has a name, an object, and
 * maybe a policy and an inventory. Throws where the file is not of this shape.
 *
 *     changes:                   cases in which the mutation is made
 *     - name: a sentence
 *       object: {}               a Pod, or an object with a template, which is patched only to be judged
 *       patch:                   the whole JSON Patch of the pod, in order
 *       - {op: add, path: /metadata/labels/a, value: b}
 *       cures: [rule/message]    what it takes away; absent: nothing
 *     leaves:                    cases in which nothing is changed
 */
export function readMutationCases(source: string): readonly MutationCase[] {
  const read = readYaml(source)
  if (!read.ok) throw new Error(read.why)
  const given = field(read.value, 'given')
  return (['changes', 'leaves'] as const).flatMap(kind =>
    list(field(read.value, kind)).map(entry => {
      const name = text(field(entry, 'name'))
      if (!isFields(entry) || name === undefined) throw new Error('a case without a name')
      const unknown = Object.keys(entry).find(key => !knownOfMutations.has(key))
      if (unknown !== undefined) throw new Error(`case "${name}" has the unknown key "${unknown}"`)
      const patch = list(field(entry, 'patch'))
      if ((kind === 'changes') !== patch.length > 0) throw new Error(`case "${name}" does not do what its list says`)
      const both = (key: string): unknown[] => [...list(field(given, key)), ...list(field(entry, key))]
      return {
        name,
        policy: both('policy').flatMap(document => readPolicy(document, name)),
        inventory: both('inventory').map(object => readObject(object, name)),
        object: readObject(field(entry, 'object'), name),
        patch,
        cures: strings(field(entry, 'cures')),
      }
    }),
  )
}

const knownOfMutations = new Set(['name', 'policy', 'inventory', 'object', 'patch', 'cures'])
