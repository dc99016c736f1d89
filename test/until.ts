import { setTimeout as wait } from 'node:timers/promises'

/** Returns when a condition holds; throws with its name where it does not within so many milliseconds. */
export async function until(what: string, holds: () => boolean, within = 10_000): Promise<void> {
  const end = performance.now() + within
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within ${within} ms: ${what}`)
    await wait(5)
  }
}
