import { type Kind, kindOf } from '../core/kind.ts'
import type { Fields } from '../istio/json.ts'
import type { WatchableCluster } from './client.ts'
import { type Clock, realClock } from './clock.ts'
import type { WatchObject } from './cluster.ts'
import { Reflector } from './reflector.ts'
import type { Transition } from './status.ts'
import { defaultTiming, type Timing } from './timing.ts'

/** What one object is watched with. */
export interface WatchOneOptions {
  readonly cluster: WatchableCluster
  /** Told when the object may not be read, and when it may again. */
  readonly moved: (transition: Transition) => void
  readonly clock?: Clock
  readonly timing?: Timing
}

/** Few watch these, so that nobody need hold back after a restart of the API server. */
const promptTiming: Timing = { ...defaultTiming, reconnect: [0, 1_000] }

/** Returns what watches one object by its name, as all of its kind are followed (see `Reflector`), and keeps it whole. */
export function objectWatcher({
  cluster,
  moved,
  clock = realClock,
  timing = promptTiming,
}: WatchOneOptions): WatchObject {
  return ({ group, version, plural, namespace, name }, seen) => {
    const stop = new AbortController()
    const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
    const apiVersion = group === '' ? version : `${group}/${version}`
    let object: Fields | undefined
    const reflector = new Reflector({
      followed: { kind: kindName(group, plural), name, ...(namespace === '' ? {} : { namespace }) },
      cluster,
      clock,
      timing,
      locate: async () => ({ is: 'served', at: { apiVersion, root, plural } }),
      projectFor: () => whole => whole,
      metadataOnly: false,
      take: changes => {
        for (const change of changes) if (change.ref.name === name) object = change.object
        // What may not be read is dropped before it is said to be so, and is not gone for that.
        queueMicrotask(() => {
          if (object !== undefined || reflector.state !== 'forbidden') seen(object)
        })
      },
      moved: transition => {
        // The first list tells also that there is none.
        if (transition.to === 'synced' && object === undefined) seen(undefined)
        moved(transition)
      },
      signal: stop.signal,
    })
    void reflector.run()
    return () => stop.abort()
  }
}

/** For the log: the object's own word for its kind is not known before it is read. */
function kindName(group: string, plural: string): Kind {
  return kindOf(group, plural)
}
