import { createHistogram, performance } from 'node:perf_hooks'

/** Watches how late the event loop is. */
export interface LoopWatch {
  /**
   * Returns for how many milliseconds, at most, what is being read from a socket now may have lain there unread: while
   * the loop is held up, requests wait in the kernel, and no time stamp tells since when.
   */
  waited(now: number): number
  /** Returns how late the loop was since this was asked last, in seconds. */
  delays(): { readonly p99: number; readonly max: number }
  /** Returns how often the loop was held up for longer than 200 ms. */
  stalls(): number
  stop(): void
}

/** Milliseconds between two looks at the clock: delays below it are of no interest to anybody. */
const interval = 20

/** A delay that callers feel. */
const stall = 200

/**
 * Returns a watch on the event loop. `monitorEventLoopDelay` has the delays too, but tells nothing of the one that a
 * request has just been through.
 */
export function watchLoop(): LoopWatch {
  const histogram = createHistogram()
  let stalls = 0
  let due = performance.now() + interval
  let behind = 0
  const caughtUp = (): void => {
    behind = 0
  }
  const timer = setInterval(() => {
    const now = performance.now()
    const late = now - due
    due = now + interval
    histogram.record(Math.max(1, Math.round(late * 1000)))
    if (late <= interval) return
    if (late > stall) stalls++
    // Timers run before sockets are read, immediates right after: what is read in between may have waited that long.
    behind = late
    setImmediate(caughtUp)
  }, interval).unref()
  return {
    waited: now => Math.max(0, behind, now - due),
    delays: () => {
      const delays = { p99: histogram.percentile(99) / 1e6, max: histogram.max / 1e6 }
      histogram.reset()
      return delays
    },
    stalls: () => stalls,
    stop: () => clearInterval(timer),
  }
}
