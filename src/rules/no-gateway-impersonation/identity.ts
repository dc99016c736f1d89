import type { EgressGateway } from '../../core/facts.ts'
import type { Inventory } from '../../core/inventory.ts'
import { refOf } from '../../core/kind.ts'
import type { Subject } from '../../core/rule.ts'
import { dig, stringMap, text } from '../../istio/json.ts'
import { mapSelects } from '../../istio/selector.ts'
import { labelsOf, podTemplateOf } from '../../istio/workload.ts'

/** The kind whose `selector` names the pods that it configures: Istio's, not the Gateway API's. */
export const istioGatewayKind = 'Gateway.networking.istio.io'

/** The kind that an egress gateway is usually run as. */
export const deploymentKind = 'Deployment.apps'

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

/**
 * Returns the service accounts that the gateway runs under: the one that the policy names, and those of its Deployments, the
 * judged object aside.
 */
export function accountsOf(gateway: EgressGateway, subject: Subject, inventory: Inventory): ReadonlySet<string> {
  const accounts = new Set(gateway.serviceAccount === undefined ? [] : [gateway.serviceAccount])
  for (const deployment of inventory.list(deploymentKind, gateway.namespace)) {
    if (subject.kind === deploymentKind && refOf(deployment).name === subject.ref.name) continue
    const template = podTemplateOf(deploymentKind, deployment)?.template
    if (template === undefined || !mapSelects(gateway.podLabels, labelsOf(template))) continue
    accounts.add(text(dig(template, 'spec', 'serviceAccountName')) || 'default')
  }
  return accounts
}
