import packageJson from '../../package.json' with { type: 'json' }
import { differences } from '../core/mesh.ts'
import type { Bench } from '../http/answer.ts'
import { createDecisionLog, type Log, logField } from '../http/log.ts'
import { watchLoop } from '../http/loop.ts'
import { createMetrics } from '../http/metrics.ts'
import type { ReloadOutcome } from '../http/reload.ts'
import { type RunningServer, startServer } from '../http/running.ts'
import type { WatchableCluster } from '../kube/client.ts'
import { firstIdentity, watchIdentity } from './identity.ts'
import { loadInventoryPaths, loadPolicyPaths } from './input.ts'
import { listen, shown } from './listening.ts'
import type { ServeFlags } from './serve.ts'
import { readSettings } from './settings.ts'

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
  /** Another cluster than the one of kubeconfig or pod. */
  readonly cluster?: WatchableCluster
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
  const { mutate, mode = 'enforce' } = flags
  return { policy: mutate ? policy : { ...policy, mutations: [] }, inventory, mode }
}
