import type { EgressGateway, InternalHost, NamedGateways, Provider, Waypoint } from '../core/facts.ts'
import type { Path } from '../core/path.ts'
import { union } from '../istio/cidr.ts'
import { parseHost } from '../istio/host.ts'
import { field, list, stringMap, text } from '../istio/json.ts'
import type { Gathered } from './gather.ts'
import { readNamespaceMatch } from './namespaces.ts'
import type { PolicyProblem } from './problem.ts'
import type { PolicyDocument } from './read.ts'
import { readPort, readRanges, strings } from './value.ts'

/** Adds up the egress gateways of a document; two of one name that differ are a problem. */
export function gatherGateways(document: PolicyDocument, gathered: Gathered, problems: PolicyProblem[]): void {
  const given = field(document.spec, 'egressGateways')
  if (given === undefined) return
  gathered.egressGateways ??= new Map()
  for (const [i, entry] of list(given).entries()) {
    const gateway = readGateway(entry)
    const before = gathered.egressGateways.get(gateway.name)
    if (before !== undefined && !sameGateway(before, gateway)) {
      const path: Path = ['spec', 'egressGateways', i, 'name']
      const what = `another egress gateway is named ${JSON.stringify(gateway.name)} and differs`
      problems.push(
        document.problem('conflict', path, { what, fix: 'give one of them another name, or make them equal' }),
      )
    }
    gathered.egressGateways.set(gateway.name, gateway)
  }
}

/** Adds up the other lists of facts: those that no document gives stay undefined, which is not the same as empty. */
export function gatherOthers(document: PolicyDocument, gathered: Gathered, problems: PolicyProblem[]): void {
  const { spec } = document
  const each = <T>(key: string, before: readonly T[] | undefined, read: (entry: unknown, path: Path) => T): T[] => [
    ...(before ?? []),
    ...list(field(spec, key)).map((entry, i) => read(entry, ['spec', key, i])),
  ]
  const isGiven = (key: string): boolean => field(spec, key) !== undefined
  if (isGiven('waypoints')) gathered.waypoints = each('waypoints', gathered.waypoints, readWaypoint)
  for (const key of ['ingressGateways', 'eastWestGateways'] as const) {
    if (isGiven(key)) gathered[key] = each(key, gathered[key], readNamedGateways)
  }
  for (const key of ['telemetryProviders', 'authorizers'] as const) {
    if (isGiven(key)) {
      gathered[key] = each(key, gathered[key], (entry, path) => readProvider(document, path, entry, problems))
    }
  }
  for (const key of ['identityProviders', 'wasmModules'] as const) {
    if (isGiven(key)) gathered[key] = [...(gathered[key] ?? []), ...strings(field(spec, key))]
  }
  for (const host of each('internalHosts', [], (entry, path) => readInternalHost(document, path, entry, problems))) {
    if (host !== undefined) gathered.internalHosts.push(host)
  }
  if (isGiven('nameservers')) {
    const ranges = readRanges(document, ['spec', 'nameservers'], list(field(spec, 'nameservers')), problems)
    gathered.nameservers = gathered.nameservers === undefined ? ranges : union(gathered.nameservers, ranges)
  }
}

function sameGateway(a: EgressGateway, b: EgressGateway): boolean {
  const flat = (gateway: EgressGateway): string =>
    JSON.stringify({ ...gateway, podLabels: [...gateway.podLabels].sort() })
  return flat(a) === flat(b)
}

/** Reads one of `spec.egressGateways`. */
function readGateway(entry: unknown): EgressGateway {
  return {
    name: text(field(entry, 'name')) ?? '',
    namespace: text(field(entry, 'namespace')) ?? '',
    service: text(field(entry, 'service')) ?? '',
    podLabels: stringMap(field(entry, 'podLabels')),
    gateways: strings(field(entry, 'gateways')),
    gatewayApi: strings(field(entry, 'gatewayApi')),
    serviceAccount: text(field(entry, 'serviceAccount')),
    ports: list(field(entry, 'ports')).map(readPort),
  }
}

/** Reads one of `spec.waypoints`. */
function readWaypoint(entry: unknown): Waypoint {
  return {
    name: text(field(entry, 'name')) ?? '',
    namespace: text(field(entry, 'namespace')) ?? '',
    serves: servesOf(entry),
  }
}

/** Reads one of `spec.ingressGateways` or `spec.eastWestGateways`. */
function readNamedGateways(entry: unknown): NamedGateways {
  return {
    namespace: text(field(entry, 'namespace')) ?? '',
    gateways: strings(field(entry, 'gateways')),
    serves: servesOf(entry),
  }
}

function servesOf(entry: unknown): (namespace: string) => boolean {
  const given = field(entry, 'namespaces')
  if (given === undefined) return () => true
  const match = readNamespaceMatch(given)
  return namespace => match.exact.has(namespace) || match.prefixes.some(prefix => namespace.startsWith(prefix))
}

/** Reads one of `spec.internalHosts`; undefined where the host is none. */
function readInternalHost(
  document: PolicyDocument,
  path: Path,
  entry: unknown,
  problems: PolicyProblem[],
): InternalHost | undefined {
  const at: Path = [...path, 'host']
  const given = text(field(entry, 'host')) ?? ''
  const host = readHost(document, at, given, problems)
  const addresses = readRanges(document, [...path, 'addresses'], list(field(entry, 'addresses')), problems)
  return host === undefined ? undefined : { host, addresses }
}

/** Reads one of `spec.telemetryProviders` or `spec.authorizers`. */
function readProvider(document: PolicyDocument, path: Path, entry: unknown, problems: PolicyProblem[]): Provider {
  const service = text(field(entry, 'service'))
  return {
    name: text(field(entry, 'name')) ?? '',
    service: service === undefined ? undefined : readHost(document, [...path, 'service'], service, problems),
  }
}

/** Returns the canonical host, or undefined with a problem where it names nothing or everything. */
function readHost(document: PolicyDocument, path: Path, given: string, problems: PolicyProblem[]): string | undefined {
  const parsed = parseHost(given)
  const why = parsed.ok ? wrongForms[parsed.value.form] : parsed.why
  if (!parsed.ok || why !== undefined) {
    const what = `${JSON.stringify(given)} ${why}`
    problems.push(document.problem('badHost', path, { what, fix: 'write the DNS name of the host' }))
    return undefined
  }
  const { text: host, canonical } = parsed.value
  if (!canonical) {
    problems.push(
      document.problem('canonicalised', path, { what: `read as ${JSON.stringify(host)}`, fix: 'write it so' }),
    )
  }
  return host
}

/** Forms of host that name nothing in particular. */
const wrongForms: Readonly<Record<string, string | undefined>> = {
  any: 'names every host',
  'partial-wildcard': 'has a star beside other characters, which makes Envoy refuse the whole listener',
}
