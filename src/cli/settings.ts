import { isIP } from 'node:net'
import type { Endpoint } from '../http/running.ts'
import { InputError } from './input.ts'
import type { ServeFlags } from './serve.ts'

/** What the flags say, read. */
export interface Settings {
  readonly admission: Endpoint
  readonly probes: Endpoint
  readonly allowSample: number
  readonly shutdownDelay: number
}

/** Seconds; load balancers outside of the cluster can take minutes. */
const longestDelay = 300

/** Reads the flags. Throws an InputError with everything that is wrong with them. */
export function readSettings(flags: ServeFlags): Settings {
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
  if (wrong.length > 0) throw new InputError(wrong)
  return { ...settings, shutdownDelay: settings.shutdownDelay * 1000 }
}

const hostName =
  /^(?=.{1,253}$)[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?)*$/

const hostPort = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/

function parseEndpoint(text: string): Endpoint | undefined {
  const [, v6, name, digits] = hostPort.exec(text) ?? []
  const host = v6 ?? name
  const port = Number(digits)
  return host === undefined || port > 65535 ? undefined : { host, port }
}
