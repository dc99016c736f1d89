import { parseGoBool } from '../istio/injection.ts'
import { dig, type Fields, list, text } from '../istio/json.ts'
import type { Facts } from './facts.ts'
import type { Inventory } from './inventory.ts'
import { refOf } from './kind.ts'

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

/** Whether there are agents that take pods into ambient mode. */
export type AmbientAgents =
  /** istio-cni is installed for it. */
  | 'on'
  /** istio-cni is installed without it. */
  | 'off'
  /** All ConfigMaps are known, and none is of istio-cni. */
  | 'unseen'
  | 'unknown'

/**
 * Returns whether istio-cni takes pods into ambient mode, by its ConfigMap, which lies in any namespace that tenants do not
 * write in.
 *
 * Istio: istio-cni chart, templates/configmap-cni.yaml (AMBIENT_ENABLED); cni/pkg/constants/constants.go.
 */
export function ambientAgents(facts: Facts, inventory: Inventory): AmbientAgents {
  const all = inventory.list('ConfigMap')
  const known = agentsOf.get(all)
  if (known !== undefined) return known
  const found = all.find(configMap => {
    const { namespace, name } = refOf(configMap)
    if (name !== cniConfigName) return false
    return cniNamespaces.includes(namespace) || facts.namespaces.classOf(namespace, undefined) !== 'governed'
  })
  const absent = inventory.knows('ConfigMap') ? 'unseen' : 'unknown'
  const agents = found === undefined ? absent : readAgents(found)
  agentsOf.set(all, agents)
  return agents
}

/** Answers by the list of all ConfigMaps, the same while nothing changes. */
const agentsOf = new WeakMap<readonly Fields[], AmbientAgents>()

/** Before Istio 1.24 the setting stood elsewhere. */
function readAgents(configMap: Fields): AmbientAgents {
  const isOn = parseGoBool(text(dig(configMap, 'data', 'AMBIENT_ENABLED')) ?? '')
  if (isOn === undefined) return 'unknown'
  return isOn ? 'on' : 'off'
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
