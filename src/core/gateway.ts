import type { EgressGateway, Facts } from './facts.ts'
import { enumerate } from './text.ts'

/** Returns the full name of a gateway's Service: the only spelling that Istio does not expand or mistake. */
export function gatewayHost(gateway: EgressGateway, clusterDomain: string): string {
  return `${gateway.service}.${gateway.namespace}.svc.${clusterDomain}`
}

/** Returns the egress gateway whose Service the full host name is, or undefined. */
export function gatewayOfHost(host: string, facts: Facts): EgressGateway | undefined {
  return facts.egressGateways?.find(gateway => gatewayHost(gateway, facts.mesh.clusterDomain) === host)
}

/** Returns the namespaces of the egress gateways, each once; none where the policy names no gateway. */
export function gatewayNamespaces(facts: Facts): readonly string[] {
  return [...new Set((facts.egressGateways ?? []).map(gateway => gateway.namespace))]
}

/** Returns how a fix names the place where the pattern of the egress gateway belongs. */
export function gatewayPlace(facts: Facts): string {
  const namespaces = gatewayNamespaces(facts)
  return `the namespace of the egress gateway${namespaces.length === 0 ? '' : ` (${enumerate(namespaces, 'or')})`}`
}
