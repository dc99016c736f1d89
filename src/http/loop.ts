import { monitorEventLoopDelay, performance } from 'node:perf_hooks'

/** Watches how late the event loop is. */
export interface LoopWatch {
  /**
   * Returns for how many milliseconds, at most, what is being read from a socket now may have lain there unread: while
   * the loop is held up, requests wait in the kernel, and no time stamp tells since when.
   */
  waited(now: number): number
  /** Returns how late the loop was since this was asked last, in seconds. */
  delays(): { readonly p99: number; readonly max: number }
  /** Returns how often the loop was more than 200 ms late. */
  stalls(): number
  stop(): void
}

/** Milliseconds between two samples of Node's own, which cost little. */
const resolution = 20

/** Milliseconds between two looks at the clock: so much later a request may be found to be late. */
const interval = 100

/** A delay that callers feel. */
const stall = 200

/** Returns a watch on the event loop. */
export function watchLoop(): LoopWatch {
  const histogram = monitorEventLoopDelay({ resolution })
  histogram.enable()
  let stalls = 0
  let due = performance.now() + interval
  let behind = 0
  const caughtUp = (): void => {
    behind = 0
  }
  // Node's histogram tells nothing of the delay that a request has just been through.
  const timer = setInterval(() => {
    const now = performance.now()
    const late = now - due
    due = now + interval
    if (late <= interval) return
    if (late > stall) stalls++
    // Timers run before sockets are read, immediates right after: what is read in between may have waited that long.
    behind = late
    setImmediate(caughtUp)
  }, interval).unref()
  return {
    waited: now => Math.max(0, behind, now - due),
    delays: () => {
      const delays = { p99: lateness(histogram.percentile(99)), max: lateness(histogram.max) }
      histogram.reset()
      return delays
    },
    stalls: () => stalls,
    stop: () => {
      clearInterval(timer)
      histogram.disable()
    },
  }
}

/** Returns the seconds that a sample was late, of the nanoseconds from the sample before. */
function lateness(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e9 - resolution / 1000)
}
