import { dig, field, isFields } from '../istio/json.ts'
import { type ProxySetting, readProxyConfig } from '../istio/proxyconfig.ts'
import type { Result } from '../istio/result.ts'
import { usesHostNetwork, workloadKinds } from '../istio/workload.ts'
import { meshConfigKinds, meshConfigsOf } from './installation.ts'
import type { Kind } from './kind.ts'
import type { Path } from './path.ts'
import { type Pod, podOf } from './pod.ts'
import type { Subject, Tools } from './rule.ts'
import { requireMap } from './shape.ts'
import { mayDeviate } from './workload.ts'

/** The kind that sets some fields of the proxy's configuration for workloads, a namespace or the mesh. */
export const proxyConfigKind: Kind = 'ProxyConfig.networking.istio.io'

/** Annotation of a pod with the configuration of its proxy. */
export const proxyConfigAnnotation = 'proxy.istio.io/config'

/** Kinds in which settings of proxies stand. */
export const proxySettingKinds: readonly Kind[] = [...workloadKinds, proxyConfigKind, ...meshConfigKinds]

/** Settings of proxies that an object holds in one place. */
export interface HeldSettings {
  /** Whose: of one pod, of those that a ProxyConfig selects, of all in the mesh. */
  readonly of: 'pod' | 'selected' | 'mesh'
  readonly settings: readonly ProxySetting[]
  /** Returns the path of a setting in the object; an annotation and a ConfigMap hold all of them as one text. */
  at(setting: ProxySetting): Path
}

/** Readings by the annotations of a pod: several rules look into them. */
const readings = new WeakMap<Pod['annotations'], Result<readonly ProxySetting[]>>()

/** Returns what the annotation of a pod sets of its proxy's configuration; undefined where it has none. */
export function proxyConfigOf({ annotations }: Pick<Pod, 'annotations'>): Result<readonly ProxySetting[]> | undefined {
  const text = annotations.get(proxyConfigAnnotation)
  if (text === undefined) return undefined
  const known = readings.get(annotations)
  if (known !== undefined) return known
  const read = readProxyConfig(text)
  readings.set(annotations, read)
  return read
}

/**
 * Returns the governed pod of a workload whose proxy settings have an effect, or undefined: on the network of the node a
 * pod gets no proxy, and who may do without one may have another.
 */
export function proxiedPodOf(subject: Subject, tools: Tools<string, unknown>): Pod | undefined {
  if (subject.namespaceClass !== 'governed') return undefined
  const pod = podOf(subject, tools)
  if (pod === undefined || usesHostNetwork(pod.template)) return undefined
  return mayDeviate(tools.facts.workloads.mayOptOut, subject.ref.namespace, pod) ? undefined : pod
}

/**
 * Returns true for a variable of an injected container that the annotation of its pod asks for, with that value: what the
 * annotation asks for is said of the annotation.
 */
export function isAskedFor(name: string, value: string | undefined, pod: Pod): boolean {
  const read = proxyConfigOf(pod)
  if (!read?.ok) return false
  return read.value.some(({ path, value: given }) => path[0] === 'proxyMetadata' && path[1] === name && given === value)
}

/** Returns the settings in the annotation of a pod; none where it has none that can be read. */
export function settingsOfPod(pod: Pod): readonly HeldSettings[] {
  const read = proxyConfigOf(pod)
  if (!read?.ok) return []
  return [{ of: 'pod', settings: read.value, at: () => pod.at('metadata', 'annotations', proxyConfigAnnotation) }]
}

/**
 * Returns the settings in a ProxyConfig and in mesh configurations; none for other kinds. A ProxyConfig outside the policy
 * has an effect on its own namespace alone, unless that is the root namespace.
 *
 * Istio: pilot/pkg/model/proxy_config.go (toMeshConfigProxyConfig, GetProxyConfigs).
 */
export function settingsOfMany(subject: Subject, tools: Tools<string, unknown>): readonly HeldSettings[] {
  const { rootNamespace } = tools.facts.mesh
  if (subject.kind === proxyConfigKind) {
    const isOutside = subject.namespaceClass === 'notGoverned' && subject.ref.namespace !== rootNamespace
    return isOutside ? [] : ofResource(subject, tools)
  }
  return meshConfigsOf(subject, rootNamespace).flatMap(({ read, at }): HeldSettings[] => {
    if (!read.ok) return []
    return [{ of: 'mesh', settings: read.value.defaultConfig, at: ({ written }) => at('defaultConfig', ...written) }]
  })
}

/** Settings of a ProxyConfig under the names that they have in a proxy's configuration. */
function ofResource(subject: Subject, tools: Tools<string, unknown>): readonly HeldSettings[] {
  if (!requireMap(subject, tools, ['spec']) || !requireMap(subject, tools, ['spec', 'environmentVariables'])) return []
  const settings: ProxySetting[] = []
  const variables = dig(subject.object, 'spec', 'environmentVariables')
  if (isFields(variables)) {
    for (const key of Object.keys(variables)) {
      const written = ['environmentVariables', key]
      settings.push({ path: ['proxyMetadata', key], written, value: field(variables, key) ?? '' })
    }
  }
  const imageType = dig(subject.object, 'spec', 'image', 'imageType') ?? undefined
  if (imageType !== undefined) {
    settings.push({ path: ['image', 'imageType'], written: ['image', 'imageType'], value: imageType })
  }
  return [{ of: 'selected', settings, at: ({ written }) => ['spec', ...written] }]
}
