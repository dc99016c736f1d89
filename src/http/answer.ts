import { type Evaluation, evaluate } from '../core/evaluate.ts'
import { type Inventory, namespaceLabels } from '../core/inventory.ts'
import { mutate, patchOf } from '../core/mutate.ts'
import type { Mutated } from '../core/mutation.ts'
import type { Policy } from '../core/policy.ts'
import type { Review } from '../core/review.ts'
import { entryKind } from '../istio/kinds.ts'
import {
  type AdmissionReply,
  type Mode,
  type ReadReview,
  readReview,
  writePatch,
  writeRefusal,
  writeReply,
} from './admission.ts'

/** What reviews are judged with at the moment. */
export interface Bench {
  readonly policy: Policy
  readonly inventory: Inventory
  /** What becomes of refusals; absent: `enforce`. */
  readonly mode?: Mode
  /** True while it is not known whether the inventory is what the cluster holds now. */
  readonly stale?: boolean
}

/** What became of the body of one request, already parsed. */
export type Answer =
  /** No API server sends this: HTTP 400. */
  | { readonly outcome: 'not-a-review' }
  /** An AdmissionReview whose object cannot be judged; `reply` refuses it. */
  | { readonly outcome: 'unreadable'; readonly uid: string; readonly why: string; readonly reply: AdmissionReply }
  | Judged
  /** A review that the mutating endpoint has looked at. */
  | {
      readonly outcome: 'mutated'
      readonly review: Review
      readonly mutated: Mutated
      readonly reply: AdmissionReply
    }
  | Fault

/** A review with its verdict. */
export interface Judged {
  readonly outcome: 'judged'
  readonly review: Review
  readonly evaluation: Evaluation
  readonly reply: AdmissionReply
}

/** A fault of ours outside any rule: nothing could be judged, so `reply` refuses, or leaves the pod as it is. */
export interface Fault {
  readonly outcome: 'fault'
  readonly review: Review
  readonly cause: unknown
  readonly reply: AdmissionReply
}

/** Told to whoever runs into a fault of ours; the cause is for the log alone. */
const faultText = 'the guard failed while judging this object; its log has the cause under the uid of this review'

/** Returns what `/validate` answers to a parsed body. Never throws. */
export function answerValidate(body: unknown, bench: Bench, now: number): Answer {
  const read = readReview(body)
  if (!read.ok && read.reply === 'not-a-review') return { outcome: 'not-a-review' }
  if (!read.ok) return unreadable(read, bench.mode)
  return answerReview(read.review, bench, now)
}

/** Returns what `/validate` answers to a review. Never throws. */
export function answerReview(review: Review, bench: Bench, now: number): Judged | Fault {
  const { policy, inventory, mode } = bench
  try {
    const evaluation = isLeftUnjudged(review, bench) ? unjudged : evaluate(review, policy, inventory, now)
    return { outcome: 'judged', review, evaluation, reply: writeReply(evaluation, review, policy, mode) }
  } catch (cause) {
    return { outcome: 'fault', review, cause, reply: writeRefusal(review.uid, 500, faultText, mode) }
  }
}

/**
 * Whether an entry may be taken away depends on what else is there, which nobody knows while the watch is behind; to keep
 * an entry that its owner wants gone would be the worse mistake.
 */
function isLeftUnjudged({ operation, kind }: Review, { stale = false }: Bench): boolean {
  return stale && operation === 'DELETE' && kind === entryKind
}

const unjudged: Evaluation = {
  verdict: 'warn',
  findings: [],
  notJudged: [
    {
      rule: 'no-opening-delete',
      path: [],
      unknown: 'what the cluster holds now, since the guard has lost touch with the API server',
      fix: 'look at what the scan reports about the host later',
      onUnknown: 'warn',
    },
  ],
  ruleErrors: [],
  malformed: [],
  cured: [],
}

/**
 * Returns what `/mutate` answers to a parsed body: a patch for a pod that is created, if it needs one. A fault of ours
 * leaves the pod as it is, since the final pod is judged all the same. Never throws.
 */
export function answerMutate(body: unknown, { policy, inventory, mode }: Bench, now: number): Answer {
  const read = readReview(body, 'submitted')
  if (!read.ok && read.reply === 'not-a-review') return { outcome: 'not-a-review' }
  if (!read.ok) return unreadable(read, mode)
  const { review } = read
  try {
    const mutated = mutationsOf(review, policy, inventory)
    const patch = review.object === undefined ? [] : patchOf(review.object, mutated.made)
    // What is cured is told where something is; most pods are right as they are, and then this costs nothing.
    const cured = patch.length === 0 ? [] : evaluate(review, policy, inventory, now).cured
    const reply = writePatch(review.uid, { patch, made: mutated.made, cured }, policy.revision)
    return { outcome: 'mutated', review, mutated, reply }
  } catch (cause) {
    return { outcome: 'fault', review, cause, reply: writePatch(review.uid, unchanged, policy.revision) }
  }
}

/**
 * Returns what `/mutate` answers while there is nothing to decide with: the pod stays as it is, since waiting would hold up
 * every pod, and the final one is judged all the same.
 */
export function answerUnmutated(body: unknown): Answer {
  const read = readReview(body, 'submitted')
  if (!read.ok && read.reply === 'not-a-review') return { outcome: 'not-a-review' }
  if (!read.ok) return unreadable(read)
  const { review } = read
  const mutated: Mutated = { object: review.object ?? {}, made: [], errors: [] }
  return { outcome: 'mutated', review, mutated, reply: writePatch(review.uid, unchanged, '') }
}

const unchanged = { patch: [], made: [], cured: [] } as const

function unreadable({ uid, code, why }: Extract<ReadReview, { reply: 'refused' }>, mode?: Mode): Answer {
  return { outcome: 'unreadable', uid, why, reply: writeRefusal(uid, code, why, mode) }
}

/** Only pods that are created are mutated: what exists has an owner who would wonder. */
function mutationsOf(review: Review, policy: Policy, inventory: Inventory): Mutated {
  const { kind, ref, object, operation, subresource } = review
  const nothing: Mutated = { object: object ?? {}, made: [], errors: [] }
  if (kind !== 'Pod' || operation !== 'CREATE' || subresource !== '' || object === undefined) return nothing
  return mutate({ kind, ref, object, namespaceLabels: namespaceLabels(inventory, ref.namespace) }, policy, inventory)
}
