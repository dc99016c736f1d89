import type { HeldSettings } from '../../core/proxysettings.ts'
import { show } from '../../core/text.ts'
import type { ProxySetting } from '../../istio/proxyconfig.ts'
import { judgeDiscovery } from './discovery.ts'
import type { Judge } from './message.ts'
import { isSink, judgeSink } from './sink.ts'
import { judgeVariable } from './variable.ts'

/**
 * Settings that change neither where a proxy gets its configuration nor where data goes, by name from the top; whatever is
 * below goes with them. Removed ones, which old configurations still have, are among them.
 *
 * Istio: istio.io/api mesh/v1alpha1/proxy.proto.
 */
const harmless: ReadonlySet<string> = new Set([
  'availabilityZone',
  'concurrency',
  'connectTimeout',
  'connectionSettings',
  'discoveryRefreshDelay',
  'drainDuration',
  'extraStatTags',
  'fileFlushInterval',
  'fileFlushMinSizeKb',
  'gatewayTopology',
  'holdApplicationUntilProxyStarts',
  'meshId',
  'parentShutdownDuration',
  'privateKeyProvider',
  'proxyAdminPort',
  'proxyHeaders',
  'proxyStatsMatcher',
  'runtimeValues.overload.global_downstream_max_connections',
  'serviceCluster',
  'statNameLength',
  'statsCompression',
  'statusPort',
  'terminationDrainDuration',
  'tracing.customTags',
  'tracing.enableIstioTags',
  'tracing.lightstep.accessToken',
  'tracing.maxPathTagLength',
  'tracing.openCensusAgent.context',
  'tracing.sampling',
  'tracingServiceName',
])

/** Settings that are harmless with some values: those that Istio's own default or older installations of it have. */
const harmlessValues: ReadonlyMap<string, readonly string[]> = new Map([
  ['binaryPath', ['', '/usr/local/bin/envoy']],
  ['configPath', ['', './etc/istio/proxy', '/etc/istio/proxy']],
  ['controlPlaneAuthPolicy', ['MUTUAL_TLS']],
  ['sds.enabled', ['true', 'false']],
])

/** What a setting does that is not harmless. */
const consequences: ReadonlyMap<string, string> = new Map([
  ['binaryPath', 'it names the program that runs'],
  ['caCertificatesPem', 'it says whose certificates the proxy believes'],
  ['configPath', 'it says where the proxy’s own files are'],
  ['controlPlaneAuthPolicy', 'the proxy no longer asks whether it speaks to the real control plane'],
  ['customConfigFile', 'a file takes the place of the bootstrap'],
  ['interceptionMode', 'nothing redirects traffic to the proxies'],
  ['proxyBootstrapTemplatePath', 'a file takes the place of the bootstrap'],
  ['readinessProbe', 'the proxy runs commands, or connects, for its author'],
  ['runtimeValues', 'it switches parts of Envoy'],
  // The template mounts a Secret of the pod's namespace there. Istio: files/injection-template.yaml (lightstep-certs).
  ['tracing.tlsSettings', 'it says at which path something is mounted into the proxy'],
])

/** Judges the settings that an object holds in one place. */
export function judgeSettings({ settings, of, at }: HeldSettings, namespace: string, tools: Judge): void {
  for (const setting of settings) {
    const [top] = setting.path
    if (top === 'proxyMetadata') judgeVariable(setting, of, at(setting), tools)
    else if (top === 'discoveryAddress') judgeDiscovery(setting.value, of, at(setting), tools)
    else if (isSink(setting.path)) judgeSink(setting, of, { path: at(setting), namespace }, tools)
    else if (!isHarmless(setting, of, tools)) reportSetting(setting, of, at(setting), tools)
  }
}

function isHarmless({ path, value }: ProxySetting, of: HeldSettings['of'], tools: Judge): boolean {
  const [top] = path
  // The image is of require-proxy-image, the mode of a pod of no-capture-bypass.
  if (top === 'image') return true
  if (top === 'interceptionMode') return of === 'pod' || show(value) !== 'NONE'
  // Whoever runs the mesh chooses the parts of Envoy that its version needs, and where its tracer’s certificates are.
  if (of === 'mesh' && (top === 'runtimeValues' || (top === 'tracing' && path[1] === 'tlsSettings'))) return true
  if (isEmpty(value)) return true
  let name = ''
  for (const segment of path) {
    name = name === '' ? segment : `${name}.${segment}`
    if (harmless.has(name) || tools.params.settings.includes(name)) return true
  }
  return harmlessValues.get(name)?.includes(show(value)) === true
}

/** An empty text, list or block sets nothing. */
function isEmpty(value: unknown): boolean {
  if (value === '' || (Array.isArray(value) && value.length === 0)) return true
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

function reportSetting(setting: ProxySetting, of: HeldSettings['of'], path: HeldPath, tools: Judge): void {
  const [top = ''] = setting.path
  const name = setting.path.join('.')
  const whose = of === 'mesh' ? 'every proxy of the mesh' : 'the proxy'
  const known = consequences.get(setting.path.slice(0, 2).join('.')) ?? consequences.get(top)
  const consequence = known ?? 'what it does is not known'
  tools.report('proxy-setting', { path, value: `${name}: ${show(setting.value)}`, slots: { name, whose, consequence } })
}

type HeldPath = ReturnType<HeldSettings['at']>
