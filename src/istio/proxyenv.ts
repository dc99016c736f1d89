import { dig, field, text } from './json.ts'
import { proxyContainerName } from './workload.ts'

/** Variables that the template takes from the pod, by the field. */
const fieldVariables: ReadonlyMap<string, string> = new Map([
  ['POD_NAME', 'metadata.name'],
  ['POD_NAMESPACE', 'metadata.namespace'],
  ['INSTANCE_IP', 'status.podIP'],
  ['SERVICE_ACCOUNT', 'spec.serviceAccountName'],
  ['HOST_IP', 'status.hostIP'],
  ['ISTIO_META_NODE_NAME', 'spec.nodeName'],
  ['ISTIO_META_SERVICE_ACCOUNT', 'spec.serviceAccountName'],
])

/** Variables that the template takes from the limits of the proxy. */
const limitVariables: ReadonlySet<string> = new Set(['ISTIO_CPU_LIMIT', 'GOMEMLIMIT', 'GOMAXPROCS'])

/** Variables that the template gives a value, and those that the injector adds after it. */
const valueVariables: ReadonlySet<string> = new Set([
  'CA_ADDR',
  'COMPLIANCE_POLICY',
  'GODEBUG',
  'ISTIO_KUBE_APP_PROBERS',
  'ISTIO_META_APP_CONTAINERS',
  'ISTIO_META_CLUSTER_ID',
  'ISTIO_META_INTERCEPTION_MODE',
  'ISTIO_META_MESH_ID',
  'ISTIO_META_NETWORK',
  'ISTIO_META_OWNER',
  'ISTIO_META_POD_PORTS',
  'ISTIO_META_WORKLOAD_NAME',
  'ISTIO_PROMETHEUS_ANNOTATIONS',
  'JWT_POLICY',
  'PILOT_CERT_PROVIDER',
  'PROXY_CONFIG',
  'REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION',
  'TRUST_DOMAIN',
])

/** Beginnings of the names that Istio's agent, Envoy and the loader of programs read; what is called otherwise they do not. */
const readPrefixes = [
  'CA_',
  'CREDENTIAL_',
  'DNS_',
  'ENVOY_',
  'FILE_MOUNTED_CERTS',
  'GODEBUG',
  'GRPC_',
  'ISTIO',
  'JWT_',
  'LD_',
  'OUTPUT_CERTS',
  'PILOT_',
  'PROV_CERT',
  'PROXY_',
  'TRUST_DOMAIN',
  'WASM_',
  'WORKLOAD_IDENTITY_',
  'XDS_',
] as const

/**
 * Returns true for a variable of an injected container that changes what its program does and that neither the template
 * writes there, nor `proxyMetadata`, which the template writes into the proxy and into its init container with the same
 * value. So it is of the pod's author, or of a template of the organisation; what is of no meaning to the program is not
 * asked about.
 *
 *     variable                         of the other container           answer
 *     POD_NAME, from metadata.name     any                              false, in the proxy
 *     POD_NAME, a value                any                              true, in the proxy
 *     CA_ADDR, a value                 any                              false, in the proxy: it may be the installation's
 *     CA_ADDR, from a ConfigMap        any                              true
 *     ISTIO_META_DNS_CAPTURE=true      ISTIO_META_DNS_CAPTURE=true      false
 *     ISTIO_META_DNS_CAPTURE=false     (none)                           true
 *     AWS_ROLE_ARN                     (none)                           false
 *
 * Istio: istio-discovery chart, files/injection-template.yaml (env); pkg/kube/inject/webhook.go (applyRewrite,
 * applyPrometheusMerge); pilot/cmd/pilot-agent/options/options.go.
 */
export function isForeignVariable(
  container: string,
  entry: unknown,
  ofOther: () => ReadonlyMap<string, string | undefined>,
): boolean {
  const name = text(field(entry, 'name')) ?? ''
  const value = field(entry, 'valueFrom') === undefined ? (text(field(entry, 'value')) ?? '') : undefined
  if (container === proxyContainerName) {
    const fieldPath = fieldVariables.get(name)
    if (fieldPath !== undefined) return dig(entry, 'valueFrom', 'fieldRef', 'fieldPath') !== fieldPath
    if (limitVariables.has(name)) return false
    if (valueVariables.has(name)) return value === undefined
  }
  if (!readPrefixes.some(prefix => name.startsWith(prefix))) return false
  return value === undefined || ofOther().get(name) !== value
}
