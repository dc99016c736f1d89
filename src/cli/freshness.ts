import type { ReflectorStatus } from '../kube/status.ts'

const second = 1000

/** Milliseconds without touch after which the inventory counts as stale: watches that break are back by then. */
export const staleAfter = 30 * second

/** What changed at a look. */
export type Turn =
  | { readonly became: 'stale'; readonly kinds: number; readonly why: string | undefined }
  | { readonly became: 'fresh' }

/** How far the inventory may be behind the cluster. */
export class Freshness {
  /** Milliseconds since all of the inventory was known to be true. */
  staleness = 0
  readonly #limit: number

  /** Beyond the limit (milliseconds) another replica should answer. */
  constructor(limit: number) {
    this.#limit = limit
  }

  get isStale(): boolean {
    return this.staleness > staleAfter
  }

  /**
   * Returns true where another replica should be asked. The one that led last stays whatever happens: all may have lost
   * touch at the same time, and verdicts on the last state are better than none.
   */
  isForsaken(ledLast: boolean): boolean {
    return this.staleness > this.#limit && !ledLast
  }

  /** Takes in how the reflectors are; what may not be read is unknown, and does not age. Returns what turned. */
  look(status: readonly ReflectorStatus[]): Turn | undefined {
    const wasStale = this.isStale
    const read = status.filter(({ state }) => state === 'synced')
    this.staleness = Math.max(0, ...read.map(({ staleness }) => staleness))
    if (wasStale === this.isStale) return undefined
    if (wasStale) return { became: 'fresh' }
    const behind = read.filter(({ staleness }) => staleness > staleAfter)
    const why = behind.find(one => one.why !== undefined)?.why
    return { became: 'stale', kinds: new Set(behind.map(({ kind }) => kind)).size, why }
  }
}
