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
