import type { Bell } from './bell.ts'
import type { Clock } from './clock.ts'

/** How a step ended: well, or with something that is worth another try. */
export type StepOutcome =
  | { readonly ok: true }
  /** `retryAfter`: milliseconds after which the API server asks to be asked again. */
  | { readonly ok: false; readonly retryAfter: number | undefined }

/** What a thing that is kept right runs by. */
export interface Keeping {
  readonly clock: Clock
  /** Rung when the step may have something to do. */
  readonly bell: Bell
  readonly signal: AbortSignal
}

/** Milliseconds between two steps at least: whoever undoes what we write must not make us write without pause. */
const rest = 500

/** Milliseconds after which a step is run though nothing rang: nothing rings when time alone makes something due. */
const hour = 3_600_000

/** Longest time between two tries, milliseconds. */
const longestWait = 30_000

/** Runs a step now, whenever the bell rings, every hour, and after a failure; one at a time, until the signal says stop. */
export async function keep(step: () => Promise<StepOutcome>, { clock, bell, signal }: Keeping): Promise<void> {
  let failures = 0
  while (!signal.aborted) {
    const outcome = await step()
    failures = outcome.ok ? 0 : failures + 1
    await clock.sleep(outcome.ok ? rest : waitAfter(failures, outcome.retryAfter, clock), signal)
    if (outcome.ok) await bell.wait(clock, hour, signal)
  }
}

/** Doubles with each failure, less up to a half, so that replicas do not come in step. */
function waitAfter(failures: number, retryAfter: number | undefined, clock: Clock): number {
  const wait = Math.min(longestWait, rest * 2 ** failures)
  return Math.max(retryAfter ?? 0, wait * (1 - clock.random() / 2))
}
