import { randomUUID } from 'node:crypto'
import { type Fields, isFields } from '../istio/json.ts'
import { after } from './bell.ts'
import { type Clock, realClock } from './clock.ts'
import { type Cluster, type Method, type ObjectPath, type Reply, urlOf } from './cluster.ts'
import { freed, heldBy, holderOf, leaseDuration, recordOf } from './leaserecord.ts'
import { fieldManager, reasonOf } from './writing.ts'

/** What an election tells of; metrics in brackets. */
export interface LeaseEvents {
  /** This replica leads from now on (`sallyport_leader` 1, `sallyport_leader_terms_total`). */
  elected(): void
  /** It does not any more (`sallyport_leader` 0). */
  ended(why: string): void
  /** The lease cannot be read or written; told once for each reason, and tried again (`sallyport_lease_failed` 1). */
  failed(why: string): void
  /** It can, after it could not (`sallyport_lease_failed` 0). */
  recovered(): void
  /** What the leader does threw: a fault of the guard. The lease is given to another replica. */
  crashed(cause: unknown): void
}

/** How to become leader. */
export interface LeaseOptions {
  readonly cluster: Cluster
  readonly namespace: string
  readonly name: string
  /** Who this is, such as the pod's name. */
  readonly identity: string
  readonly events: LeaseEvents
  readonly clock?: Clock
  /** Returns milliseconds since the epoch, which people read in the lease; nothing is decided by it. */
  readonly date?: () => number
}

/**
 * What a leader does, until the signal says stop. The cluster that it is given writes nothing once the term is over, also
 * where the process was stopped meanwhile and does not know it yet.
 */
export type WhileLeader = (signal: AbortSignal, cluster: Cluster) => Promise<void>

/** One replica in an election. */
export interface Candidate {
  /** Its name in the lease. */
  readonly holder: string
  /** True while this replica leads, by the age of its last renewal. */
  isLeader(): boolean
  /** True where this replica is the last that is known to have led, however long ago. */
  ledLast(): boolean
  /** Ends the term, waits for what the leader does, and frees the lease, so that the next replica leads at once. */
  stop(): Promise<void>
}

/** Milliseconds without renewal after which a leader stops: earlier than anybody else may begin, also by a slow clock. */
const renewDeadline = 10_000

/** Milliseconds between two tries. */
const retry = 2_000

/** Milliseconds that one request may take: two fit before the deadline. */
const requestTimeout = 4_000

/** Takes part in the election of a leader, and runs `whileLeader` in each term that it wins. Serving never needs it. */
export function lead(options: LeaseOptions, whileLeader: WhileLeader): Candidate {
  const candidate = new LeaseCandidate(options, whileLeader)
  candidate.start()
  return candidate
}

/** What became of one try: the lease is ours, another's, or nobody knows. */
type Claim = 'ours' | 'theirs' | 'unknown'

/** What a replica last saw in the lease, and since when by its own clock: the clocks of others are not asked. */
interface Sighting {
  readonly record: string
  readonly since: number
}

class LeaseCandidate implements Candidate {
  readonly holder: string
  readonly #options: LeaseOptions
  readonly #whileLeader: WhileLeader
  readonly #clock: Clock
  readonly #date: () => number
  readonly #path: ObjectPath
  readonly #stopping = new AbortController()
  #running: Promise<void> = Promise.resolve()
  /** The lease as we wrote it last. */
  #written: Fields | undefined
  #sighting: Sighting = { record: '', since: 0 }
  #lastHolder = ''
  #term: AbortController | undefined
  #work: Promise<void> = Promise.resolve()
  #working = false
  #renewed = Number.NEGATIVE_INFINITY
  #disarm: () => void = () => {}
  #resigning = false
  /** Why the lease cannot be read or written, as it was told last. */
  #failing = ''

  constructor(options: LeaseOptions, whileLeader: WhileLeader) {
    const { namespace, name, identity, clock = realClock } = options
    // A container that starts anew in its pod must not take up the term of the one before.
    this.holder = `${identity}_${randomUUID().slice(0, 8)}`
    this.#options = options
    this.#whileLeader = whileLeader
    this.#clock = clock
    this.#date = options.date ?? Date.now
    this.#path = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases', namespace, name }
  }

  isLeader(): boolean {
    return this.#term !== undefined && this.#clock.now() - this.#renewed < renewDeadline
  }

  ledLast(): boolean {
    return this.#lastHolder === this.holder
  }

  start(): void {
    this.#running = this.#run(this.#stopping.signal)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#endTerm('stopping')
    await this.#running
    await this.#work
    await this.#release()
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const resigned = this.#resigning
      if (resigned) await this.#resign()
      else await this.#try()
      // Another may do better.
      await this.#clock.sleep(resigned ? leaseDuration : this.#pause(), signal)
    }
  }

  async #resign(): Promise<void> {
    this.#resigning = false
    await this.#release()
  }

  async #try(): Promise<void> {
    // Whoever has not come to an end with one term does not ask for the next.
    if (this.#term === undefined && this.#working) return
    const asked = this.#clock.now()
    const claim = await this.#claim(this.#stopping.signal)
    if (this.#stopping.signal.aborted) return
    if (claim !== 'unknown') this.#recover()
    if (claim === 'ours') this.#renew(asked)
    if (claim === 'theirs') this.#endTerm('another replica holds the lease')
  }

  /** Until the next try: a lease that runs out earlier is tried then. */
  #pause(): number {
    const pause = retry * (0.9 + this.#clock.random() / 5)
    if (this.#term !== undefined) return pause
    const left = this.#sighting.since + leaseDuration - this.#clock.now()
    return left > 0 ? Math.min(pause, left) : pause
  }

  async #claim(signal: AbortSignal): Promise<Claim> {
    if (this.#written !== undefined) {
      const reply = await this.#write(this.#written, signal)
      if (reply.status !== 409 && reply.status !== 404) return this.#claimed(reply)
      this.#written = undefined
    }
    const read = await this.#send('GET', undefined, signal)
    if (read.status === 404) return this.#claimed(await this.#write(undefined, signal))
    if (read.status !== 200 || !isFields(read.body)) return this.#fail(read)
    return this.#isFree(read.body) ? this.#claimed(await this.#write(read.body, signal)) : 'theirs'
  }

  #claimed(reply: Reply): Claim {
    if ((reply.status === 200 || reply.status === 201) && isFields(reply.body)) {
      this.#written = reply.body
      this.#lastHolder = this.holder
      return 'ours'
    }
    // Another was faster: the next look says who.
    return reply.status === 409 ? 'unknown' : this.#fail(reply)
  }

  #fail(reply: Reply): 'unknown' {
    const why = reasonOf(reply)
    if (why !== this.#failing && !this.#stopping.signal.aborted) this.#options.events.failed(why)
    this.#failing = why
    return 'unknown'
  }

  #recover(): void {
    if (this.#failing !== '') this.#options.events.recovered()
    this.#failing = ''
  }

  #isFree(lease: Fields): boolean {
    const record = recordOf(lease)
    if (record !== this.#sighting.record) this.#sighting = { record, since: this.#clock.now() }
    const holder = holderOf(lease)
    if (holder !== '') this.#lastHolder = holder
    return holder === '' || holder === this.holder || this.#clock.now() - this.#sighting.since >= leaseDuration
  }

  #renew(asked: number): void {
    const left = asked + renewDeadline - this.#clock.now()
    // The answer lay unread for longer than it is worth: somebody else may lead already.
    if (left <= 0) return
    this.#renewed = asked
    this.#disarm()
    this.#disarm = after(this.#clock, left, () => this.#endTerm('the lease could not be renewed in time'))
    if (this.#term === undefined) this.#beginTerm()
  }

  #beginTerm(): void {
    const term = new AbortController()
    this.#term = term
    this.#working = true
    this.#options.events.elected()
    this.#work = this.#workFor(term)
  }

  async #workFor(term: AbortController): Promise<void> {
    try {
      await this.#whileLeader(term.signal, this.#fenced(term))
    } catch (cause) {
      this.#options.events.crashed(cause)
      this.#resigning = true
      if (term === this.#term) this.#endTerm('what the leader does failed')
    } finally {
      this.#working = false
    }
  }

  #endTerm(why: string): void {
    const term = this.#term
    if (term === undefined) return
    this.#disarm()
    this.#term = undefined
    this.#written = undefined
    term.abort()
    this.#options.events.ended(why)
  }

  /** Writes only while the term lasts; what is under way when it ends is given up. */
  #fenced(term: AbortController): Cluster {
    const { cluster } = this.#options
    return {
      send: async (method, path, options = {}) => {
        if (method !== 'GET' && !(term === this.#term && this.isLeader())) return unsent
        const { signal = term.signal } = options
        const either = signal === term.signal ? signal : AbortSignal.any([signal, term.signal])
        return cluster.send(method, path, { ...options, signal: either })
      },
    }
  }

  async #release(): Promise<void> {
    const { body } = await this.#send('GET')
    if (isFields(body) && holderOf(body) === this.holder) await this.#send('PUT', freed(body, this.#date()))
  }

  /** Writes our name into the lease that was read: one that changed since is refused by its resourceVersion. */
  #write(lease: Fields | undefined, signal: AbortSignal): Promise<Reply> {
    const body = heldBy(this.holder, lease, { path: this.#path, now: this.#date() })
    return this.#send(lease === undefined ? 'POST' : 'PUT', body, signal)
  }

  #send(method: Method, body?: Fields, signal?: AbortSignal): Promise<Reply> {
    const url = method === 'POST' ? urlOf(this.#path) : urlOf(this.#path, this.#path.name)
    return this.#options.cluster.send(method, url, {
      ...(body !== undefined && { body, query: { fieldManager } }),
      ...(signal !== undefined && { signal }),
      timeout: requestTimeout,
    })
  }
}

const unsent: Reply = { status: 0, retryAfter: undefined, body: 'not sent, since this replica leads no more' }
