import { gatewayNamespaces } from '../../core/gateway.ts'
import { namespaceLabels } from '../../core/inventory.ts'
import { isDiscovered } from '../../istio/discovery.ts'
import type { Judge } from './rule.ts'
import type { Held } from './source.ts'

/** Judges whether istiod would still look at the namespaces in which the guard's egress stands. */
export function judgeDiscovery({ config, at }: Held, tools: Judge): void {
  const selectors = config.discoverySelectors
  if (selectors === undefined || selectors.length === 0) return
  const { facts, inventory } = tools
  const waypoints = (facts.waypoints ?? []).map(waypoint => waypoint.namespace)
  for (const name of new Set([facts.mesh.rootNamespace, ...gatewayNamespaces(facts), ...waypoints])) {
    const labels = namespaceLabels(inventory, name)
    if (labels !== undefined && !isDiscovered(selectors, labels)) {
      tools.report('undiscovered', { path: at('discoverySelectors'), value: name })
    }
  }
}
