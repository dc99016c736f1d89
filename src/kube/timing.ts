import type { Span } from './clock.ts'

/** Times, in milliseconds unless said otherwise. */
export interface Timing {
  /** Objects of one page of a list. */
  readonly pageSize: number
  /** Seconds that a watch is asked to last. */
  readonly watch: Span
  /** Without a byte after which a server is taken for dead; bookmarks come about once a minute. */
  readonly silence: Span
  /** Before reconnecting when a connection broke: all do at once when a server restarts. */
  readonly reconnect: Span
  /** Between two tries of what fails again and again, at most. */
  readonly longestWait: number
  /** Between two checks of what is held against a list. */
  readonly check: Span
  /** Between two calls of checks, in the mean: those of long lists are rare. */
  readonly checkCall: number
  /** What a watch may lag behind a list that it is checked against. */
  readonly lag: number
  /** Between two questions whether a kind has been installed. */
  readonly absent: Span
  /** Between two tries of what may not be read, once it has been refused for `refusal`. */
  readonly forbidden: Span
  /** For how long a server may refuse, or not know, what it does when it has come up. */
  readonly refusal: number
  /** Between two questions meanwhile. */
  readonly again: Span
}

/** Times that keep a mesh fresh with fewer than 15 calls an hour for each kind. */
export const defaultTiming: Timing = {
  pageSize: 250,
  watch: [300, 600],
  silence: [90_000, 120_000],
  reconnect: [0, 10_000],
  longestWait: 30_000,
  check: [900_000, 1_800_000],
  checkCall: 600_000,
  lag: 30_000,
  absent: [20_000, 30_000],
  forbidden: [240_000, 300_000],
  refusal: 30_000,
  again: [1_000, 3_000],
}

/** How much longer silence is borne, at most, where it was only quiet the last times. */
export const longestSilence = 4
