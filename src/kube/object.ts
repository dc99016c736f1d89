import { kindOf } from '../core/kind.ts'
import type { Fields } from '../istio/json.ts'
import type { WatchableCluster } from './client.ts'
import { type Clock, realClock } from './clock.ts'
import type { WatchObject } from './cluster.ts'
import { Reflector } from './reflector.ts'
import type { Transition } from './status.ts'
import { defaultTiming, type Timing } from './timing.ts'

/** Times for single objects, on which much depends and of which there are few: after a break they come back sooner. */
export const objectTiming: Timing = { ...defaultTiming, reconnect: [0, 1_000], longestWait: 4_000 }

/** With what single objects are watched. */
export interface WatchOptions {
  readonly clock?: Clock
  readonly timing?: Timing
  /** Told how far each is, and when one may not be read. */
  readonly moved?: (transition: Transition) => void
}

/** Returns what keeps watching one object by its name, whole. Rights to list and watch that name are enough. */
export function watchObjects(
  cluster: WatchableCluster,
  { clock = realClock, timing = objectTiming, moved = () => undefined }: WatchOptions = {},
): WatchObject {
  return ({ group, version, plural, namespace, name }, seen) => {
    const apiVersion = group === '' ? version : `${group}/${version}`
    const at = { apiVersion, root: group === '' ? `/api/${version}` : `/apis/${apiVersion}`, plural }
    const stop = new AbortController()
    let object: Fields | undefined
    const reflector = new Reflector({
      followed: { kind: kindOf(group, plural), name, ...(namespace !== '' && { namespace }) },
      cluster,
      clock,
      timing,
      locate: async () => ({ is: 'served', at }),
      projectFor: () => object => object,
      metadataOnly: false,
      take: changes => {
        for (const change of changes) object = change.object
        // What may not be read is dropped before it is said to be so, and is not gone for that.
        queueMicrotask(() => {
          if (object !== undefined || reflector.state !== 'forbidden') seen(object)
        })
      },
      moved: transition => {
        // That there is none is worth saying, too.
        if (transition.to === 'synced' && object === undefined) seen(undefined)
        moved(transition)
      },
      signal: stop.signal,
    })
    void reflector.run()
    return () => stop.abort()
  }
}
