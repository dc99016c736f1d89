import type { Fields } from '../istio/json.ts'
import { labelsOf } from '../istio/workload.ts'
import type { Facts } from './facts.ts'
import type { Requester } from './review.ts'

/**
 * Returns true where a controller of the mesh asks, which writes for others: those of `spec.identities.controllers`, or
 * where the policy names none, istiod of the root namespace, whose service account is `istiod` or `istiod-<revision>`.
 * Istio: istio-discovery chart, templates/serviceaccount.yaml.
 */
export function isController(requester: Requester | undefined, facts: Facts): boolean {
  if (requester === undefined) return false
  if (facts.identities.controllers !== undefined) return facts.identities.controllers(requester)
  const account = `system:serviceaccount:${facts.mesh.rootNamespace}:istiod`
  return requester.username === account || requester.username.startsWith(`${account}-`)
}

/** Who the EndpointSlice controller is: kube-controller-manager, with an account of its own or without. */
const sliceControllers: ReadonlySet<string> = new Set([
  'system:serviceaccount:kube-system:endpointslice-controller',
  'system:kube-controller-manager',
])

/**
 * Returns true for a slice that the EndpointSlice controller writes, by its label and by who asks; where nobody does, by its
 * label. The controller puts right what others write under its label, but not at once.
 */
export function isControllersSlice(slice: Fields, requester: Requester | undefined): boolean {
  if (labelsOf(slice).get('endpointslice.kubernetes.io/managed-by') !== 'endpointslice-controller.k8s.io') return false
  return requester === undefined || sliceControllers.has(requester.username)
}

/** Accounts of Kubernetes itself that are no service accounts. */
const components: ReadonlySet<string> = new Set([
  'system:apiserver',
  'system:kube-controller-manager',
  'system:kube-scheduler',
])

/**
 * Returns true where Kubernetes itself asks: the API server, its controllers, whatever runs under a service account
 * of `kube-system` (of OpenShift also `openshift-infra`). Who runs as one of them rules the cluster already. People
 * with the group `system:masters` are not meant, nor nodes. docs/decisions/0011-accounts-of-kubernetes.md
 */
export function isKubernetes({ username }: Requester): boolean {
  return components.has(username) || isAccountOf(username, ['kube-system', 'openshift-infra'])
}

/** Returns true for a service account of one of the namespaces. */
export function isAccountOf(username: string, namespaces: readonly string[]): boolean {
  return namespaces.some(namespace => username.startsWith(`system:serviceaccount:${namespace}:`))
}
