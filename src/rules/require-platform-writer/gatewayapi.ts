import { egressGatewayOf, gatewayBehind } from '../../core/gatewayapi.ts'
import type { Kind } from '../../core/kind.ts'
import type { Subject, Tools } from '../../core/rule.ts'
import { listenerSetKinds, parentsOf } from '../../istio/gatewayapi.ts'
import { entryKind, gatewayApiKind } from '../../istio/kinds.ts'

const routeKinds: readonly Kind[] = ['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute'].map(
  kind => `${kind}.gateway.networking.k8s.io`,
)

/** Kinds of the Gateway API by which a platform namespace steers what leaves the mesh. */
export const gatewayApiKinds: readonly Kind[] = [
  gatewayApiKind,
  ...listenerSetKinds,
  ...routeKinds,
  'BackendTLSPolicy.gateway.networking.k8s.io',
  'ReferenceGrant.gateway.networking.k8s.io',
  'XBackend.gateway.networking.x-k8s.io',
  'XBackendTrafficPolicy.gateway.networking.x-k8s.io',
]

type Sources = Pick<Tools<string, unknown>, 'facts' | 'inventory'>

/**
 * Returns whether an object of these kinds steers what leaves: all but routes do, and of those the ones on Services,
 * ServiceEntries and egress gateways. A route on another Gateway is for what comes in; cert-manager writes such beside
 * the platform's own Gateways.
 */
export function steersEgress(subject: Subject, sources: Sources): boolean {
  if (!routeKinds.includes(subject.kind)) return true
  const { namespace } = subject.ref
  return [subject.object, subject.oldObject].some(route =>
    parentsOf(route, namespace).some(({ ref }) => ref.kind === 'Service' || ref.kind === entryKind || isEgress(ref)),
  )

  function isEgress(parent: ReturnType<typeof parentsOf>[number]['ref']): boolean {
    const { facts, inventory } = sources
    const ref = gatewayBehind(parent, inventory)
    if (ref === undefined) return false
    return egressGatewayOf(ref, inventory.find(gatewayApiKind, ref.namespace, ref.name), facts) !== undefined
  }
}
