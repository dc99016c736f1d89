import { approvedBelow, liveApprovals } from '../../core/clients.ts'
import { isSeenByOthers } from '../../core/export.ts'
import type { EgressGateway } from '../../core/facts.ts'
import { gatewayHost, gatewayOfHost } from '../../core/gateway.ts'
import type { Subject } from '../../core/rule.ts'
import { parseHost } from '../../istio/host.ts'
import { dig, list } from '../../istio/json.ts'
import { resolveHost } from '../../istio/name.ts'
import { bindsMesh, destinationHosts, isForMesh, routesOf } from '../../istio/virtualservice.ts'
import type { Judge } from './rule.ts'

/** Judges for which approved hosts a tenant's VirtualService decides the way, other than to the egress gateway. */
export function judgeRoutes(subject: Subject, gateway: EgressGateway, tools: Judge): void {
  if (subject.namespaceClass === 'platform' || !bindsMesh(subject.object)) return
  if (subject.namespaceClass === 'notGoverned' && !isSeenByOthers(subject, 'VirtualService', tools)) return
  if (leadsToGateway(subject, tools)) return
  for (const [i, given] of list(dig(subject.object, 'spec', 'hosts')).entries()) {
    const parsed = typeof given === 'string' ? parseHost(given) : undefined
    if (parsed?.ok !== true) continue
    const { text: host, form } = parsed.value
    const isExact = form === 'name'
    const member = approvedMember(host, isExact, tools)
    if (member === undefined) continue
    const slots = { member, gateway: gatewayHost(gateway, tools.facts.mesh.clusterDomain) }
    tools.report(isExact ? 'route-override' : 'host-set', { path: ['spec', 'hosts', i], value: host, slots })
  }
}

/** Whether there are routes for the mesh, and each leads to an egress gateway and nowhere else. */
function leadsToGateway({ object, ref }: Subject, tools: Judge): boolean {
  const { clusterDomain } = tools.facts.mesh
  let routes = 0
  for (const { route } of routesOf(object)) {
    // The second half of the way, from the gateway on, stands beside the first.
    if (!isForMesh(route)) continue
    const hosts = destinationHosts(route)
    const leads = (host: string): boolean =>
      gatewayOfHost(resolveHost(host, ref.namespace, clusterDomain), tools.facts) !== undefined
    if (hosts.length === 0 || !hosts.every(leads)) return false
    routes++
  }
  return routes > 0
}

/** Returns an approved host that the host of a VirtualService holds, be it itself. */
function approvedMember(host: string, isExact: boolean, tools: Judge): string | undefined {
  if (liveApprovals(host, tools.facts, tools.now).length > 0) return host
  if (isExact || !host.startsWith('*')) return undefined
  return approvedBelow(host, tools.facts, tools.now)
}
