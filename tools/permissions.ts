import { resourceOf } from '../src/core/resource.ts'
import { kindsHeld } from '../src/kube/resources.ts'
import type { Sources } from './pages.ts'

/** What a role lets the guard read; the template adds the verbs. */
export interface Permission {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
}

/** Kinds that are read by name, in few namespaces: their roles stand in the template. */
const named: readonly string[] = ['ConfigMap', 'Secret']

/** Returns the kinds that the guard reads everywhere: what its inventory holds. */
export function readKinds({ rules, mutations }: Sources): readonly string[] {
  return kindsHeld(rules, mutations).filter(kind => !named.includes(kind))
}

/** Returns what the guard may read everywhere, one entry for each group. */
export function permissions(sources: Sources): readonly Permission[] {
  const groups = new Map<string, string[]>()
  for (const kind of readKinds(sources)) {
    const found = resourceOf(kind)
    if (found === undefined) throw new Error(`kind ${kind} has no plural: add it to src/core/resource.ts`)
    groups.set(found.group, [...(groups.get(found.group) ?? []), found.plural])
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([group, resources]) => ({ apiGroups: [group], resources: resources.sort() }))
}
