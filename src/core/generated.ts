import { dig, type Fields, field, isFields, list, text } from '../istio/json.ts'
import { gatewayApiKind } from '../istio/kinds.ts'
import { containersOf, proxyContainerName, usesHostNetwork } from '../istio/workload.ts'
import type { Inventory } from './inventory.ts'
import type { Pod } from './pod.ts'

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

/** ConfigMaps in generated pods: roots of trust that istiod and Kubernetes write into each namespace. */
const configMaps: ReadonlySet<string> = new Set(['istio-ca-root-cert', 'istio-ca-crl', 'kube-root-ca.crt'])

/** Begins the name of the volume with the token of the service account, which the API server adds. */
const tokenVolume = 'kube-api-access-'

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

/**
 * No injector writes over the volumes of such a pod, and the proxy takes from them whom it trusts, and from what the pod says
 * of itself its control plane: only what istiod's templates mount counts, and nothing that others can fill.
 */
function isOwnVolume(volume: unknown): boolean {
  if (!isFields(volume)) return false
  if (text(field(volume, 'name'))?.startsWith(tokenVolume) === true) return true
  return Object.keys(volume).every(key => {
    const source = field(volume, key)
    switch (key) {
      case 'name':
      case 'emptyDir':
        return true
      case 'configMap':
        return configMaps.has(text(field(source, 'name')) ?? '')
      case 'downwardAPI':
        return list(field(source, 'items')).every(isOwnField)
      case 'projected':
        return list(field(source, 'sources')).every(isToken)
      default:
        return false
    }
  })
}

/** `labels` and `annotations`, each as the file of that name. */
function isOwnField(item: unknown): boolean {
  const path = text(field(item, 'path'))
  return (path === 'labels' || path === 'annotations') && dig(item, 'fieldRef', 'fieldPath') === `metadata.${path}`
}

function isToken(source: unknown): boolean {
  return (
    isFields(source) && Object.keys(source).every(key => key === 'serviceAccountToken' || key === 'clusterTrustBundle')
  )
}
