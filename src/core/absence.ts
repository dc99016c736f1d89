import type { Fields } from '../istio/json.ts'
import { type Evaluation, evaluate } from './evaluate.ts'
import { effectOf } from './finding.ts'
import type { Inventory, Layer } from './inventory.ts'
import type { Kind, ObjectRef } from './kind.ts'
import type { Policy } from './policy.ts'
import type { Review } from './review.ts'

/**
 * Returns the kinds of which an object that is not there may have led to a refusal; empty where nothing is refused. The
 * inventory of a cluster trails behind by milliseconds, so that what was applied just before may only seem to be missing.
 *
 * The rules that refuse are run once more to see what they look for in vain: an object by its name, or any object of a
 * kind in one namespace. That a kind is empty in the whole cluster tells nothing; ConfigMaps hold settings of the mesh,
 * which nobody applies along with what they are for.
 */
export function missedKinds(
  review: Review,
  policy: Policy,
  inventory: Inventory,
  { evaluation, now }: { readonly evaluation: Evaluation; readonly now: number },
): ReadonlySet<Kind> {
  const missed = new Set<Kind>()
  const refusing = refusingRules(evaluation)
  if (refusing.size === 0) return missed
  const rules = policy.rules.filter(({ rule }) => refusing.has(rule.id))
  const narrowed = {
    ...policy,
    rules,
    rulesFor: (kind: Kind) => policy.rulesFor(kind).filter(({ rule }) => refusing.has(rule.id)),
  }
  evaluate(review, narrowed, new Witness(inventory, missed), now)
  return missed
}

function refusingRules({ verdict, findings, notJudged, malformed }: Evaluation): ReadonlySet<string> {
  if (verdict !== 'deny') return new Set()
  return new Set(
    [
      ...findings.filter(finding => effectOf(finding) === 'deny'),
      ...notJudged.filter(gap => gap.onUnknown === 'deny'),
      ...malformed.filter(fault => fault.enforcementAction === 'deny'),
    ].map(({ rule }) => rule),
  )
}

/** Another inventory, of which it is noted what was looked for in vain. */
class Witness implements Inventory {
  readonly #base: Inventory
  readonly #missed: Set<Kind>

  constructor(base: Inventory, missed: Set<Kind>) {
    this.#base = base
    this.#missed = missed
  }

  knows(kind: Kind): boolean {
    return this.#base.knows(kind)
  }

  find(kind: Kind, namespace: string, name: string): Fields | undefined {
    const found = this.#base.find(kind, namespace, name)
    if (found === undefined) this.#miss(kind)
    return found
  }

  list(kind: Kind, namespace?: string): readonly Fields[] {
    const found = this.#base.list(kind, namespace)
    if (namespace !== undefined && found.length === 0) this.#miss(kind)
    return found
  }

  layers(kind: Kind): Layer {
    return this.#base.layers(kind)
  }

  #miss(kind: Kind): void {
    if (kind !== 'ConfigMap') this.#missed.add(kind)
  }

  with(ref: ObjectRef, object: Fields): Inventory {
    return new Witness(this.#base.with(ref, object), this.#missed)
  }

  without(ref: ObjectRef): Inventory {
    return new Witness(this.#base.without(ref), this.#missed)
  }
}
