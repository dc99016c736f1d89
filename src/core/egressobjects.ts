import type { EgressGateway } from './facts.ts'
import { configuresGateway, type Selection } from './gatewaypods.ts'
import type { Tools } from './rule.ts'

/** What gateways are looked up in. */
type Sources = Pick<Tools<string, unknown>, 'facts' | 'inventory'>

/** An egress gateway that an Istio Gateway may configure, and whether it does. */
export interface Configured {
  readonly gateway: EgressGateway
  readonly selection: Exclude<Selection, 'no'>
}

/**
 * Returns the egress gateway that an Istio Gateway configures: one that the policy says it does, by its name in the
 * gateway's namespace, else one whose pods its selector selects. Undefined where it configures none, or the policy names
 * no gateway.
 */
export function egressGatewayOf(
  { namespace, name, object }: { readonly namespace: string; readonly name: string; readonly object: unknown },
  { facts, inventory }: Sources,
): Configured | undefined {
  let maybe: Configured | undefined
  for (const gateway of facts.egressGateways ?? []) {
    if (gateway.namespace === namespace && gateway.gateways.includes(name)) return { gateway, selection: 'yes' }
    const selection = object === undefined ? 'no' : configuresGateway(object, gateway, inventory)
    if (selection === 'yes') return { gateway, selection }
    if (selection === 'unknown') maybe ??= { gateway, selection }
  }
  return maybe
}
