import { setImmediate } from 'node:timers/promises'
import patches, { type Operation } from 'fast-json-patch'
import { dig, type Fields, isFields } from '../src/istio/json.ts'
import type { Clock } from '../src/kube/clock.ts'
import {
  type Cluster,
  type Method,
  type Reply,
  type SendOptions,
  urlOf,
  type WatchObject,
} from '../src/kube/cluster.ts'

/** A request that the store got. */
export interface Sent {
  readonly method: Method
  readonly path: string
  readonly options: SendOptions
}

/**
 * Objects in memory, which behave as those of an API server in what matters to one who writes: versions, conflicts, what
 * is there already or not at all, defaults that are filled in. It can be made to fail.
 */
export class Store implements Cluster {
  readonly sent: Sent[] = []
  /** Answers instead of the store where it returns something. */
  fault: (sent: Sent) => Reply | undefined | Promise<Reply | undefined> = () => undefined
  readonly #objects = new Map<string, Fields>()
  readonly #watches = new Set<{ readonly path: string; readonly seen: (object: Fields | undefined) => void }>()
  #version = 100

  /** What was sent that changes something. */
  get writes(): readonly Sent[] {
    return this.sent.filter(({ method }) => method !== 'GET')
  }

  readonly watch: WatchObject = (path, seen) => {
    const watch = { path: urlOf(path, path.name), seen }
    this.#watches.add(watch)
    queueMicrotask(() => this.#watches.has(watch) && seen(this.read(watch.path)))
    return () => this.#watches.delete(watch)
  }

  get watchers(): number {
    return this.#watches.size
  }

  read(path: string): Fields | undefined {
    return structuredClone(this.#objects.get(path))
  }

  /** Stores as somebody else would; undefined deletes. */
  put(path: string, object: Fields | undefined): Fields | undefined {
    if (object === undefined) this.#objects.delete(path)
    else this.#objects.set(path, this.#stored(path, object))
    queueMicrotask(() => {
      for (const watch of this.#watches) if (watch.path === path) watch.seen(this.read(path))
    })
    return this.read(path)
  }

  async send(method: Method, path: string, options: SendOptions = {}): Promise<Reply> {
    const { signal, ...rest } = options
    const sent = { method, path, options: structuredClone(rest) }
    this.sent.push(sent)
    await Promise.resolve()
    if (signal?.aborted) return reply(0, 'aborted')
    const answer = (await this.fault(sent)) ?? this.#answer(sent)
    return signal?.aborted ? reply(0, 'aborted') : answer
  }

  #answer({ method, path, options: { body } }: Sent): Reply {
    const name = method === 'POST' ? String(dig(body, 'metadata', 'name')) : ''
    const at = method === 'POST' ? `${path}/${name}` : path
    const before = this.#objects.get(at)
    if (method === 'POST')
      return before === undefined ? reply(201, this.put(at, body as Fields)) : status(409, 'AlreadyExists')
    if (before === undefined) return status(404, 'NotFound')
    if (method === 'GET') return reply(200, this.read(at))
    if (method === 'DELETE') return reply(200, this.put(at, undefined))
    const after = method === 'PUT' ? body : patched(before, body)
    if (!isFields(after)) return status(422, 'Invalid')
    if (dig(after, 'metadata', 'resourceVersion') !== dig(before, 'metadata', 'resourceVersion')) {
      return status(409, 'Conflict')
    }
    return reply(200, this.put(at, after))
  }

  #stored(path: string, object: Fields): Fields {
    const copy = JSON.parse(JSON.stringify(object))
    for (const rule of (copy.webhooks ?? []).flatMap((entry: Fields) => entry['rules'] ?? [])) rule.scope ??= '*'
    copy.metadata = { ...copy.metadata, name: path.split('/').at(-1), resourceVersion: String(++this.#version) }
    return copy
  }
}

function patched(before: Fields, body: unknown): unknown {
  try {
    return patches.applyPatch(structuredClone(before), body as Operation[], true).newDocument
  } catch {
    return undefined
  }
}

/** Returns an answer. */
export function reply(code: number, body?: unknown): Reply {
  return { status: code, retryAfter: undefined, body }
}

/** Returns an answer that is a refusal. */
export function status(code: number, reason: string): Reply {
  return reply(code, { kind: 'Status', code, reason, message: `${reason}: said by the store` })
}

/** Time that passes when it is told to. */
export class TestClock implements Clock {
  /** While true nothing is called back, as in a process that is stopped; time goes on. */
  stopped = false
  /** How far the machine's idea of the time is off, milliseconds. */
  skew = 0
  #elapsed = 0
  readonly #timers = new Set<{ readonly due: number; readonly call: () => void }>()

  /** Milliseconds since the epoch, as this machine believes. */
  readonly date = (): number => Date.UTC(2026, 10, 21) + this.#elapsed + this.skew

  now(): number {
    return this.#elapsed
  }

  random(): number {
    return 0.5
  }

  async sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = { due: this.#elapsed + milliseconds, call: resolve }
    this.#timers.add(timer)
    const end = (): void => {
      this.#timers.delete(timer)
      resolve()
    }
    signal?.addEventListener('abort', end, { once: true })
    await promise
  }

  get timers(): number {
    return this.#timers.size
  }

  /** Milliseconds until the first is called back. */
  get next(): number {
    return Math.min(...Array.from(this.#timers, ({ due }) => due - this.#elapsed))
  }

  pass(milliseconds: number): void {
    this.#elapsed += milliseconds
    if (!this.stopped) this.ring()
  }

  /** Calls back what is due. */
  ring(): void {
    for (const timer of [...this.#timers].sort((a, b) => a.due - b.due)) {
      if (timer.due > this.#elapsed || !this.#timers.delete(timer)) continue
      timer.call()
    }
  }
}

/** Lets time pass on all clocks in small steps, each as long as it takes until nothing more follows from it. */
export async function pass(
  milliseconds: number,
  clocks: readonly TestClock[],
  look: (passed: number) => unknown = () => false,
): Promise<void> {
  for (let passed = 0; passed < milliseconds; ) {
    await setImmediate()
    const next = Math.min(...clocks.map(clock => clock.next))
    // Hours in which everybody waits are passed at once.
    const step = next > 60_000 && Number.isFinite(next) ? Math.min(next, milliseconds - passed) : 100
    passed += step
    for (const clock of clocks) clock.pass(step)
    await setImmediate()
    if (look(passed) === true) return
  }
}
