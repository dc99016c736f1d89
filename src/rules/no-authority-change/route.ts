import { gatewayOfHost } from '../../core/gateway.ts'
import { isApprovedFor, isInternalHost, outsideHost } from '../../core/outside.ts'
import { formatPath } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { parseHost, registrableDomain } from '../../istio/host.ts'
import { dig, list, text } from '../../istio/json.ts'
import { resolveHost } from '../../istio/name.ts'
import { splitPort } from '../../istio/origin.ts'
import { bindsMesh, destinationHosts, isForMesh } from '../../istio/virtualservice.ts'
import { type Change, changesOf } from './authority.ts'
import type { Judge } from './rule.ts'

/** The hosts of a VirtualService, as far as they are such. */
interface OwnHosts {
  readonly names: ReadonlySet<string>
  /** The domains that their owners registered. */
  readonly domains: ReadonlySet<string>
}

function ownHosts(object: unknown): OwnHosts {
  const names = new Set<string>()
  const domains = new Set<string>()
  for (const given of list(dig(object, 'spec', 'hosts'))) {
    const host = typeof given === 'string' ? parseHost(given) : undefined
    if (host?.ok !== true) continue
    names.add(host.value.text)
    const domain = registrableDomain(host.value.text)
    if (domain !== undefined) domains.add(domain)
  }
  return { names, domains }
}

/** What the places of one route are judged with. */
interface Scene {
  readonly subject: Subject
  readonly tools: Judge
  readonly own: OwnHosts
  /** Whether sidecars use the route, and not gateways alone. */
  readonly isMesh: boolean
  /** Whether the route leaves the mesh, or leads to what leaves it. */
  readonly leaves: boolean
}

/** Judges each place of a VirtualService that changes the authority of requests. */
export function judgeRoutes(subject: Subject, tools: Judge): void {
  let own: OwnHosts | undefined
  const mesh = bindsMesh(subject.object)
  for (const [i, route] of list(dig(subject.object, 'spec', 'http')).entries()) {
    // Who comes in to a namespace outside the policy is not its affair.
    if (subject.namespaceClass === 'notGoverned' && !isForMesh(route)) continue
    let scene: Scene | undefined
    for (const change of changesOf(route, ['spec', 'http', i])) {
      if (change.value === undefined || change.value === null || change.value === '') continue
      own ??= ownHosts(subject.object)
      scene ??= { subject, tools, own, isMesh: mesh && isForMesh(route), leaves: leavesMesh(route, subject, tools) }
      judgeChange(change, scene)
    }
  }
}

function judgeChange({ path, value, kind }: Change, scene: Scene): void {
  const { subject, tools, isMesh, leaves } = scene
  const given = text(value)
  if (given === undefined) {
    tools.malformed(path, 'must be a text')
    return
  }
  if (kind !== 'splice' && isAllowed(given, kind, scene)) return
  const isStrict = isMesh || (kind === 'rewrite' && leaves)
  const message = kind === 'rewrite' ? 'rewrite-outside' : 'redirect-outside'
  const whose = subject.namespaceClass === 'governed' ? ` for namespace "${subject.ref.namespace}"` : ''
  const slots = { whose, field: formatPath(path) }
  tools.report(isStrict ? message : `ingress-${message}`, { path, value: given, slots })
}

/** Whether an authority is one of the mesh, of the VirtualService itself, or approved. */
function isAllowed(authority: string, kind: Change['kind'], scene: Scene): boolean {
  const { subject, tools, isMesh, leaves } = scene
  const parsed = parseHost(splitPort(authority).name)
  // What is no host, such as a text that Envoy fills with a header of the request, may be any.
  if (!parsed.ok) return false
  const host = outsideHost(parsed.value, tools)
  if (host === undefined || isApprovedFor(host, subject, tools) || isInternalHost(host, tools)) return true
  if (kind === 'rewrite' && (isMesh || leaves)) return isOnlyHost(host, scene)
  return isOwn(host, scene)
}

/** Whether the authority is the one that requests have anyway: none for one host may be made one for another. */
function isOnlyHost(host: string, { own }: Scene): boolean {
  return own.names.size === 1 && own.names.has(host)
}

/**
 * Whether the authority belongs to whom the VirtualService belongs to. In the mesh it must be one of its hosts, and all of
 * them one owner's; for callers from outside it may be any name of an owner.
 */
function isOwn(host: string, { own, isMesh }: Scene): boolean {
  if (own.names.has(host)) return !isMesh || own.names.size === 1 || own.domains.size === 1
  return !isMesh && own.domains.has(registrableDomain(host) ?? '')
}

/** Whether a route leads to a host outside, or to an egress gateway, which goes by the authority. */
function leavesMesh(route: unknown, subject: Subject, tools: Judge): boolean {
  return destinationHosts(route).some(given => {
    const full = resolveHost(given, subject.ref.namespace, tools.facts.mesh.clusterDomain)
    if (gatewayOfHost(full, tools.facts) !== undefined) return true
    const parsed = parseHost(given)
    return parsed.ok && outsideHost(parsed.value, tools) !== undefined
  })
}
