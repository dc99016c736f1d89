import packageJson from '../../package.json' with { type: 'json' }
import type { Bench } from '../http/answer.ts'
import { createDecisionLog, type Log, logField } from '../http/log.ts'
import { watchLoop } from '../http/loop.ts'
import { createMetrics } from '../http/metrics.ts'
import { startServer } from '../http/running.ts'
import { good } from '../istio/result.ts'
import { serviceNames, throwawayPair } from '../kube/authority.ts'
import { connect } from '../kube/client.ts'
import type { Candidate } from '../kube/lease.ts'
import { watchObjects } from '../kube/object.ts'
import { createRegistration } from '../kube/registration.ts'
import {
  followInventory,
  type Known,
  logSettled,
  type Parts,
  serveIdentity,
  servePolicy,
  watchFreshness,
} from './follow.ts'
import { Freshness } from './freshness.ts'
import { InputError } from './input.ts'
import { takePart } from './leader.ts'
import { listen, shown } from './listening.ts'
import type { ServeFlags } from './serve.ts'
import type { Guard, Surroundings } from './server.ts'
import { readClusterSettings } from './settings.ts'

/**
 * Starts a guard that judges with what a cluster holds. It listens at once, and is ready when policy, inventory and
 * certificate are there; what cannot be reached is asked for again and again. Throws an InputError with everything that
 * is wrong with the flags.
 */
export async function serveCluster(flags: ServeFlags, log: Log, surroundings: Surroundings = {}): Promise<Guard> {
  const settings = readClusterSettings(flags)
  const connected = surroundings.cluster === undefined ? await connect() : good(surroundings.cluster)
  if (!connected.ok) throw new InputError([`--cluster: ${connected.why}`])
  const cluster = connected.value
  const { mode = 'enforce', mutate } = flags
  const now = (): number => flags.now ?? Date.now()
  const loop = watchLoop()
  const metrics = createMetrics(packageJson.version)
  metrics.watch({ delays: loop.delays, stalls: loop.stalls, droppedLines: surroundings.droppedLines ?? (() => 0) })

  const freshness = new Freshness(settings.staleLimit)
  const known: Known = { policy: undefined, pair: undefined, freshness }
  let candidate: Candidate | undefined
  const inventory = followInventory(cluster, settings, log)
  const clusterMetrics = metrics.cluster({
    kinds: () => inventory.status(),
    staleness: () => freshness.staleness,
    leads: () => candidate?.isLeader() ?? false,
  })
  const canJudge = (): boolean => known.policy !== undefined && inventory.isSettled()
  const bench = (): Bench => {
    if (known.policy === undefined) throw new Error('asked to judge before there is a policy')
    return { policy: known.policy, inventory: inventory.current(), mode, stale: freshness.isStale }
  }
  const isForsaken = (): boolean => freshness.isForsaken(candidate?.ledLast() ?? false)

  const first = await throwawayPair(serviceNames(settings.service, settings.namespace), Date.now())
  const options = {
    ...first,
    bench,
    ready: canJudge,
    available: () => known.pair !== undefined && !isForsaken(),
    now,
    log,
    decisions: createDecisionLog(log, settings.allowSample),
    metrics,
    loop,
    awaitChange: inventory.changed.bind(inventory),
  }
  const server = await listen(() => startServer(options, settings)).catch((cause: unknown) => {
    inventory.stop()
    loop.stop()
    throw cause
  })
  log.info(
    {
      [logField.listen]: `https://${shown(server.admission)}`,
      [logField.metricsListen]: `http://${shown(server.probes)}`,
      [logField.mode]: mode,
      [logField.mutating]: mutate,
    },
    'listening',
  )

  const watch = watchObjects(cluster, {
    moved: ({ kind, name, to, why }) => {
      if (to === 'forbidden')
        log.error({ [logField.kind]: kind, [logField.name]: name, [logField.why]: why }, 'may not be read')
    },
  })
  const registration = createRegistration({
    names: { validating: settings.validating, mutating: settings.mutating },
    watch,
    serving: () => (canJudge() && known.pair !== undefined ? { authorities: known.pair.authorities } : undefined),
  })
  const parts: Parts = { cluster, settings, known, log, metrics, clusterMetrics, inventory, watch, registration }
  const stops = [servePolicy(parts, { mutate, now }), serveIdentity(parts, server), watchFreshness(parts)]
  void inventory.settled().then(() => {
    logSettled(inventory, log)
    registration.wake()
  })
  const elected = takePart(parts)
  candidate = elected
  return {
    ...server,
    shutdownDelay: settings.shutdownDelay,
    reload: () => 'unchanged',
    close: async (routed, patience) => {
      // Another replica should lead at once; this one answers for as long as it is asked.
      const resigned = elected.stop()
      const cut = await server.close(routed, patience)
      await resigned
      for (const stop of stops) stop()
      inventory.stop()
      loop.stop()
      return cut
    },
  }
}
