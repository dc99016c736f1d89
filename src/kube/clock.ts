import { setTimeout as wait } from 'node:timers/promises'

/** Time and chance as the live inventory meets them. */
export interface Clock {
  /** Milliseconds that only grow. */
  now(): number
  /** Returns after so many milliseconds, or at once when the signal is given; it never throws. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>
  /** From 0 up to, and without, 1. */
  random(): number
}

/** Time and chance as they are. */
export const realClock: Clock = {
  now: () => performance.now(),
  sleep: async (milliseconds, signal) => {
    // A wait that is called off has ended, which is all that is asked.
    await wait(milliseconds, undefined, { signal, ref: false }).catch(() => undefined)
  },
  random: Math.random,
}

/** A span of milliseconds out of which one is taken by chance, so that many do not do the same at once. */
export type Span = readonly [least: number, most: number]

/** Returns a time out of a span. */
export function within([least, most]: Span, clock: Pick<Clock, 'random'>): number {
  return least + (most - least) * clock.random()
}

/** Waits that double after each failure, with chance over their whole length. */
export interface Backoff {
  /** Returns how long to wait after one more failure. */
  next(): number
  /** Says that since the given moment all was well. */
  wellSince(began: number): void
}

/** Returns waits from 0.8 s to 30 s, which start anew after two minutes without failure, as client-go's reflector. */
export function backoffOf(clock: Clock, { first = 800, longest = 30_000, healthy = 120_000 } = {}): Backoff {
  let step = first
  return {
    next: () => {
      const most = step
      step = Math.min(step * 2, longest)
      return clock.random() * most
    },
    wellSince: began => {
      if (clock.now() - began >= healthy) step = first
    },
  }
}
