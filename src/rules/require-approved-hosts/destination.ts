import { liveApprovals } from '../../core/clients.ts'
import { gatewayPlace } from '../../core/gateway.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { requireLists } from '../../core/shape.ts'
import { type Host, isClusterHost, parseHost } from '../../istio/host.ts'
import { dig, type Fields, field, list } from '../../istio/json.ts'
import { bad } from '../../istio/result.ts'
import { quote } from '../../istio/text.ts'
import { isInside } from './entry.ts'
import type { Judge } from './rule.ts'

/** One place in a VirtualService that sends traffic to a host. */
interface Destination {
  readonly path: Path
  readonly host: unknown
  readonly mirror: boolean
}

/** Judges where a VirtualService sends traffic: a host outside the mesh must be approved for its namespace. */
export function judgeDestinations(subject: Subject, tools: Judge): void {
  if (subject.namespaceClass === 'notGoverned') return
  if (!requireLists(subject, tools, ['http', 'tls', 'tcp'])) return
  const routed = new Set<string>()
  for (const destination of destinationsOf(subject.object)) {
    const given = destination.host
    const parsed = typeof given === 'string' ? parseHost(given) : bad('must be a text')
    if (!parsed.ok) {
      tools.malformed(destination.path, typeof given === 'string' ? `host ${quote(given)} ${parsed.why}` : parsed.why)
      continue
    }
    const host = outsideHost(parsed.value, tools)
    if (host === undefined) continue
    if (isApproved(host, subject, tools)) {
      if (routed.has(host)) continue
      routed.add(host)
      const unknown = `whether this route lets traffic to "${host}" pass by the egress gateway`
      tools.notJudged(destination.path, unknown, 'see to its legs: this version does not trace routes')
      continue
    }
    if (isInternal(host, tools)) continue
    const message = destination.mirror ? 'mirror-not-approved' : 'destination-not-approved'
    const whose = subject.namespaceClass === 'platform' ? '' : ` for namespace "${subject.ref.namespace}"`
    const slots = { whose, remedy: remedyFor(host, subject, tools) }
    tools.report(message, { path: destination.path, value: host, slots })
  }
}

/** A host that others may reach is most often the pattern of the egress gateway, built in the wrong namespace. */
function remedyFor(host: string, subject: Subject, tools: Judge): string {
  if (liveApprovals(host, tools.facts, tools.now).length === 0) {
    return 'route to a Service of the mesh, or have the host approved (ApprovedHosts)'
  }
  return `define the route in ${gatewayPlace(tools.facts)}, or have the host approved for "${subject.ref.namespace}" (ApprovedHosts)`
}

/** Yields every destination and mirror that traffic reaches; absent hosts and shares of nothing are left out. */
function* destinationsOf(object: unknown): Generator<Destination> {
  for (const section of ['http', 'tls', 'tcp'] as const) {
    for (const [i, route] of list(dig(object, 'spec', section)).entries()) {
      const at: Path = ['spec', section, i]
      const shares = list(field(route, 'route'))
      for (const [j, share] of shares.entries()) {
        // A single destination is used whatever its weight; among several, one of weight 0 is not.
        if (shares.length > 1 && (field(share, 'weight') ?? 0) === 0) continue
        yield* destination([...at, 'route', j, 'destination', 'host'], dig(share, 'destination', 'host'), false)
      }
      if (!isNothing(field(route, 'mirrorPercentage'), field(route, 'mirrorPercent'))) {
        yield* destination([...at, 'mirror', 'host'], dig(route, 'mirror', 'host'), true)
      }
      for (const [j, mirror] of list(field(route, 'mirrors')).entries()) {
        if (isNothing(field(mirror, 'percentage'), undefined)) continue
        yield* destination([...at, 'mirrors', j, 'destination', 'host'], dig(mirror, 'destination', 'host'), true)
      }
    }
  }
}

/** A mirror without a percentage copies everything; the older whole number counts where the newer field is absent. */
function isNothing(percentage: unknown, older: unknown): boolean {
  if (percentage !== undefined && percentage !== null) return (field(percentage, 'value') ?? 0) === 0
  return older === 0
}

function* destination(path: Path, host: unknown, mirror: boolean): Generator<Destination> {
  if (host !== undefined && host !== null) yield { path, host, mirror }
}

/**
 * Returns the canonical host where a destination is outside the mesh, else undefined: a name without a dot is a Service of
 * the object's namespace, one below the cluster domain a Service, and `name.namespace` of a known Service a slip that
 * leads nowhere.
 */
function outsideHost({ text: host, form }: Host, tools: Judge): string | undefined {
  if (form === 'label' || isClusterHost(host, tools.facts.mesh.clusterDomain)) return undefined
  const [name = '', namespace = '', ...rest] = host.split('.')
  if (rest.length === 0 && tools.inventory.find('Service', namespace, name) !== undefined) return undefined
  return host
}

/** Hosts of the mesh's own machines, by the list of all ServiceEntries, the same while nothing changes. */
const internalHosts = new WeakMap<readonly Fields[], ReadonlySet<unknown>>()

/** Returns true where the policy, or an entry of the mesh's own machines, gives the host. */
function isInternal(host: string, tools: Judge): boolean {
  if (tools.facts.internalHosts.covering(host).length > 0) return true
  const entries = tools.inventory.list('ServiceEntry.networking.istio.io')
  const known = internalHosts.get(entries)
  if (known !== undefined) return known.has(host)
  const hosts = new Set<unknown>()
  for (const entry of entries) {
    const spec = field(entry, 'spec')
    if (isInside(spec)) for (const name of list(field(spec, 'hosts'))) hosts.add(name)
  }
  internalHosts.set(entries, hosts)
  return hosts.has(host)
}

/** A platform's route may serve any namespace: its entry says which, and is judged for that. */
function isApproved(host: string, subject: Subject, tools: Judge): boolean {
  return liveApprovals(host, tools.facts, tools.now).some(
    approval => subject.namespaceClass === 'platform' || approval.allows(subject.ref.namespace),
  )
}
