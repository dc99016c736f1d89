import { revisionLabel } from '../istio/injection.ts'
import { dig, type Fields, text } from '../istio/json.ts'
import { type MeshConfig, type OutboundMode, outboundMode, readMeshConfig } from '../istio/meshconfig.ts'
import { networkLabel } from '../istio/network.ts'
import type { Result } from '../istio/result.ts'
import { labelsOf } from '../istio/workload.ts'
import type { Facts } from './facts.ts'
import { type Inventory, namespaceLabels } from './inventory.ts'
import type { Tools } from './rule.ts'

/**
 * Returns true for a ConfigMap in which a control plane reads its mesh: `istio`, or `istio-<revision>`, known by its label
 * or by its key `mesh`. Istio goes by the name alone, so taking the label away hides nothing.
 */
export function isMeshConfigMap(configMap: unknown, rootNamespace: string): boolean {
  const name = text(dig(configMap, 'metadata', 'name'))
  if (text(dig(configMap, 'metadata', 'namespace')) !== rootNamespace || name === undefined) return false
  if (name === 'istio') return true
  const revision = labelsOf(configMap).get(revisionLabel)
  return name === `istio-${revision}` || (name.startsWith('istio-') && dig(configMap, 'data', 'mesh') !== undefined)
}

/** What a mesh ConfigMap was read as; an inventory hands out the same object for as long as it is unchanged. */
const readings = new WeakMap<Fields, Result<MeshConfig>>()

/** Returns the mesh configuration in a mesh ConfigMap; without the key `mesh` Istio's defaults hold. */
export function readMeshConfigMap(configMap: Fields): Result<MeshConfig> {
  const known = readings.get(configMap)
  if (known !== undefined) return known
  const read = readMeshConfig(text(dig(configMap, 'data', 'mesh')) ?? '')
  readings.set(configMap, read)
  return read
}

/** The mesh ConfigMaps of a root namespace, by the list of all its ConfigMaps, the same while nothing changes. */
const meshMaps = new WeakMap<readonly Fields[], readonly Fields[]>()

/** Returns the mesh ConfigMaps of the inventory, one for each control plane. */
export function meshConfigMaps(facts: Facts, inventory: Inventory): readonly Fields[] {
  const root = facts.mesh.rootNamespace
  const all = inventory.list('ConfigMap', root)
  const known = meshMaps.get(all)
  if (known !== undefined) return known
  const some = all.filter(configMap => isMeshConfigMap(configMap, root))
  meshMaps.set(all, some)
  return some
}

/**
 * Returns what `exportTo` means where a ServiceEntry has none; undefined, which is public, where a mesh configuration says
 * nothing. With several revisions what any of them exports to, since the entry is there for all.
 */
export function defaultServiceExportTo(facts: Facts, inventory: Inventory): readonly string[] | undefined {
  const lists = meshConfigMaps(facts, inventory).map(configMap => {
    const read = readMeshConfigMap(configMap)
    return read.ok ? read.value.defaultServiceExportTo : undefined
  })
  const named = new Set<string>()
  for (const exportTo of lists) {
    if (exportTo === undefined || exportTo.length === 0) return undefined
    for (const entry of exportTo) named.add(entry)
  }
  // Exported to nobody in one revision takes nothing away in another.
  if (named.size > 1) named.delete('~')
  return named.size === 0 ? undefined : [...named].sort()
}

/**
 * Returns the outbound mode of the mesh: that of the mesh ConfigMaps in the inventory (with several revisions the one
 * that lets most through), else what the policy says; undefined where neither tells.
 */
export function meshMode(facts: Facts, inventory: Inventory): OutboundMode | undefined {
  return modeInInventory(facts, inventory) ?? facts.mesh.outboundTrafficPolicy
}

function modeInInventory(facts: Facts, inventory: Inventory): OutboundMode | undefined {
  const modes = meshConfigMaps(facts, inventory).map(configMap => {
    const read = readMeshConfigMap(configMap)
    return read.ok ? outboundMode(read.value) : undefined
  })
  const open = modes.find(mode => mode !== undefined && mode !== 'REGISTRY_ONLY')
  // One that cannot be read may be open too.
  return open ?? (modes.includes(undefined) ? undefined : modes[0])
}

/** Returns where policy and inventory differ about a fact, one line each: the inventory wins, its operator should know. */
export function differences(facts: Facts, inventory: Inventory): readonly string[] {
  const stated = facts.mesh.outboundTrafficPolicy
  const found = modeInInventory(facts, inventory)
  if (stated === undefined || found === undefined || stated === found) return []
  return [`policy says mesh.outboundTrafficPolicy ${stated}, the mesh configuration says ${found}: the latter counts`]
}

/** Returns the network of the cluster, where the root Namespace in the inventory names one. */
export function networkOfMesh({
  facts,
  inventory,
}: Pick<Tools<string, unknown>, 'facts' | 'inventory'>): string | undefined {
  return namespaceLabels(inventory, facts.mesh.rootNamespace)?.get(networkLabel)
}
