import type { Facts } from '../../core/facts.ts'
import { gatewayHost, gatewayOfHost } from '../../core/gateway.ts'
import { refOf } from '../../core/kind.ts'
import { coveringHosts } from '../../core/registry.ts'
import { few } from '../../core/uncaptured.ts'
import { parseHost } from '../../istio/host.ts'
import { dig, type Fields, field, list, text } from '../../istio/json.ts'
import { resolveHost } from '../../istio/name.ts'
import { bindsMesh, destinationHosts, isForMesh, routesOf } from '../../istio/virtualservice.ts'
import type { Judge } from './rule.ts'

/** The kind whose routes lead hosts to the egress gateway. */
export const virtualService = 'VirtualService.networking.istio.io'

/** Kinds of the Gateway API that may do the same. */
const gatewayApiRoutes = ['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute'].map(
  kind => `${kind}.gateway.networking.k8s.io`,
)

/** Kinds in which routes are looked for. */
export const routeKinds: readonly string[] = [virtualService, ...gatewayApiRoutes]

/** Returns what is missing, and where to: slots of the message. */
export type FindMissing = (host: string) => { readonly host: string; readonly gateway: string } | undefined

/**
 * Returns what finds the gateway that a route is missing to, where it is certain that nothing leads a host there: no
 * VirtualService that names the host, a wildcard over it or a name below it, has a destination that is an egress gateway's
 * Service. It finds nothing where such a one exists, though it may not be the one that counts, and where other ways are not
 * excluded: routes of the Gateway API to the gateway, a waypoint, VirtualServices that are not known.
 */
export function missingRoutes({ facts, inventory }: Judge): FindMissing {
  const gateways = facts.egressGateways ?? []
  const isUnknown = gateways.length === 0 || facts.waypoints !== undefined || !inventory.knows(virtualService)
  if (isUnknown || gatewayApiRoutes.some(kind => leadThere(inventory.list(kind), facts))) return () => undefined
  const { hosts, zones } = steeredHosts(inventory.list(virtualService), facts)
  const gateway = few(gateways.map(some => gatewayHost(some, facts.mesh.clusterDomain)))
  return host => {
    if (hosts.has('*') || coveringHosts(host).some(name => hosts.has(name))) return undefined
    // A VirtualService for a name below a wildcard counts for the wildcard's entry, too.
    return host.startsWith('*.') && zones.has(host.slice(2)) ? undefined : { host, gateway }
  }
}

/** Hosts that some VirtualService leads to an egress gateway, and every domain that they are below. */
interface Steered {
  readonly hosts: ReadonlySet<string>
  readonly zones: ReadonlySet<string>
}

/** Returns what is made of a list of objects and the gateways of a policy, and makes it once for as long as both last. */
function remembered<T>(make: (objects: readonly Fields[], facts: Facts) => T) {
  const known = new WeakMap<readonly Fields[], { readonly gateways: Facts['egressGateways']; readonly made: T }>()
  return (objects: readonly Fields[], facts: Facts): T => {
    const before = known.get(objects)
    if (before !== undefined && before.gateways === facts.egressGateways) return before.made
    const made = make(objects, facts)
    known.set(objects, { gateways: facts.egressGateways, made })
    return made
  }
}

const steeredHosts = remembered((services, facts): Steered => {
  const hosts = new Set<string>()
  const zones = new Set<string>()
  for (const service of services) {
    if (!leadsToGateway(service, facts)) continue
    for (const given of list(dig(service, 'spec', 'hosts'))) {
      const parsed = parseHost(text(given) ?? '')
      if (!parsed.ok) continue
      const host = parsed.value.text
      hosts.add(host)
      for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) zones.add(host.slice(dot + 1))
    }
  }
  return { hosts, zones }
})

const leadThere = remembered((routes, facts) => routes.some(route => endsAtGateway(route, facts)))

function leadsToGateway(service: Fields, facts: Facts): boolean {
  if (!bindsMesh(service)) return false
  const { namespace } = refOf(service)
  for (const { route } of routesOf(service)) {
    if (!isForMesh(route)) continue
    // What a delegate does stands in another object.
    if (field(route, 'delegate') !== undefined) return true
    for (const host of destinationHosts(route)) {
      if (gatewayOfHost(resolveHost(host, namespace, facts.mesh.clusterDomain), facts) !== undefined) return true
    }
  }
  return false
}

/** Returns true where a route of the Gateway API has an egress gateway's Service as a backend. */
function endsAtGateway(route: Fields, facts: Facts): boolean {
  const own = refOf(route).namespace
  return list(dig(route, 'spec', 'rules')).some(rule =>
    list(field(rule, 'backendRefs')).some(backend => {
      const namespace = text(field(backend, 'namespace')) ?? own
      return facts.egressGateways?.some(
        gateway => gateway.service === field(backend, 'name') && gateway.namespace === namespace,
      )
    }),
  )
}
