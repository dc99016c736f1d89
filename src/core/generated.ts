import { dig, type Fields, field, isFields, list, text } from '../istio/json.ts'
import { containersOf, proxyContainerName, usesHostNetwork } from '../istio/workload.ts'
import type { Inventory } from './inventory.ts'
import type { Kind } from './kind.ts'
import type { Pod } from './pod.ts'

/** The Gateway API's, not Istio's. */
export const gatewayApiKind: Kind = 'Gateway.gateway.networking.k8s.io'

const nameLabel = 'gateway.networking.k8s.io/gateway-name'
const managedLabel = 'gateway.istio.io/managed'

/** Who istiod says has made a pod: its controllers of gateways, of waypoints and of gateways between networks. */
const controllers: ReadonlySet<string> = new Set([
  'istio.io-gateway-controller',
  'istio.io-mesh-controller',
  'istio.io-eastwest-controller',
])

/** What the proxy of a gateway is told to be. */
const roles: ReadonlySet<string> = new Set(['router', 'waypoint'])

/** Sources of the volumes of a generated pod; what can be written from elsewhere, such as a claim, is not among them. */
const sources: ReadonlySet<string> = new Set(['name', 'emptyDir', 'downwardAPI', 'projected', 'configMap'])

/**
 * Returns true where a pod has the shape of those that istiod makes for a Gateway of the Gateway API, and there is that
 * Gateway: one container, which is a proxy in the role of a gateway or waypoint. Such a pod has no application whose traffic
 * would have to be captured. Labels and owners can be written by anybody, so that nothing is taken from them but the
 * Gateway's name; what the container holds besides is for no-forged-injection to judge.
 *
 * Istio: istio-discovery chart, files/kube-gateway.yaml and waypoint.yaml; pilot/pkg/config/kube/gatewaycommon
 * (deploymentcontroller.go).
 */
export function isGeneratedGateway(namespace: string, pod: Pod, inventory: Inventory): boolean {
  const gateway = pod.labels.get(nameLabel)
  if (gateway === undefined || !controllers.has(pod.labels.get(managedLabel) ?? '')) return false
  if (usesHostNetwork(pod.template) || !isLoneGatewayProxy(pod.template)) return false
  if (!list(dig(pod.template, 'spec', 'volumes')).every(isOwnVolume)) return false
  return inventory.find(gatewayApiKind, namespace, gateway) !== undefined
}

function isLoneGatewayProxy(template: Fields): boolean {
  const [only, ...others] = containersOf(template)
  if (only === undefined || others.length > 0) return false
  if (only.list !== 'containers' || only.name !== proxyContainerName) return false
  const [program, role] = list(field(only.container, 'args'))
  return program === 'proxy' && roles.has(text(role) ?? '')
}

/** An `emptyDir` may be written as null, as istiod's templates do. */
function isOwnVolume(volume: unknown): boolean {
  return isFields(volume) && Object.keys(volume).every(key => sources.has(key))
}
