import { isIP } from 'node:net'
import packageJson from '../../package.json' with { type: 'json' }
import { differences } from '../core/mesh.ts'
import type { Bench } from '../http/answer.ts'
import { createDecisionLog, type Log, logField } from '../http/log.ts'
import { watchLoop } from '../http/loop.ts'
import { createMetrics } from '../http/metrics.ts'
import type { ReloadOutcome } from '../http/reload.ts'
import { type Endpoint, type RunningServer, startServer } from '../http/running.ts'
import { firstIdentity, watchIdentity } from './identity.ts'
import { InputError, loadInventoryPaths, loadPolicyPaths } from './input.ts'
import type { ServeFlags } from './serve.ts'

/** A guard that answers reviews. */
export interface Guard extends RunningServer {
  /** Milliseconds after SIGTERM until every node knows that this replica takes no more requests. */
  readonly shutdownDelay: number
  /** Looks at the certificate files now; they are looked at by and by anyway. */
  reload(): ReloadOutcome
}

/** What a guard is given besides its flags. */
export interface Surroundings {
  /** Milliseconds between two looks at the certificate files; a Secret takes a minute or so to reach them anyway. */
  readonly reloadInterval?: number
  /** Returns how many log lines were dropped. */
  readonly droppedLines?: () => number
}

/**
 * Starts what the flags say and logs one line about it. It listens before there is anything to judge with, and is ready
 * afterwards. Throws an InputError with everything that is wrong with the flags.
 */
export async function serve(flags: ServeFlags, log: Log, surroundings: Surroundings = {}): Promise<Guard> {
  const { reloadInterval = 10_000, droppedLines = () => 0 } = surroundings
  const settings = readSettings(flags)
  const now = (): number => flags.now ?? Date.now()
  const first = await firstIdentity(flags, Date.now())
  const loop = watchLoop()
  const metrics = createMetrics(packageJson.version)
  metrics.watch({ delays: loop.delays, stalls: loop.stalls, droppedLines })
  metrics.certificate(first.identity.notAfter, Date.now())

  let bench: Bench | undefined
  const loaded = (): Bench => {
    if (bench === undefined) throw new Error('asked to judge before there is a policy')
    return bench
  }
  const options = {
    ...first.identity,
    bench: loaded,
    ready: () => bench !== undefined,
    now,
    log,
    decisions: createDecisionLog(log, settings.allowSample),
    metrics,
    loop,
  }
  const server = await listen(() => startServer(options, settings))
  try {
    bench = loadBench(flags, now(), log)
  } catch (cause) {
    await server.close()
    throw cause
  }
  const { policy } = bench
  metrics.policy(policy)
  const look = watchIdentity(flags, first, { server, log, metrics })
  const timer = look === undefined ? undefined : setInterval(look, reloadInterval).unref()
  log.info(
    {
      [logField.listen]: `https://${shown(server.admission)}`,
      [logField.metricsListen]: `http://${shown(server.probes)}`,
      ...(first.caPath === undefined ? {} : { [logField.ca]: first.caPath }),
      [logField.policy]: policy.name,
      [logField.revision]: policy.revision,
      [logField.ruleCount]: policy.rules.length,
      [logField.approvedHosts]: policy.facts.approvedHosts.size,
      [logField.mutating]: flags.mutate,
    },
    'listening',
  )
  return {
    ...server,
    shutdownDelay: settings.shutdownDelay,
    reload: () => look?.() ?? 'unchanged',
    close: async (routed, patience) => {
      const cut = await server.close(routed, patience)
      clearInterval(timer)
      loop.stop()
      return cut
    },
  }
}

/** Loads what reviews are judged with, and logs what its authors should know of. */
function loadBench(flags: ServeFlags, now: number, log: Log): Bench {
  const { policy, notices } = loadPolicyPaths(flags.policy, now)
  const inventory = loadInventoryPaths(flags.inventory)
  for (const notice of [...notices, ...differences(policy.facts, inventory)]) log.warn(notice)
  return { policy: flags.mutate ? policy : { ...policy, mutations: [] }, inventory }
}

interface Settings {
  readonly admission: Endpoint
  readonly probes: Endpoint
  readonly allowSample: number
  readonly shutdownDelay: number
}

/** Seconds; load balancers outside of the cluster can take minutes. */
const longestDelay = 300

function readSettings(flags: ServeFlags): Settings {
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

function shown({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
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
