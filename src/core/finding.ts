import type { Path } from './path.ts'

/** How bad a finding is. */
export type Severity =
  /** Small or indirect. */
  | 'low'
  /** Needs a second condition, or weakens. */
  | 'medium'
  /** Defeats an organisational rule under common conditions. */
  | 'high'
  /** One object fully defeats an organisational rule, or takes approved traffic of others down. */
  | 'critical'

/** What is done about a finding. */
export type EnforcementAction =
  /** The request is refused. */
  | 'deny'
  /** The request passes with a warning. */
  | 'warn'
  /** The request passes; log and metric tell. */
  | 'dryrun'
  /** Not evaluated. */
  | 'off'

/** The outcome of one review. */
export type Verdict = 'allow' | 'warn' | 'deny'

/** The exemption that a finding matched. */
export interface ExemptionMark {
  readonly name: string
  readonly owner: string
  readonly reason: string
  readonly expires: string
}

/** One reported problem at one path of the judged object. */
export interface Finding {
  readonly rule: string
  readonly message: string
  readonly severity: Severity
  readonly enforcementAction: EnforcementAction
  readonly path: Path
  /** The offending value as text; empty where something is missing. */
  readonly value: string
  readonly why: string
  readonly fix: string
  readonly docs: string
  readonly threats: readonly string[]
  readonly exemption?: ExemptionMark
  readonly preexisting?: true
}

/** A finding that one of our mutations takes away. */
export interface Cure extends Finding {
  /** Id of the mutation. */
  readonly mutation: string
}

/** Something a rule could not decide, because a fact is in neither policy nor inventory. */
export interface NotJudged {
  readonly rule: string
  readonly path: Path
  /** What is unknown: one clause. */
  readonly unknown: string
  /** How to make it known: imperative. */
  readonly fix: string
  readonly onUnknown: OnUnknown
}

/** What an unknown fact does to the verdict. */
export type OnUnknown = 'deny' | 'warn' | 'allow'

/** A rule threw: our fault, not the user's. */
export interface RuleError {
  readonly rule: string
  readonly enforcementAction: EnforcementAction
  readonly cause: unknown
}

/** A field on a rule's path that is not of the shape the API server would store. */
export interface Malformed {
  readonly rule: string
  /** The strongest that the rule has there: where it refuses nothing, a field that it cannot read does not either. */
  readonly enforcementAction: EnforcementAction
  readonly path: Path
  readonly why: string
  /** Past a limit: what stands at the path was not looked at, so that it cannot be known to have been there before. */
  readonly unread?: true
}

const rank: Readonly<Record<Severity, number>> = { critical: 0, high: 1, medium: 2, low: 3 }
const weight: Readonly<Record<EnforcementAction, number>> = { deny: 0, warn: 1, dryrun: 2, off: 3 }

/** Orders findings for people: what refuses first, then the gravest, then by place; total, so output never flickers. */
export function compareFindings(a: Finding, b: Finding): number {
  return (
    weight[effectOf(a)] - weight[effectOf(b)] ||
    rank[a.severity] - rank[b.severity] ||
    comparePaths(a.path, b.path) ||
    compareText(a.rule, b.rule) ||
    compareText(a.message, b.message) ||
    compareText(a.value, b.value)
  )
}

/** Orders paths by their segments, indexes by number. */
export function comparePaths(a: Path, b: Path): number {
  for (const [i, left] of a.entries()) {
    const right = b[i]
    if (right === undefined) break
    if (left === right) continue
    if (typeof left === 'number' && typeof right === 'number') return left - right
    return compareText(String(left), String(right))
  }
  return a.length - b.length
}

/** Returns the strongest of some actions; none is `off`. */
export function strongestAction(actions: Iterable<EnforcementAction>): EnforcementAction {
  let strongest: EnforcementAction = 'off'
  for (const action of actions) if (weight[action] < weight[strongest]) strongest = action
  return strongest
}

/** Orders text by code units, the same on every machine. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/**
 * Returns what is done about a finding in the end.
 *
 * | finding                  | effect                         |
 * |--------------------------|--------------------------------|
 * | exempt                   | off: reported as skipped       |
 * | preexisting, deny        | warn: nobody is locked in      |
 * | otherwise                | its enforcementAction          |
 */
export function effectOf(finding: Pick<Finding, 'enforcementAction' | 'exemption' | 'preexisting'>): EnforcementAction {
  if (finding.exemption !== undefined) return 'off'
  if (finding.preexisting === true && finding.enforcementAction === 'deny') return 'warn'
  return finding.enforcementAction
}
