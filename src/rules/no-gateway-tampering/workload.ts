import type { EgressGateway } from '../../core/facts.ts'
import type { Kind } from '../../core/kind.ts'
import { type Labels, mapSelects } from '../../istio/selector.ts'
import { labelsOf, podTemplateOf } from '../../istio/workload.ts'
import type { Judge } from './rule.ts'

/** Kinds that an egress gateway may run as. */
export const workloadKinds: readonly Kind[] = ['Deployment.apps', 'DaemonSet.apps', 'StatefulSet.apps']

/**
 * Returns whether a selector chooses the pods of a gateway: by the labels that the policy states, and where it asks for
 * more, by those that the gateway's workloads in the inventory give their pods.
 *
 *     stated                selector                 workload's labels      answer
 *     istio=egress          istio=egress             (any)                  yes
 *     istio=egress          istio=egress,app=gw      istio=egress,app=gw    yes
 *     istio=egress          istio=egress,app=gw      (unknown)              yes: nothing speaks against it
 *     istio=egress          istio=ingress            (any)                  no
 *     istio=egress          app=gw                   istio=egress,app=gw    yes
 *     istio=egress          app=gw                   istio=egress,app=x     no
 *     istio=egress          app=gw                   (unknown)              unknown
 *     istio=egress          (none)                   (any)                  no
 */
export function choosesGateway(selector: Labels, gateway: EgressGateway, tools: Judge): 'yes' | 'no' | 'unknown' {
  if (selector.size === 0) return 'no'
  if (mapSelects(selector, gateway.podLabels)) return 'yes'
  let shared = false
  for (const [key, value] of selector) {
    const stated = gateway.podLabels.get(key)
    if (stated !== undefined && stated !== value) return 'no'
    shared ||= stated !== undefined
  }
  const workloads = podsOf(gateway, tools)
  if (workloads.length > 0) return workloads.some(labels => mapSelects(selector, labels)) ? 'yes' : 'no'
  return shared ? 'yes' : 'unknown'
}

function podsOf(gateway: EgressGateway, tools: Judge): readonly Labels[] {
  return workloadKinds
    .flatMap(kind =>
      tools.inventory.list(kind, gateway.namespace).map(object => labelsOf(podTemplateOf(kind, object)?.template)),
    )
    .filter(labels => mapSelects(gateway.podLabels, labels))
}
