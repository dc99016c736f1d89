import type { Path } from '../../core/path.ts'
import type { HeldSettings } from '../../core/proxysettings.ts'
import { show } from '../../core/text.ts'
import { parseGoBool } from '../../istio/injection.ts'
import type { ProxySetting } from '../../istio/proxyconfig.ts'
import type { Judge } from './message.ts'

/**
 * Variables that change nothing about where a proxy gets its configuration and identity, or what is captured. They are what
 * Istio documents for users: DNS, draining, keys and certificates, old HTTP.
 *
 * Istio: pilot/cmd/pilot-agent/options/options.go; pkg/bootstrap/config.go; tools/istio-iptables/pkg/cmd/root.go.
 */
export const harmlessVariables: ReadonlySet<string> = new Set([
  'BOOTSTRAP_XDS_AGENT',
  'DNS_FORWARD_PARALLEL',
  'DNS_FORWARD_TIMEOUT',
  'ECC_CURVE',
  'ECC_SIGNATURE_ALGORITHM',
  'ENABLE_PROBE_KEEPALIVE_CONNECTIONS',
  'ENVOY_SKIP_DEPRECATED_LOGS',
  'EXIT_ON_ZERO_ACTIVE_CONNECTIONS',
  'FILE_DEBOUNCE_DURATION',
  'ISTIO_DUAL_STACK',
  'ISTIO_ENABLE_HTTP2_PROBING',
  'ISTIO_META_CERT_SIGNER',
  'ISTIO_META_DNS_AUTO_ALLOCATE',
  'ISTIO_META_DNS_CAPTURE',
  'ISTIO_META_ENABLE_HBONE',
  'ISTIO_META_ENABLE_SELF_DISCOVERY',
  'ISTIO_META_GLOBAL_DOWNSTREAM_MAX_CONNECTIONS',
  'ISTIO_META_HTTP10',
  'ISTIO_META_IDLE_TIMEOUT',
  'MINIMUM_DRAIN_DURATION',
  'PEER_METADATA_DISCOVERY',
  'PKCS8_KEY',
  'PROXY_CONFIG_XDS_AGENT',
  'SECRET_GRACE_PERIOD_RATIO',
  'SECRET_GRACE_PERIOD_RATIO_JITTER',
  'SECRET_TTL',
  'WASM_HTTP_REQUEST_MAX_RETRIES',
  'WASM_HTTP_REQUEST_TIMEOUT',
  'WASM_MODULE_EXPIRY',
  'WASM_PURGE_INTERVAL',
  'WORKLOAD_RSA_KEY_SIZE',
])

/** What those do that are known to do harm. */
const consequences: readonly (readonly [names: RegExp, consequence: string])[] = [
  [
    /^(?:DRY_RUN|SKIP_RULE_APPLY|CLEANUP_ONLY|DISABLE_ENVOY|NETWORK_NAMESPACE|FORCE_IPTABLES_BINARY)$/,
    'can keep it from redirecting anything',
  ],
  [
    /^(?:PROXY_[GU]ID|ENVOY_USER|ISTIO_OUTBOUND_OWNER_GROUPS(?:_EXCLUDE)?|ISTIO_EXCLUDE_INTERFACES|KUBE_VIRT_INTERFACES|ISTIO_LOCAL_.*|ISTIO_SERVICE_.*)$/,
    'says what is not captured',
  ],
  [/^(?:REDIRECT_DNS|CAPTURE_ALL_DNS|DUAL_STACK)$/, 'says what is captured besides TCP over the first address'],
  [
    /^(?:PROXY_CONFIG|XDS_.*|CA_.*|PILOT_.*|ISTIOD_SAN|ISTIO_BOOTSTRAP.*|GRPC_.*)$/,
    'says whose configuration the proxy takes',
  ],
  [/^IPTABLES_TRACE_LOGGING$/, 'makes the proxy privileged'],
  [/^ISTIO_META/, 'becomes metadata of the proxy, by which it may pass for another'],
  [/^(?:OUTPUT_CERTS|FILE_MOUNTED_CERTS|PROV_CERT|.*CREDENTIAL.*|JWT_POLICY)$/, 'says where the keys of the proxy are'],
]

/** Has the proxy register itself as a WorkloadEntry, in whatever case it is written behind the prefix. */
const registration = 'ISTIO_META_AUTO_REGISTER_GROUP'

/**
 * Judges one variable of `proxyMetadata`, or of a ProxyConfig. That a pod registers itself is for no-false-identity to
 * judge, which knows an empty group from one that counts.
 */
export function judgeVariable(
  { path: names, value }: ProxySetting,
  of: HeldSettings['of'],
  path: Path,
  tools: Judge,
): void {
  const [, name = ''] = names
  if (name === '' || isHarmlessVariable(name, value, tools)) return
  if (of === 'pod' && name.startsWith('ISTIO_META_') && name.toUpperCase() === registration) return
  reportVariable(name, value, path, tools)
}

/** Returns true for a variable that the policy accepts, or that does nothing. */
export function isHarmlessVariable(name: string, value: unknown, tools: Judge): boolean {
  if (harmlessVariables.has(name) || tools.params.variables.includes(name)) return true
  return name === 'DISABLE_ENVOY' && parseGoBool(show(value)) === false
}

/** Reports a variable that is not known to be harmless. */
export function reportVariable(name: string, value: unknown, path: Path, tools: Judge): void {
  const consequence = consequences.find(([pattern]) => pattern.test(name))?.[1] ?? 'what it does there is not known'
  tools.report('proxy-variable', { path, value: `${name}=${show(value)}`, slots: { name, consequence } })
}
