import { type Evaluation, evaluate } from '../core/evaluate.ts'
import { type Change, type Inventory, overlay } from '../core/inventory.ts'
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
 * Judges documents as the API server would ask about them. Without `sequence` each is judged in the state that all
 * documents make together, a deletion in the state without any of them; in sequence a refused document changes nothing.
 */
export function judgeDocuments(
  documents: readonly ManifestDocument[],
  policy: Policy,
  inventory: Inventory,
  options: CheckOptions,
): readonly JudgedDocument[] {
  const placed = documents.map(document => place(document, options.namespace))
  const isDelete = options.operation === 'DELETE'
  const change = ({ ref, object }: Placed): Change => ({ ref, object: isDelete ? undefined : object })
  if (!options.sequence) {
    const after = overlay(inventory, placed.map(change))
    return placed.map(entry => judge(entry, policy, { before: inventory, after }, options))
  }
  const judged: JudgedDocument[] = []
  let state = inventory
  for (const entry of placed) {
    const outcome = judge(entry, policy, { before: state, after: state }, options)
    if (outcome.evaluation.verdict !== 'deny') state = overlay(state, [change(entry)])
    judged.push(outcome)
  }
  return judged
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
