import { type Evaluation, evaluate } from '../core/evaluate.ts'
import type { Inventory } from '../core/inventory.ts'
import type { Policy } from '../core/policy.ts'
import type { Review } from '../core/review.ts'
import { type AdmissionReply, readReview, writeRefusal, writeReply } from './admission.ts'

/** What reviews are judged with at the moment. */
export interface Bench {
  readonly policy: Policy
  readonly inventory: Inventory
}

/** What became of the body of one request, already parsed. */
export type Answer =
  /** No API server sends this: HTTP 400. */
  | { readonly outcome: 'not-a-review' }
  /** An AdmissionReview whose object cannot be judged; `reply` refuses it. */
  | { readonly outcome: 'unreadable'; readonly uid: string; readonly why: string; readonly reply: AdmissionReply }
  /** A review with its verdict. */
  | {
      readonly outcome: 'judged'
      readonly review: Review
      readonly evaluation: Evaluation
      readonly reply: AdmissionReply
    }
  /** A fault of ours outside any rule: nothing could be judged, so `reply` refuses. */
  | { readonly outcome: 'fault'; readonly review: Review; readonly cause: unknown; readonly reply: AdmissionReply }

/** Told to whoever runs into a fault of ours; the cause is for the log alone. */
const faultText = 'the guard failed while judging this object; its log has the cause under the uid of this review'

/** Returns what `/validate` answers to a parsed body. Never throws. */
export function answerValidate(body: unknown, { policy, inventory }: Bench, now: number): Answer {
  const read = readReview(body)
  if (!read.ok && read.reply === 'not-a-review') return { outcome: 'not-a-review' }
  if (!read.ok) {
    const { uid, code, why } = read
    return { outcome: 'unreadable', uid, why, reply: writeRefusal(uid, code, why) }
  }
  const { review } = read
  try {
    const evaluation = evaluate(review, policy, inventory, now)
    return { outcome: 'judged', review, evaluation, reply: writeReply(review.uid, evaluation, review, policy) }
  } catch (cause) {
    return { outcome: 'fault', review, cause, reply: writeRefusal(review.uid, 500, faultText) }
  }
}
