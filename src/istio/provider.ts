import { dig, field, isFields, list, text } from './json.ts'

/** What an extension provider is for, which says who may be one. */
export type ProviderUse = 'authorizer' | 'telemetry' | 'secrets'

/** Where an extension provider sends data of requests. */
export interface ProviderTarget {
  /** Name by which others refer to the provider. */
  readonly name: string
  /** Kind of the provider, as its field is named. */
  readonly kind: string
  readonly use: ProviderUse
  /** The host, without the namespace before it; undefined for a service of the vendor’s that has no host here. */
  readonly host: string | undefined
}

/** A kind of provider: what it is for, and the fields that hold services; `vendor` says that it knows its own. */
interface ProviderKind {
  readonly use: ProviderUse
  readonly services: readonly (readonly string[])[]
  readonly vendor?: true
}

const telemetry: ProviderKind = { use: 'telemetry', services: [['service']] }
const authorizer: ProviderKind = { use: 'authorizer', services: [['service']] }
const nowhere: ProviderKind = { use: 'telemetry', services: [] }

/** Every kind of provider. istio.io/api mesh/v1alpha1/config.proto (MeshConfig.ExtensionProvider). */
const kinds: ReadonlyMap<string, ProviderKind> = new Map([
  ['envoyExtAuthzHttp', authorizer],
  ['envoyExtAuthzGrpc', authorizer],
  ['zipkin', telemetry],
  ['lightstep', telemetry],
  ['datadog', telemetry],
  ['stackdriver', { use: 'telemetry', services: [], vendor: true }],
  ['opencensus', telemetry],
  ['skywalking', telemetry],
  ['opentelemetry', { use: 'telemetry', services: [['service'], ['dynatraceSampler', 'httpService', 'service']] }],
  ['prometheus', nowhere],
  ['envoyFileAccessLog', nowhere],
  ['envoyHttpAls', telemetry],
  ['envoyTcpAls', telemetry],
  ['envoyOtelAls', telemetry],
  ['sds', { use: 'secrets', services: [['service']] }],
])

/**
 * Yields where the extension providers of a mesh configuration send data, its names folded as `readMeshConfig` does. A
 * service is a host of the registry, maybe with its namespace before a slash. A kind that is not known is yielded without
 * a host: what it does is not known either.
 *
 * Istio: pilot/pkg/model/telemetry_logging.go (LookupCluster).
 */
export function* providerTargets(providers: unknown): Generator<ProviderTarget> {
  for (const provider of list(providers)) {
    if (!isFields(provider)) continue
    const name = text(field(provider, 'name')) ?? ''
    for (const key of Object.keys(provider)) {
      const given = field(provider, key)
      if (key === 'name' || given === null) continue
      const kind = kinds.get(key)
      if (kind === undefined || kind.vendor === true) {
        yield { name, kind: key, use: 'telemetry', host: undefined }
        continue
      }
      for (const path of kind.services) {
        const service = text(dig(given, ...path))
        if (service) yield { name, kind: key, use: kind.use, host: hostOf(service) }
      }
    }
  }
}

function hostOf(service: string): string {
  const parts = service.split('/')
  return parts.length === 2 ? String(parts[1]) : service
}
