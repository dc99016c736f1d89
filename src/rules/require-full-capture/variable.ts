import { meshConfigMaps, readMeshConfigMap } from '../../core/mesh.ts'
import type { Pod } from '../../core/pod.ts'
import { proxyConfigKind, proxyConfigOf } from '../../core/proxysettings.ts'
import type { Subject, Tools } from '../../core/rule.ts'
import { show } from '../../core/text.ts'
import { dig, type Fields, field, stringMap } from '../../istio/json.ts'
import type { ProxySetting } from '../../istio/proxyconfig.ts'
import { mapSelects } from '../../istio/selector.ts'
import { containersOf, environmentOf, proxyContainerName } from '../../istio/workload.ts'

export { proxyConfigKind }

/** A variable of a proxy: empty where nobody sets it. */
export interface Variable {
  readonly value: string
  /** Whether the pod itself sets it. */
  readonly ofPod: boolean
}

type Sources = Pick<Tools<string, unknown>, 'facts' | 'inventory'>

/**
 * Returns a variable that `proxyMetadata` gives the proxy of a pod. A final pod has it in its container; before, it is that
 * of the ProxyConfig that selects the pod, else of the pod's annotation, of the ProxyConfigs of its namespace and of the
 * root namespace, and of the mesh configuration, as far as those are known: what is not known is seen in the final pod.
 *
 * Istio: pilot/pkg/model/proxy_config.go (EffectiveProxyConfig).
 */
export function variableOf(name: string, subject: Subject, pod: Pod, sources: Sources): Variable | 'unknown' {
  const own = ofAnnotation(name, pod)
  if (subject.phase === 'final') {
    const proxy = containersOf(pod.template).find(container => container.name === proxyContainerName)
    // No proxy: require-injection speaks of that.
    if (proxy === undefined) return 'unknown'
    const environment = environmentOf(proxy.container)
    if (environment.has(name) && environment.get(name) === undefined) return 'unknown'
    const value = environment.get(name) ?? ''
    return { value, ofPod: own === value }
  }
  const { facts, inventory } = sources
  const { namespace } = subject.ref
  const configs = (where: string): readonly Fields[] => inventory.list(proxyConfigKind, where)
  const selected = configs(namespace).find(config => {
    const selector = selectorOf(config)
    return selector.size > 0 && mapSelects(selector, pod.labels)
  })
  const ofSelected = selected && ofConfig(name, selected)
  if (ofSelected !== undefined) return { value: ofSelected, ofPod: false }
  if (own !== undefined) return { value: own, ofPod: true }
  for (const where of [namespace, facts.mesh.rootNamespace]) {
    const config = configs(where).find(entry => selectorOf(entry).size === 0)
    const value = config && ofConfig(name, config)
    if (value !== undefined) return { value, ofPod: false }
  }
  return ofMesh(name, sources)
}

function ofAnnotation(name: string, pod: Pod): string | undefined {
  const read = proxyConfigOf(pod)
  return read?.ok ? find(name, read.value) : undefined
}

function find(name: string, settings: readonly ProxySetting[]): string | undefined {
  const setting = settings.find(({ path }) => path[0] === 'proxyMetadata' && path[1] === name)
  return setting && show(setting.value)
}

function selectorOf(config: Fields): ReadonlyMap<string, string> {
  return stringMap(dig(config, 'spec', 'selector', 'matchLabels'))
}

function ofConfig(name: string, config: Fields): string | undefined {
  const value = field(dig(config, 'spec', 'environmentVariables'), name)
  return value === undefined ? undefined : show(value)
}

/** With several control planes what the first of them says that sets it otherwise than to nothing. */
function ofMesh(name: string, { facts, inventory }: Sources): Variable | 'unknown' {
  const maps = meshConfigMaps(facts, inventory)
  if (maps.length === 0) return 'unknown'
  let value: string | undefined
  for (const map of maps) {
    const read = readMeshConfigMap(map)
    if (!read.ok) return 'unknown'
    value ??= find(name, read.value.defaultConfig)
  }
  return { value: value ?? '', ofPod: false }
}
