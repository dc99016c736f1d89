import type { Facts, NamespaceLabels } from './facts.ts'
import type { EnforcementAction, ExemptionMark, Finding, OnUnknown } from './finding.ts'
import type { Inventory } from './inventory.ts'
import type { Kind } from './kind.ts'
import type { ChosenMutation } from './mutation.ts'
import type { Review } from './review.ts'
import type { Rule } from './rule.ts'

/** A rule with what a policy says about it. */
export interface ChosenRule {
  readonly rule: Rule
  /** Params with the policy's values over the defaults. */
  readonly params: unknown
  readonly onUnknown: OnUnknown
  /** Returns what is done about a message in a namespace; the last override that matches wins. */
  actionOf(message: string, namespace: string, labels: NamespaceLabels): EnforcementAction
  /** Returns the strongest of what is done about its messages in a namespace; `off` where the rule is not evaluated. */
  strongestIn(namespace: string, labels: NamespaceLabels): EnforcementAction
}

/** Finds the exemption that permits a finding of a review at a moment, or undefined. */
export type FindExemption = (
  finding: Finding,
  review: Review,
  inventory: Inventory,
  now: number,
) => ExemptionMark | undefined

/** A policy, checked and compiled. */
export interface Policy {
  /** Names of the documents it came from, for the first line of a refusal. */
  readonly name: string
  /** Hash of its content. */
  readonly revision: string
  readonly facts: Facts
  /** Returns the rules that judge a kind. */
  rulesFor(kind: Kind): readonly ChosenRule[]
  readonly rules: readonly ChosenRule[]
  readonly findExemption: FindExemption
  /** What is put right in pods; empty where the guard does not mutate. */
  readonly mutations: readonly ChosenMutation[]
}
