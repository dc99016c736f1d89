import { liveApprovals } from '../../core/clients.ts'
import { gatewayHost, gatewayOfHost, gatewayPlace } from '../../core/gateway.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { standingOf } from '../../core/standing.ts'
import { hostnameKind, type Reference, type Target, targetsOf } from '../../istio/gatewayapi.ts'
import { type Host, parseHost } from '../../istio/host.ts'
import { dig, text } from '../../istio/json.ts'
import { quote } from '../../istio/text.ts'
import type { Judge } from './message.ts'
import type { Attached } from './parent.ts'

/** A route that is judged, with what it is attached to. */
export interface Route {
  readonly subject: Subject
  readonly attached: Attached
  readonly tools: Judge
  /** Kinds of backends and filters that Istio would refuse, found where another controller may serve the Gateway. */
  readonly odd: Set<string>
}

/**
 * Judges where a route sends requests and copies of them. Returns the rules of which something leads to the egress gateway
 * or outside, by their index: there the host that is asked for decides where traffic goes in the end.
 */
export function judgeBackends(route: Route): ReadonlySet<number> {
  const { subject, tools } = route
  const leaving = new Set<number>()
  const approved = new Map<string, Path>()
  for (const target of targetsOf(subject.object, subject.ref.namespace)) {
    const given = hostOf(target, route)
    if (given === undefined) continue
    const path: Path = [...target.path, 'name']
    const parsed = parseHost(given)
    if (!parsed.ok) {
      tools.malformed(path, `host ${quote(given)} ${parsed.why}`)
      continue
    }
    const standing = standingOf(parsed.value, subject, tools)
    const host = parsed.value.text
    if (standing !== 'inside' || gatewayOfHost(host, tools.facts) !== undefined) leaving.add(target.rule)
    if (standing === 'foreign') reportForeign(target, parsed.value, route)
    if (standing === 'approved' && !approved.has(host)) approved.set(host, path)
  }
  if (!route.attached.egress) for (const [host, path] of approved) sayUntraced(host, path, tools)
  return leaving
}

function reportForeign(target: Target, { text: value }: Host, { subject, tools }: Route): void {
  const place = { path: [...target.path, 'name'], value }
  const slots = { whose: whoseOf(subject) }
  if (target.use !== 'backend') {
    const what = target.use === 'mirror' ? 'copies of requests' : 'what requests hold'
    return tools.report('direct-mirror', { ...place, slots: { ...slots, what } })
  }
  tools.report('direct-backend', { ...place, slots: { ...slots, remedy: remedyFor(value, subject, tools) } })
}

/** A host that others may reach is most often the pattern of the egress gateway, built in the wrong namespace. */
function remedyFor(host: string, subject: Subject, tools: Judge): string {
  if (liveApprovals(host, tools.facts, tools.now).length === 0) {
    return 'route to a Service of the mesh, or have the host approved (ApprovedHosts)'
  }
  return `define the route in ${gatewayPlace(tools.facts)}, or have the host approved for "${subject.ref.namespace}" (ApprovedHosts)`
}

function sayUntraced(host: string, path: Path, tools: Judge): void {
  const unknown = `whether this route lets traffic to "${host}" pass by the egress gateway`
  tools.notJudged(path, unknown, 'see to its legs: this version does not trace routes')
}

/**
 * Judges an XBackend, which names a host outside that routes may lead to. Istio makes a ServiceEntry for everybody of it
 * where experiments are switched on (PILOT_ENABLE_ALPHA_GATEWAY_API), in versions that know the kind.
 */
export function judgeExternal(subject: Subject, tools: Judge): void {
  const path = ['spec', 'externalHostname', 'hostname']
  const given = text(dig(subject.object, ...path))
  if (given === undefined) return
  const parsed = parseHost(given)
  if (!parsed.ok) return tools.malformed(path, `host ${quote(given)} ${parsed.why}`)
  if (standingOf(parsed.value, subject, tools) !== 'foreign') return
  tools.report('external-backend', { path, value: parsed.value.text, slots: { whose: whoseOf(subject) } })
}

/** Returns how a message says for whom something is not approved. */
export function whoseOf(subject: Subject): string {
  return subject.namespaceClass === 'platform' ? '' : ` for namespace "${subject.ref.namespace}"`
}

/**
 * Returns the host that a target leads to; undefined where it is a Service of the cluster, or of a kind that cannot be
 * judged, which is said. A Service of type ExternalName is another name for a host, whichever way it is named.
 */
function hostOf(target: Target, { attached, tools, odd }: Route): string | undefined {
  const { ref } = target
  if (ref.kind === 'Service') return aliasOf(ref, tools)
  if (ref.kind === hostnameKind) {
    const service = serviceOf(ref.name, tools)
    return service === undefined ? ref.name : (aliasOf(service, tools) ?? ref.name)
  }
  if (tools.params.backendKinds.includes(ref.kind)) return undefined
  if (attached.unknown !== undefined) odd.add(ref.kind)
  else tools.report('unknown-backend', { path: [...target.path, 'kind'], value: ref.kind })
  return undefined
}

/** Returns the Service that a host is the full name of. */
function serviceOf(host: string, { facts }: Judge): Omit<Reference, 'kind'> | undefined {
  const zone = `.svc.${facts.mesh.clusterDomain}`
  if (!host.endsWith(zone)) return undefined
  const [name = '', namespace, ...rest] = host.slice(0, -zone.length).split('.')
  return namespace === undefined || rest.length > 0 ? undefined : { namespace, name }
}

function aliasOf({ namespace, name }: Omit<Reference, 'kind'>, { facts, inventory }: Judge): string | undefined {
  const egress = facts.egressGateways?.find(gateway => gateway.namespace === namespace && gateway.service === name)
  if (egress !== undefined) return gatewayHost(egress, facts.mesh.clusterDomain)
  const service = inventory.find('Service', namespace, name)
  return dig(service, 'spec', 'type') === 'ExternalName' ? text(dig(service, 'spec', 'externalName')) : undefined
}
