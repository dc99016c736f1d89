import { dig, type Fields, field, list, text } from '../istio/json.ts'
import type { Inventory } from './inventory.ts'
import { groupOf, type Kind, kindOf } from './kind.ts'
import type { Requester, Review } from './review.ts'

/** The controller accounts that make the children of a kind: `kube-controller-manager` alone, or one account each. */
const controllers: Readonly<Record<Kind, string>> = {
  'Deployment.apps': 'deployment-controller',
  'ReplicaSet.apps': 'replicaset-controller',
  'StatefulSet.apps': 'statefulset-controller',
  'DaemonSet.apps': 'daemon-set-controller',
  'Job.batch': 'job-controller',
  'CronJob.batch': 'cronjob-controller',
  ReplicationController: 'replication-controller',
}

/** The kinds that own what controllers of Kubernetes make: they are looked up by who asks for an exemption. */
export const ownerKinds: readonly Kind[] = Object.keys(controllers)

/** Longest owner chain that Kubernetes' own controllers make: CronJob → Job → Pod, Deployment → ReplicaSet → Pod. */
const longestChain = 3

/** An owner that really exists. */
export interface Owner {
  readonly kind: Kind
  readonly name: string
  readonly object: Fields
}

/**
 * Returns the owners of the judged object, nearest first, as far as each exists in the inventory with the uid that the
 * reference names, and the request comes from the controller that makes such children. References alone prove nothing:
 * anybody may write them, and the API server does not check them.
 */
export function ownersOf(review: Review, inventory: Inventory): readonly Owner[] {
  const owners: Owner[] = []
  let child: unknown = review.object ?? review.oldObject
  for (let depth = 0; depth < longestChain; depth++) {
    const owner = controllerOf(child, review.ref.namespace, inventory)
    if (owner === undefined) break
    if (depth === 0 && !isMadeBy(review.requester, owner.kind)) break
    owners.push(owner)
    child = owner.object
  }
  return owners
}

function controllerOf(child: unknown, namespace: string, inventory: Inventory): Owner | undefined {
  for (const reference of list(dig(child, 'metadata', 'ownerReferences'))) {
    const kindName = text(field(reference, 'kind'))
    const name = text(field(reference, 'name'))
    const uid = text(field(reference, 'uid'))
    if (field(reference, 'controller') !== true || kindName === undefined || name === undefined) continue
    const kind = kindOf(groupOf(text(field(reference, 'apiVersion')) ?? ''), kindName)
    const object = inventory.find(kind, namespace, name)
    if (object !== undefined && uid !== undefined && dig(object, 'metadata', 'uid') === uid)
      return { kind, name, object }
  }
  return undefined
}

/**
 * Returns true where the requester is the very controller that makes such children of the owner that an object names. It
 * makes them from nothing but the owner's template, which was judged when it was written.
 */
export function isMadeByController(object: unknown, requester: Requester): boolean {
  return list(dig(object, 'metadata', 'ownerReferences')).some(reference => {
    const kind = kindOf(groupOf(text(field(reference, 'apiVersion')) ?? ''), text(field(reference, 'kind')) ?? '')
    return field(reference, 'controller') === true && isMadeBy(requester, kind)
  })
}

function isMadeBy(requester: Requester | undefined, owner: Kind): boolean {
  if (requester === undefined) return true
  const controller = controllers[owner]
  return (
    controller !== undefined &&
    (requester.username === 'system:kube-controller-manager' ||
      requester.username === `system:serviceaccount:kube-system:${controller}`)
  )
}
