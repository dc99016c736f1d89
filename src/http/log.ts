import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino'
import type { Evaluation } from '../core/evaluate.ts'
import type { Review } from '../core/review.ts'
import { printable, shorten, show } from '../core/text.ts'
import { exemptionNames, ruleOutcomes } from './admission.ts'

/** The log of one process. */
export type Log = Logger

/** Names of the fields of a log line; a line with `semantic: true` keeps its shape within a major version. */
export const logField = {
  semantic: 'semantic',
  uid: 'uid',
  operation: 'operation',
  group: 'group',
  kind: 'kind',
  namespace: 'namespace',
  name: 'name',
  subresource: 'subresource',
  user: 'user',
  verdict: 'verdict',
  /** List of `{id, enforcementAction}`. */
  rules: 'rules',
  exemption: 'exemption',
  dryRun: 'dryRun',
  /** Milliseconds. */
  duration: 'duration',
  rule: 'rule',
  why: 'why',
  error: 'err',
  policy: 'policy',
  revision: 'revision',
  /** Where reviews are taken. */
  listen: 'listen',
  /** Where liveness, readiness and metrics are. */
  metricsListen: 'metricsListen',
  /** File of the development CA. */
  ca: 'ca',
  ruleCount: 'ruleCount',
  approvedHosts: 'approvedHosts',
  mutating: 'mutating',
  signal: 'signal',
  /** When the serving certificate ends. */
  notAfter: 'notAfter',
  /** Connections that were cut, since their clients did not finish. */
  connections: 'connections',
  /** Where an error came from that nobody caught. */
  origin: 'origin',
} as const

/** Longest text of a field that a requester chose. */
const textLimit = 256

/** Longest message and stack of a logged error. */
const errorLimit = 4000

/** Returns a log that writes one JSON object a line to the destination. */
export function createLog(destination: DestinationStream): Log {
  const options: LoggerOptions = {
    base: null,
    timestamp: (): string => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string): object => ({ level: label }) },
    serializers: { [logField.error]: describeError },
  }
  return pino(options, destination)
}

/** Errors may carry anything, an object that is judged among it: only type, message and stack are logged. */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error, message: clean(show(error), errorLimit) }
  return { type: error.name, message: clean(error.message, errorLimit), stack: shorten(error.stack ?? '', errorLimit) }
}

/** Writes what became of reviews. */
export interface DecisionLog {
  /** Writes one line for a deny, a warning or a rule error; of the rest the sampled share. */
  decided(review: Review, evaluation: Evaluation, milliseconds: number): void
  /** Writes one line for a review that was refused unjudged. */
  refused(uid: string, why: string, milliseconds: number): void
}

/** Returns a decision log; `allowSample` is the share of uneventful reviews that are logged too, from 0 to 1. */
export function createDecisionLog(log: Log, allowSample: number): DecisionLog {
  let due = 0
  const sampled = (): boolean => {
    due += allowSample
    if (due < 1) return false
    due -= 1
    return true
  }
  return {
    decided: (review, evaluation, milliseconds) => {
      const { verdict, ruleErrors } = evaluation
      for (const { rule, cause } of ruleErrors) {
        log.error({ [logField.uid]: review.uid, [logField.rule]: rule, [logField.error]: cause }, 'rule error')
      }
      if (verdict === 'allow' && ruleErrors.length === 0 && !sampled()) return
      log.info(decisionFields(review, evaluation, milliseconds), 'decision')
    },
    refused: (uid, why, milliseconds) => {
      const { semantic, verdict, duration } = logField
      const fields = { [logField.uid]: uid, [verdict]: 'deny', [logField.why]: why, [duration]: rounded(milliseconds) }
      log.info({ [semantic]: true, ...fields }, 'decision')
    },
  }
}

function decisionFields(review: Review, evaluation: Evaluation, milliseconds: number): object {
  const { ref } = review
  const exemption = exemptionNames(evaluation)
  return {
    [logField.semantic]: true,
    [logField.uid]: review.uid,
    [logField.operation]: review.operation,
    [logField.group]: clean(ref.group),
    [logField.kind]: clean(ref.kind),
    [logField.namespace]: clean(ref.namespace),
    [logField.name]: clean(ref.name),
    ...(review.subresource === '' ? {} : { [logField.subresource]: clean(review.subresource) }),
    [logField.user]: clean(review.requester?.username ?? ''),
    [logField.verdict]: evaluation.verdict,
    [logField.rules]: ruleOutcomes(evaluation),
    ...(exemption === undefined ? {} : { [logField.exemption]: exemption }),
    [logField.dryRun]: review.dryRun,
    [logField.duration]: rounded(milliseconds),
  }
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000
}

function clean(text: string, limit = textLimit): string {
  return printable(shorten(text, limit))
}
