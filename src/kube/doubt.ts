import { printable, shorten } from '../core/text.ts'
import { field, text } from '../istio/json.ts'
import type { Clock } from './clock.ts'
import type { Reply } from './cluster.ts'

/**
 * What a server says again and again, and may say only because it has just started: that something may not be read, or is
 * not installed.
 */
export interface Doubt {
  /** Returns for how many milliseconds it has been said. */
  lasts(): number
  /** Says that it is not so. */
  clear(): void
}

/** Returns a doubt that nobody has yet. */
export function doubtOf(clock: Pick<Clock, 'now'>): Doubt {
  let since: number | undefined
  return {
    lasts: () => {
      since ??= clock.now()
      return clock.now() - since
    },
    clear: () => {
      since = undefined
    },
  }
}

/** Longest reason that is kept. */
const reasonLimit = 200

/** Returns why there was no answer, or not the one that was wanted, in one line. */
export function reasonOf({ status, body }: Reply): string {
  const said = text(field(body, 'message')) ?? (typeof body === 'string' ? body : '')
  return printable(shorten(status === 0 ? said : `HTTP ${status}: ${said}`, reasonLimit))
}
