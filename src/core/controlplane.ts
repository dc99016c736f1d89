import type { Facts } from './facts.ts'

/**
 * Returns the revision of the control plane in the root namespace that an address is of, or undefined where it is the address
 * of something else. Its Service is `istiod`, or `istiod-<revision>`.
 *
 *     istiod.istio-system.svc:15012                        default
 *     istiod-1-31.istio-system.svc.cluster.local:15012     1-31
 *     istiod.team-a.svc:15012                              undefined
 *     istiod.istio-system.example.com:15012                undefined
 *
 * Istio: istio-discovery chart, templates/service.yaml; files/injection-template.yaml (CA_ADDR).
 */
export function controlPlaneOf(address: string, { mesh }: Pick<Facts, 'mesh'>): string | undefined {
  const match = /^istiod(?:-([a-z0-9][-a-z0-9]*))?\.([-a-z0-9]+)\.svc(?:\.([-.a-z0-9]+))?:\d+$/.exec(address)
  if (match === null || match[2] !== mesh.rootNamespace || (match[3] ?? mesh.clusterDomain) !== mesh.clusterDomain)
    return undefined
  return match[1] ?? 'default'
}

/** Returns true for the address of a control plane in the root namespace, of any revision. */
export function isControlPlane(address: string, facts: Pick<Facts, 'mesh'>): boolean {
  return controlPlaneOf(address, facts) !== undefined
}
