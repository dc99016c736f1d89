import { isClusterHost, parseHost } from '../istio/host.ts'
import { type Fields, field, list, text } from '../istio/json.ts'
import type { Facts, Provider } from './facts.ts'
import type { Inventory } from './inventory.ts'
import { meshConfigMaps, readMeshConfigMap } from './mesh.ts'

/** Where a provider of the mesh configuration hands data of requests to. */
export type Recipient =
  /** To nobody: it writes to the proxy's own output, or is asked by whoever collects. */
  | { readonly where: 'proxy' }
  /** To a host, canonical. */
  | { readonly where: 'host'; readonly host: string; readonly port: number | undefined }
  /** To a service outside that Istio itself knows how to reach. */
  | { readonly where: 'vendor'; readonly vendor: string }

/** Kinds of providers that connect to nobody. */
const local: ReadonlySet<string> = new Set(['prometheus', 'envoyFileAccessLog'])

/** Providers that every mesh has. Istio: pkg/config/mesh/mesh.go (DefaultMeshConfig). */
const builtIn: ReadonlyMap<string, Recipient> = new Map([
  ['prometheus', { where: 'proxy' }],
  ['envoy', { where: 'proxy' }],
  ['stackdriver', { where: 'vendor', vendor: 'Google Cloud' }],
])

/**
 * Returns to whom a provider of that name hands data: as the `extensionProviders` of the mesh configurations in the
 * inventory say, each of them where there are several, else as Istio has it built in. Empty where nothing says it, or what
 * says it cannot be read. Istio: pkg/config/mesh/mesh.go (ApplyMeshConfig: a provider replaces the built-in one of its
 * name); istio.io/api mesh/v1alpha1/config.proto (ExtensionProvider).
 */
export function recipientsOf(name: string, facts: Facts, inventory: Inventory): readonly Recipient[] {
  const found: Recipient[] = []
  for (const configMap of meshConfigMaps(facts, inventory)) {
    const read = readMeshConfigMap(configMap)
    if (!read.ok) return []
    const provider = list(read.value.fields.get('extensionProviders')).findLast(
      (entry): entry is Fields => field(entry, 'name') === name,
    )
    const recipient = provider === undefined ? builtIn.get(name) : readRecipient(provider)
    if (recipient === undefined) return []
    found.push(recipient)
  }
  const known = found.length === 0 ? builtIn.get(name) : undefined
  return known === undefined ? found : [known]
}

function readRecipient(provider: Fields): Recipient | undefined {
  const kind = Object.keys(provider).find(key => key !== 'name')
  if (kind === undefined) return undefined
  if (local.has(kind)) return { where: 'proxy' }
  if (kind === 'stackdriver') return { where: 'vendor', vendor: 'Google Cloud' }
  const service = text(field(provider[kind], 'service'))
  // `[namespace/]host`
  const host = service === undefined ? undefined : parseHost(service.slice(service.indexOf('/') + 1))
  if (host === undefined || !host.ok) return undefined
  const port = field(provider[kind], 'port')
  return { where: 'host', host: host.value.text, port: typeof port === 'number' ? port : undefined }
}

/** What is to be said of a provider that an object names. */
export type ProviderVerdict =
  | { readonly is: 'fine' }
  /** Nothing says where it leads. */
  | { readonly is: 'unknown' }
  /** It leads to a place that the policy does not name; `where` says to whom. */
  | { readonly is: 'unlisted' | 'outside'; readonly where: string; readonly host?: string; readonly port?: number }

/**
 * Judges a provider against the policy's list of them. One that the list names must lead where the list says, if it says
 * so; of the others, those that connect to nobody are fine, and where the policy has no list, those within the cluster.
 */
export function judgeProvider(
  name: string,
  listed: readonly Provider[] | undefined,
  facts: Facts,
  inventory: Inventory,
): ProviderVerdict {
  const recipients = recipientsOf(name, facts, inventory)
  const named = listed?.filter(provider => provider.name === name) ?? []
  if (named.some(provider => provider.service === undefined)) return { is: 'fine' }
  if (recipients.length === 0) return { is: named.length > 0 ? 'fine' : 'unknown' }
  for (const recipient of recipients) {
    if (recipient.where === 'proxy') continue
    if (recipient.where === 'vendor') return { is: 'outside', where: recipient.vendor }
    const { host, port } = recipient
    if (named.some(provider => provider.service === host)) continue
    const inCluster = isClusterHost(host, facts.mesh.clusterDomain) || facts.internalHosts.covering(host).length > 0
    if (inCluster && listed === undefined) continue
    const at = port === undefined ? { host } : { host, port }
    return { is: inCluster ? 'unlisted' : 'outside', where: `"${host}"`, ...at }
  }
  return { is: 'fine' }
}
