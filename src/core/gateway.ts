import type { EgressGateway, Facts } from './facts.ts'

/** Returns the full name of a gateway's Service: the only spelling that Istio does not expand or mistake. */
export function gatewayHost(gateway: EgressGateway, clusterDomain: string): string {
  return `${gateway.service}.${gateway.namespace}.svc.${clusterDomain}`
}

/** Returns the egress gateway whose Service the full host name is, or undefined. */
export function gatewayOfHost(host: string, facts: Facts): EgressGateway | undefined {
  return facts.egressGateways?.find(gateway => gatewayHost(gateway, facts.mesh.clusterDomain) === host)
}
