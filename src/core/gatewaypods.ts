import { dig, type Fields, stringMap, text } from '../istio/json.ts'
import { istioGatewayKind } from '../istio/kinds.ts'
import { type Labels, mapSelects } from '../istio/selector.ts'
import { labelsOf, podTemplateOf } from '../istio/workload.ts'
import type { EgressGateway } from './facts.ts'
import type { Inventory } from './inventory.ts'
import type { Kind } from './kind.ts'

/** Kinds whose pods may be those of a gateway. */
export const gatewayWorkloads: readonly Kind[] = ['Deployment.apps', 'DaemonSet.apps', 'StatefulSet.apps', 'Pod']

/**
 * Labels that Istio gives to proxies, and controllers to pods, whatever they are, so that a selector of them tells no gateway
 * from another: who asks for one adds nothing that a template could show.
 */
const everyProxy: ReadonlySet<string> = new Set([
  'apps.kubernetes.io/pod-index',
  'controller-revision-hash',
  'istio.io/rev',
  'pod-template-generation',
  'pod-template-hash',
  'security.istio.io/tlsMode',
  'service.istio.io/canonical-revision',
  'sidecar.istio.io/inject',
  'statefulset.kubernetes.io/pod-name',
  'topology.istio.io/cluster',
  'topology.istio.io/network',
  'topology.istio.io/subzone',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
])

const canonicalName = 'service.istio.io/canonical-name'

/** Whether a selector selects the pods of a gateway; unknown where no workload shows a label that it asks for. */
export type Selection = 'yes' | 'no' | 'unknown'

/** Returns true for a selector that tells no gateway from another: an empty one, or one of labels that every proxy bears. */
export function selectsEveryProxy(selector: Labels): boolean {
  for (const key of selector.keys()) if (!everyProxy.has(key)) return false
  return true
}

/**
 * Returns whether a selector matches the pods of a gateway: by the labels that the policy states, and by all the labels
 * that its workloads in the inventory give their pods. A label that contradicts a stated one settles it.
 */
export function selectsGateway(selector: Labels, gateway: EgressGateway, inventory: Inventory): Selection {
  const telling = new Map([...selector].filter(([key]) => !everyProxy.has(key)))
  if (mapSelects(telling, gateway.podLabels)) return 'yes'
  for (const [key, value] of telling) {
    const stated = gateway.podLabels.get(key)
    if (stated !== undefined && stated !== value) return 'no'
  }
  const workloads = workloadsOf(gateway, inventory)
  if (workloads.some(labels => mapSelects(telling, labels))) return 'yes'
  return workloads.length === 0 ? 'unknown' : 'no'
}

/**
 * Returns whether an Istio Gateway configures an egress gateway, wherever it stands: none without a selector applies to
 * one gateway alone. As istio.io/istio `pilot/pkg/model/push_context.go`, `mergeGateways`.
 */
export function configuresGateway(object: unknown, gateway: EgressGateway, inventory: Inventory): Selection {
  return selectsGateway(stringMap(dig(object, 'spec', 'selector')), gateway, inventory)
}

/** Labels of the pods of a namespace's objects, by their list, the same while nothing changes. */
const labelsByList = new WeakMap<readonly Fields[], readonly Labels[]>()

function workloadsOf(gateway: EgressGateway, inventory: Inventory): readonly Labels[] {
  return gatewayWorkloads
    .flatMap(kind => labelled(kind, inventory.list(kind, gateway.namespace)))
    .filter(labels => mapSelects(gateway.podLabels, labels))
}

function labelled(kind: Kind, objects: readonly Fields[]): readonly Labels[] {
  const known = labelsByList.get(objects)
  if (known !== undefined) return known
  const workloads = objects.map(object => (kind === 'Pod' ? labelsOf(object) : injectedLabels(kind, object)))
  labelsByList.set(objects, workloads)
  return workloads
}

/**
 * Returns the labels of a workload's pods with the one that the injector derives from the others. Istio: istio-discovery
 * chart, files/gateway-injection-template.yaml and injection-template.yaml.
 */
function injectedLabels(kind: Kind, object: Fields): Labels {
  const labels = labelsOf(podTemplateOf(kind, object)?.template)
  const name = labels.get('app.kubernetes.io/name') || labels.get('app') || text(dig(object, 'metadata', 'name')) || ''
  return labels.get(canonicalName) ? labels : new Map([...labels, [canonicalName, name]])
}

/**
 * Returns the labels by which a pod is taken for one of the egress gateway, or undefined: those that the policy names,
 * those by which its Service finds endpoints, those by which its Istio Gateways find proxies. A selector without labels
 * is passed over, since it tells no pod from another.
 */
export function takenByLabels(
  gateway: EgressGateway,
  labels: ReadonlyMap<string, string>,
  inventory: Inventory,
): ReadonlyMap<string, string> | undefined {
  const { namespace, service, gateways, podLabels } = gateway
  const selectors = [
    podLabels,
    stringMap(dig(inventory.find('Service', namespace, service), 'spec', 'selector')),
    ...gateways.map(name => stringMap(dig(inventory.find(istioGatewayKind, namespace, name), 'spec', 'selector'))),
  ]
  return selectors.find(selector => selector.size > 0 && mapSelects(selector, labels))
}
