import { placeOf } from '../core/inventory.ts'
import { dig, type Fields, text } from '../istio/json.ts'
import { type Clock, within } from './clock.ts'
import type { Held } from './held.ts'
import type { Listing } from './pager.ts'
import type { Timing } from './timing.ts'

/** What is checked, and with what. */
export interface CheckOptions {
  readonly clock: Clock
  readonly timing: Pick<Timing, 'check' | 'checkCall' | 'lag'>
  readonly held: Held
  /** Lists the metadata of what should be held. */
  readonly list: (take: (item: Fields) => void) => Promise<Listing>
  /** How many calls that takes. */
  readonly pages: () => number
  /** False while nothing new is expected, so that a difference would mean nothing. */
  readonly isDue: () => boolean
  readonly missed: (count: number) => void
  readonly signal: AbortSignal
}

/** Compares what is held with a list now and then, until the signal: a watch that misses something does not say so. */
export async function checkNowAndThen(options: CheckOptions): Promise<void> {
  const { clock, timing, pages, isDue, missed, signal } = options
  while (!signal.aborted) {
    await clock.sleep(Math.max(within(timing.check, clock), pages() * timing.checkCall), signal)
    if (signal.aborted || !isDue()) continue
    const count = await countMissed(options)
    if (count > 0 && !signal.aborted) missed(count)
  }
}

async function countMissed({ clock, timing, held, list, signal }: CheckOptions): Promise<number> {
  const compare = held.compare()
  const listed = new Map<string, string>()
  const listing = await list(item => {
    const [namespace = '', name = '', version = ''] = ['namespace', 'name', 'resourceVersion'].map(
      key => text(dig(item, 'metadata', key)) ?? '',
    )
    listed.set(placeOf(namespace, name), version)
  })
  // The watch may bring a little later what the list shows already.
  if (listing.ok) await clock.sleep(timing.lag, signal)
  const places = compare(listed)
  return listing.ok ? places.length : 0
}
