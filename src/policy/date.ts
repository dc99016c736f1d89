const day = /^\d{4}-\d{2}-\d{2}$/
const moment = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/
const dayLength = 24 * 60 * 60 * 1000

/**
 * Returns the first moment (milliseconds since the epoch) at which something that `expires` then no longer holds: a day
 * is valid to its end in UTC. Undefined where the text is no date.
 */
export function readExpiry(text: string): number | undefined {
  if (day.test(text)) {
    const start = Date.parse(`${text}T00:00:00Z`)
    return Number.isNaN(start) || new Date(start).toISOString().slice(0, 10) !== text ? undefined : start + dayLength
  }
  if (!moment.test(text)) return undefined
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : at
}
