import {
  type EnforcementAction,
  effectOf,
  type Finding,
  type Malformed,
  type NotJudged,
  type RuleError,
  type Verdict,
} from './finding.ts'

/** What a verdict is decided from. */
export interface Evidence {
  readonly findings: readonly Finding[]
  readonly notJudged: readonly NotJudged[]
  readonly ruleErrors: readonly RuleError[]
  readonly malformed: readonly Malformed[]
}

/**
 * Returns the strongest of what findings, unknown facts, rule errors and malformed fields ask for.
 *
 * | asks for                                                            | verdict |
 * |---------------------------------------------------------------------|---------|
 * | anything malformed; a finding, rule error or unknown fact with deny | deny    |
 * | a finding, rule error or unknown fact with warn                     | warn    |
 * | dryrun, off, allow, nothing                                         | allow   |
 */
export function decide(evidence: Evidence): Verdict {
  if (evidence.malformed.length > 0) return 'deny'
  const asked = new Set<EnforcementAction | 'allow'>()
  for (const finding of evidence.findings) asked.add(effectOf(finding))
  for (const gap of evidence.notJudged) asked.add(gap.onUnknown)
  for (const error of evidence.ruleErrors) asked.add(error.enforcementAction)
  if (asked.has('deny')) return 'deny'
  return asked.has('warn') ? 'warn' : 'allow'
}
