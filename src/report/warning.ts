import { effectOf } from '../core/finding.ts'
import { formatRef, type ObjectRef } from '../core/kind.ts'
import { formatPath, type Path } from '../core/path.ts'
import { countRunes, printable, shorten } from '../core/text.ts'
import type { Evidence } from '../core/verdict.ts'

/** Longest warning in runes: what Kubernetes asks for ("Dynamic Admission Control", section Response). */
export const warningLimit = 120

/** Runes of all warnings of one reply together; beyond it the API server cuts each and drops the rest. */
export const totalLimit = 4096

/** Runes a path keeps however long the reason is. */
const shortestPath = 40

/** Entries that are written out: more than fit into one reply, however short they are. */
const writtenLimit = 500

/** Runes kept free for the last line, `and N more`. */
const moreLimit = 24

/**
 * Returns the warnings of a reply, `path: why (rule-id)`, the gravest first: findings that warn (among them what was
 * there before the change), then what could not be judged, then rules that threw. Each is one line without control
 * characters; equal ones come once.
 */
export function warningLines(evidence: Evidence): readonly string[] {
  return linesOf(warningsOf(evidence, 'warn'))
}

/**
 * Returns what a refusal says where nothing is refused yet: a line that sums it up, then one for each reason, then the
 * warnings that come anyway.
 */
export function auditLines(ref: ObjectRef, policy: string, evidence: Evidence): readonly string[] {
  const reasons = warningsOf(evidence, 'deny')
  if (reasons.length === 0) return warningLines(evidence)
  const counted = reasons.length === 1 ? '1 reason' : `${reasons.length} reasons`
  const sum = `audit: ${counted} to refuse ${printable(formatRef(ref))} (policy ${printable(policy)})`
  return linesOf([...reasons, ...warningsOf(evidence, 'warn')], [shorten(sum, warningLimit)])
}

function warningsOf(evidence: Evidence, action: 'deny' | 'warn'): readonly Warning[] {
  const findings = evidence.findings
    .filter(finding => effectOf(finding) === action)
    .map(({ path, why, rule }): Warning => ({ path, why, rule }))
  const faults = evidence.malformed
    .filter(fault => fault.enforcementAction === action)
    .map(({ path, why, rule }): Warning => ({ path, why: `malformed: ${why}`, rule }))
  const gaps = evidence.notJudged
    .filter(gap => gap.onUnknown === action)
    .map(({ path, unknown, rule }): Warning => ({ path, why: `not judged: ${unknown}`, rule }))
  const errors = evidence.ruleErrors
    .filter(error => error.enforcementAction === action)
    .map(({ rule }): Warning => ({ path: [], why: 'the rule failed and judged nothing, a fault of the guard', rule }))
  return [...findings, ...faults, ...gaps, ...errors]
}

function linesOf(warnings: readonly Warning[], first: readonly string[] = []): readonly string[] {
  const lines = new Set([...first, ...warnings.slice(0, writtenLimit).map(warningLine)])
  return withinTotal([...lines], Math.max(0, warnings.length - writtenLimit))
}

interface Warning {
  readonly path: Path
  readonly why: string
  readonly rule: string
}

function warningLine({ path, why, rule }: Warning): string {
  const reason = printable(why)
  const place = printable(formatPath(path))
  const room = warningLimit - countRunes(` (${rule})`)
  if (place === '') return `${shorten(reason, room)} (${rule})`
  const shownPlace = shorten(place, Math.max(shortestPath, room - 2 - countRunes(reason)))
  return `${shownPlace}: ${shorten(reason, room - 2 - countRunes(shownPlace))} (${rule})`
}

function withinTotal(lines: readonly string[], unwritten: number): readonly string[] {
  const shown: string[] = []
  let total = 0
  for (const line of lines) {
    total += countRunes(line)
    const isLast = shown.length + 1 === lines.length && unwritten === 0
    if (total + (isLast ? 0 : moreLimit) > totalLimit) break
    shown.push(line)
  }
  const left = lines.length - shown.length + unwritten
  return left === 0 ? shown : [...shown, `and ${left} more`]
}
