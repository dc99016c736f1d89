import type { Fields } from '../istio/json.ts'
import { checkNowAndThen } from './check.ts'
import { type Backoff, backoffOf, within } from './clock.ts'
import type { Reply } from './cluster.ts'
import { type Doubt, doubtOf, reasonOf } from './doubt.ts'
import { readEvent } from './event.ts'
import { Held } from './held.ts'
import { accepts, type Listing, listAll, waitAfter } from './pager.ts'
import { partsOf } from './resources.ts'
import { type Cause, causes, type Followed, type ReflectorStatus, type State } from './status.ts'
import { type ReflectorOptions, type Target, targetAt, watchQuery } from './target.ts'
import { longestSilence } from './timing.ts'

/** Times in a row that a watch may break at one place before everything is listed again. */
const stuckLimit = 3

/** Milliseconds below which a watch that ends has not been one. */
const shortWatch = 1_000

/** What is to be done after a list or a watch. */
type Next = { readonly watch: string } | 'list' | 'locate'

/**
 * Follows one kind, or one object of it: lists, watches from there on, and after whatever breaks goes on where it was, or
 * lists again. It never stops by itself, and what it holds is always one whole list with what was watched since.
 */
export class Reflector {
  readonly #options: ReflectorOptions
  readonly #held: Held
  readonly #backoff: Backoff
  readonly #restarts = Object.fromEntries(causes.map(cause => [cause, 0])) as Record<Cause, number>
  #state: State = 'waiting'
  #why: string | undefined
  #lists = 0
  #pages = 1
  #missed = 0
  #lastContact: number
  #isOpen = false
  /** In how many watches running nothing came before they broke, and before they were given up. */
  #stuck = 0
  #silences = 0
  readonly #refusal: Doubt
  readonly #gone: Doubt
  /** Ends the watch that is open, for a list. */
  #relist: (() => void) | undefined

  constructor(options: ReflectorOptions) {
    const { group, name } = partsOf(options.followed.kind)
    this.#options = options
    this.#held = new Held({ group, kind: name }, options.take)
    this.#backoff = backoffOf(options.clock, { longest: options.timing.longestWait })
    this.#refusal = doubtOf(options.clock)
    this.#gone = doubtOf(options.clock)
    this.#lastContact = options.clock.now()
  }

  get followed(): Followed {
    return this.#options.followed
  }

  get state(): State {
    return this.#state
  }

  /** Drops all that it holds; for one that was ended. */
  forget(): void {
    this.#held.clear()
  }

  /** Returns how it is. */
  status(): ReflectorStatus {
    const { followed, clock } = this.#options
    // Where nothing is held nothing can be stale; the state says what that means.
    const isHolding = this.#state === 'synced' || this.#state === 'waiting'
    return {
      ...followed,
      state: this.#state,
      objects: this.#held.size,
      staleness: this.#isOpen || !isHolding ? 0 : clock.now() - this.#lastContact,
      relists: Math.max(0, this.#lists - 1),
      restarts: { ...this.#restarts },
      missed: this.#missed,
      faults: this.#held.faults,
      why: this.#why,
    }
  }

  /** Follows until the signal is given. */
  async run(): Promise<void> {
    const { signal, timing } = this.#options
    while (!signal.aborted) {
      // Where it was when it was last seen is no answer to where it has gone.
      const target = await this.#locate(this.#state === 'synced' ? shortWatch : timing.absent[0])
      if (target !== undefined) await this.#follow(target)
    }
  }

  async #locate(maxAge: number): Promise<Target | undefined> {
    const { clock, locate, timing } = this.#options
    const location = await locate(maxAge)
    if (location.is === 'served') return targetAt(location.at, this.#options)
    if (location.is === 'unknown') {
      await this.#recover(location.reply)
      return undefined
    }
    const isSure = this.#state !== 'synced' || this.#gone.lasts() >= timing.refusal
    if (isSure) {
      this.#held.clear()
      this.#why = undefined
      this.#move('absent', undefined)
    }
    await this.#sleep(within(isSure ? timing.absent : timing.again, clock))
    return undefined
  }

  async #follow(target: Target): Promise<void> {
    const { clock, signal, timing } = this.#options
    const ended = new AbortController()
    void checkNowAndThen({
      clock,
      timing,
      held: this.#held,
      list: take => this.#ask({ ...target, accept: accepts.metadataList, signal }, take),
      pages: () => this.#pages,
      isDue: () => this.#isOpen,
      missed: count => {
        this.#missed += count
        this.#relist?.()
      },
      signal: AbortSignal.any([signal, ended.signal]),
    })
    for (let next: Next = 'list'; next !== 'locate' && !signal.aborted; ) {
      next = next === 'list' ? await this.#list(target) : await this.#watch(target, next.watch)
    }
    ended.abort()
  }

  async #list({ path, query, project }: Target): Promise<Next> {
    const list = this.#held.begin(project)
    const { metadataOnly, signal } = this.#options
    const accept = metadataOnly ? accepts.metadataList : accepts.list
    const listing = await this.#ask({ path, query, accept, signal }, item => list.add(item))
    if (signal.aborted) return 'list'
    if (!listing.ok) return this.#recover(listing.reply)
    list.swap()
    this.#lists += 1
    this.#pages = listing.pages
    this.#stuck = 0
    this.#hear()
    this.#move('synced', undefined)
    return { watch: listing.version }
  }

  #ask(
    {
      path,
      query,
      accept,
      signal,
    }: Pick<Target, 'path' | 'query'> & { readonly accept: string; readonly signal: AbortSignal },
    take: (item: Fields) => void,
  ): Promise<Listing> {
    const { cluster, clock, timing } = this.#options
    return listAll({ path, query }, { cluster, clock, pageSize: timing.pageSize, signal, accept }, take)
  }

  async #watch(target: Target, from: string): Promise<Next> {
    const { cluster, clock, timing, signal, metadataOnly } = this.#options
    const relist = new AbortController()
    this.#relist = () => relist.abort()
    let version = from
    let fault: Cause | undefined
    const began = clock.now()
    const seconds = Math.round(within(timing.watch, clock))
    const ending = await cluster.watch(
      target.path,
      {
        query: watchQuery(target, from, seconds),
        accept: metadataOnly ? accepts.metadataWatch : accepts.watch,
        signal: AbortSignal.any([signal, relist.signal]),
        // A server sends no bookmarks of a kind of which it has seen no event since it started.
        silence: within(timing.silence, clock) * Math.min(2 ** this.#silences, longestSilence),
        opened: () => {
          this.#isOpen = true
          this.#hear()
        },
      },
      line => {
        const step = this.#take(line, target)
        if ('fault' in step) fault = step.fault
        else version = step.version
        return fault === undefined
      },
    )
    const wasOpen = this.#isOpen
    this.#isOpen = false
    if (signal.aborted) return 'list'
    if (wasOpen) this.#backoff.wellSince(began)
    this.#stuck = version === from ? this.#stuck : 0
    if (relist.signal.aborted) return this.#restart('missed', 'list', 0)
    if (ending.how === 'answered') return this.#refused(ending.reply, version)
    const cause = fault ?? (ending.how === 'stopped' ? 'error' : ending.how)
    // A server that shuts down closes all watches at once, long before their time.
    const isEarly = cause === 'closed' && clock.now() - began < seconds * 900
    return this.#resume(isEarly ? 'cut' : cause, version, clock.now() - began)
  }

  #take(line: string, { project }: Target): { readonly version: string } | { readonly fault: Cause } {
    this.#silences = 0
    const event = readEvent(line)
    switch (event.is) {
      case 'stored':
        this.#held.store(event.object, project)
        break
      case 'deleted':
        this.#held.remove(event.object)
        break
      case 'bookmark':
        break
      default:
        return { fault: event.is }
    }
    this.#hear()
    return { version: event.version }
  }

  /** Goes on after a watch that broke: where it was, or with a list where that is no way. */
  async #resume(cause: Cause, version: string, lasted: number): Promise<Next> {
    const { timing, clock } = this.#options
    const watch = { watch: version }
    switch (cause) {
      case 'expired':
        return this.#restart(cause, 'list', this.#backoff.next())
      case 'closed':
        return this.#restart(cause, watch, lasted < shortWatch ? this.#backoff.next() : 0)
      case 'silent':
        this.#silences += 1
        return this.#restart(cause, watch, 0)
      case 'cut':
        return this.#restart(cause, watch, within(timing.reconnect, clock))
      default:
        // A line that cannot be read comes again from the same place; a list knows nothing of it.
        this.#stuck += 1
        return this.#restart(cause, this.#stuck < stuckLimit ? watch : 'list', this.#backoff.next())
    }
  }

  async #restart(cause: Cause, next: Next, wait: number): Promise<Next> {
    this.#restarts[cause] += 1
    if (wait > 0) await this.#sleep(wait)
    return next
  }

  /** Goes on after a watch that the server did not agree to. */
  async #refused(reply: Reply, version: string): Promise<Next> {
    if (reply.status === 410) return this.#resume('expired', version, 0)
    const next = await this.#recover(reply)
    // As long as what is held holds, the server most likely still has the state to go on from.
    return next === 'list' && this.#state === 'synced' ? { watch: version } : next
  }

  /** Waits after an answer that was none, and says what is to be done then. */
  async #recover(reply: Reply): Promise<'list' | 'locate'> {
    this.#restarts[reply.status === 0 ? 'unreachable' : 'refused'] += 1
    this.#why = reasonOf(reply)
    await this.#sleep(this.#waitAfter(reply))
    return reply.status === 404 ? 'locate' : 'list'
  }

  #waitAfter(reply: Reply): number {
    const { clock, timing } = this.#options
    if (reply.status !== 403) return waitAfter(reply, this.#backoff, clock)
    const lasts = this.#refusal.lasts()
    const isKnown = this.#state === 'synced' || this.#state === 'absent'
    // A server that has just started refuses what it permits a moment later.
    if (isKnown && lasts < timing.refusal) return within(timing.again, clock)
    this.#held.clear()
    this.#move('forbidden', this.#why)
    return lasts < timing.forbidden[0] ? waitAfter(reply, this.#backoff, clock) : within(timing.forbidden, clock)
  }

  #hear(): void {
    this.#lastContact = this.#options.clock.now()
    this.#why = undefined
    this.#refusal.clear()
    this.#gone.clear()
  }

  #move(to: State, why: string | undefined): void {
    const from = this.#state
    if (from === to) return
    this.#state = to
    this.#options.moved({ ...this.#options.followed, from, to, why })
  }

  #sleep(milliseconds: number): Promise<void> {
    const { clock, signal } = this.#options
    return clock.sleep(milliseconds, signal)
  }
}
