import type { Clock } from './clock.ts'

/** Wakes one who waits; a ring that nobody waited for is heard by the next. */
export class Bell {
  #rung = false
  #wake: (() => void) | undefined

  ring(): void {
    this.#rung = true
    this.#wake?.()
  }

  /** Waits for a ring, at most so many milliseconds, and not beyond the signal. */
  async wait(clock: Clock, milliseconds: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung && !signal.aborted) {
      const over = new AbortController()
      this.#wake = () => over.abort()
      signal.addEventListener('abort', this.#wake)
      await clock.sleep(milliseconds, over.signal)
      // The signal may live for months, and would keep whatever listens.
      signal.removeEventListener('abort', this.#wake)
      this.#wake = undefined
    }
    this.#rung = false
  }
}

/** Calls back after so many milliseconds; returns how to give that up. */
export function after(clock: Clock, milliseconds: number, then: () => void): () => void {
  const over = new AbortController()
  void clock.sleep(milliseconds, over.signal).then(() => {
    if (!over.signal.aborted) then()
  })
  return () => over.abort()
}
