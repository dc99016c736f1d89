import { type Evaluation, evaluate } from '../core/evaluate.ts'
import { type Change, type Inventory, inventoryOf, overlay, snapshotOf } from '../core/inventory.ts'
import { isNamespaced, kindOf, type ObjectRef, refOf } from '../core/kind.ts'
import type { Policy } from '../core/policy.ts'
import type { Operation, Phase, Requester, Review } from '../core/review.ts'
import { type Fields, field, isFields } from '../istio/json.ts'
import { hasInjectorOutput, podTemplateOf } from '../istio/workload.ts'
import type { ManifestDocument } from '../manifest/read.ts'
import { InputError } from './input.ts'

/** How documents are judged. */
export interface CheckOptions {
  /** Undefined: update where the inventory holds the object, else create. */
  readonly operation: Operation | undefined
  /** Judge the documents one after the other, each in the state that those before it made. */
  readonly sequence: boolean
  /** For documents that name none. */
  readonly namespace: string
  readonly requester: Requester | undefined
  readonly now: number
}

/** One document and what came out of judging it. */
export interface JudgedDocument {
  readonly document: ManifestDocument
  readonly review: Review
  readonly evaluation: Evaluation
}

/** A document as an object with its namespace filled in, as kubectl does. */
interface Placed {
  readonly document: ManifestDocument
  readonly ref: ObjectRef
  readonly object: Fields
}

/**
 * Judges documents as the API server would ask about them, in a cluster that holds the `stored` objects. Without `sequence`
 * each is judged in the state that all documents make together, a deletion in the state without any of them; in sequence
 * a refused document changes nothing.
 */
export function judgeDocuments(
  documents: readonly ManifestDocument[],
  policy: Policy,
  stored: readonly Fields[],
  options: CheckOptions,
): readonly JudgedDocument[] {
  const placed = documents.map(document => place(document, options.namespace))
  const state = new State(stored, options.operation === 'DELETE')
  if (!options.sequence) {
    const before = state.inventory()
    for (const entry of placed) state.take(entry)
    const after = state.inventory()
    return placed.map(entry => judge(entry, policy, { before, after }, options))
  }
  return placed.map(entry => {
    const inventory = state.inventory()
    const outcome = judge(entry, policy, { before: inventory, after: inventory }, options)
    if (outcome.evaluation.verdict !== 'deny') state.take(entry)
    return outcome
  })
}

/** Changes that are laid over a snapshot before a new one is made: a new one costs as much as there are objects. */
const mostPending = 200

/** What the cluster holds while documents come in. Of kinds that it does not hold to begin with, nothing is known. */
class State {
  readonly #objects = new Map<string, Fields>()
  readonly #known: Inventory
  readonly #isDelete: boolean
  #snapshot: Inventory
  #pending: Change[] = []

  constructor(stored: readonly Fields[], isDelete: boolean) {
    for (const object of stored) this.#objects.set(keyOf(refOf(object)), object)
    this.#known = inventoryOf(stored)
    this.#snapshot = this.#known
    this.#isDelete = isDelete
  }

  take({ ref, object }: Placed): void {
    if (this.#isDelete) this.#objects.delete(keyOf(ref))
    else this.#objects.set(keyOf(ref), object)
    this.#pending.push({ ref, object: this.#isDelete ? undefined : object })
  }

  inventory(): Inventory {
    if (this.#pending.length > mostPending) {
      this.#snapshot = snapshotOf(this.#objects.values(), kind => this.#known.knows(kind))
      this.#pending = []
    }
    return overlay(this.#snapshot, this.#pending)
  }
}

function keyOf({ group, kind, namespace, name }: ObjectRef): string {
  return `${kindOf(group, kind)} ${namespace}/${name}`
}

function place(document: ManifestDocument, fallback: string): Placed {
  const object = isFields(document.object) ? document.object : {}
  const ref = refOf(object)
  if (ref.namespace !== '' || !isNamespaced(kindOf(ref.group, ref.kind))) return { document, ref, object }
  const metadata = field(object, 'metadata')
  return {
    document,
    ref: { ...ref, namespace: fallback },
    object: { ...object, metadata: { ...(isFields(metadata) ? metadata : {}), namespace: fallback } },
  }
}

interface States {
  readonly before: Inventory
  readonly after: Inventory
}

function judge(entry: Placed, policy: Policy, states: States, options: CheckOptions): JudgedDocument {
  const review = reviewOf(entry, states.before, options)
  const evaluation = evaluate(review, policy, states.after, options.now, states.before)
  return { document: entry.document, review, evaluation }
}

function reviewOf({ document, ref, object }: Placed, before: Inventory, options: CheckOptions): Review {
  const kind = kindOf(ref.group, ref.kind)
  const stored = before.find(kind, ref.namespace, ref.name)
  const operation = options.operation ?? (stored === undefined ? 'CREATE' : 'UPDATE')
  if (operation === 'UPDATE' && stored === undefined) {
    const place = `${document.file}:${document.line}`
    throw new InputError([
      `${place}: nothing to update: the inventory does not hold ${ref.kind} ${ref.namespace}/${ref.name}`,
    ])
  }
  return {
    uid: '',
    operation,
    kind,
    ref,
    subresource: '',
    object: operation === 'DELETE' ? undefined : object,
    oldObject: operation === 'CREATE' ? undefined : (stored ?? object),
    requester: options.requester,
    dryRun: true,
    phase: phaseOf(kind, object),
  }
}

/** Templates, and pods without the injector's output, are as submitted. */
function phaseOf(kind: string, object: Fields): Phase {
  if (podTemplateOf(kind, object) === undefined) return 'final'
  return kind === 'Pod' && hasInjectorOutput(object) ? 'final' : 'submitted'
}
