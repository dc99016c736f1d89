import { type Evaluation, evaluate } from '../core/evaluate.ts'
import { effectOf, type Finding } from '../core/finding.ts'
import { inventoryOf } from '../core/inventory.ts'
import { isNamespaced, kindOf, refOf } from '../core/kind.ts'
import { formatPath } from '../core/path.ts'
import type { Policy } from '../core/policy.ts'
import type { Review } from '../core/review.ts'
import type { Case, ExpectedFinding } from '../policy/cases.ts'

/** Judges a case, by its one rule where it names one. */
export function judgeCase(entry: Case, policy: Policy): Evaluation {
  const narrowed = entry.rule === undefined ? policy : only(entry.rule, policy)
  return evaluate(reviewOf(entry), narrowed, inventoryOf(entry.inventory, entry.knows), entry.now)
}

/** Returns what differs between what a case expects and what comes out of it, a line each; none where it holds. */
export function tryCase(entry: Case, policy: Policy): readonly string[] {
  const evaluation = judgeCase(entry, policy)
  return [
    ...evaluation.ruleErrors.map(({ rule, cause }) => `rule error: ${rule}: ${String(cause)}`),
    ...compareVerdict(entry, evaluation),
    ...compareFindings(entry, evaluation),
    ...comparePaths('not judged', entry.notJudged, evaluation.notJudged, entry),
    ...comparePaths('malformed', entry.malformed, evaluation.malformed, entry),
  ]
}

/** What one rule says of an object as it was given, so nothing is put right first. */
function only(rule: string, policy: Policy): Policy {
  return { ...policy, mutations: [], rulesFor: kind => policy.rulesFor(kind).filter(chosen => chosen.rule.id === rule) }
}

function reviewOf(entry: Case): Review {
  const { object, oldObject, operation } = entry
  const ref = { ...refOf(object), ...entry.of }
  const kind = kindOf(ref.group, ref.kind)
  return {
    uid: '',
    operation,
    kind,
    ref: ref.namespace === '' && isNamespaced(kind) ? { ...ref, namespace: 'default' } : ref,
    subresource: entry.subresource,
    object: operation === 'DELETE' ? undefined : object,
    oldObject: operation === 'DELETE' ? object : oldObject,
    requester: entry.as === undefined ? undefined : { username: entry.as, groups: entry.groups },
    dryRun: true,
    phase: entry.phase,
  }
}

function compareVerdict({ verdict }: Case, evaluation: Evaluation): readonly string[] {
  return verdict === undefined || verdict === evaluation.verdict
    ? []
    : [`verdict is ${evaluation.verdict}, not ${verdict}`]
}

/** Of all rules only what refuses or warns is compared: what is merely counted is no concern of a team. */
function compareFindings(entry: Case, { findings }: Evaluation): readonly string[] {
  if (entry.verdict !== undefined && entry.expect.length === 0) return []
  const left = findings.filter(finding => entry.rule !== undefined || counts(finding, entry))
  const missing = entry.expect.filter(expected => {
    const at = left.findIndex(finding => isExpected(finding, expected))
    if (at >= 0) left.splice(at, 1)
    return at < 0
  })
  return [
    ...missing.map(({ rule, message, path, value }) => {
      const name = rule === undefined ? message : `${rule}/${message}`
      return `missing: ${name} at ${path}${value === undefined ? '' : ` with value ${JSON.stringify(value)}`}`
    }),
    ...left.map(finding => {
      const name = entry.rule === undefined ? `${finding.rule}/${finding.message}` : finding.message
      return `unexpected: ${name} at ${formatPath(finding.path)} (${effectOf(finding)}): ${finding.why}`
    }),
  ]
}

function counts(finding: Finding, { expect }: Case): boolean {
  const effect = effectOf(finding)
  return effect === 'deny' || effect === 'warn' || expect.some(expected => isExpected(finding, expected))
}

function isExpected(finding: Finding, expected: ExpectedFinding): boolean {
  return (
    (expected.rule === undefined || expected.rule === finding.rule) &&
    expected.message === finding.message &&
    expected.path === formatPath(finding.path) &&
    (expected.value === undefined || expected.value === finding.value) &&
    (expected.enforcementAction === undefined || expected.enforcementAction === finding.enforcementAction) &&
    (expected.preexisting === undefined || finding.preexisting === true) &&
    (expected.exempt === undefined || finding.exemption !== undefined)
  )
}

function comparePaths(
  what: string,
  expected: readonly string[],
  found: readonly { readonly path: Finding['path'] }[],
  { rule }: Case,
): readonly string[] {
  // Of all rules together some fact is nearly always missing; only what a case asks for is compared then.
  if (rule === undefined && expected.length === 0) return []
  const paths = found.map(({ path }) => formatPath(path))
  return [
    ...expected.filter(path => !paths.includes(path)).map(path => `missing: ${what} at ${path}`),
    ...paths.filter(path => !expected.includes(path)).map(path => `unexpected: ${what} at ${path}`),
  ]
}
