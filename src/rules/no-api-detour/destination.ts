import type { Facts } from '../../core/facts.ts'
import { judgeUncaptured } from '../../core/uncaptured.ts'
import { nothing, parseAddress } from '../../istio/cidr.ts'

/**
 * Whether a host that the API server connects to lies outside: a name that is no Service of the cluster and not the API
 * server's own machine, or an address that is public or in none of the policy's ranges.
 */
export function isOutside(host: string, facts: Facts): boolean {
  const bare = host.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  const address = parseAddress(bare)
  if (address.ok) return judgeUncaptured(address.value, facts, nothing).leaves === 'yes'
  return bare !== 'localhost' && !bare.endsWith('.svc') && !bare.endsWith(`.svc.${facts.mesh.clusterDomain}`)
}
