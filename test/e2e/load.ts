import { setTimeout as wait } from 'node:timers/promises'
import type { Context } from './context.ts'
import { entryFor, pathOf } from './samples.ts'

/** What became of requests that were sent all the time. */
export interface Tally {
  readonly sent: number
  readonly perSecond: number
  /** What was answered in another way than it should be: "admitted though not approved", or the status and why. */
  readonly wrong: readonly string[]
  /** How long the slowest took, in milliseconds. */
  readonly slowest: number
}

/** Requests that are sent until told to stop. */
export interface Load {
  /** How many have been answered by now. */
  sent(): number
  stop(): Promise<Tally>
}

/** Senders at a time; a cluster that becomes slow is not asked more and more at once. */
export const senders = 12

/** Requests a second that each of them sends at most. */
const pace = 8

/**
 * Sends dry-run creations of ServiceEntries in a namespace, up to 96 a second: half of an approved host, half of one that
 * nobody approved.
 */
export function startLoad({ plane }: Context, namespace: string, approved: string): Load {
  const wrong: string[] = []
  let sent = 0
  let slowest = 0
  const send = async (host: string, expected: number): Promise<void> => {
    const entry = entryFor(namespace, host)
    const begun = performance.now()
    try {
      const { status, body } = await plane.request('POST', `${pathOf(entry)}?dryRun=All`, entry)
      if (status !== expected) wrong.push(`${host}: ${status} ${String(body['message'] ?? 'admitted')}`)
    } catch (cause) {
      wrong.push(`${host}: ${cause}`)
    }
    sent++
    slowest = Math.max(slowest, performance.now() - begun)
  }
  const begun = performance.now()
  const stopping = new AbortController()
  const run = async (): Promise<void> => {
    for (let round = 0; !stopping.signal.aborted; round++) {
      const pause = wait(1000 / pace)
      await (round % 2 === 0 ? send(approved, 201) : send('nobody-approved.example.org', 403))
      await pause
    }
  }
  const running = Promise.all(Array.from({ length: senders }, run))
  return {
    sent: () => sent,
    stop: async () => {
      stopping.abort()
      const seconds = (performance.now() - begun) / 1000
      await running
      return { sent, perSecond: Math.round(sent / seconds), wrong, slowest: Math.round(slowest) }
    },
  }
}

/** Returns a tally in one line. */
export function shownTally({ sent, perSecond, wrong, slowest }: Tally): string {
  return `${sent} requests, ${perSecond}/s, ${wrong.length} failed or wrong, slowest ${slowest} ms`
}
