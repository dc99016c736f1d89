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
  const [host = '', port = ''] = address.split(':')
  const [name = '', namespace, svc, ...domain] = host.split('.')
  const isService = name === 'istiod' || name.startsWith('istiod-')
  const isLocal = domain.length === 0 || domain.join('.') === mesh.clusterDomain
  if (!isService || namespace !== mesh.rootNamespace || svc !== 'svc' || !isLocal || !/^\d+$/.test(port))
    return undefined
  return name === 'istiod' ? 'default' : name.slice('istiod-'.length)
}

/** Returns true for the address of a control plane in the root namespace, of any revision. */
export function isControlPlane(address: string, facts: Pick<Facts, 'mesh'>): boolean {
  return controlPlaneOf(address, facts) !== undefined
}
