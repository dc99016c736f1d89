import packageJson from '../../package.json' with { type: 'json' }
import { differences } from '../core/mesh.ts'
import {
  type Credentials,
  checkPair,
  type DevelopmentCredentials,
  developmentCredentials,
  developmentFolder,
} from '../http/certificate.ts'
import { createDecisionLog, type Log, logField } from '../http/log.ts'
import { createMetrics } from '../http/metrics.ts'
import { type Endpoint, type RunningServer, startServer } from '../http/server.ts'
import { InputError, loadInventoryPaths, loadPolicyPaths, readTexts } from './input.ts'
import type { ServeFlags } from './serve.ts'

/** Starts what the flags say and logs one line about it. Throws an InputError with everything that is wrong with them. */
export async function serve(flags: ServeFlags, log: Log): Promise<RunningServer> {
  const settings = readSettings(flags)
  const now = (): number => flags.now ?? Date.now()
  const credentials = await readCredentials(flags, Date.now())
  const { policy, notices } = loadPolicyPaths(flags.policy, now())
  const bench = { policy, inventory: loadInventoryPaths(flags.inventory) }
  const metrics = createMetrics(packageJson.version)
  metrics.policy(policy)
  metrics.certificate(credentials.notAfter)
  for (const notice of [...notices, ...differences(policy.facts, bench.inventory)]) log.warn(notice)

  const { key, cert } = credentials
  const decisions = createDecisionLog(log, settings.allowSample)
  const options = { key, cert, bench: () => bench, ready: () => true, now, log, decisions, metrics }
  const server = await listen(() => startServer(options, settings))
  log.info(
    {
      [logField.listen]: `https://${shown(server.admission)}`,
      [logField.metricsListen]: `http://${shown(server.probes)}`,
      ...('caPath' in credentials ? { [logField.ca]: credentials.caPath } : {}),
      [logField.policy]: policy.name,
      [logField.revision]: policy.revision,
      [logField.ruleCount]: policy.rules.length,
      [logField.approvedHosts]: policy.facts.approvedHosts.size,
      [logField.mutating]: false,
    },
    'listening',
  )
  return server
}

interface Settings {
  readonly admission: Endpoint
  readonly probes: Endpoint
  readonly allowSample: number
}

function readSettings(flags: ServeFlags): Settings {
  const wrong: string[] = []
  const endpoint = (flag: string, value: string): Endpoint => {
    const found = parseEndpoint(value)
    if (found === undefined) wrong.push(`${flag}: "${value}" is no host:port, such as 127.0.0.1:9443 or [::1]:9443`)
    return found ?? { host: '', port: 0 }
  }
  const settings = {
    admission: endpoint('--listen', flags.listen),
    probes: endpoint('--metrics-listen', flags.metricsListen),
    allowSample: Number(flags.allowSample || Number.NaN),
  }
  if (!(settings.allowSample >= 0 && settings.allowSample <= 1)) {
    wrong.push(`--allow-sample: "${flags.allowSample}" is no share from 0 to 1, such as 0.01`)
  }
  if ((flags.cert === undefined) !== (flags.key === undefined)) wrong.push('--cert and --key go together: give both')
  if (wrong.length > 0) throw new InputError(wrong)
  return settings
}

const hostPort = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/

function parseEndpoint(text: string): Endpoint | undefined {
  const [, v6, name, digits] = hostPort.exec(text) ?? []
  const host = v6 ?? name
  const port = Number(digits)
  return host === undefined || port > 65535 ? undefined : { host, port }
}

function shown({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

async function readCredentials(flags: ServeFlags, now: number): Promise<Credentials | DevelopmentCredentials> {
  const { cert, key } = flags
  if (cert === undefined || key === undefined) return developmentCredentials(developmentFolder(process.env), now)
  const [certText = '', keyText = ''] = [cert, key].map(path => readTexts([path])[0]?.text)
  const pair = checkPair(certText, keyText, now)
  if (!pair.ok) throw new InputError([`--cert ${cert} --key ${key}: ${pair.why}`])
  return pair.value
}

/** Codes of `listen` for which the flags are to blame. */
const addressFaults: Readonly<Record<string, string>> = {
  EADDRINUSE: 'something listens there already',
  EADDRNOTAVAIL: 'is no address of this machine',
  EACCES: 'may not be listened on',
  ENOTFOUND: 'is no known host',
}

async function listen(start: () => Promise<RunningServer>): Promise<RunningServer> {
  try {
    return await start()
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    const fault = addressFaults[code]
    if (fault === undefined) throw cause
    throw new InputError([`${cause instanceof Error ? cause.message : code}: ${fault}`])
  }
}
