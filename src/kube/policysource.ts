import { hash } from 'node:crypto'
import { type Fields, field, isFields, text } from '../istio/json.ts'
import type { PolicySource } from '../policy/read.ts'
import { after } from './bell.ts'
import { type Clock, realClock } from './clock.ts'
import type { WatchObject } from './cluster.ts'

/** What loading came to: a policy, or everything that is wrong with it, one line each. */
export type Loading<Policy> =
  | { readonly ok: true; readonly policy: Policy }
  | { readonly ok: false; readonly problems: readonly string[] }

/** What a policy in ConfigMaps tells of; metrics in brackets. */
export interface PolicyEvents<Policy> {
  /** From now on this is the policy (`sallyport_policy_loads_total{outcome="loaded"}`, `sallyport_policy_refused` 0). */
  loaded(policy: Policy): void
  /**
   * What the ConfigMaps hold is no policy, the last good one stays; told once for each content
   * (`sallyport_policy_loads_total{outcome="refused"}`, `sallyport_policy_refused` 1).
   */
  refused(problems: readonly string[]): void
  /** What they hold is what is in force, after something else was refused (`sallyport_policy_refused` 0). */
  restored(): void
}

/** ConfigMaps of which every key is a file of one policy. */
export interface PolicyMaps<Policy> {
  readonly namespace: string
  /** In the order in which they are merged. */
  readonly names: readonly string[]
  readonly watch: WatchObject
  /** Reads all files at once. */
  load(files: readonly PolicySource[]): Loading<Policy>
  readonly clock?: Clock
}

/** What was seen of the ConfigMaps: one that is not there is undefined, one that was not looked for yet has no entry. */
export type SeenMaps = ReadonlyMap<string, Fields | undefined>

/** What the ConfigMaps hold. */
export type Gathered =
  | { readonly state: 'files'; readonly files: readonly PolicySource[] }
  | { readonly state: 'broken'; readonly problems: readonly string[] }
  /** Not all were looked for yet. */
  | { readonly state: 'waiting' }

/** Milliseconds: changes that come together are loaded together. */
const together = 50

/** Returns the files of the ConfigMaps, in the order of the names and sorted by key, or why there is no policy. */
export function gatherFiles(names: readonly string[], seen: SeenMaps): Gathered {
  if (names.some(name => !seen.has(name))) return { state: 'waiting' }
  const files: PolicySource[] = []
  const problems: string[] = []
  for (const name of names) {
    const map = seen.get(name)
    if (map === undefined) {
      problems.push(`policy ConfigMap ${name} is not there`)
      continue
    }
    for (const [key, content] of entriesOf(map, 'data')) {
      files.push({ file: fileName(name, key), text: text(content) ?? '' })
    }
    // Where kubectl puts what is no UTF-8 text.
    for (const [key] of entriesOf(map, 'binaryData')) problems.push(`${fileName(name, key)}: is no UTF-8 text`)
  }
  return problems.length > 0 ? { state: 'broken', problems } : { state: 'files', files }
}

/** Watches the ConfigMaps and loads what they hold, all or nothing. Returns how to stop. */
export function watchPolicy<Policy>(maps: PolicyMaps<Policy>, events: PolicyEvents<Policy>): () => void {
  const { clock = realClock, namespace, names } = maps
  const seen = new Map<string, Fields | undefined>()
  const take = createIntake(maps.load, events)
  let cancel: (() => void) | undefined
  const look = (): void => {
    cancel = undefined
    take(gatherFiles(names, seen))
  }
  const stops = names.map(name =>
    maps.watch({ group: '', version: 'v1', plural: 'configmaps', namespace, name }, map => {
      seen.set(name, map)
      // Counted from the first change, so that a ConfigMap which never comes to rest is loaded too.
      cancel ??= after(clock, together, look)
    }),
  )
  return () => {
    for (const stop of stops) stop()
    cancel?.()
  }
}

/** Returns what takes in one state of the ConfigMaps after the other, and loads those that are new. */
export function createIntake<Policy>(
  load: PolicyMaps<Policy>['load'],
  events: PolicyEvents<Policy>,
): (gathered: Gathered) => void {
  let inForce = ''
  let refused = ''
  const refuse = (content: string, problems: readonly string[]): void => {
    refused = content
    events.refused(problems)
  }
  return gathered => {
    if (gathered.state === 'waiting') return
    const content = hash('sha256', JSON.stringify(gathered))
    if (content === refused) return
    if (content === inForce) {
      if (refused !== '') events.restored()
      refused = ''
      return
    }
    if (gathered.state === 'broken') return refuse(content, gathered.problems)
    const loading = attemptLoad(load, gathered.files)
    if (!loading.ok) return refuse(content, loading.problems)
    inForce = content
    refused = ''
    events.loaded(loading.policy)
  }
}

/** A policy that makes the loader throw is a fault of the guard, but must not end all replicas at once. */
function attemptLoad<Policy>(load: PolicyMaps<Policy>['load'], files: readonly PolicySource[]): Loading<Policy> {
  try {
    return load(files)
  } catch (cause) {
    return { ok: false, problems: [`the policy cannot be loaded: ${cause instanceof Error ? cause.message : cause}`] }
  }
}

function entriesOf(map: Fields, key: string): readonly (readonly [string, unknown])[] {
  const entries = field(map, key)
  return isFields(entries) ? Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1)) : []
}

function fileName(map: string, key: string): string {
  return `configmap ${map}/${key}`
}
