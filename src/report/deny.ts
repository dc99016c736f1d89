import { docsBase } from '../core/evaluate.ts'
import { effectOf, type Finding, type Malformed, type NotJudged, type RuleError } from '../core/finding.ts'
import { formatRef, type ObjectRef } from '../core/kind.ts'
import { formatPath, type Path } from '../core/path.ts'
import { printable, shorten } from '../core/text.ts'
import type { Evidence } from '../core/verdict.ts'

/** Most entries that one refusal lists; the gravest are kept. */
export const entryLimit = 20

/** Longest path and longest object name in a refusal, in characters. */
const partLimit = 300

/** What a refusal is about. */
export interface Refused {
  /** Names the entry of the log that holds the cause of a rule error. */
  readonly uid: string
  readonly ref: ObjectRef
  /** Name of the policy, for the first line. */
  readonly policy: string
}

/**
 * Returns the text of a refusal: every reason why the request is refused, the gravest first, at most 20, and the number
 * left out on the last line. What only warns is not in it.
 *
 * | refused by                       | entry                              |
 * |----------------------------------|------------------------------------|
 * | a finding                        | `path: why`, fix, rule and link    |
 * | a fact that is unknown           | `path: not judged: unknown`, the same |
 * | a rule that threw                | `rule … failed`, whom to ask       |
 * | a field that cannot be judged    | `path: why`, one line (see malformedText) |
 */
export function denyText(refused: Refused, evidence: Evidence): string {
  const findings = evidence.findings.filter(finding => effectOf(finding) === 'deny')
  const gaps = evidence.notJudged.filter(gap => gap.onUnknown === 'deny')
  const errors = evidence.ruleErrors.filter(error => error.enforcementAction === 'deny')
  // What is not listed need not be written.
  const entries = [
    ...findings.map(finding => () => findingEntry(finding)),
    ...gaps.map(gap => () => gapEntry(gap)),
    ...errors.map(error => () => ruleErrorEntry(error, refused.uid)),
  ]
  return [firstLine(refused, findings.length), ...capped(entries)].join('\n')
}

/** Returns the text for an object with fields that cannot be judged: one short sentence each, at most 20. */
export function malformedText(ref: ObjectRef, malformed: readonly Malformed[]): string {
  const sentences = new Set(malformed.map(({ path, why }) => placed(path, why)))
  const entries = [...sentences].map(sentence => () => sentence)
  return [`${shownRef(ref)} is malformed`, ...capped(entries)].join('\n')
}

function firstLine({ ref, policy }: Refused, findings: number): string {
  const what = findings === 0 ? `${shownRef(ref)} could not be judged` : `${counted(findings)} on ${shownRef(ref)}`
  return `${what} (policy ${printable(shorten(policy, partLimit))})`
}

function counted(findings: number): string {
  return findings === 1 ? '1 finding' : `${findings} findings`
}

function findingEntry({ path, why, fix, rule, docs }: Finding): string {
  return `${placed(path, why)}\n  fix: ${printable(fix)}\n  ${rule}, ${docs}`
}

function gapEntry({ path, unknown, fix, rule }: NotJudged): string {
  return `${placed(path, `not judged: ${unknown}`)}\n  fix: ${printable(fix)}\n  ${rule}, ${docsBase}#${rule}`
}

function ruleErrorEntry({ rule }: RuleError, uid: string): string {
  const fix = `ask those who run the guard; its log has the cause under uid ${printable(uid)}`
  return `rule ${rule} failed, which is a fault of the guard and not of the object\n  fix: ${fix}\n  ${rule}, ${docsBase}#${rule}`
}

function placed(path: Path, why: string): string {
  const place = printable(shorten(formatPath(path), partLimit))
  return place === '' ? printable(why) : `${place}: ${printable(why)}`
}

function shownRef(ref: ObjectRef): string {
  return printable(shorten(formatRef(ref), partLimit))
}

function capped(entries: readonly (() => string)[]): string[] {
  const left = entries.length - entryLimit
  const shown = entries.slice(0, entryLimit).map(write => write())
  return left <= 0 ? shown : [...shown, `and ${left} more`]
}
