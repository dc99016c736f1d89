import { Counter, Gauge, type Registry } from '@prometheus-io/client'

/** How one kind of the inventory is. */
export interface KindVitals {
  readonly kind: string
  readonly state: string
  readonly objects: number
  readonly relists: number
  /** Objects that a check found to be other than what was held. */
  readonly missed: number
  /** Watches that began anew, by cause. */
  readonly restarts: Readonly<Record<string, number>>
}

/** What a guard in a cluster tells when somebody reads the metrics. */
export interface ClusterVitals {
  kinds(): readonly KindVitals[]
  /** Milliseconds since all of the inventory was known to be true. */
  staleness(): number
  leads(): boolean
}

/** The numbers of a guard in a cluster, besides those of its server. */
export interface ClusterMetrics {
  /** Says what became of a policy: it is in force, or what the ConfigMaps hold is not; `restored`: they hold it again. */
  policyLoad(outcome: 'loaded' | 'refused' | 'restored'): void
  /** Counts a term as leader. */
  elected(): void
  /** Says whether the lease can be read and written. */
  leaseFailed(failed: boolean): void
  /** Counts a write of the serving certificate's Secret. */
  secretWritten(outcome: string): void
  /** Says whether the Secret is as it should be, as far as the leader knows. */
  secretFailed(failed: boolean): void
  /** Says how a webhook configuration stands. */
  registration(configuration: string, state: string): void
  /** Counts a write of a webhook configuration. */
  registered(configuration: string): void
}

/** Registers the metrics of a guard in a cluster. No name of an object is ever a label. */
export function registerClusterMetrics(registry: Registry, vitals: ClusterVitals): ClusterMetrics {
  const registers = [registry]
  const counter = <T extends string>(name: string, help: string, ...labelNames: T[]): Counter<T> =>
    new Counter({ name: `sallyport_${name}`, help, labelNames, registers })
  const gauge = <T extends string>(name: string, help: string, ...labelNames: T[]): Gauge<T> =>
    new Gauge({ name: `sallyport_${name}`, help, labelNames, registers })

  registerInventory(registry, vitals)
  const loads = counter('policy_loads_total', 'Changed policy ConfigMaps, by what became of them.', 'outcome')
  const refused = gauge('policy_refused', '1 while the ConfigMaps hold something else than the policy in force.')
  const terms = counter('leader_terms_total', 'Terms that this replica led.')
  const leaseFailed = gauge('lease_failed', '1 while the lease cannot be read or written.')
  const secretWrites = counter('authority_writes_total', 'Writes of the serving certificate, by kind.', 'outcome')
  const secretFailed = gauge('authority_failed', '1 while the leader cannot put the serving certificate right.')
  const configurations = gauge(
    'webhook_configuration',
    'How a webhook configuration stands, as far as the leader knows; 1 for one state.',
    'configuration',
    'state',
  )
  const writes = counter('registration_writes_total', 'Writes of webhook configurations.', 'configuration')
  // Alerts want a zero before the first one.
  for (const outcome of ['loaded', 'refused'] as const) loads.inc({ outcome }, 0)
  for (const none of [refused, leaseFailed, secretFailed]) none.set(0)

  const states = new Map<string, string>()
  return {
    policyLoad: outcome => {
      if (outcome !== 'restored') loads.inc({ outcome })
      refused.set(outcome === 'refused' ? 1 : 0)
    },
    elected: () => terms.inc(),
    leaseFailed: failed => leaseFailed.set(failed ? 1 : 0),
    secretWritten: outcome => secretWrites.inc({ outcome }),
    secretFailed: failed => secretFailed.set(failed ? 1 : 0),
    registration: (configuration, state) => {
      states.set(configuration, state)
      configurations.reset()
      for (const [name, now] of states) configurations.set({ configuration: name, state: now }, 1)
    },
    registered: configuration => writes.inc({ configuration }),
  }
}

function registerInventory(registry: Registry, vitals: ClusterVitals): void {
  const registers = [registry]
  const restarts = growing(registry, 'watch_restarts_total', 'Watches that began anew, by cause.')
  new Gauge({
    name: 'sallyport_inventory_objects',
    help: 'Objects of the inventory, by kind and how far it is known.',
    labelNames: ['kind', 'state'],
    registers,
    collect() {
      this.reset()
      const byCause = new Map<string, number>()
      for (const { kind, state, objects, restarts } of vitals.kinds()) {
        this.inc({ kind, state }, objects)
        for (const [cause, count] of Object.entries(restarts)) byCause.set(cause, (byCause.get(cause) ?? 0) + count)
      }
      restarts(byCause)
    },
  })
  const sums = {
    inventory_relists_total: ['Lists of a kind after its first.', 'relists'],
    inventory_missed_total: ['Objects that a check found to be other than what was held.', 'missed'],
  } as const
  for (const [name, [help, key]] of Object.entries(sums)) {
    let before = 0
    new Counter({
      name: `sallyport_${name}`,
      help,
      registers,
      collect() {
        const now = vitals.kinds().reduce((sum, kind) => sum + kind[key], 0)
        this.inc(Math.max(0, now - before))
        before = now
      },
    })
  }
  new Gauge({
    name: 'sallyport_inventory_staleness_seconds',
    help: 'Since when it is not known whether the inventory is what the cluster holds; 0 while watches are healthy.',
    registers,
    collect() {
      this.set(vitals.staleness() / 1000)
    },
  })
  new Gauge({
    name: 'sallyport_leader',
    help: '1 on the replica that writes.',
    registers,
    collect() {
      this.set(vitals.leads() ? 1 : 0)
    },
  })
}

/** Returns what sets a counter by cause to sums that are kept elsewhere. */
function growing(registry: Registry, name: string, help: string): (sums: ReadonlyMap<string, number>) => void {
  const counter = new Counter({ name: `sallyport_${name}`, help, labelNames: ['cause'], registers: [registry] })
  const before = new Map<string, number>()
  return sums => {
    for (const [cause, sum] of sums) {
      counter.inc({ cause }, Math.max(0, sum - (before.get(cause) ?? 0)))
      before.set(cause, sum)
    }
  }
}
