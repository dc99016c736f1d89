import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino'
import type { Evaluation } from '../core/evaluate.ts'
import type { Review } from '../core/review.ts'
import { printable, shorten, show } from '../core/text.ts'
import { exemptionNames, type Mode, ruleOutcomes } from './admission.ts'

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
  /** `audit`: what is refused is admitted. */
  mode: 'mode',
  /** True: judged on the last state, since the guard had lost touch with the API server. */
  stale: 'stale',
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
  /** How far something is, or how it stands. */
  state: 'state',
  /** How many kinds the inventory holds; of how many nothing is installed; how many may not be read. */
  kinds: 'kinds',
  absent: 'absent',
  forbidden: 'forbidden',
  /** How many objects the inventory holds. */
  objects: 'objects',
  outcome: 'outcome',
  /** `validating` or `mutating`. */
  configuration: 'configuration',
  /** Names of entries of a webhook configuration. */
  entries: 'entries',
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
  decided(review: Review, evaluation: Evaluation, circumstances: Circumstances): void
  /** Writes one line for a review that was refused unjudged. */
  refused(uid: string, why: string, circumstances: Circumstances): void
}

/** How a review was judged. */
export interface Circumstances {
  readonly milliseconds: number
  /** What becomes of refusals; logged where it is not `enforce`. */
  readonly mode?: Mode | undefined
  /** Whether the inventory was known to be behind; logged where it was. */
  readonly stale?: boolean | undefined
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
    decided: (review, evaluation, circumstances) => {
      const { verdict, ruleErrors } = evaluation
      for (const { rule, cause } of ruleErrors) {
        log.error({ [logField.uid]: review.uid, [logField.rule]: rule, [logField.error]: cause }, 'rule error')
      }
      if (verdict === 'allow' && ruleErrors.length === 0 && !sampled()) return
      log.info(decisionFields(review, evaluation, circumstances), 'decision')
    },
    refused: (uid, why, circumstances) => {
      const { semantic, verdict } = logField
      const fields = { [logField.uid]: uid, [verdict]: 'deny', [logField.why]: why }
      log.info({ [semantic]: true, ...fields, ...circumstantial(circumstances) }, 'decision')
    },
  }
}

function decisionFields(review: Review, evaluation: Evaluation, circumstances: Circumstances): object {
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
    ...circumstantial(circumstances),
  }
}

function circumstantial({ milliseconds, mode = 'enforce', stale = false }: Circumstances): object {
  return {
    [logField.duration]: rounded(milliseconds),
    ...(mode === 'enforce' ? {} : { [logField.mode]: mode }),
    ...(stale ? { [logField.stale]: true } : {}),
  }
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000
}

function clean(text: string, limit = textLimit): string {
  return printable(shorten(text, limit))
}
