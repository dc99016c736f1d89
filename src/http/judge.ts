import { performance } from 'node:perf_hooks'
import { type AwaitChange, answerWithPatience, kindsThatMayTurn, waitingLimit } from './absence.ts'
import type { AdmissionReply } from './admission.ts'
import type { Answer, Bench } from './answer.ts'
import type { DecisionLog, Log } from './log.ts'
import type { Metrics } from './metrics.ts'

/** What a request gets: an AdmissionReview, or the status that refuses it. */
export type Outcome = AdmissionReply | number

/** How a path is served. */
export interface Route {
  /** Returns what is answered to a parsed body; never throws. */
  readonly answer: (body: unknown, bench: Bench, now: number) => Answer
  /** What is answered while there is nothing to judge with; absent: come again. */
  readonly unready?: (body: unknown) => Answer
}

/** What a body is judged with; functions are asked anew for each look. */
export interface Judging {
  bench(): Bench
  ready(): boolean
  now(): number
  readonly awaitChange?: AwaitChange
  /** The moment after which nobody waits for the answer, on the clock of `performance.now()`. */
  readonly deadline: number
  readonly log: Log
  readonly decisions: DecisionLog
  readonly metrics: Metrics
}

/**
 * Judges a parsed body, counts and logs what became of it. A refusal that may only have come too early takes up to half a
 * second (see `answerWithPatience`); everything else is answered at once.
 */
export function judge(body: unknown, { answer, unready }: Route, judging: Judging): Outcome | Promise<Outcome> {
  const started = performance.now()
  const isReady = unready === undefined || judging.ready()
  if (!isReady) return conclude(unready(body), started, judging)
  const bench = judging.bench()
  const now = judging.now()
  const first = answer(body, bench, now)
  const { awaitChange, deadline, metrics } = judging
  if (awaitChange === undefined || metrics.waiting() >= waitingLimit) return conclude(first, started, judging, bench)
  const kinds = kindsThatMayTurn(first, bench, now)
  if (kinds.size === 0 || first.outcome !== 'judged') return conclude(first, started, judging, bench)
  const again = (): Answer => answer(body, judging.bench(), judging.now())
  const waiting = answerWithPatience(first, kinds, { judge: again, awaitChange, deadline })
  metrics.waits(waiting.then(last => last.outcome === 'judged' && last.evaluation.verdict !== 'deny'))
  return waiting.then(last => conclude(last, started, judging, bench))
}

function conclude(answer: Answer, started: number, { log, decisions, metrics }: Judging, bench?: Bench): Outcome {
  if (answer.outcome === 'not-a-review') return 400
  const milliseconds = performance.now() - started
  const seconds = milliseconds / 1000
  const { mode, stale } = bench ?? {}
  if (answer.outcome === 'judged') {
    metrics.judged(answer.review.operation, answer.evaluation, seconds)
    decisions.decided(answer.review, answer.evaluation, { milliseconds, mode, stale })
  } else if (answer.outcome === 'unreadable') {
    metrics.refused(seconds)
    decisions.refused(answer.uid, answer.why, { milliseconds, mode, stale })
  } else if (answer.outcome === 'mutated') {
    const { made, errors } = answer.mutated
    metrics.mutated(
      made.map(({ id }) => id),
      seconds,
    )
    for (const { mutation, cause } of errors)
      log.error({ uid: answer.review.uid, mutation, err: cause }, 'mutation error')
  } else if (answer.outcome === 'fault') {
    metrics.refused(seconds)
    log.error({ uid: answer.review.uid, err: answer.cause }, 'a review could not be judged')
  }
  return answer.reply
}
