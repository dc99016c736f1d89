import { effectOf } from '../core/finding.ts'
import { formatPath, type Path } from '../core/path.ts'
import { printable, shorten } from '../core/text.ts'
import type { Evidence } from '../core/verdict.ts'

/** Longest warning in runes: what Kubernetes asks for ("Dynamic Admission Control", section Response). */
export const warningLimit = 120

/** Runes of all warnings of one reply together; beyond it the API server cuts each and drops the rest. */
export const totalLimit = 4096

/** Runes a path keeps however long the reason is. */
const shortestPath = 40

/** Runes kept free for the last line, `and N more`. */
const moreLimit = 24

/**
 * Returns the warnings of a reply, `path: why (rule-id)`, the gravest first: findings that warn (among them what was
 * there before the change), then what could not be judged, then rules that threw. Each is one line without control
 * characters; equal ones come once.
 */
export function warningLines(evidence: Evidence): readonly string[] {
  const findings = evidence.findings
    .filter(finding => effectOf(finding) === 'warn')
    .map(({ path, why, rule }) => warningLine(path, why, rule))
  const gaps = evidence.notJudged
    .filter(gap => gap.onUnknown === 'warn')
    .map(({ path, unknown, rule }) => warningLine(path, `not judged: ${unknown}`, rule))
  const errors = evidence.ruleErrors
    .filter(error => error.enforcementAction === 'warn')
    .map(({ rule }) => warningLine([], 'the rule failed and judged nothing, a fault of the guard', rule))
  const faults = evidence.malformed
    .filter(fault => fault.enforcementAction === 'warn')
    .map(({ path, why, rule }) => warningLine(path, `malformed: ${why}`, rule))
  return withinTotal([...new Set([...findings, ...faults, ...gaps, ...errors])])
}

function warningLine(path: Path, why: string, rule: string): string {
  const reason = printable(why)
  const place = printable(formatPath(path))
  const room = warningLimit - runes(` (${rule})`)
  if (place === '') return `${shorten(reason, room)} (${rule})`
  const shownPlace = shorten(place, Math.max(shortestPath, room - 2 - runes(reason)))
  return `${shownPlace}: ${shorten(reason, room - 2 - runes(shownPlace))} (${rule})`
}

function withinTotal(lines: readonly string[]): readonly string[] {
  const shown: string[] = []
  let total = 0
  for (const line of lines) {
    total += runes(line)
    const reserve = shown.length + 1 === lines.length ? 0 : moreLimit
    if (total + reserve > totalLimit) return [...shown, `and ${lines.length - shown.length} more`]
    shown.push(line)
  }
  return shown
}

function runes(text: string): number {
  return [...text].length
}
