import { performance } from 'node:perf_hooks'
import { missedKinds } from '../core/absence.ts'
import type { Kind } from '../core/kind.ts'
import type { Answer, Bench, Judged } from './answer.ts'

/** How long a refusal waits for the inventory to catch up, in milliseconds. */
export const absencePatience = 500

/** Refusals that may wait at a time; what comes beyond is refused at once. */
export const waitingLimit = 64

/** Waits until an object of one of the kinds changes; false where none does within so many milliseconds. */
export type AwaitChange = (kinds: ReadonlySet<Kind>, milliseconds: number) => Promise<boolean>

/** What a refusal may wait for. */
export interface Waiting {
  /** Judges the review with what is known now. */
  judge(): Answer
  readonly awaitChange: AwaitChange
  /** The moment after which nobody waits for the answer, on the clock of `performance.now()`. */
  readonly deadline: number
}

/** Returns the kinds whose change could turn a refusal, empty for what is not refused. */
export function kindsThatMayTurn(answer: Answer, { policy, inventory }: Bench, now: number): ReadonlySet<Kind> {
  if (answer.outcome !== 'judged' || answer.evaluation.verdict !== 'deny') return none
  return missedKinds(answer.review, policy, inventory, { evaluation: answer.evaluation, now })
}

const none: ReadonlySet<Kind> = new Set()

/**
 * Returns the answer after the inventory had time to catch up: objects that were applied in the right order, one right
 * after the other, would otherwise be refused by a replica that has not seen the first one yet. Judges again at each
 * change of the kinds, until the review is not refused any more or the patience is over.
 */
export async function answerWithPatience(
  first: Judged,
  kinds: ReadonlySet<Kind>,
  { judge, awaitChange, deadline }: Waiting,
): Promise<Answer> {
  const end = Math.min(performance.now() + absencePatience, deadline)
  let answer: Answer = first
  for (let now = performance.now(); now < end; now = performance.now()) {
    if (!(await awaitChange(kinds, end - now))) break
    answer = judge()
    if (answer.outcome !== 'judged' || answer.evaluation.verdict !== 'deny') break
  }
  return answer
}
