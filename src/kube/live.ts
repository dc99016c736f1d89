import type { Inventory } from '../core/inventory.ts'
import { type Kind, kindOf } from '../core/kind.ts'
import type { WatchableCluster } from './client.ts'
import { type Clock, realClock } from './clock.ts'
import { type Discovery, discoveryOf } from './discovery.ts'
import { interner, isMetadataOnly, pathsOf, projectionOf } from './projection.ts'
import { Reflector } from './reflector.ts'
import { partsOf, pluralOf } from './resources.ts'
import { LiveState } from './state.ts'
import type { Followed, ReflectorStatus, State, Transition } from './status.ts'
import { defaultTiming, type Timing } from './timing.ts'

/** One object by its name. */
export interface ObjectName {
  readonly namespace: string
  readonly name: string
}

/** What a live inventory holds, and with what. */
export interface LiveOptions {
  readonly cluster: WatchableCluster
  /** Followed everywhere, but for ConfigMaps. */
  readonly kinds: readonly Kind[]
  /** ConfigMaps are followed by name alone: what else they hold is nobody's business. */
  readonly configMaps: readonly ObjectName[]
  readonly clock?: Clock
  readonly timing?: Timing
  /** Told whenever a kind becomes known, is not installed, or may not be read. */
  readonly moved?: (transition: Transition) => void
}

/** The objects of a cluster, kept up to date by watches. */
export interface LiveInventory {
  /** Returns the state to judge by: it never changes, and no call to the cluster is made for it. */
  current(): Inventory
  /** Returns true once every kind is known, not installed, or refused: what is not known then is said to be unknown. */
  isSettled(): boolean
  /** Returns when it is settled, or at the signal. */
  settled(signal?: AbortSignal): Promise<void>
  /** Returns true as soon as something about the kinds changes; false after so many milliseconds, or at the signal. */
  changed(kinds: Iterable<Kind>, within: number, signal?: AbortSignal): Promise<boolean>
  /** Returns how each reflector is. */
  status(): readonly ReflectorStatus[]
  /** Follows other ConfigMaps from now on. */
  followConfigMaps(names: readonly ObjectName[]): void
  /** Ends all watches. */
  stop(): void
}

/** Begins to follow a cluster. It never gives up: what cannot be reached is asked for again. */
export function startInventory(options: LiveOptions): LiveInventory {
  return new Live(options)
}

/** A reflector that runs. */
interface Running {
  readonly reflector: Reflector
  readonly stop: AbortController
}

/** Somebody who waits for a change. */
interface Waiter {
  readonly kinds: ReadonlySet<Kind>
  readonly tell: () => void
}

const configMapKind: Kind = 'ConfigMap'

class Live implements LiveInventory {
  readonly #options: Required<Omit<LiveOptions, 'configMaps'>>
  readonly #discovery: Discovery
  readonly #state: LiveState
  readonly #running = new Map<string, Running>()
  readonly #waiters = new Set<Waiter>()
  readonly #unsettled = new Set<() => void>()
  readonly #intern = interner()

  constructor({
    configMaps,
    clock = realClock,
    timing = defaultTiming,
    moved = () => undefined,
    ...rest
  }: LiveOptions) {
    this.#options = { ...rest, clock, timing, moved }
    this.#discovery = discoveryOf(rest.cluster, rest.kinds, clock)
    this.#state = new LiveState(() => this.#known())
    for (const kind of rest.kinds) if (kind !== configMapKind) this.#follow({ kind })
    this.followConfigMaps(configMaps)
  }

  current(): Inventory {
    return this.#state.current()
  }

  isSettled(): boolean {
    return [...this.#running.values()].every(({ reflector }) => reflector.state !== 'waiting')
  }

  async settled(signal?: AbortSignal): Promise<void> {
    if (this.isSettled()) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#unsettled.add(resolve)
    signal?.addEventListener('abort', () => resolve(), { once: true })
    await promise
    this.#unsettled.delete(resolve)
  }

  async changed(kinds: Iterable<Kind>, within: number, signal?: AbortSignal): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const waiter = { kinds: new Set(kinds), tell: () => resolve(true) }
    const timer = new AbortController()
    this.#waiters.add(waiter)
    signal?.addEventListener('abort', () => resolve(false), { once: true })
    void this.#options.clock.sleep(within, timer.signal).then(() => resolve(false))
    const isChanged = signal?.aborted !== true && (await promise)
    this.#waiters.delete(waiter)
    timer.abort()
    return isChanged
  }

  status(): readonly ReflectorStatus[] {
    return [...this.#running.values()].map(({ reflector }) => reflector.status())
  }

  followConfigMaps(names: readonly ObjectName[]): void {
    const wanted = new Map(names.map(name => [keyOf({ kind: configMapKind, ...name }), name]))
    for (const [key, { reflector, stop }] of this.#running) {
      if (reflector.followed.kind !== configMapKind || wanted.has(key)) continue
      stop.abort()
      reflector.forget()
      this.#running.delete(key)
    }
    for (const [key, name] of wanted) if (!this.#running.has(key)) this.#follow({ kind: configMapKind, ...name })
    this.#state.learn()
  }

  stop(): void {
    for (const { stop } of this.#running.values()) stop.abort()
  }

  #follow(followed: Followed): void {
    const { cluster, clock, timing, moved } = this.#options
    const { kind } = followed
    const { name } = partsOf(kind)
    const stop = new AbortController()
    const reflector = new Reflector({
      followed,
      cluster,
      clock,
      timing,
      locate: maxAge => this.#discovery.locate(kind, maxAge),
      projectFor: apiVersion => projectionOf(apiVersion, name, pathsOf(kind), this.#intern),
      metadataOnly: isMetadataOnly(kind),
      take: changes => {
        this.#state.apply(changes)
        this.#tell(new Set(changes.map(({ ref }) => kindOf(ref.group, ref.kind))))
      },
      moved: transition => {
        this.#state.learn()
        if (this.isSettled()) for (const resolve of this.#unsettled) resolve()
        moved(transition)
      },
      signal: stop.signal,
    })
    this.#running.set(keyOf(followed), { reflector, stop })
    void reflector.run()
  }

  #tell(kinds: ReadonlySet<Kind>): void {
    for (const waiter of this.#waiters) if ([...kinds].some(kind => waiter.kinds.has(kind))) waiter.tell()
  }

  /** Kinds of which every reflector holds all there is. */
  #known(): ReadonlySet<Kind> {
    const all = [...this.#running.values()].map(({ reflector }) => reflector)
    const unknown = new Set(all.filter(({ state }) => !isSure(state)).map(({ followed }) => followed.kind))
    return new Set(all.map(({ followed }) => followed.kind).filter(kind => !unknown.has(kind)))
  }
}

/** Whether all objects are held, be it none. */
function isSure(state: State): boolean {
  return state === 'synced' || state === 'absent'
}

function keyOf({ kind, namespace = '', name = '' }: Followed): string {
  return `${pluralOf(kind)}.${partsOf(kind).group} ${namespace}/${name}`
}
