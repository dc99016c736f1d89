import { dig, field, list } from './json.ts'

/** The lists of a VirtualService that hold routes. */
export type RouteSection = 'http' | 'tls' | 'tcp'

/** One route of a VirtualService, with its place there: `spec.<section>[<index>]`. */
export type RouteEntry = {
  readonly section: RouteSection
  readonly index: number
  readonly route: unknown
}

/** Yields the routes of a VirtualService. */
export function* routesOf(object: unknown): Generator<RouteEntry> {
  for (const section of ['http', 'tls', 'tcp'] as const) {
    for (const [index, route] of list(dig(object, 'spec', section)).entries()) yield { section, index, route }
  }
}

/**
 * Returns true for a VirtualService that sidecars use: one that names `mesh` among its gateways, or none at all. One
 * without hosts is a delegate, which is bound to nothing itself. Istio: VirtualService reference, `gateways`;
 * pilot/pkg/model/push_context.go (initVirtualServices).
 *
 *     hosts   gateways             answer
 *     [a]     (absent), []         true
 *     [a]     [mesh, ns/ingress]   true
 *     [a]     [ns/ingress]         false
 *     (none)  (any)                false
 */
export function bindsMesh(object: unknown): boolean {
  const spec = field(object, 'spec')
  return list(field(spec, 'hosts')).length > 0 && namesMesh(field(spec, 'gateways'))
}

/**
 * Returns true where sidecars may use a route of a VirtualService that binds to the mesh: a match that names gateways is
 * for those alone, and a route has several matches of which one suffices.
 */
export function isForMesh(route: unknown): boolean {
  const matches = list(field(route, 'match'))
  return matches.length === 0 || matches.some(match => namesMesh(field(match, 'gateways')))
}

function namesMesh(gateways: unknown): boolean {
  const named = list(gateways)
  return named.length === 0 || named.includes('mesh')
}

/** Returns the hosts to which a route sends traffic, mirrors aside; what is no text is left out. */
export function destinationHosts(route: unknown): readonly string[] {
  return list(field(route, 'route'))
    .map(share => dig(share, 'destination', 'host'))
    .filter(host => typeof host === 'string')
}
