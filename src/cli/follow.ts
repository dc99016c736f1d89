import { differences } from '../core/mesh.ts'
import type { Policy } from '../core/policy.ts'
import type { ClusterMetrics } from '../http/clustermetrics.ts'
import { type Log, logField } from '../http/log.ts'
import type { Metrics } from '../http/metrics.ts'
import type { RunningServer } from '../http/running.ts'
import { serveFromSecret } from '../kube/authority.ts'
import type { WatchableCluster } from '../kube/client.ts'
import type { WatchObject } from '../kube/cluster.ts'
import { type LiveInventory, startInventory } from '../kube/live.ts'
import { watchPolicy } from '../kube/policysource.ts'
import type { Registration } from '../kube/registration.ts'
import { kindsHeld } from '../kube/resources.ts'
import type { ServingPair } from '../kube/secret.ts'
import { mutations } from '../mutations/index.ts'
import { loadPolicy } from '../policy/load.ts'
import { formatProblem } from '../policy/problem.ts'
import type { PolicySource } from '../policy/read.ts'
import { rules } from '../rules/index.ts'
import type { Freshness } from './freshness.ts'
import type { LoadedPolicy } from './input.ts'
import type { ClusterSettings } from './settings.ts'

const second = 1000

/** What a guard in a cluster knows by now. */
export interface Known {
  policy: Policy | undefined
  /** What it serves, once that comes from the Secret. */
  pair: ServingPair | undefined
  readonly freshness: Freshness
}

/** What the parts of a guard in a cluster share. */
export interface Parts {
  readonly cluster: WatchableCluster
  readonly settings: ClusterSettings
  readonly known: Known
  readonly log: Log
  readonly metrics: Metrics
  readonly clusterMetrics: ClusterMetrics
  readonly inventory: LiveInventory
  readonly watch: WatchObject
  readonly registration: Registration
}

/** Begins to follow everything that rules read. */
export function followInventory(cluster: WatchableCluster, settings: ClusterSettings, log: Log): LiveInventory {
  return startInventory({
    cluster,
    kinds: kindsHeld(rules, mutations),
    configMaps: settings.watchedConfigMaps,
    moved: ({ kind, namespace, name, from, to, why }) => {
      const fields = { [logField.kind]: kind, [logField.namespace]: namespace, [logField.name]: name }
      if (to === 'forbidden') log.error({ ...fields, [logField.why]: why }, 'may not be read, and counts as unknown')
      else if (from === 'forbidden') log.info(fields, 'may be read again')
      else if (from !== 'waiting') log.info({ ...fields, [logField.state]: to }, 'inventory')
    },
  })
}

/** Says how large the inventory is, once all of it has been read. */
export function logSettled(inventory: LiveInventory, log: Log): void {
  const all = inventory.status()
  const kindsIn = (state: string): number => new Set(all.filter(one => one.state === state).map(one => one.kind)).size
  log.info(
    {
      [logField.kinds]: kindsIn('synced'),
      [logField.absent]: kindsIn('absent'),
      [logField.forbidden]: kindsIn('forbidden'),
      [logField.objects]: all.reduce((sum, { objects }) => sum + objects, 0),
    },
    'inventory read',
  )
}

/** Loads the policy of the ConfigMaps, again whenever they change; without any the baseline. Returns how to stop. */
export function servePolicy(
  { settings, known, log, metrics, clusterMetrics, inventory, watch, registration }: Parts,
  { mutate, now }: { readonly mutate: boolean; readonly now: () => number },
): () => void {
  const loaded = ({ policy, notices }: LoadedPolicy): void => {
    known.policy = mutate ? policy : { ...policy, mutations: [] }
    metrics.policy(policy)
    clusterMetrics.policyLoad('loaded')
    for (const notice of notices) log.warn(notice)
    void inventory.settled().then(() => {
      for (const difference of differences(policy.facts, inventory.current())) log.warn(difference)
    })
    log.info(
      {
        [logField.policy]: policy.name,
        [logField.revision]: policy.revision,
        [logField.ruleCount]: policy.rules.length,
        [logField.approvedHosts]: policy.facts.approvedHosts.size,
      },
      'policy in force',
    )
    registration.wake()
  }
  const load = (files: readonly PolicySource[]) => {
    const outcome = loadPolicy(files, { rules, mutations, now: now(), guardNamespace: settings.namespace })
    if (!outcome.ok) return { ok: false as const, problems: outcome.problems.map(formatProblem) }
    return { ok: true as const, policy: { policy: outcome.policy, notices: outcome.notices.map(formatProblem) } }
  }
  if (settings.policyConfigMaps.length === 0) {
    const baseline = load([])
    if (!baseline.ok) throw new Error(`the baseline is no policy: ${baseline.problems.join('; ')}`)
    loaded(baseline.policy)
    return () => undefined
  }
  return watchPolicy<LoadedPolicy>(
    { namespace: settings.namespace, names: settings.policyConfigMaps, watch, load },
    {
      loaded,
      refused: problems => {
        clusterMetrics.policyLoad('refused')
        for (const problem of problems) log.error({ [logField.why]: problem }, 'policy refused')
        if (known.policy !== undefined) log.warn({ [logField.revision]: known.policy.revision }, 'policy unchanged')
      },
      restored: () => {
        clusterMetrics.policyLoad('restored')
        log.info({ [logField.revision]: known.policy?.revision }, 'policy restored')
      },
    },
  )
}

/** Serves the certificate of the Secret, again whenever that changes. Returns how to stop. */
export function serveIdentity(
  { settings, known, log, metrics, watch, registration }: Parts,
  server: RunningServer,
): () => void {
  const { namespace, service, tlsSecret } = settings
  return serveFromSecret(
    { namespace, service, secret: tlsSecret, watch },
    {
      served: pair => {
        known.pair = pair
        server.identify({ ...pair, clientCa: undefined })
        metrics.certificate(pair.notAfter, Date.now())
        metrics.reloaded('served')
        log.info({ [logField.notAfter]: new Date(pair.notAfter).toISOString() }, 'certificate served')
        registration.wake()
      },
      refused: why => {
        // Before the first one there is nothing wrong yet: the leader is about to make it.
        if (known.pair === undefined) return log.info({ [logField.why]: why }, 'no certificate yet')
        metrics.reloaded('refused')
        log.error({ [logField.why]: why }, 'certificate refused')
      },
      restored: () => {
        metrics.reloaded('unchanged')
        log.info('certificate restored')
      },
    },
  )
}

/** Looks every second how far the inventory may be behind, and logs when it begins and ceases to count. */
export function watchFreshness({ known, inventory, log }: Pick<Parts, 'known' | 'inventory' | 'log'>): () => void {
  const timer = setInterval(() => {
    const turn = known.freshness.look(inventory.status())
    if (turn?.became === 'fresh') log.info('in touch again')
    else if (turn !== undefined)
      log.error({ [logField.kinds]: turn.kinds, [logField.why]: turn.why }, 'out of touch: judging by the last state')
  }, second).unref()
  return () => clearInterval(timer)
}
