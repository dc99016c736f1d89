import type { Change } from '../core/inventory.ts'
import { printable, shorten } from '../core/text.ts'
import { type Fields, field, text } from '../istio/json.ts'
import { checkNowAndThen } from './check.ts'
import type { Ending, WatchableCluster } from './client.ts'
import { type Backoff, backoffOf, type Clock, within } from './clock.ts'
import type { Reply } from './cluster.ts'
import type { Location, Served } from './discovery.ts'
import { readEvent } from './event.ts'
import { Held } from './held.ts'
import { accepts, type Listing, listAll, waitAfter } from './pager.ts'
import type { Project } from './projection.ts'
import { partsOf } from './resources.ts'
import { type Cause, causes, type Followed, type ReflectorStatus, type State, type Transition } from './status.ts'
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

/** Times in a row that a watch may break at one place before everything is listed again. */
const stuckLimit = 3

/** Milliseconds below which a watch that ends has not been one. */
const shortWatch = 1_000

/** Where a collection is, and what its objects become. */
interface Target {
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly project: Project
}

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
  /** In how many watches running nothing came before they broke. */
  #stuck = 0
  #refusedSince: number | undefined
  /** Ends the watch that is open, for a list. */
  #relist: (() => void) | undefined

  constructor(options: ReflectorOptions) {
    const { group, name } = partsOf(options.followed.kind)
    this.#options = options
    this.#held = new Held({ group, kind: name }, options.take)
    this.#backoff = backoffOf(options.clock, { longest: options.timing.longestWait })
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
    return {
      ...followed,
      state: this.#state,
      objects: this.#held.size,
      staleness: this.#isOpen || this.#state === 'absent' ? 0 : clock.now() - this.#lastContact,
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
    let maxAge = timing.absent[0]
    while (!signal.aborted) {
      const target = await this.#locate(maxAge)
      if (target === undefined) continue
      await this.#follow(target)
      // What was known before it went is known no more.
      maxAge = shortWatch
    }
  }

  async #locate(maxAge: number): Promise<Target | undefined> {
    const { locate, timing } = this.#options
    const location = await locate(maxAge)
    if (location.is === 'served') return this.#targetAt(location.at)
    if (location.is === 'unknown') await this.#recover(location.reply)
    else {
      this.#held.clear()
      this.#move('absent', undefined)
      await this.#sleep(within(timing.absent, this.#options.clock))
    }
    return undefined
  }

  #targetAt({ apiVersion, root, plural }: Served): Target {
    const { followed, projectFor } = this.#options
    const { namespace, name } = followed
    return {
      path: namespace === undefined ? `${root}/${plural}` : `${root}/namespaces/${namespace}/${plural}`,
      query: name === undefined ? {} : { fieldSelector: `metadata.name=${name}` },
      project: projectFor(apiVersion),
    }
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
    const ending = await cluster.watch(
      target.path,
      {
        query: {
          ...target.query,
          watch: '1',
          resourceVersion: from,
          allowWatchBookmarks: 'true',
          timeoutSeconds: String(Math.round(within(timing.watch, clock))),
        },
        accept: metadataOnly ? accepts.metadataWatch : accepts.watch,
        signal: AbortSignal.any([signal, relist.signal]),
        silence: within(timing.silence, clock),
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
    return this.#resume(fault ?? causeOf(ending), version, clock.now() - began)
  }

  #take(line: string, { project }: Target): { readonly version: string } | { readonly fault: Cause } {
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
    // A server that is busy or away still has the state to go on from, as likely as not.
    const isPassing = reply.status === 0 || reply.status === 429 || reply.status >= 500
    return isPassing ? { watch: version } : next
  }

  /** Waits after an answer that was none, and says what is to be done then. */
  async #recover(reply: Reply): Promise<'list' | 'locate'> {
    const { clock, timing } = this.#options
    this.#restarts[reply.status === 0 ? 'unreachable' : 'refused'] += 1
    this.#why = reasonOf(reply)
    let wait = waitAfter(reply, this.#backoff, clock)
    if (reply.status === 403) {
      const now = clock.now()
      this.#refusedSince ??= now
      const lasts = now - this.#refusedSince
      // A server that has just started may refuse what it permits a moment later.
      if (this.#state !== 'synced' || lasts >= timing.refusal) {
        this.#held.clear()
        this.#move('forbidden', this.#why)
      }
      if (lasts >= timing.forbidden[0]) wait = within(timing.forbidden, clock)
    }
    await this.#sleep(wait)
    return reply.status === 404 ? 'locate' : 'list'
  }

  #hear(): void {
    this.#lastContact = this.#options.clock.now()
    this.#why = undefined
    this.#refusedSince = undefined
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

function causeOf({ how }: Exclude<Ending, { readonly how: 'answered' }>): Cause {
  return how === 'stopped' ? 'error' : how
}

/** Longest reason that is kept. */
const reasonLimit = 200

function reasonOf({ status, body }: Reply): string {
  const said = text(field(body, 'message')) ?? (typeof body === 'string' ? body : '')
  return printable(shorten(status === 0 ? said : `HTTP ${status}: ${said}`, reasonLimit))
}
