import type { Fields } from '../istio/json.ts'
import { workloadKinds } from '../istio/workload.ts'
import { isCleanUp, isHousekeeping } from './change.ts'
import {
  type Cure,
  compareFindings,
  comparePaths,
  compareText,
  type Finding,
  type Malformed,
  type NotJudged,
  type RuleError,
  type Verdict,
} from './finding.ts'
import { docsBase, Hearing } from './hearing.ts'
import { type Inventory, namespaceLabels } from './inventory.ts'
import { isNamespaced, type Kind } from './kind.ts'
import { mutate } from './mutate.ts'
import type { MadeMutation } from './mutation.ts'
import { formatPath } from './path.ts'
import type { Policy } from './policy.ts'
import type { Review } from './review.ts'
import type { Rule, Subject } from './rule.ts'
import { decide, type Evidence } from './verdict.ts'

export { docsBase }

/** What came out of judging one review. */
export interface Evaluation extends Evidence {
  readonly verdict: Verdict
  /** What our mutations take away: found on the object as it was given, and no more on what becomes of it. */
  readonly cured: readonly Cure[]
}

/** Evidence with what mutations take away from it. */
type Judgement = Evidence & Pick<Evaluation, 'cured'>

const nothing: Judgement = { findings: [], notJudged: [], ruleErrors: [], malformed: [], cured: [] }

/**
 * Judges one review with every rule of the policy that judges its kind, in the state of the inventory after the request,
 * and returns findings (all of them, sorted), what could not be judged, rule errors and the verdict. Pods before the
 * injector, and templates as the pods that they become, are judged with the policy's mutations made to them.
 *
 * On an UPDATE the old object is judged in the state before; a finding it already had (by rule, message and value, as
 * often as it had it) is marked preexisting. `before` is that earlier state where it differs from `inventory` in more than
 * the judged object. Never throws on input; a rule that throws becomes a rule error.
 */
export function evaluate(
  review: Review,
  policy: Policy,
  inventory: Inventory,
  now: number,
  before: Inventory = inventory,
): Evaluation {
  if (isHousekeeping(review) || isCleanUp(review, inventory)) return { ...nothing, verdict: 'allow' }
  const evidence = judgeChange(review, policy, { before, inventory }, now)
  const findings = evidence.findings.map(finding => {
    const exemption = policy.findExemption(finding, review, inventory, now)
    return exemption === undefined ? finding : { ...finding, exemption }
  })
  const sorted: Judgement = {
    findings: findings.sort(compareFindings),
    notJudged: evidence.notJudged.toSorted(compareGaps),
    ruleErrors: evidence.ruleErrors,
    malformed: evidence.malformed.toSorted((a, b) => comparePaths(a.path, b.path)),
    cured: evidence.cured.toSorted(compareFindings),
  }
  return { ...sorted, verdict: decide(sorted) }
}

/** What is known before and after the request, the judged object aside. */
interface States {
  readonly before: Inventory
  readonly inventory: Inventory
}

function judgeChange(review: Review, policy: Policy, { before, inventory }: States, now: number): Judgement {
  const { object, oldObject, ref } = review
  if (review.operation === 'DELETE') {
    return oldObject === undefined
      ? nothing
      : judge({ ...review, object: oldObject, oldObject: undefined }, policy, inventory.without(ref), now)
  }
  if (object === undefined) return nothing
  const after = judge({ ...review, object }, policy, inventory.with(ref, object), now)
  if (review.operation !== 'UPDATE' || oldObject === undefined) return after
  if (after.findings.length + after.notJudged.length + after.malformed.length === 0) return after
  const earlier = { ...review, object: oldObject, oldObject: undefined }
  return {
    ...after,
    ...markPreexisting(after, ofTheObject(judge(earlier, policy, before.with(ref, oldObject), now), policy)),
  }
}

/** Leaves out what rules say that look at the requester or the change: it tells nothing of the object as it was. */
function ofTheObject(evidence: Evidence, policy: Policy): Evidence {
  const outside = new Set(policy.rules.filter(({ rule }) => rule.outsideLaw).map(({ rule }) => rule.id))
  return {
    ...evidence,
    findings: evidence.findings.filter(({ rule }) => !outside.has(rule)),
    notJudged: evidence.notJudged.filter(({ rule }) => !outside.has(rule)),
  }
}

function markPreexisting(after: Evidence, before: Evidence): Evidence {
  const had = new Map<string, number>()
  for (const finding of before.findings) had.set(identity(finding), (had.get(identity(finding)) ?? 0) + 1)
  const places = new Set(before.findings.map(place))
  const findings = after.findings
    .toSorted((a, b) => Number(places.has(place(b))) - Number(places.has(place(a))))
    .map((finding): Finding => {
      const left = had.get(identity(finding)) ?? 0
      if (left === 0) return finding
      had.set(identity(finding), left - 1)
      return { ...finding, preexisting: true }
    })
  const gaps = new Set(before.notJudged.map(gapIdentity))
  const notJudged = after.notJudged.map(
    (gap): NotJudged => (gap.onUnknown === 'deny' && gaps.has(gapIdentity(gap)) ? { ...gap, onUnknown: 'warn' } : gap),
  )
  const faults = new Set(before.malformed.map(faultIdentity))
  const malformed = after.malformed.map(
    (fault): Malformed =>
      fault.enforcementAction === 'deny' && fault.unread !== true && faults.has(faultIdentity(fault))
        ? { ...fault, enforcementAction: 'warn' }
        : fault,
  )
  return { ...after, findings, notJudged, malformed }
}

function identity(finding: Finding): string {
  return JSON.stringify([finding.rule, finding.message, finding.value])
}

function place(finding: Finding): string {
  return `${identity(finding)} ${formatPath(finding.path)}`
}

function gapIdentity(gap: NotJudged): string {
  return JSON.stringify([gap.rule, gap.unknown])
}

/** A fault that only moved in its list is the same. */
function faultIdentity(fault: Malformed): string {
  return JSON.stringify([fault.rule, fault.why, fault.path.filter(segment => typeof segment === 'string')])
}

function compareGaps(a: NotJudged, b: NotJudged): number {
  return compareText(a.rule, b.rule) || comparePaths(a.path, b.path) || compareText(a.unknown, b.unknown)
}

/** A review of which one object is judged: the new one, on DELETE the old one. */
type Judged = Review & { readonly object: Fields }

function judge(review: Judged, policy: Policy, inventory: Inventory, now: number): Judgement {
  const subject = subjectOf(review, policy, inventory)
  const given = run(subject, policy, inventory, now)
  if (subject.phase === 'final' || (review.kind === 'Pod' && review.operation !== 'CREATE')) return given
  const { object, made, errors } = mutate(subject, policy, inventory)
  const mutated = made.length === 0 ? given : run({ ...subject, object }, policy, inventory, now)
  const left = new Set(mutated.findings.map(place))
  const cured = given.findings.filter(finding => !left.has(place(finding)))
  const faults = errors.map(
    (error): RuleError => ({ rule: error.mutation, enforcementAction: 'warn', cause: error.cause }),
  )
  return {
    ...mutated,
    ruleErrors: [...mutated.ruleErrors, ...faults],
    cured: cured.map(finding => ({ ...finding, mutation: mutationThatCures(finding, made) })),
  }
}

/** Returns the mutation that says it cures such a finding, else all that were made: it was one of them. */
function mutationThatCures(finding: Finding, made: readonly MadeMutation[]): string {
  const name = `${finding.rule}/${finding.message}`
  return made.find(({ cures }) => cures.includes(name))?.id ?? made.map(({ id }) => id).join(', ')
}

function subjectOf(review: Judged, policy: Policy, inventory: Inventory): Subject {
  const namespace = namespaceOf(review)
  const labels = namespace === '' ? undefined : namespaceLabels(inventory, namespace)
  return {
    kind: review.kind,
    ref: review.ref,
    object: review.object,
    oldObject: review.oldObject,
    operation: review.operation,
    subresource: review.subresource,
    phase: isTemplate(review.kind) ? 'submitted' : review.phase,
    namespaceClass: isOfCluster(review.kind) ? 'platform' : policy.facts.namespaces.classOf(namespace, labels),
    namespaceLabels: labels,
    requester: review.requester,
  }
}

function run(subject: Subject, policy: Policy, inventory: Inventory, now: number): Judgement {
  const hearing = new Hearing(subject, policy, inventory, now)
  for (const chosen of policy.rulesFor(subject.kind)) {
    if (applies(chosen.rule, subject)) hearing.run(chosen, namespaceOf(subject))
  }
  const { findings, notJudged, ruleErrors, malformed } = hearing
  return { findings, notJudged, ruleErrors, malformed, cured: [] }
}

/** The namespace whose class and labels count: a Namespace's own. */
function namespaceOf({ kind, ref }: Pick<Review, 'kind' | 'ref'>): string {
  return kind === 'Namespace' ? ref.name : ref.namespace
}

/** What belongs to no namespace is the platform's; a Namespace itself is of its own class. */
function isOfCluster(kind: Kind): boolean {
  return kind !== 'Namespace' && !isNamespaced(kind)
}

/** A template is judged as the pod that it would become, which no injector has seen yet, whoever asks. */
function isTemplate(kind: string): boolean {
  return kind !== 'Pod' && workloadKinds.includes(kind)
}

function applies(rule: Rule, subject: Subject): boolean {
  return (
    rule.operations.includes(subject.operation) &&
    rule.phases.includes(subject.phase) &&
    rule.classes.includes(subject.namespaceClass)
  )
}
