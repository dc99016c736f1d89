/** Milliseconds; Kubernetes' own default where a webhook states no timeout, and the limits that it sets to one. */
const defaultTimeout = 10_000
const [shortest, longest] = [1000, 30_000]

/** Time for the answer to travel, and for the API server to read it. */
const reserve = 500

/** A review takes less than a millisecond: who has waited for so long is better served by another replica. */
const mostPatience = 4000

const unit: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

const duration = /^\+?(?:\d{1,9}(?:\.\d{0,9})?(?:ns|us|ms|s|m|h)){1,4}$/
const part = /([\d.]+)(\D+)/g

/**
 * Returns the milliseconds in which a request is worth an answer, from its first byte, by the `timeout` that the API
 * server puts into the query (apiserver, webhook/validating/dispatcher.go: `r.Param("timeout", …)`). What is not a
 * duration as Go writes it counts as not given.
 *
 * | timeout          | answer within |
 * |------------------|---------------|
 * | 1s, or 0s        | 0.5 s         |
 * | 3s               | 2.5 s         |
 * | 4.5s and longer  | 4 s           |
 * | absent, or junk  | 4 s           |
 */
export function patienceFor(timeout: unknown): number {
  const asked = typeof timeout === 'string' ? parseDuration(timeout) : undefined
  const clamped = Math.min(longest, Math.max(shortest, asked ?? defaultTimeout))
  return Math.min(clamped - reserve, mostPatience)
}

/** Returns the milliseconds of a duration as Go writes it, undefined for what is none or negative. */
function parseDuration(text: string): number | undefined {
  if (!duration.test(text)) return undefined
  let milliseconds = 0
  for (const [, count, name = ''] of text.matchAll(part)) milliseconds += Number(count) * (unit[name] ?? Number.NaN)
  return Number.isNaN(milliseconds) ? undefined : milliseconds
}
