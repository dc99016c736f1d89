import { isApprovedFor, isInternalHost, outsideHost } from '../../core/outside.ts'
import type { Subject } from '../../core/rule.ts'
import { covers, parseHost } from '../../istio/host.ts'
import { dig, type Fields, field, isFields, list, text } from '../../istio/json.ts'
import { type Destination, type Settings, settingsOf } from './place.ts'
import type { Judge } from './rule.ts'
import { judgeTunnel } from './tunnel.ts'

/** What settings are judged with. */
export interface Scene {
  readonly destination: Destination
  readonly subject: Subject
  readonly tools: Judge
}

/** Judges the settings of a DestinationRule, at each of their places. */
export function judgeSettings(destination: Destination, subject: Subject, tools: Judge): void {
  const scene = { destination, subject, tools }
  for (const settings of settingsOf(subject.object)) {
    judgePassthrough(settings, destination, tools)
    judgeLocality(settings, destination, tools)
    judgeTunnel(settings, scene)
    judgeTls(settings, scene)
  }
}

/** Judges what makes a Service of a namespace outside the policy lead its clients on, wherever those are. */
export function judgeRelay(destination: Destination, subject: Subject, tools: Judge): void {
  for (const settings of settingsOf(subject.object)) {
    judgePassthrough(settings, destination, tools)
    judgeTunnel(settings, { destination, subject, tools })
  }
}

function judgePassthrough({ path, policy }: Settings, { host }: Destination, tools: Judge): void {
  if (dig(policy, 'loadBalancer', 'simple') === 'PASSTHROUGH') {
    tools.report('passthrough', { path: [...path, 'loadBalancer', 'simple'], value: `PASSTHROUGH for ${host}` })
  }
}

function judgeLocality({ path, policy }: Settings, { host }: Destination, tools: Judge): void {
  const setting = dig(policy, 'loadBalancer', 'localityLbSetting')
  const shifts = ['distribute', 'failover', 'failoverPriority'].filter(key => list(field(setting, key)).length > 0)
  if (shifts.length === 0 || !hasOwnEndpoints(host, tools)) return
  const at = { path: [...path, 'loadBalancer', 'localityLbSetting'], value: `${shifts.join(', ')} for ${host}` }
  tools.report('locality', { ...at, slots: { host } })
}

/** Hosts that a ServiceEntry gives several endpoints, by the list of them, the same while nothing changes. */
const placedHosts = new WeakMap<readonly Fields[], readonly string[]>()

/** Whether a ServiceEntry says itself where a host's endpoints are, so that there are some to choose from. */
function hasOwnEndpoints(host: string, tools: Judge): boolean {
  const entries = tools.inventory.list('ServiceEntry.networking.istio.io')
  let hosts = placedHosts.get(entries)
  if (hosts === undefined) {
    hosts = entries.flatMap(entry => {
      const spec = field(entry, 'spec')
      const placed = list(field(spec, 'endpoints')).length > 1 || isFields(field(spec, 'workloadSelector'))
      return placed ? list(field(spec, 'hosts')).filter(name => typeof name === 'string') : []
    })
    placedHosts.set(entries, hosts)
  }
  return hosts.some(name => covers(host, name))
}

/**
 * Judges TLS towards the egress gateway and towards hosts outside. Without a mode it is DISABLE, the first of its enum.
 * Istio verifies a server's certificate by itself, with the authorities of the system, and compares its name unless `sni`
 * is given: pilot/pkg/networking/core/cluster_tls.go (setAutoSniAndAutoSanValidation).
 */
function judgeTls({ path, policy }: Settings, { destination, subject, tools }: Scene): void {
  const tls = field(policy, 'tls')
  if (!isFields(tls)) return
  const { host, gateway, isOutside } = destination
  const at = [...path, 'tls']
  const mode = text(field(tls, 'mode')) ?? 'DISABLE'
  if (gateway !== undefined && (mode === 'DISABLE' || mode === 'SIMPLE')) {
    const slots = { mode, gateway: gateway.name }
    tools.report('gateway-tls', { path: [...at, 'mode'], value: `${mode} for ${host}`, slots })
  }
  if (mode === 'DISABLE') return
  const isUnverified = field(tls, 'insecureSkipVerify') === true
  if (isUnverified && (isOutside || gateway !== undefined)) {
    tools.report('unverified', { path: [...at, 'insecureSkipVerify'], value: `true for ${host}`, slots: { host } })
  }
  const sni = text(field(tls, 'sni')) ?? ''
  if (sni === '' || !isOutside) return
  const place = { path: [...at, 'sni'], value: `${sni} for ${host}` }
  if (!isOwnName(sni, host) && !mayAsk(sni, subject, tools)) {
    const whose = subject.namespaceClass === 'platform' ? '' : ` for namespace "${subject.ref.namespace}"`
    tools.report('fronting', { ...place, slots: { host, sni, whose } })
  } else if (mode !== 'ISTIO_MUTUAL' && list(field(tls, 'subjectAltNames')).length === 0 && !isUnverified) {
    tools.report('name-unchecked', { ...place, slots: { host } })
  }
}

function isOwnName(sni: string, host: string): boolean {
  const parsed = parseHost(sni)
  return parsed.ok && parsed.value.text === host
}

function mayAsk(sni: string, subject: Subject, tools: Judge): boolean {
  const parsed = parseHost(sni)
  if (!parsed.ok) return false
  const outside = outsideHost(parsed.value, tools)
  return outside === undefined || isApprovedFor(outside, subject, tools) || isInternalHost(outside, tools)
}
