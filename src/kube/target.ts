import type { Change } from '../core/inventory.ts'
import type { WatchableCluster } from './client.ts'
import type { Clock } from './clock.ts'
import type { Location, Served } from './discovery.ts'
import type { Project } from './projection.ts'
import type { Followed, Transition } from './status.ts'
import type { Timing } from './timing.ts'

/** What a reflector follows, and with what. */
export interface ReflectorOptions {
  readonly followed: Followed
  readonly cluster: WatchableCluster
  readonly clock: Clock
  readonly timing: Timing
  /** Where the kind is served, as known for no longer than so many milliseconds. */
  readonly locate: (maxAge: number) => Promise<Location>
  readonly projectFor: (apiVersion: string) => Project
  /** True where nothing but metadata is wanted. */
  readonly metadataOnly: boolean
  readonly take: (changes: readonly Change[]) => void
  readonly moved: (transition: Transition) => void
  /** Ends it, as nothing else does. */
  readonly signal: AbortSignal
}

/** Where a collection is, and what its objects become. */
export interface Target {
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly project: Project
}

/** Returns where the objects are that are followed, and what becomes of them. */
export function targetAt(
  { apiVersion, root, plural }: Served,
  { followed, projectFor }: Pick<ReflectorOptions, 'followed' | 'projectFor'>,
): Target {
  const { namespace, name } = followed
  return {
    path: namespace === undefined ? `${root}/${plural}` : `${root}/namespaces/${namespace}/${plural}`,
    query: name === undefined ? {} : { fieldSelector: `metadata.name=${name}` },
    project: projectFor(apiVersion),
  }
}

/** Returns what asks for everything that happens to the objects from a version on, for so many seconds. */
export function watchQuery(
  { query }: Pick<Target, 'query'>,
  version: string,
  seconds: number,
): Readonly<Record<string, string>> {
  return {
    ...query,
    watch: '1',
    resourceVersion: version,
    allowWatchBookmarks: 'true',
    timeoutSeconds: String(seconds),
  }
}
