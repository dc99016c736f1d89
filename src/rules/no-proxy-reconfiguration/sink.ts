import type { Path } from '../../core/path.ts'
import { placeOf } from '../../core/place.ts'
import type { HeldSettings } from '../../core/proxysettings.ts'
import { show } from '../../core/text.ts'
import { parseHost } from '../../istio/host.ts'
import type { ProxySetting } from '../../istio/proxyconfig.ts'
import type { Judge } from './message.ts'

/** Settings that name where telemetry goes. */
const sinks: ReadonlySet<string> = new Set([
  'envoyAccessLogService.address',
  'envoyMetricsService.address',
  'envoyMetricsServiceAddress',
  'statsdUdpAddress',
  'tracing.datadog.address',
  'tracing.lightstep.address',
  'tracing.openCensusAgent.address',
  'tracing.zipkin.address',
  'zipkinAddress',
])

/** Blocks about how a sink is spoken to, and the tracer that has no address: it is Google's service. */
const blocks = ['envoyAccessLogService', 'envoyMetricsService', 'tracing.stackdriver'] as const

/** Returns true for settings of where the proxy hands data of requests to. */
export function isSink(path: readonly string[]): boolean {
  const name = path.join('.')
  return sinks.has(name) || blocks.some(block => name === block || name.startsWith(`${block}.`))
}

/** Judges where telemetry goes: an address in the cluster, or one that the policy names, is fine. */
export function judgeSink(
  { path: names, value }: ProxySetting,
  of: HeldSettings['of'],
  where: { readonly path: Path; readonly namespace: string },
  tools: Judge,
): void {
  const name = names.join('.')
  const top = String(names[0])
  if ([top, name].some(accepted => tools.params.settings.includes(accepted))) return
  const { path } = where
  if (name.startsWith('tracing.stackdriver')) {
    // With other fields of it in the object, it is said once of each: a list of what is to be removed.
    tools.report('telemetry-sink', { path, value: name, slots: { name, outside: ', a service of the cloud' } })
    return
  }
  if (!sinks.has(name) || value === '') return
  const address = show(value)
  const host = hostOf(address)
  // The address of the pod's node stands for its agent there.
  if (host === '$(HOST_IP)') return
  const parsed = parseHost(host)
  if (!parsed.ok) {
    tools.report('telemetry-sink', { path, value: address, slots: { name, outside: `, whose host ${parsed.why}` } })
    return
  }
  if (tools.facts.telemetryProviders?.some(({ service }) => service === parsed.value.text)) return
  const place = placeOf(parsed.value, of === 'mesh' ? '' : where.namespace, tools)
  if (place === 'outside') {
    tools.report('telemetry-sink', { path, value: address, slots: { name, outside: ', outside the cluster' } })
  } else if (typeof place === 'object') tools.notJudged(path, place.unknown, place.fix)
}

/** Returns the host of `host:port` and `[address]:port`. */
function hostOf(address: string): string {
  const bracketed = /^\[([^\]]*)\]/.exec(address)?.[1]
  return bracketed ?? address.replace(/:[^:]*$/, '')
}
