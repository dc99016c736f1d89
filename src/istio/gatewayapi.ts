import { dig, field, isFields, list, text } from './json.ts'
import { gatewayApiKind } from './kinds.ts'
import { networkLabel } from './network.ts'
import type { Labels } from './selector.ts'

/** Kinds that add listeners to a Gateway of the Gateway API: the one of the standard, and the one before it. */
export const listenerSetKinds = [
  'ListenerSet.gateway.networking.k8s.io',
  'XListenerSet.gateway.networking.x-k8s.io',
] as const

/** The kind by which a backend is a host of the registry, which has no namespace. */
export const hostnameKind = 'Hostname.networking.istio.io'

/** What a reference of the Gateway API names; the kind has its group inside, a Hostname's namespace means nothing. */
export interface Reference {
  readonly kind: string
  readonly namespace: string
  readonly name: string
}

/**
 * Returns what a reference names: an absent group or kind is that of the default, each by itself, so that `kind: Service`
 * alone is a core Service as a backend and nothing at all as a parent. An empty group is the core one.
 *
 *     reference as a parent                          names
 *     {name: web}                                    Gateway.gateway.networking.k8s.io
 *     {kind: Service, name: web}                     Service.gateway.networking.k8s.io, which is no kind
 *     {group: "", kind: Service, name: web}          Service
 *
 * Istio: pilot/pkg/config/kube/gatewaycommon/references.go (NormalizeReference).
 */
export function readReference(given: unknown, defaults: Omit<Reference, 'name'>): Reference {
  const dot = defaults.kind.indexOf('.')
  const [kind, group] = dot < 0 ? [defaults.kind, ''] : [defaults.kind.slice(0, dot), defaults.kind.slice(dot + 1)]
  const ownGroup = text(field(given, 'group')) ?? group
  const ownKind = text(field(given, 'kind')) ?? kind
  return {
    kind: ownGroup === '' ? ownKind : `${ownKind}.${ownGroup}`,
    namespace: text(field(given, 'namespace')) ?? defaults.namespace,
    name: text(field(given, 'name')) ?? '',
  }
}

/** A place in an object. */
type Place = readonly (string | number)[]

/** One parent of a route. */
export interface Parent {
  readonly path: Place
  readonly ref: Reference
}

/** Returns what a route of the namespace is attached to: Gateways, or Services and ServiceEntries of the mesh. */
export function parentsOf(route: unknown, namespace: string): readonly Parent[] {
  return list(dig(route, 'spec', 'parentRefs')).map((given, i) => ({
    path: ['spec', 'parentRefs', i],
    ref: readReference(given, { kind: gatewayApiKind, namespace }),
  }))
}

/** Something that a route sends requests to. */
export interface Target {
  readonly path: Place
  readonly ref: Reference
  readonly use: 'backend' | 'mirror' | 'authorizer'
  /** Index of the rule it stands in. */
  readonly rule: number
}

/** A filter of a route, of a whole rule or of one of its backends. */
export interface Filter {
  readonly path: Place
  readonly filter: unknown
  readonly rule: number
}

/**
 * Yields the filters of a route, those of backends too: Istio takes only headers there and other versions of the Gateway
 * API more, so all of them count.
 */
export function* filtersOf(route: unknown): Generator<Filter> {
  for (const [rule, given] of list(dig(route, 'spec', 'rules')).entries()) {
    const at: Place = ['spec', 'rules', rule]
    yield* filters(given, at, rule)
    for (const [i, backend] of list(field(given, 'backendRefs')).entries()) {
      yield* filters(backend, [...at, 'backendRefs', i], rule)
    }
  }
}

function* filters(of: unknown, at: Place, rule: number): Generator<Filter> {
  for (const [i, filter] of list(field(of, 'filters')).entries()) yield { path: [...at, 'filters', i], filter, rule }
}

/**
 * Yields the backends and mirrors of a route that get a share of its requests: a backend of weight 0 gets none, one
 * without a weight has 1; a mirror without a share gets all, and `fraction` counts before `percent`. Whom a filter asks for
 * leave is told of each request too; Istio does not know that filter yet, which others of the Gateway API have.
 *
 * Istio: pilot/pkg/config/kube/gateway/conversion.go (buildHTTPDestination, createMirrorFilter).
 */
export function* targetsOf(route: unknown, namespace: string): Generator<Target> {
  const read = (given: unknown): Reference => readReference(given, { kind: 'Service', namespace })
  for (const [rule, given] of list(dig(route, 'spec', 'rules')).entries()) {
    for (const [i, backend] of list(field(given, 'backendRefs')).entries()) {
      if (field(backend, 'weight') === 0) continue
      yield { path: ['spec', 'rules', rule, 'backendRefs', i], ref: read(backend), use: 'backend', rule }
    }
  }
  for (const { path, filter, rule } of filtersOf(route)) {
    const authorizer = field(filter, 'externalAuth')
    if (isFields(authorizer)) {
      const at = [...path, 'externalAuth', 'backendRef']
      yield { path: at, ref: read(field(authorizer, 'backendRef')), use: 'authorizer', rule }
    }
    const mirror = field(filter, 'requestMirror')
    if (!isFields(mirror) || isNothing(mirror)) continue
    const backend = field(mirror, 'backendRef')
    yield { path: [...path, 'requestMirror', 'backendRef'], ref: read(backend), use: 'mirror', rule }
  }
}

function isNothing(mirror: unknown): boolean {
  const fraction = field(mirror, 'fraction')
  return isFields(fraction) ? field(fraction, 'numerator') === 0 : field(mirror, 'percent') === 0
}

/** Names of the annotations of a Gateway that change what istiod makes of it. */
export const nameOverrideAnnotation = 'gateway.istio.io/name-override'

/** Classes whose gateways have the name of their Gateway; others have the class added to it. */
const unsuffixed: ReadonlySet<string> = new Set([
  'istio-waypoint',
  'istio-east-west',
  'istio-agentgateway',
  'istio-agentgateway-waypoint',
])

/**
 * Returns the full names of the Services whose pods a Gateway configures: that of the pods that istiod makes for it, or
 * those that it names itself, where an address of type Hostname says that they are there already. A short name is that of
 * a Service of the Gateway's own namespace.
 *
 * Istio: pilot/pkg/config/kube/gateway/conversion.go (extractGatewayServices), gatewaycommon/gateway_utils.go (IsManaged).
 */
export function gatewayServices(gateway: unknown, clusterDomain: string): readonly string[] {
  const namespace = text(dig(gateway, 'metadata', 'namespace')) ?? ''
  const full = (name: string): string => (name.includes('.') ? name : `${name}.${namespace}.svc.${clusterDomain}`)
  const hostnames = hostnameAddresses(gateway)
  if (hostnames.length > 0) return hostnames.map(({ value }) => full(value))
  const name = text(dig(gateway, 'metadata', 'name')) ?? ''
  const override = text(dig(gateway, 'metadata', 'annotations', nameOverrideAnnotation))
  const className = text(dig(gateway, 'spec', 'gatewayClassName')) ?? ''
  return [full(override || (unsuffixed.has(className) ? name : `${name}-${className}`))]
}

/**
 * Returns the addresses of a Gateway that name a Service instead of asking for one: those of type Hostname. A single
 * address without a type is an IP address; among several, one without is taken for a name.
 */
export function hostnameAddresses(gateway: unknown): readonly { readonly path: Place; readonly value: string }[] {
  const addresses = list(dig(gateway, 'spec', 'addresses'))
  return addresses.flatMap((address, i) => {
    const type = field(address, 'type') ?? (addresses.length > 1 ? 'Hostname' : 'IPAddress')
    const value = text(field(address, 'value'))
    if (type !== 'Hostname' || value === undefined || value === '') return []
    return [{ path: ['spec', 'addresses', i, 'value'], value }]
  })
}

/** Option of a listener's TLS that says how it passes traffic on. */
export const listenerProtocolOption = 'gateway.istio.io/listener-protocol'

/**
 * Returns whether a listener passes traffic on by its SNI alone, without any route: by its option, or where its Gateway (or
 * ListenerSet) is labelled with a network, by port 15443 or the one of the label `networking.istio.io/gatewayPort`.
 *
 *     tls                                      labels                  port     answer
 *     (absent)                                 (any)                   (any)    false
 *     {options: {…/listener-protocol: auto-passthrough}} (any)         (any)    true
 *     {mode: Passthrough}                      {…/network: n2}         15443    true
 *     {mode: Passthrough}                      (none)                  15443    false
 *
 * Istio: pilot/pkg/serviceregistry/kube/conversion.go (IsAutoPassthrough, IsAutoPassthroughSet).
 */
export function isAutoPassthrough(labels: Labels, listener: unknown): boolean {
  const tls = field(listener, 'tls')
  if (!isFields(tls)) return false
  if (dig(tls, 'options', listenerProtocolOption) === 'auto-passthrough') return true
  if (!labels.has(networkLabel)) return false
  return String(field(listener, 'port')) === (labels.get('networking.istio.io/gatewayPort') ?? '15443')
}

/**
 * Returns whether a Gateway, of whatever class, registers its addresses as the way into the network that its label names:
 * where it has addresses with a type, and a listener for HBONE or one that passes traffic on by its SNI.
 *
 * Istio: pilot/pkg/serviceregistry/kube/controller/network.go (handleGatewayResource), which does not ask for the class.
 */
export function registersNetwork(gateway: unknown, labels: Labels): boolean {
  if (!labels.get(networkLabel)) return false
  const types = list(dig(gateway, 'spec', 'addresses')).map(address => field(address, 'type'))
  if (!types.some(type => type === 'IPAddress' || type === 'Hostname')) return false
  return list(dig(gateway, 'spec', 'listeners')).some(
    listener => field(listener, 'protocol') === 'HBONE' || isAutoPassthrough(labels, listener),
  )
}
