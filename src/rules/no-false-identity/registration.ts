import type { Path } from '../../core/path.ts'
import type { Pod } from '../../core/pod.ts'
import { proxyConfigAnnotation, proxyConfigOf } from '../../core/proxysettings.ts'
import { field, isFields, list, text } from '../../istio/json.ts'
import { containersOf, proxyContainerName } from '../../istio/workload.ts'

/** Where a proxy is told to register itself, and in which group; empty where that is not in the object. */
export interface Registration {
  readonly path: Path
  readonly group: string
}

/**
 * Returns where a pod's proxy is told to register itself as a WorkloadEntry, which istiod then creates in its own name:
 * in the proxy's metadata under AUTO_REGISTER_GROUP, by a variable of the container `istio-proxy` or by `proxyMetadata` of
 * the pod's proxy configuration, which becomes such a variable. An empty group registers nothing.
 *
 * Istio: pkg/bootstrap/config.go (GetNodeMetaData), pilot/pkg/autoregistration/controller.go (OnConnect).
 */
export function findRegistration(pod: Pod): Registration | undefined {
  return inConfig(pod) ?? inContainers(pod)
}

function inConfig(pod: Pod): Registration | undefined {
  const read = proxyConfigOf(pod)
  if (!read?.ok) return undefined
  for (const { path, value } of read.value) {
    const [name, key, ...rest] = path
    if (name !== 'proxyMetadata' || key === undefined || rest.length > 0) continue
    const group = groupIn(key, String(value))
    if (group !== undefined) return { path: pod.at('metadata', 'annotations', proxyConfigAnnotation), group }
  }
  return undefined
}

function inContainers(pod: Pod): Registration | undefined {
  for (const { list: of, index, name, container } of containersOf(pod.template)) {
    if (name !== proxyContainerName) continue
    for (const [i, entry] of list(field(container, 'env')).entries()) {
      const key = text(field(entry, 'name'))
      if (key === undefined || !key.startsWith(common)) continue
      if (isFields(field(entry, 'valueFrom'))) {
        if (!key.startsWith(plain) || !isGroup(key.slice(plain.length))) continue
        return { path: pod.at('spec', of, index, 'env', i), group: '' }
      }
      const group = groupIn(key, text(field(entry, 'value')) ?? '')
      if (group !== undefined) return { path: pod.at('spec', of, index, 'env', i, 'value'), group }
    }
  }
  return undefined
}

const common = 'ISTIO_META'

/** Prefixes of variables that become metadata of the proxy: with the rest of the name as key, or a whole JSON object. */
const plain = 'ISTIO_META_'
const json = 'ISTIO_METAJSON_'

function groupIn(key: string, value: string): string | undefined {
  if (key.startsWith(plain)) return isGroup(key.slice(plain.length)) && value !== '' ? value : undefined
  if (!key.startsWith(json)) return undefined
  const metadata = parse(value)
  if (!isFields(metadata)) return undefined
  const name = Object.keys(metadata).find(isGroup)
  return (name === undefined ? undefined : text(field(metadata, name))) || undefined
}

/** Go finds the field of a key in whatever case it is written. */
function isGroup(name: string): boolean {
  return name.length === groupKey.length && name.toUpperCase() === groupKey
}

const groupKey = 'AUTO_REGISTER_GROUP'

function parse(value: string): unknown {
  try {
    return JSON.parse(value)
  } catch {
    return undefined
  }
}
