import { gatewayOfHost } from '../../core/gateway.ts'
import { egressGatewayOf } from '../../core/gatewayapi.ts'
import { namespaceLabels } from '../../core/inventory.ts'
import type { Subject } from '../../core/rule.ts'
import { hostnameAddresses } from '../../istio/gatewayapi.ts'
import { resolveHost } from '../../istio/name.ts'
import type { Judge } from './rule.ts'

/**
 * Judges addresses that name a Service whose pods the Gateway then configures: of one's own namespace that is how
 * gateways are used that istiod does not make, of others it is a way into theirs.
 */
export function judgeAddresses(subject: Subject, tools: Judge): void {
  const { clusterDomain } = tools.facts.mesh
  // Its own Gateways may stand in a namespace that the policy does not count to the platform.
  const egress = egressGatewayOf(subject.ref, undefined, tools.facts)
  for (const { path, value } of hostnameAddresses(subject.object)) {
    const host = resolveHost(value.toLowerCase().replace(/\.$/, ''), subject.ref.namespace, clusterDomain)
    const owner = ownerOf(host, clusterDomain)
    if (owner === undefined) continue
    const isOthers = owner !== subject.ref.namespace && isPlatform(owner, tools)
    const gateway = gatewayOfHost(host, tools.facts)
    if (isOthers || (gateway !== undefined && gateway !== egress)) {
      tools.report('gateway-address', { path, value, slots: { owner } })
    }
  }
}

/** Returns the namespace of a Service by its full name, or by `name.namespace` and `name.namespace.svc`. */
function ownerOf(host: string, clusterDomain: string): string | undefined {
  const short = host.endsWith(`.svc.${clusterDomain}`) ? host.slice(0, -clusterDomain.length - 1) : host
  const [, namespace, svc, ...rest] = short.split('.')
  return rest.length === 0 && (svc === undefined || svc === 'svc') ? namespace : undefined
}

function isPlatform(namespace: string, { facts, inventory }: Judge): boolean {
  return facts.namespaces.classOf(namespace, namespaceLabels(inventory, namespace)) === 'platform'
}
