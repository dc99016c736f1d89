import { dig, type Fields, list, text } from '../istio/json.ts'
import type { Facts } from './facts.ts'
import type { Inventory } from './inventory.ts'

/** The ConfigMap from which istio-cni reads what it is told. */
export const cniConfigName = 'istio-cni-config'

/** Where istio-cni is installed besides the root namespace: by Helm for the nodes' own namespace, and by the Sail operator. */
export const cniNamespaces: readonly string[] = ['kube-system', 'istio-cni']

/**
 * Returns the namespaces whose pods istio-cni passes by: those of its ConfigMap, else those that the policy names; undefined where neither tells.
 *
 * Istio: istio-cni chart, templates/configmap-cni.yaml; cni/pkg/util/podutil.go (SplitExcludeNamespaces),
 * cni/pkg/plugin/plugin.go (doAddRun).
 */
export function cniExcludedNamespaces(facts: Facts, inventory: Inventory): readonly string[] | undefined {
  for (const namespace of [facts.mesh.rootNamespace, ...cniNamespaces]) {
    const configMap = inventory.find('ConfigMap', namespace, cniConfigName)
    const excluded = configMap && excludedIn(configMap)
    if (excluded !== undefined) return excluded
  }
  return facts.mesh.cniExcludedNamespaces
}

/** Readings by ConfigMap: an inventory hands out the same object for as long as it is unchanged. */
const readings = new WeakMap<Fields, readonly string[] | undefined>()

/** Returns the namespaces that a ConfigMap of istio-cni passes by; undefined where it says nothing that can be read. */
export function excludedIn(configMap: Fields): readonly string[] | undefined {
  if (readings.has(configMap)) return readings.get(configMap)
  const excluded = readExcluded(configMap)
  readings.set(configMap, excluded)
  return excluded
}

function readExcluded(configMap: Fields): readonly string[] | undefined {
  const names = text(dig(configMap, 'data', 'EXCLUDE_NAMESPACES'))
  if (names !== undefined) return names.split(',').map(name => name.trim())
  const plugin = text(dig(configMap, 'data', 'cni_network_config'))
  return plugin === undefined ? undefined : ofPlugin(plugin)
}

/** Before Istio 1.24 the ConfigMap held the configuration of the plugin itself. */
function ofPlugin(json: string): readonly string[] | undefined {
  try {
    const config: unknown = JSON.parse(json)
    return list(dig(config, 'kubernetes', 'exclude_namespaces')).filter(name => typeof name === 'string')
  } catch {
    return undefined
  }
}
