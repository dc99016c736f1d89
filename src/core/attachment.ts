import { dig, field, isFields, list, stringMap, text } from '../istio/json.ts'
import type { EgressGateway, Facts } from './facts.ts'
import { type Selection, selectsGateway } from './gatewaypods.ts'
import type { Inventory } from './inventory.ts'

/** What a policy is attached to by name. */
export interface TargetRef {
  readonly group: string
  readonly kind: string
  readonly name: string
}

/**
 * Returns what a policy names in `targetRefs`, or in the older `targetRef` where there are none. Istio:
 * pilot/pkg/model/policyattachment.go (GetTargetRefs).
 */
export function targetRefsOf(object: unknown): readonly TargetRef[] {
  const several = list(dig(object, 'spec', 'targetRefs'))
  const one = dig(object, 'spec', 'targetRef')
  const given = several.length > 0 ? several : isFields(one) ? [one] : []
  return given.map(ref => ({
    group: text(field(ref, 'group')) ?? '',
    kind: text(field(ref, 'kind')) ?? '',
    name: text(field(ref, 'name')) ?? '',
  }))
}

/** Returns true for a ref to a Gateway of the Gateway API. */
export function isGatewayRef({ group, kind }: TargetRef): boolean {
  return group === 'gateway.networking.k8s.io' && kind === 'Gateway'
}

/** A policy with the labels that it selects pods by; undefined where it has no selector. */
export interface Attached {
  readonly object: unknown
  readonly namespace: string
  readonly selector: unknown
}

/**
 * Returns whether a policy holds for the pods of an egress gateway: by its namespace, which is the root namespace or the
 * gateway's own, and there by name or by labels. Istio: pilot/pkg/model/policyattachment.go (ShouldAttachPolicy).
 *
 *     namespace           targetRefs            selector       answer
 *     another             any                   any            no
 *     root, gateway's     (none)                (none), {}     yes
 *     root, gateway's     (none)                some labels    as the gateway's pods bear them
 *     gateway's           its Gateway           any            yes
 *     any                 something else        any            no
 */
export function holdsFor(
  { object, namespace, selector }: Attached,
  gateway: EgressGateway,
  { facts, inventory }: { readonly facts: Facts; readonly inventory: Inventory },
): Selection {
  if (namespace !== gateway.namespace && namespace !== facts.mesh.rootNamespace) return 'no'
  const refs = targetRefsOf(object)
  if (refs.length > 0) {
    const isNamed = refs.some(ref => isGatewayRef(ref) && gateway.gatewayApi.includes(ref.name))
    return isNamed && namespace === gateway.namespace ? 'yes' : 'no'
  }
  return selectsGateway(stringMap(selector), gateway, inventory)
}
