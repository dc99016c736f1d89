import { performance } from 'node:perf_hooks'

/** The time, as what runs by itself needs it. */
export interface Clock {
  /** Milliseconds since some moment: never jumps, and goes on while the process is stopped. */
  elapsed(): number
  /** Milliseconds since the epoch, as this machine believes. */
  now(): number
  /** Calls back after so many milliseconds; returns how to give that up. */
  after(milliseconds: number, then: () => void): () => void
  /** From 0 to 1. */
  random(): number
}

/** The time of this machine; what waits for it does not keep the process alive. */
export const systemClock: Clock = {
  elapsed: () => performance.now(),
  now: () => Date.now(),
  after: (milliseconds, then) => {
    const timer = setTimeout(then, milliseconds).unref()
    return () => clearTimeout(timer)
  },
  random: () => Math.random(),
}

/** Waits so many milliseconds, or until the signal says stop. */
export function sleep(clock: Clock, milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Bell().wait(clock, milliseconds, signal)
}

/** Wakes one who waits; a ring that nobody waited for is heard by the next. */
export class Bell {
  #rung = false
  #wake: (() => void) | undefined

  ring(): void {
    this.#rung = true
    this.#wake?.()
  }

  /** Waits for a ring, at most so many milliseconds, and not beyond the signal. */
  async wait(clock: Clock, milliseconds: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const cancel = clock.after(milliseconds, resolve)
      this.#wake = resolve
      const stop = (): void => resolve()
      signal.addEventListener('abort', stop)
      await promise
      // The signal may live for months, and would keep whatever listens.
      signal.removeEventListener('abort', stop)
      cancel()
    }
    this.#wake = undefined
    this.#rung = false
  }
}
