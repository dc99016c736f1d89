import type { EgressGateway, Facts } from '../../core/facts.ts'
import { type Inventory, namespaceLabels } from '../../core/inventory.ts'
import type { Subject } from '../../core/rule.ts'
import { dig, field, isFields } from '../../istio/json.ts'
import { matchesLabels, parseSelector, type Selector } from '../../istio/selector.ts'

/** The label that the API server itself writes on every Namespace: nobody can choose its value. */
const nameLabel = 'kubernetes.io/metadata.name'

/** Whether a NetworkPolicy holds for pods of an egress gateway alone: its selector asks for all of their labels. */
export function isGatewayPolicy({ object, ref }: Subject, facts: Facts): boolean {
  const gateways = facts.egressGateways?.filter(({ namespace }) => namespace === ref.namespace) ?? []
  if (gateways.length === 0) return false
  const selector = selectorOf(dig(object, 'spec', 'podSelector'))
  return gateways.some(({ podLabels }) => [...podLabels].every(([key, value]) => requires(selector, key, value)))
}

function requires(selector: Selector, key: string, value: string): boolean {
  return selector.some(
    asked => asked.operator === 'In' && asked.key === key && asked.values.size === 1 && asked.values.has(value),
  )
}

function selectorOf(given: unknown): Selector {
  const parsed = parseSelector(given)
  return parsed.ok ? parsed.value : []
}

/** A peer that means an egress gateway, and the labels by which it does. */
export interface GatewayPeer {
  readonly gateway: EgressGateway
  readonly labels: string
}

/**
 * Returns the egress gateway that a peer means by labels that others may write, or undefined: its `namespaceSelector`
 * does not ask for the name of the namespace, and either its `podSelector` asks for labels that are the gateway's, or
 * the namespace of the gateway is selected by labels it has. A selector that takes in all namespaces and all pods
 * means none.
 */
export function gatewayByLabel(peer: unknown, facts: Facts, inventory: Inventory): GatewayPeer | undefined {
  const given = field(peer, 'namespaceSelector')
  if (!isFields(given)) return undefined
  const namespaces = selectorOf(given)
  if (namespaces.some(asked => asked.operator === 'In' && asked.key === nameLabel)) return undefined
  const pods = selectorOf(field(peer, 'podSelector'))
  if (pods.length + namespaces.length === 0) return undefined
  const gateway = facts.egressGateways?.find(candidate => {
    const labels = namespaceLabels(inventory, candidate.namespace)
    if (labels !== undefined && !matchesLabels(namespaces, labels)) return false
    if (pods.length === 0) return labels !== undefined
    return asksFor(pods, candidate.podLabels)
  })
  return gateway && { gateway, labels: write([...namespaces, ...pods]) }
}

/** Whether every requirement is about a label that the gateway's pods have, and holds for them. */
function asksFor(pods: Selector, labels: ReadonlyMap<string, string>): boolean {
  return pods.every(({ key }) => labels.has(key)) && matchesLabels(pods, labels)
}

function write(selector: Selector): string {
  const terms = selector.map(asked =>
    'values' in asked
      ? `${asked.key} ${asked.operator} (${[...asked.values].join(', ')})`
      : `${asked.key} ${asked.operator}`,
  )
  return terms.join(', ')
}
