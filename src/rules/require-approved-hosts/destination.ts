import { liveApprovals } from '../../core/clients.ts'
import { gatewayPlace } from '../../core/gateway.ts'
import { isApprovedFor, isInternalHost, outsideHost } from '../../core/outside.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { requireLists } from '../../core/shape.ts'
import { parseHost } from '../../istio/host.ts'
import { dig, field, list } from '../../istio/json.ts'
import { bad } from '../../istio/result.ts'
import { quote } from '../../istio/text.ts'
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
    if (isApprovedFor(host, subject, tools)) {
      if (routed.has(host)) continue
      routed.add(host)
      const unknown = `whether this route lets traffic to "${host}" pass by the egress gateway`
      tools.notJudged(destination.path, unknown, 'see to its legs: this version does not trace routes')
      continue
    }
    if (isInternalHost(host, tools)) continue
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
      // The schema of the custom resource has both spellings of the older field.
      const older = field(route, 'mirrorPercent') ?? field(route, 'mirror_percent')
      if (!isNothing(field(route, 'mirrorPercentage'), older)) {
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
