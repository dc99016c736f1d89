import { dig, type Fields, field, isFields } from '../istio/json.ts'
import { hasInjectorOutput, podTemplateOf, usesHostNetwork } from '../istio/workload.ts'
import type { Inventory } from './inventory.ts'
import type { MadeMutation, MetadataChange, MutableObject, Mutated } from './mutation.ts'
import type { Path } from './path.ts'
import { podOf } from './pod.ts'
import type { Policy } from './policy.ts'

/**
 * Returns a pod, or an object with a pod template, with the policy's mutations made to it; the given object is unchanged.
 * Each mutation sees what those before it did. Only pods of governed namespaces are touched, and none that is injected
 * already (the API server asks twice) or is on the network of its node. Labels and annotations that are no maps are left
 * to the rules to refuse.
 */
export function mutate(subject: MutableObject, policy: Policy, inventory: Inventory): Mutated {
  const { kind, ref, namespaceLabels } = subject
  const made: MadeMutation[] = []
  const errors: { mutation: string; cause: unknown }[] = []
  let { object } = subject
  if (policy.mutations.length === 0 || !isConcerned(subject, policy)) return { object, made, errors }
  for (const { mutation, params, enabledIn } of policy.mutations) {
    if (!enabledIn(ref.namespace, namespaceLabels)) continue
    const pod = podOf({ kind, object }, silent)
    if (pod === undefined) break
    try {
      const asked = mutation.change(
        { pod, namespace: ref.namespace, namespaceLabels },
        { facts: policy.facts, params, inventory },
      )
      const changes = asked.filter(change => isPossible(change, pod.template))
      if (changes.length === 0) continue
      made.push({ id: mutation.id, cures: mutation.cures, changes })
      object = replaceAt(object, pod.at(), template => withChanges(template, changes))
    } catch (cause) {
      errors.push({ mutation: mutation.id, cause })
    }
  }
  return { object, made, errors }
}

function isConcerned({ kind, ref, object, namespaceLabels }: MutableObject, policy: Policy): boolean {
  const template = podTemplateOf(kind, object)?.template
  if (template === undefined || usesHostNetwork(template) || hasInjectorOutput(template)) return false
  return policy.facts.namespaces.classOf(ref.namespace, namespaceLabels) === 'governed'
}

/** What is malformed the rules report, not the mutations. */
const silent = { malformed: (): void => {} }

function isPossible({ map }: MetadataChange, template: Fields): boolean {
  const present = dig(template, 'metadata', map) ?? {}
  return isFields(present) && (field(template, 'metadata') === undefined || isFields(field(template, 'metadata')))
}

/** Returns the object with what is at the path replaced; what is beside the path is shared, not copied. */
function replaceAt(object: Fields, path: Path, replace: (inner: Fields) => Fields): Fields {
  const [key, ...rest] = path
  return key === undefined ? replace(object) : { ...object, [key]: replaceAt(fieldsOf(object, key), rest, replace) }
}

function withChanges(template: Fields, changes: readonly MetadataChange[]): Fields {
  let metadata = fieldsOf(template, 'metadata')
  for (const { map, key, value } of changes) {
    const kept = Object.entries(fieldsOf(metadata, map)).filter(([name]) => name !== key)
    // fromEntries makes own properties of whatever keys there are, `__proto__` too.
    const entries = value === undefined ? kept : [...kept, [key, value]]
    metadata = { ...metadata, [map]: Object.fromEntries(entries) }
  }
  return { ...template, metadata }
}

function fieldsOf(object: Fields, key: string | number): Fields {
  const value = field(object, String(key))
  return isFields(value) ? value : {}
}

/** One operation of a JSON Patch (RFC 6902). */
export type PatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string }

/**
 * Returns the JSON Patch that makes the changes to a pod, and nothing else: a map that is not there is added with its keys
 * in it, any other key on its own, so that labels which others write at the same time stay.
 */
export function patchOf(pod: Fields, made: readonly MadeMutation[]): readonly PatchOperation[] {
  const operations: PatchOperation[] = []
  if (!isFields(field(pod, 'metadata')) && made.length > 0) operations.push({ op: 'add', path: '/metadata', value: {} })
  for (const map of ['labels', 'annotations'] as const) {
    const wanted = new Map<string, string | undefined>()
    for (const change of made.flatMap(({ changes }) => changes)) {
      if (change.map === map) wanted.set(change.key, change.value)
    }
    const present = dig(pod, 'metadata', map)
    if (isFields(present)) operations.push(...keyOperations(map, present, wanted))
    else {
      const added = [...wanted].filter(([, value]) => value !== undefined)
      if (added.length > 0) operations.push({ op: 'add', path: `/metadata/${map}`, value: Object.fromEntries(added) })
    }
  }
  return operations
}

function* keyOperations(
  map: string,
  present: Fields,
  wanted: ReadonlyMap<string, string | undefined>,
): Generator<PatchOperation, void, undefined> {
  for (const [key, value] of wanted) {
    const path = `/metadata/${map}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
    const isThere = field(present, key) !== undefined
    if (value !== undefined) yield { op: isThere ? 'replace' : 'add', path, value }
    else if (isThere) yield { op: 'remove', path }
  }
}
