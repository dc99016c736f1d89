import { namespaceLabels } from '../../core/inventory.ts'
import type { Requester } from '../../core/review.ts'
import type { Tools } from '../../core/rule.ts'
import { isKubernetes } from '../../core/writer.ts'
import { field, text } from '../../istio/json.ts'

/** Whom a binding gives rights to. */
export interface Grantee {
  /** As requests name it. */
  readonly name: string
  /** A request of one of them; of a group whoever is in it and in no other. */
  readonly requester: Requester
  /** Namespace of a service account. */
  readonly namespace: string | undefined
}

/** Returns whom a subject of a binding names, or undefined where it names nobody. Kubernetes: rbac/v1 Subject. */
export function granteeOf(subject: unknown, bindingNamespace: string): Grantee | undefined {
  const name = text(field(subject, 'name'))
  if (name === undefined) return undefined
  switch (field(subject, 'kind')) {
    case 'ServiceAccount':
      return accountOf(text(field(subject, 'namespace')) ?? bindingNamespace, name)
    case 'User': {
      // Rights go by the name of the user, and a service account has one too.
      const [, namespace = '', account = ''] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name) ?? []
      if (account !== '') return accountOf(namespace, account)
      return { name, requester: { username: name, groups: ['system:authenticated'] }, namespace: undefined }
    }
    case 'Group':
      return { name, requester: { username: '', groups: [name] }, namespace: ofAccounts(name) }
    default:
      return undefined
  }
}

function accountOf(namespace: string, name: string): Grantee {
  const username = `system:serviceaccount:${namespace}:${name}`
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated']
  return { name: username, requester: { username, groups }, namespace }
}

const accountsPrefix = 'system:serviceaccounts:'

/** The namespace whose service accounts a group holds. */
function ofAccounts(group: string): string | undefined {
  return group.startsWith(accountsPrefix) ? group.slice(accountsPrefix.length) : undefined
}

/** Names that hold everybody, and so nobody in particular. */
const everybody: ReadonlySet<string> = new Set([
  'system:anonymous',
  'system:authenticated',
  'system:serviceaccounts',
  'system:unauthenticated',
])

/**
 * Whether a grantee is of the platform, of Kubernetes itself, or runs in a namespace of the platform or of Kubernetes.
 */
export function isTrusted(
  { name, requester, namespace }: Grantee,
  { facts, inventory }: Tools<string, unknown>,
): boolean {
  if (facts.identities.platform?.(requester) === true || isKubernetes(requester)) return true
  if (namespace === undefined) return name.startsWith('system:') && !everybody.has(name)
  const isOfKubernetes = namespace === 'kube-system' || namespace === 'openshift-infra'
  return isOfKubernetes || facts.namespaces.classOf(namespace, namespaceLabels(inventory, namespace)) === 'platform'
}
