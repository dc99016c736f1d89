import type { EgressGateway, InternalHost, NamedGateways, Provider, Waypoint } from '../core/facts.ts'
import type { Path } from '../core/path.ts'
import { parseHost } from '../istio/host.ts'
import { field, list, stringMap, text } from '../istio/json.ts'
import { readNamespaceMatch } from './namespaces.ts'
import type { PolicyProblem } from './problem.ts'
import type { PolicyDocument } from './read.ts'
import { readPort, readRanges, strings } from './value.ts'

/** Reads one of `spec.egressGateways`. */
export function readGateway(entry: unknown): EgressGateway {
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
export function readWaypoint(entry: unknown): Waypoint {
  return {
    name: text(field(entry, 'name')) ?? '',
    namespace: text(field(entry, 'namespace')) ?? '',
    serves: servesOf(entry),
  }
}

/** Reads one of `spec.ingressGateways` or `spec.eastWestGateways`. */
export function readNamedGateways(entry: unknown): NamedGateways {
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
export function readInternalHost(
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
export function readProvider(
  document: PolicyDocument,
  path: Path,
  entry: unknown,
  problems: PolicyProblem[],
): Provider {
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
