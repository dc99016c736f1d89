import type { EgressGateway } from '../../core/facts.ts'
import type { Inventory } from '../../core/inventory.ts'
import { refOf } from '../../core/kind.ts'
import type { Subject } from '../../core/rule.ts'
import { dig, text } from '../../istio/json.ts'
import { mapSelects } from '../../istio/selector.ts'
import { labelsOf, podTemplateOf } from '../../istio/workload.ts'

/** The kind that an egress gateway is usually run as. */
export const deploymentKind = 'Deployment.apps'

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
