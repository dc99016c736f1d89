import type { Fields } from '../istio/json.ts'
import type { FactKey, Facts, NamespaceLabels } from './facts.ts'
import type { Inventory } from './inventory.ts'
import type { Kind, ObjectRef } from './kind.ts'
import type { Pod } from './pod.ts'
import type { Param } from './rule.ts'

/** One label or annotation of a pod that a mutation writes or takes away; all that mutations ever touch. */
export interface MetadataChange {
  readonly map: 'labels' | 'annotations'
  readonly key: string
  /** Undefined: the key is taken away. */
  readonly value: string | undefined
}

/** What a mutation says about itself. */
export interface MutationMetadata {
  /** Kebab-case, a verb first; the folder's name. */
  readonly id: string
  /** What it writes, a sentence without full stop. */
  readonly summary: string
  /** When it acts and when it does not: a paragraph of Markdown. */
  readonly detail: string
  /** Whether the built-in baseline makes it. */
  readonly enabled: boolean
  /** Messages of rules that it may take away, as `rule/message`. */
  readonly cures: readonly string[]
  /** Kinds that it looks up. */
  readonly reads: readonly Kind[]
  /** Facts of the policy that it reads. */
  readonly facts: readonly FactKey[]
}

/** The pod that a mutation looks at, and where it is. */
export interface MutationSubject {
  readonly pod: Pod
  readonly namespace: string
  readonly namespaceLabels: NamespaceLabels
}

/** What a mutation is given to decide with. */
export interface MutationTools<P> {
  readonly facts: Facts
  readonly params: P
  readonly inventory: Inventory
}

/** A mutation as its folder writes it. */
export interface MutationSource<P> extends MutationMetadata {
  readonly params: { readonly [K in keyof P]: Param<P[K]> }
  /**
   * Returns the changes that a pod needs; none where it is right as it is. Pure, and idempotent: of a pod with the
   * changes made it asks for none.
   */
  change(subject: MutationSubject, tools: MutationTools<P>): readonly MetadataChange[]
}

/** A mutation as the engine runs it, the type of its params behind it. */
export interface Mutation extends MutationMetadata {
  readonly params: Readonly<Record<string, Param<unknown>>>
  change(subject: MutationSubject, tools: MutationTools<unknown>): readonly MetadataChange[]
}

/** Returns the mutation for the engine; its `change` may trust the types of its params, which the policy was checked for. */
export function defineMutation<P>(source: MutationSource<P>): Mutation {
  return { ...source, change: (subject, tools) => source.change(subject, tools as MutationTools<P>) }
}

/** A mutation with what a policy says about it. */
export interface ChosenMutation {
  readonly mutation: Mutation
  /** Params with the policy's values over the defaults. */
  readonly params: unknown
  /** Returns whether it is made in a namespace; the last override that matches wins. */
  enabledIn(namespace: string, labels: NamespaceLabels): boolean
}

/** Changes that one mutation asked for. */
export interface MadeMutation {
  readonly id: string
  readonly cures: readonly string[]
  readonly changes: readonly MetadataChange[]
}

/** A pod, or an object with a pod template, after mutations. */
export interface Mutated {
  readonly object: Fields
  /** Those that asked for a change, in order of ids; empty where the object is as it was. */
  readonly made: readonly MadeMutation[]
  /** Mutations that threw, a fault of the guard: each is left out. */
  readonly errors: readonly { readonly mutation: string; readonly cause: unknown }[]
}

/** What a mutated object is and where. */
export interface MutableObject {
  readonly kind: Kind
  readonly ref: ObjectRef
  readonly object: Fields
  readonly namespaceLabels: NamespaceLabels
}
