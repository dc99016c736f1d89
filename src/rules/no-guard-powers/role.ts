import type { Inventory } from '../../core/inventory.ts'
import { field, list, text } from '../../istio/json.ts'

/** Says that it is not known what a role permits. */
export const unknownRole = Symbol('unknown role')

const everything = [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }]

/** What Kubernetes gives whoever may edit a namespace, as far as it concerns the guard. */
const edit = [
  { apiGroups: [''], resources: ['pods/exec', 'pods/attach'], verbs: ['create'] },
  { apiGroups: [''], resources: ['configmaps', 'secrets', 'services', 'pods'], verbs: ['create', 'update'] },
  { apiGroups: ['apps'], resources: ['deployments', 'daemonsets'], verbs: ['create', 'update'] },
]

/** Roles that every cluster has; others of `system:` are for its parts. Kubernetes: RBAC, "Default roles". */
const usual: ReadonlyMap<string, readonly unknown[]> = new Map<string, readonly unknown[]>([
  ['cluster-admin', everything],
  ['admin', edit],
  ['edit', edit],
  ['view', []],
])

/** Returns the rules of the role that a binding names. */
export function rulesOf(
  roleRef: unknown,
  namespace: string,
  inventory: Inventory,
): readonly unknown[] | typeof unknownRole {
  const name = text(field(roleRef, 'name')) ?? ''
  const isOfNamespace = field(roleRef, 'kind') === 'Role'
  const kind = isOfNamespace ? 'Role.rbac.authorization.k8s.io' : 'ClusterRole.rbac.authorization.k8s.io'
  const role = inventory.find(kind, isOfNamespace ? namespace : '', name)
  if (role !== undefined) return list(field(role, 'rules'))
  // What controllers of Kubernetes may do is much, and differs from release to release.
  const isOfSystem = name.startsWith('system:') && !name.startsWith('system:controller:')
  if (!isOfNamespace && isOfSystem) return []
  const known = isOfNamespace ? undefined : usual.get(name)
  // A binding to a role that is not there permits nothing.
  return known ?? (inventory.knows(kind) ? [] : unknownRole)
}
