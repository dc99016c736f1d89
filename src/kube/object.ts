import { kindOf } from '../core/kind.ts'
import type { WatchableCluster } from './client.ts'
import { type Clock, realClock } from './clock.ts'
import type { WatchObject } from './cluster.ts'
import { Reflector } from './reflector.ts'
import { defaultTiming, type Timing } from './timing.ts'

/** Times for single objects, on which much depends and of which there are few: after a break they come back sooner. */
export const objectTiming: Timing = { ...defaultTiming, reconnect: [0, 2_000] }

/** Returns what keeps watching one object by its name, whole. Rights to list and watch that name are enough. */
export function watchObjects(
  cluster: WatchableCluster,
  { clock = realClock, timing = objectTiming }: { readonly clock?: Clock; readonly timing?: Timing } = {},
): WatchObject {
  return ({ group, version, plural, namespace, name }, seen) => {
    const apiVersion = group === '' ? version : `${group}/${version}`
    const at = { apiVersion, root: group === '' ? `/api/${version}` : `/apis/${apiVersion}`, plural }
    const stop = new AbortController()
    let isTold = false
    const reflector = new Reflector({
      followed: { kind: kindOf(group, plural), name, ...(namespace !== '' && { namespace }) },
      cluster,
      clock,
      timing,
      locate: async () => ({ is: 'served', at }),
      projectFor: () => object => object,
      metadataOnly: false,
      take: changes => {
        isTold = true
        for (const { object } of changes) seen(object)
      },
      moved: ({ to }) => {
        // That there is none is worth saying once, too.
        if (to === 'synced' && !isTold) seen(undefined)
      },
      signal: stop.signal,
    })
    void reflector.run()
    return () => stop.abort()
  }
}
