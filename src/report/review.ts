import type { Evaluation } from '../core/evaluate.ts'
import { effectOf } from '../core/finding.ts'
import { formatRef } from '../core/kind.ts'
import { formatPath } from '../core/path.ts'
import type { Review } from '../core/review.ts'
import { printable } from '../core/text.ts'
import { denyText } from './deny.ts'
import { warningLines } from './warning.ts'

/** One recorded review after it was answered, as a report shows it. */
export interface AnsweredReview {
  /** Where it was read: `file:line`. */
  readonly place: string
  readonly review: Review
  readonly evaluation: Evaluation
  /** Ids of the mutations that the answer makes; empty where it makes none. */
  readonly mutations: readonly string[]
  /** Name of the policy, for the first line of a refusal. */
  readonly policy: string
}

const verdicts = { deny: 'refused', warn: 'warned', allow: 'passes' } as const

/** Returns the report on one answered review as text, for people; it says what the API server would show. */
export function reviewText({ place, review, evaluation, mutations, policy }: AnsweredReview): string {
  const { ref, operation, subresource, uid } = review
  const what = subresource === '' ? operation : `${operation} ${subresource}`
  const dryrun = evaluation.findings.filter(finding => effectOf(finding) === 'dryrun')
  const exempt = evaluation.findings.filter(finding => finding.exemption !== undefined)
  const lines = [
    `${verdicts[evaluation.verdict]}  ${printable(formatRef(ref))}, ${printable(what)}  (${printable(place)})`,
    ...(mutations.length === 0 ? [] : [`  mutated: ${mutations.join(', ')}`]),
    ...evaluation.cured.map(({ path, why, rule }) => `  cured: ${printable(formatPath(path))}: ${why} (${rule})`),
    ...(evaluation.verdict === 'deny' ? denyText({ uid, ref, policy }, evaluation).split('\n').map(indented) : []),
    ...warningLines(evaluation).map(line => `  warning: ${line}`),
    ...dryrun.map(({ path, why, rule }) => `  dryrun: ${printable(formatPath(path))}: ${why} (${rule})`),
    ...exempt.map(
      ({ path, rule, exemption }) =>
        `  exempt: ${printable(formatPath(path))}: ${rule}, by ${printable(exemption?.name ?? '')}`,
    ),
  ]
  return `${lines.join('\n')}\n`
}

function indented(line: string): string {
  return `  ${line}`
}
