import { gatewayServices, listenerSetKinds, type Reference, readReference } from '../istio/gatewayapi.ts'
import { dig, type Fields, text } from '../istio/json.ts'
import { gatewayApiKind } from '../istio/kinds.ts'
import type { EgressGateway, Facts } from './facts.ts'
import { gatewayHost, gatewayNamespaces } from './gateway.ts'
import type { Inventory } from './inventory.ts'
import type { Subject } from './rule.ts'

/** The kind that says which controller serves a class of Gateways. */
export const gatewayClassKind = 'GatewayClass.gateway.networking.k8s.io'

/** What becomes of a Gateway of a class. */
export type ClassServes =
  /** Istio runs a gateway for what comes in or leaves. */
  | 'gateway'
  /** Istio runs a waypoint. */
  | 'waypoint'
  /** Istio runs a gateway between clusters. */
  | 'east-west'
  /** Istio takes its addresses for the way into another network. */
  | 'remote'
  /** Nothing of Istio's. */
  | 'other'
  /** The class is not known. */
  | 'unknown'

/** Istio: pkg/config/constants/constants.go; pilot/pkg/features/pilot.go (ManagedGatewayController). */
const controllers: ReadonlyMap<string, ClassServes> = new Map([
  ['istio.io/gateway-controller', 'gateway'],
  ['istio.io/agentgateway-controller', 'gateway'],
  ['istio.io/mesh-controller', 'waypoint'],
  ['istio.io/agentgateway-waypoint-controller', 'waypoint'],
  ['istio.io/eastwest-controller', 'east-west'],
  ['istio.io/unmanaged-gateway', 'remote'],
  // OpenShift runs an istiod of its own under this name.
  ['openshift.io/gateway-controller/v1', 'gateway'],
])

/** Classes that istiod knows without an object. Istio: gatewaycommon/classinfo.go (GetAllClasses). */
const builtIn: ReadonlyMap<string, ClassServes> = new Map([
  ['istio', 'gateway'],
  ['istio-agentgateway', 'gateway'],
  ['istio-waypoint', 'waypoint'],
  ['istio-agentgateway-waypoint', 'waypoint'],
  ['istio-east-west', 'east-west'],
  ['istio-remote', 'remote'],
  ['openshift-default', 'gateway'],
])

/** Names that other controllers give their classes by default, so that a file alone need not be asked about them. */
const others =
  /^(?:nginx|eg|envoy|envoy-gateway|contour|cilium|traefik|kong|haproxy|kgateway|amazon-vpc-lattice|azure-alb-external|gke-[a-z0-9-]+)$/

/** Returns what becomes of Gateways of a class: by the controller of its object, else by the name. */
export function classServes(className: string, inventory: Inventory): ClassServes {
  const found = inventory.find(gatewayClassKind, '', className)
  if (found !== undefined) return controllers.get(text(dig(found, 'spec', 'controllerName')) ?? '') ?? 'other'
  const known = builtIn.get(className)
  if (known !== undefined) return known
  return inventory.knows(gatewayClassKind) || others.test(className) ? 'other' : 'unknown'
}

/** Returns what becomes of a Gateway of the Gateway API; unknown for undefined. */
export function gatewayServes(gateway: Fields | undefined, inventory: Inventory): ClassServes {
  const className = text(dig(gateway, 'spec', 'gatewayClassName'))
  return className === undefined ? 'unknown' : classServes(className, inventory)
}

/**
 * Returns the egress gateway that a Gateway of the Gateway API configures: the one that names it under `gatewayApi`, or
 * whose Service is the one that the Gateway's own object leads to.
 */
export function egressGatewayOf(
  { namespace, name }: Omit<Reference, 'kind'>,
  gateway: Fields | undefined,
  facts: Facts,
): EgressGateway | undefined {
  const services = gateway === undefined ? [] : gatewayServices(gateway, facts.mesh.clusterDomain)
  return facts.egressGateways?.find(
    egress =>
      egress.namespace === namespace &&
      (egress.gatewayApi.includes(name) || services.includes(gatewayHost(egress, facts.mesh.clusterDomain))),
  )
}

/** Returns the Gateway that a parent means: itself, or the one to which a set of listeners belongs; undefined: neither. */
export function gatewayBehind(parent: Reference, inventory: Inventory): Reference | undefined {
  if (parent.kind === gatewayApiKind) return parent
  if (!listenerSetKinds.some(kind => kind === parent.kind)) return undefined
  const set = inventory.find(parent.kind, parent.namespace, parent.name)
  return set === undefined ? undefined : parentOfListenerSet(set, parent.namespace)
}

/** Returns the Gateway to which a set of listeners of a namespace belongs. */
export function parentOfListenerSet(set: unknown, namespace: string): Reference {
  return readReference(dig(set, 'spec', 'parentRef'), { kind: gatewayApiKind, namespace })
}

/** Returns true for objects of the platform, or of a namespace in which an egress gateway is: its pattern belongs there. */
export function isEgressPlace(subject: Pick<Subject, 'namespaceClass' | 'ref'>, facts: Facts): boolean {
  return subject.namespaceClass === 'platform' || gatewayNamespaces(facts).includes(subject.ref.namespace)
}
