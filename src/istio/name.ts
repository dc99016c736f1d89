import { parseAddress } from './cidr.ts'
import { bad, good, type Result } from './result.ts'

/**
 * Returns the full name that a host in a VirtualService, DestinationRule or Sidecar means: a name without any dot is
 * that of a Service in the object's own namespace, everything else is taken as it is. As istio.io/istio
 * `pilot/pkg/model/config.go`, `ResolveShortnameToFQDN`.
 *
 *     host             namespace   full name
 *     reviews          shop        reviews.shop.svc.cluster.local
 *     reviews.prod     shop        reviews.prod
 *     *                shop        *
 *     *x               shop        *x.shop.svc.cluster.local
 *     2001:db8::1      shop        2001:db8::1
 */
export function resolveHost(host: string, namespace: string, clusterDomain: string): string {
  if (host === '' || host === '*' || host.includes('.') || isColonAddress(host)) return host
  return `${host}.${namespace}.svc.${clusterDomain}`
}

/** Returns true for an IPv6 address, with a zone or without. */
function isColonAddress(text: string): boolean {
  if (!text.includes(':')) return false
  const zone = text.indexOf('%')
  return zone < 0 ? parseAddress(text).ok : zone < text.length - 1 && parseAddress(text.slice(0, zone)).ok
}

/** What a VirtualService is bound to: the sidecars of the mesh, or one Istio Gateway. */
export type GatewayRef =
  | { readonly mesh: true }
  | { readonly mesh: false; readonly namespace: string; readonly name: string }

/**
 * Returns what an entry of a VirtualService's `gateways` means in an object of the namespace. As istio.io/istio
 * `pilot/pkg/model/config.go`, `resolveGatewayName`: no text is refused, an odd one names a Gateway that cannot exist.
 *
 *     entry                               namespace   meaning
 *     mesh                                shop        the sidecars
 *     egress                              shop        Gateway shop/egress
 *     istio-egress/egress                 shop        Gateway istio-egress/egress
 *     ./egress                            shop        Gateway shop/egress
 *     egress.istio-egress                 shop        Gateway istio-egress/egress
 *     egress.prod.svc.cluster.local       shop        Gateway prod/egress
 */
export function parseGatewayRef(entry: string, namespace: string): GatewayRef {
  if (entry === 'mesh') return { mesh: true }
  const slash = entry.indexOf('/')
  if (slash >= 0) {
    const before = entry.slice(0, slash)
    return { mesh: false, namespace: before === '.' ? namespace : before, name: entry.slice(slash + 1) }
  }
  const [name = '', owner] = entry.split('.', 2)
  return { mesh: false, namespace: owner ?? namespace, name }
}

/** A host with the namespace that it is limited to: a name, `.` for the object's own, `*` for any. */
export type ScopedHost = { readonly namespace: string; readonly host: string }

/**
 * Returns the parts of an entry of an Istio Gateway's `servers[].hosts`: a namespace, `.` or `*`, a slash, and the host;
 * a host alone may be bound from any namespace, as with `*`. As istio.io/istio `pilot/pkg/model/gateway.go`,
 * `sanitizeServerHostNamespace`, with the forms refused that `ValidateNamespaceSlashWildcardHostname` refuses.
 */
export function parseServerHost(entry: string): Result<ScopedHost> {
  const slash = entry.indexOf('/')
  return slash < 0 ? good({ namespace: '*', host: entry }) : splitScope(entry, slash)
}

/** An entry of a Sidecar's `egress[].hosts`; `excluded` takes hosts out of what the others import. */
export type SidecarHost = ScopedHost & { readonly excluded: boolean }

/**
 * Returns the parts of an entry of a Sidecar's `egress[].hosts`. As istio.io/istio `pilot/pkg/model/sidecar.go`,
 * `convertIstioListenerToWrapper`, which skips the entries that are refused here.
 *
 *     entry              namespace   host             excluded
 *     shop/*.acme.com    shop        *.acme.com       false
 *     ./*                .           *                false
 *     ~/*                *           *                true
 *     ~shop/a.acme.com   shop        a.acme.com       true
 *     ~./a.acme.com      .           a.acme.com       true
 */
export function parseSidecarHost(entry: string): Result<SidecarHost> {
  const slash = entry.indexOf('/')
  if (slash < 0) return bad('has no namespace; the form is namespace/host')
  const parts = splitScope(entry, slash)
  if (!parts.ok) return parts
  const { namespace, host } = parts.value
  if (!namespace.startsWith('~')) return good({ namespace, host, excluded: false })
  return good({ namespace: namespace === '~' ? '*' : namespace.slice(1), host, excluded: true })
}

function splitScope(entry: string, slash: number): Result<ScopedHost> {
  const namespace = entry.slice(0, slash)
  const host = entry.slice(slash + 1)
  if (namespace === '') return bad('has no namespace before the slash')
  if (host === '') return bad('has no host behind the slash')
  if (host.includes('/')) return bad('has more than one slash')
  return good({ namespace, host })
}
