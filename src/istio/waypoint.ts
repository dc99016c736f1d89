import { dig, field, list, text } from './json.ts'
import { type Labels, matchesLabels, parseSelector } from './selector.ts'

/** Labels by which a Namespace, Service or ServiceEntry chooses its waypoint. */
export const useWaypointLabel = 'istio.io/use-waypoint'
export const useWaypointNamespaceLabel = 'istio.io/use-waypoint-namespace'

/** Labels of a second waypoint, which takes a share of the traffic, and the annotation with its percentage. */
export const canaryLabel = 'istio.io/use-waypoint-canary'
export const canaryNamespaceLabel = 'istio.io/use-waypoint-canary-namespace'
export const canaryWeightAnnotation = 'istio.io/use-waypoint-canary-weight'

/** Label of a waypoint, or of its GatewayClass, that says what it takes: `service` where nothing is said. */
export const waypointForLabel = 'istio.io/waypoint-for'

/** A waypoint that somebody names: a Gateway of the Gateway API. */
export interface WaypointRef {
  readonly namespace: string
  readonly name: string
}

/**
 * Returns the waypoint that labels choose for what is in a namespace; `none` opts out, undefined leaves it to the
 * Namespace. Every other value is a name, odd ones of a waypoint that cannot exist.
 *
 *     use-waypoint   -namespace   chosen
 *     (absent)       (any)        undefined
 *     none           (any)        none
 *     None           (absent)     None of the own namespace
 *     ""             (absent)     the waypoint without a name, which there is not
 *     wp             infra        wp of infra
 *
 * Istio: pilot/pkg/serviceregistry/ambient/waypoints.go (GetUseWaypoint).
 */
export function chosenWaypoint(labels: Labels, namespace: string): WaypointRef | 'none' | undefined {
  const name = labels.get(useWaypointLabel)
  if (name === undefined || name === 'none') return name
  return { name, namespace: labels.get(useWaypointNamespaceLabel) ?? namespace }
}

/** Returns the canary that labels choose; `none` and an empty name choose none. Istio: getUseWaypointCanary. */
export function chosenCanary(labels: Labels, namespace: string): WaypointRef | undefined {
  const name = labels.get(canaryLabel)
  if (name === undefined || name === '' || name === 'none') return undefined
  return { name, namespace: labels.get(canaryNamespaceLabel) ?? namespace }
}

/** Returns the share that a canary gets: a whole number from 1 to 100, as Go reads it, and 0 for anything else. */
export function canaryWeight(annotation: string | undefined): number {
  const weight = annotation !== undefined && /^[+]?[0-9]{1,9}$/.test(annotation) ? Number(annotation) : 0
  return weight <= 100 ? weight : 0
}

/**
 * Returns what a waypoint takes: what its label says, else that of its class, else `service`. Of a ServiceEntry it steers
 * something only with `service` or `all`.
 * Istio: pilot/pkg/serviceregistry/ambient/waypoints.go (gatewayToWaypointTransform, fetchWaypointForService).
 */
export function waypointFor(gateway: unknown, gatewayClass: unknown): string {
  const of = (object: unknown): string | undefined => text(dig(object, 'metadata', 'labels', waypointForLabel))
  return of(gateway) ?? of(gatewayClass) ?? 'service'
}

/** Returns true for what lets a waypoint take Services and ServiceEntries. */
export function takesServices(trafficType: string): boolean {
  return trafficType === 'service' || trafficType === 'all'
}

/** Annotation of a waypoint, or of its GatewayClass, with the protocol and port at which it takes what comes in. */
export const inboundBindingAnnotation = 'ambient.istio.io/waypoint-inbound-binding'

/**
 * Returns whether things of a namespace may choose a waypoint, by the listener that its binding names, else by its listener
 * for HBONE on port 15008; without such a listener only its own namespace may. Undefined where labels decide that are not
 * known.
 *
 *     binding        listener that counts, where there is one
 *     (absent)       for HBONE on port 15008
 *     PROXY/15088    on port 15088
 *     PROXY          for istio.io/PROXY
 *     NONE, odd      for HBONE on port 15008
 *
 * Istio: pilot/pkg/serviceregistry/ambient/waypoints.go (makeInboundBinding, findBoundListener, makeAllowedRoutes,
 * AllowsAttachmentFromNamespaceOrLookup).
 */
export function allowsAttachment(
  gateway: unknown,
  namespace: string,
  labels: Labels | undefined,
  gatewayClass?: unknown,
): boolean | undefined {
  const isSame = dig(gateway, 'metadata', 'namespace') === namespace
  const listeners = list(dig(gateway, 'spec', 'listeners'))
  const listener = boundListener(listeners, gateway, gatewayClass) ?? listeners.find(isMeshListener)
  const namespaces = dig(listener, 'allowedRoutes', 'namespaces')
  const from = field(namespaces, 'from')
  if (from === 'All') return true
  if (from !== 'Selector') return isSame
  if (labels === undefined) return undefined
  const selector = parseSelector(field(namespaces, 'selector'))
  return selector.ok && matchesLabels(selector.value, labels)
}

function isMeshListener(listener: unknown): boolean {
  return field(listener, 'protocol') === 'HBONE' && field(listener, 'port') === 15008
}

function boundListener(listeners: readonly unknown[], gateway: unknown, gatewayClass: unknown): unknown {
  const of = (object: unknown): string | undefined =>
    text(dig(object, 'metadata', 'annotations', inboundBindingAnnotation))
  const binding = /^(NONE|PROXY)(?:\/([^/]*))?$/.exec(of(gateway) ?? of(gatewayClass) ?? '')
  if (binding === null) return undefined
  const port = /^[0-9]{1,9}$/.test(binding[2] ?? '') ? Number(binding[2]) : 0
  if (port !== 0) return listeners.find(listener => field(listener, 'port') === port)
  return binding[1] === 'PROXY'
    ? listeners.find(listener => field(listener, 'protocol') === 'istio.io/PROXY')
    : undefined
}

/**
 * Returns the labels by which a Service or ServiceEntry passes for the own one of a waypoint, or of a gateway between
 * clusters, and so has no waypoint, whatever it chooses; undefined where there are none.
 * Istio: pilot/pkg/serviceregistry/ambient/waypoints.go (fetchWaypointForService).
 */
export function passesForWaypoint(labels: Labels): string | undefined {
  const managed = labels.get(managedLabel)
  return managed === 'istio.io-mesh-controller' || managed === 'istio.io-eastwest-controller' ? managed : undefined
}

/** Label that says which controller made something. */
export const managedLabel = 'gateway.istio.io/managed'
