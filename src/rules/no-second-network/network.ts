import { show } from '../../core/text.ts'
import { field, isFields, list, text } from '../../istio/json.ts'
import { parseJsonText } from '../../istio/jsontext.ts'

/** A network that a pod asks for. */
export interface Network {
  /** `namespace/name`. */
  readonly name: string
  /** True where it names a way for all traffic in place of the cluster's own: `default-route`. */
  readonly takesDefaultRoute: boolean
}

/**
 * Returns the networks that an annotation of a pod in `namespace` asks for: a JSON list, or names between commas as
 * `namespace/name@interface`. What cannot be read as either is one network of the text's name.
 *
 *     text                            networks, for a pod in shop
 *     storage                         shop/storage
 *     infra/storage@net1, backup      infra/storage, shop/backup
 *     [{"name": "storage"}]           shop/storage
 *     (empty), []                     none
 *
 * Multus: pkg/k8sclient (parsePodNetworkAnnotation), Network Custom Resource Definition De-facto Standard 4.1.
 */
export function readNetworks(given: string, namespace: string): readonly Network[] {
  const value = given.trim()
  if (value === '') return []
  if (/[[{"]/.test(value)) return ofJson(value, namespace)
  return value.split(',').map(item => {
    const [name = ''] = item.trim().split('@')
    return { name: name.includes('/') ? name : `${namespace}/${name}`, takesDefaultRoute: false }
  })
}

function ofJson(value: string, namespace: string): readonly Network[] {
  const read = parseJsonText(value)
  if (read.ok && Array.isArray(read.value)) return read.value.map(item => ofEntry(item, namespace))
  // Multus refuses the pod, or reads it in a way of its own.
  return [{ name: value, takesDefaultRoute: false }]
}

const keys: readonly string[] = ['name', 'namespace', 'default-route']

/** Multus takes a key in any case, and of several the last: an entry with an odd one is no network that is accepted. */
function ofEntry(entry: unknown, namespace: string): Network {
  const odd = isFields(entry)
    ? Object.keys(entry).find(key => !keys.includes(key) && keys.includes(key.toLowerCase()))
    : undefined
  const own = text(field(entry, 'namespace')) || namespace
  const name = odd === undefined ? `${own}/${text(field(entry, 'name')) ?? ''}` : `${odd} ${show(field(entry, odd))}`
  return { name, takesDefaultRoute: list(field(entry, 'default-route')).length > 0 }
}
