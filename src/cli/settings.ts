import { isIP } from 'node:net'
import type { Endpoint } from '../http/running.ts'
import { InputError } from './input.ts'
import type { ClusterFlags, ServeFlags } from './serve.ts'

/** What the flags say, read. */
export interface Settings {
  readonly admission: Endpoint
  readonly probes: Endpoint
  readonly allowSample: number
  readonly shutdownDelay: number
}

/** What the flags say about a cluster, read. */
export interface ClusterSettings extends Settings {
  readonly namespace: string
  readonly pod: string
  readonly service: string
  readonly tlsSecret: string
  readonly lease: string
  /** Names of the webhook configurations. */
  readonly validating: string
  /** Undefined where pods are left as they are. */
  readonly mutating: string | undefined
  /** ConfigMaps of the guard's own namespace, in the order in which they merge. */
  readonly policyConfigMaps: readonly string[]
  readonly watchedConfigMaps: readonly { readonly namespace: string; readonly name: string }[]
  /** Milliseconds. */
  readonly staleLimit: number
}

/** Seconds; a day without the API server is none that a replica waits for. */
const longestStaleness = 86_400

/** Seconds; load balancers outside of the cluster can take minutes. */
const longestDelay = 300

/** Reads the flags. Throws an InputError with everything that is wrong with them. */
export function readSettings(flags: ServeFlags): Settings {
  const { settings, wrong } = read(flags)
  if (wrong.length > 0) throw new InputError(wrong)
  return settings
}

/** Reads the flags of a guard in a cluster. Throws an InputError with everything that is wrong with them. */
export function readClusterSettings(flags: ServeFlags): ClusterSettings {
  const { settings, wrong } = read(flags)
  const needed = (flag: keyof ClusterFlags, shown: string): string => {
    const value = flags[flag]
    if (typeof value === 'string' && objectName.test(value)) return value
    wrong.push(value === undefined ? `${shown}: --cluster needs it` : `${shown}: "${value}" is no name of an object`)
    return ''
  }
  const { policyConfigmap = [], watchConfigmap = [], staleLimit = '900' } = flags
  for (const name of policyConfigmap) {
    if (!objectName.test(name)) wrong.push(`--policy-configmap: "${name}" is no name of an object`)
  }
  const watchedConfigMaps = watchConfigmap.map(place => {
    const [namespace = '', name = '', ...more] = place.split('/')
    if (more.length > 0 || !objectName.test(namespace) || !objectName.test(name))
      wrong.push(`--watch-configmap: "${place}" is no namespace/name, such as istio-system/istio`)
    return { namespace, name }
  })
  const limit = Number(staleLimit.trim() || Number.NaN)
  if (!(limit >= 60 && limit <= longestStaleness))
    wrong.push(`--stale-limit: "${staleLimit}" is no number of seconds from 60 to ${longestStaleness}`)
  for (const flag of ['policy', 'inventory'] as const) {
    if (flags[flag].length > 0) wrong.push(`--${flag}: with --cluster it comes from the cluster`)
  }
  if (flags.cert !== undefined) wrong.push('--cert: with --cluster the certificate comes from --tls-secret')
  const found = {
    ...settings,
    namespace: needed('namespace', '--namespace'),
    pod: needed('pod', '--pod'),
    service: needed('service', '--service'),
    tlsSecret: needed('tlsSecret', '--tls-secret'),
    lease: needed('lease', '--lease'),
    validating: needed('validating', '--validating'),
    mutating: flags.mutating === undefined ? undefined : needed('mutating', '--mutating'),
    policyConfigMaps: policyConfigmap,
    watchedConfigMaps,
    staleLimit: limit * 1000,
  }
  if (wrong.length > 0) throw new InputError(wrong)
  return found
}

function read(flags: ServeFlags): { readonly settings: Settings; readonly wrong: string[] } {
  const wrong: string[] = []
  const endpoint = (flag: string, value: string): Endpoint => {
    const found = parseEndpoint(value)
    if (found === undefined) wrong.push(`${flag}: "${value}" is no host:port, such as 127.0.0.1:9443 or [::1]:9443`)
    return found ?? { host: '', port: 0 }
  }
  const number = (flag: string, value: string, limit: number, what: string): number => {
    const found = Number(value.trim() || Number.NaN)
    if (!(found >= 0 && found <= limit)) wrong.push(`${flag}: "${value}" is no ${what}`)
    return found
  }
  const settings = {
    admission: endpoint('--listen', flags.listen),
    probes: endpoint('--metrics-listen', flags.metricsListen),
    allowSample: number('--allow-sample', flags.allowSample, 1, 'share from 0 to 1, such as 0.01'),
    shutdownDelay: number(
      '--shutdown-delay',
      flags.shutdownDelay,
      longestDelay,
      `number of seconds from 0 to ${longestDelay}`,
    ),
  }
  if ((flags.cert === undefined) !== (flags.key === undefined)) wrong.push('--cert and --key go together: give both')
  for (const flag of ['cert', 'key', 'clientCa'] as const) {
    // Files are read again and again, standard input only once.
    if (flags[flag] === '-')
      wrong.push(`--${flag === 'clientCa' ? 'client-ca' : flag}: give a file, not standard input`)
  }
  const { serverName } = flags
  if (serverName !== undefined && isIP(serverName) === 0 && !hostName.test(serverName)) {
    wrong.push(`--server-name: "${serverName}" is no name or address, such as guard.sallyport-system.svc`)
  }
  return { settings: { ...settings, shutdownDelay: settings.shutdownDelay * 1000 }, wrong }
}

/** As Kubernetes names objects: a DNS subdomain. */
const objectName = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

const hostName =
  /^(?=.{1,253}$)[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?)*$/

const hostPort = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/

function parseEndpoint(text: string): Endpoint | undefined {
  const [, v6, name, digits] = hostPort.exec(text) ?? []
  const host = v6 ?? name
  const port = Number(digits)
  return host === undefined || port > 65535 ? undefined : { host, port }
}
