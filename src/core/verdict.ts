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
 * | asks for                                                         | verdict |
 * |------------------------------------------------------------------|---------|
 * | a finding, unknown fact, rule error or malformed field with deny | deny    |
 * | one of these with warn                                           | warn    |
 * | dryrun, off, allow, nothing                                      | allow   |
 */
export function decide(evidence: Evidence): Verdict {
  const asked = new Set<EnforcementAction | 'allow'>()
  for (const finding of evidence.findings) asked.add(effectOf(finding))
  for (const gap of evidence.notJudged) asked.add(gap.onUnknown)
  for (const fault of [...evidence.ruleErrors, ...evidence.malformed]) asked.add(fault.enforcementAction)
  if (asked.has('deny')) return 'deny'
  return asked.has('warn') ? 'warn' : 'allow'
}
