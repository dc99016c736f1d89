import type { Fields } from '../istio/json.ts'
import type { FactKey, Facts, NamespaceClass, NamespaceLabels } from './facts.ts'
import type { EnforcementAction, Severity } from './finding.ts'
import type { Inventory } from './inventory.ts'
import { groupOfKind, type Kind, type ObjectRef } from './kind.ts'
import type { Path } from './path.ts'
import type { Operation, Phase, Requester } from './review.ts'

/** One kind of finding that a rule reports. Severity and default action stand here: a rule spans grave and light threats. */
export interface Message {
  readonly severity: Severity
  /** What the built-in baseline does about it. */
  readonly enforcementAction: EnforcementAction
  /** One clause with `{slots}`, lower-case start, no full stop: the consequence, not the rule. */
  readonly why: string
  /** Imperative with `{slots}`: the field or policy key and the change; of two ways the safer first. */
  readonly fix: string
  /** Ids of `threats.yaml` that this message stands against. */
  readonly threats: readonly string[]
}

/** A JSON Schema (2020-12). */
export type JsonSchema = { readonly [key: string]: unknown }

/** An opinion of a rule that a policy may change. */
export interface Param<T> {
  readonly doc: string
  readonly schema: JsonSchema
  readonly default: T
}

/** What a rule says about itself. */
export interface RuleMetadata {
  /** Kebab-case, the folder's name; `no-` for prohibitions, `require-` for duties. */
  readonly id: string
  /** `Disallow …` or `Require …`, no full stop. */
  readonly summary: string
  /** What goes wrong without the rule: a paragraph or two of Markdown. */
  readonly risk: string
  /** What a team usually wants when the rule stops it, and how it gets that: a few sentences of Markdown. */
  readonly team: string
  /** Kinds the rule decides on; `*.networking.istio.io` is every kind of the group, those to come too. */
  readonly judges: readonly Kind[]
  /** Kinds the rule only looks up. */
  readonly reads: readonly Kind[]
  /** Facts of the policy the rule reads. */
  readonly facts: readonly FactKey[]
  readonly operations: readonly Operation[]
  /** In which phases pods are judged. */
  readonly phases: readonly Phase[]
  /** Classes of namespaces whose objects are judged. */
  readonly classes: readonly NamespaceClass[]
  /** True for rules that need a requester, or judge the change itself: a scan cannot repeat them. */
  readonly outsideLaw: boolean
}

/** The object being judged, in the state after the request (before it, for the old object of an UPDATE). */
export interface Subject {
  readonly kind: Kind
  readonly ref: ObjectRef
  readonly object: Fields
  /** On an UPDATE the object before, while the new one is judged; for rules about the change itself. */
  readonly oldObject: Fields | undefined
  readonly operation: Operation
  /** Empty for the object itself. */
  readonly subresource: string
  readonly phase: Phase
  readonly namespaceClass: NamespaceClass
  readonly namespaceLabels: NamespaceLabels
  readonly requester: Requester | undefined
}

/** Where and with what a message is reported. */
export interface Place {
  /** In the judged object, always. */
  readonly path: Path
  /** The offending value as text; absent where something is missing. Fills the slot `{value}`. */
  readonly value?: string
  /** Further slots of the message's texts. */
  readonly slots?: Readonly<Record<string, string>>
}

/** What a rule is given to judge with. */
export interface Tools<M extends string, P> {
  readonly facts: Facts
  readonly params: P
  readonly inventory: Inventory
  /** Moment of judging, milliseconds since the epoch. */
  readonly now: number
  /** Reports a finding. */
  report(message: M, place: Place): void
  /** Says that a fact is missing; the policy's `onUnknown` decides. `unknown` is a clause, `fix` an imperative. */
  notJudged(path: Path, unknown: string, fix: string): void
  /**
   * Says that a field is not of the shape that can be judged; takes the strongest action that the rule has there.
   * `unread` says that it is past a limit and that the rule leaves it alone.
   */
  malformed(path: Path, why: string, unread?: 'unread'): void
}

/** A rule as its folder writes it. */
export interface RuleSource<M extends string, P> extends RuleMetadata {
  readonly params: { readonly [K in keyof P]: Param<P[K]> }
  readonly messages: Readonly<Record<M, Message>>
  /** Judges one object. Pure: may read everything, reports only on the object it judges. */
  check(subject: Subject, tools: Tools<M, P>): void
}

/** A rule as the engine runs it, its own types of messages and params behind it. */
export interface Rule extends RuleMetadata {
  readonly params: Readonly<Record<string, Param<unknown>>>
  readonly messages: Readonly<Record<string, Message>>
  check(subject: Subject, tools: Tools<string, unknown>): void
}

/**
 * Returns the rule for the engine. Its `check` may trust the types of its params (the policy was checked against their
 * schemas) and can report only messages that it declares.
 */
export function defineRule<M extends string, P>(source: RuleSource<M, P>): Rule {
  return { ...source, check: (subject, tools) => source.check(subject, tools as Tools<M, P>) }
}

/** Returns true where the rule decides on a kind, by its name or with its whole group. */
export function judgesKind({ judges }: Pick<RuleMetadata, 'judges'>, kind: Kind): boolean {
  return judges.includes(kind) || judges.includes(groupOfKind(kind))
}

const slot = /\{(\w+)\}/g

/** Returns the text with its slots filled; a slot without a value is our fault and throws. */
export function fillSlots(text: string, slots: Readonly<Record<string, string>>): string {
  return text.replace(slot, (_, name: string) => {
    const value = Object.hasOwn(slots, name) ? slots[name] : undefined
    if (value === undefined) throw new Error(`slot {${name}} of "${text}" has no value`)
    return value
  })
}
