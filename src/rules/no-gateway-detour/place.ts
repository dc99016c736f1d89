import type { EgressGateway } from '../../core/facts.ts'
import { gatewayHost } from '../../core/gateway.ts'
import { isInternalHost, outsideHost } from '../../core/outside.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { covers, isClusterHost, parseHost } from '../../istio/host.ts'
import { dig, field, isFields, list } from '../../istio/json.ts'
import { resolveHost } from '../../istio/name.ts'
import type { Judge } from './rule.ts'

/** What a DestinationRule is for. */
export interface Destination {
  /** Canonical and in full: a short name is that of a Service in the rule's own namespace. */
  readonly host: string
  /** Whether it is a wildcard. */
  readonly isWide: boolean
  /** The egress gateway whose Service it is, or is one of those it covers. */
  readonly gateway: EgressGateway | undefined
  /** Whether it lies outside the mesh. */
  readonly isOutside: boolean
}

/** Returns what the judged DestinationRule is for; undefined where it names no host, which is reported. */
export function readDestination(subject: Subject, tools: Judge): Destination | undefined {
  const path = ['spec', 'host']
  const given = dig(subject.object, ...path) ?? undefined
  if (given === undefined) return undefined
  const { clusterDomain } = tools.facts.mesh
  const full = typeof given === 'string' ? resolveHost(given, subject.ref.namespace, clusterDomain) : ''
  const parsed = parseHost(full)
  if (!parsed.ok) {
    tools.malformed(path, typeof given === 'string' ? parsed.why : 'must be a text')
    return undefined
  }
  const { text: host } = parsed.value
  const isWide = host.startsWith('*')
  return {
    host,
    isWide,
    gateway: tools.facts.egressGateways?.find(gateway => covers(host, gatewayHost(gateway, clusterDomain))),
    isOutside: outsideHost(parsed.value, tools) !== undefined && !isInternalHost(host, tools),
  }
}

/**
 * Whether a rule is for Services of other namespaces alone. Clients look for a rule in their own namespace, then in that
 * of the Service, then in the root namespace: pilot/pkg/model/push_context.go (destinationRule).
 */
export function isOthersService({ host, isWide }: Destination, { ref }: Subject, tools: Judge): boolean {
  const { clusterDomain } = tools.facts.mesh
  const home = `${ref.namespace}.svc.${clusterDomain}`
  if (covers(`*.${home}`, host) || (isWide && covers(host, `any.${home}`))) return false
  return isClusterHost(host, clusterDomain)
}

/** One set of settings of a DestinationRule. */
export interface Settings {
  readonly path: Path
  readonly policy: unknown
}

/**
 * Yields the settings of a DestinationRule: for all of its host, for each port, and for each subset with its ports. As
 * istio.io/istio `pilot/pkg/networking/core/cluster_traffic_policy.go`.
 */
export function* settingsOf(object: unknown): Generator<Settings> {
  yield* ofPolicy(dig(object, 'spec', 'trafficPolicy'), ['spec', 'trafficPolicy'])
  for (const [i, subset] of list(dig(object, 'spec', 'subsets')).entries()) {
    yield* ofPolicy(field(subset, 'trafficPolicy'), ['spec', 'subsets', i, 'trafficPolicy'])
  }
}

function* ofPolicy(policy: unknown, path: Path): Generator<Settings> {
  if (!isFields(policy)) return
  yield { path, policy }
  for (const [i, port] of list(field(policy, 'portLevelSettings')).entries()) {
    yield { path: [...path, 'portLevelSettings', i], policy: port }
  }
}
