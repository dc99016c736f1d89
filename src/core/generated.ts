import { dig, type Fields, field, list, text } from '../istio/json.ts'
import { containersOf, podTemplateOf } from '../istio/workload.ts'
import { sameJson } from './change.ts'
import type { Inventory } from './inventory.ts'
import { groupOf } from './kind.ts'
import { isMadeBy } from './owner.ts'
import type { Pod } from './pod.ts'
import type { Subject, Tools } from './rule.ts'
import { isController } from './writer.ts'

const gatewayKind = 'Gateway.gateway.networking.k8s.io'
const deploymentKind = 'Deployment.apps'
const replicaSetKind = 'ReplicaSet.apps'

/** Kinds that isGeneratedGateway looks up. */
export const generatedKinds: readonly string[] = [gatewayKind, deploymentKind, replicaSetKind]

/** Label with the name of the Gateway that a pod is made for. */
const nameLabel = 'gateway.networking.k8s.io/gateway-name'

/** The only container of such a pod: Envoy, or Istio's other proxy. */
const proxyNames: ReadonlySet<string> = new Set(['istio-proxy', 'agentgateway'])

/**
 * Returns true for a pod that istiod has generated for a Gateway of the Gateway API, a waypoint among them: it is the
 * proxy itself, so it has no sidecar and wants none (`sidecar.istio.io/inject: "false"`, `istio.io/dataplane-mode: none`).
 * Its labels prove nothing, since anybody may write them. What proves it is the chain of owners down to a Gateway that
 * exists, each link with its uid, and who asks:
 *
 *     Deployment    owned by the Gateway             written by istiod
 *     ReplicaSet    controlled by the Deployment     created by the controller of Deployments
 *     Pod           controlled by the ReplicaSet     created by the controller of ReplicaSets
 *
 * Others may change what stands around the template (scale it, restart it by its controllers), not the template itself.
 *
 * Istio: pilot/pkg/config/kube/gatewaycommon/deploymentcontroller.go; istio-discovery chart, files/kube-gateway.yaml,
 * waypoint.yaml, agentgateway.yaml.
 */
export function isGeneratedGateway(
  subject: Subject,
  pod: Pod,
  sources: Pick<Tools<string, unknown>, 'facts' | 'inventory'>,
): boolean {
  const gateway = pod.labels.get(nameLabel)
  if (gateway === undefined || !isProxyAlone(pod)) return false
  const { kind, ref, object } = subject
  const { inventory } = sources
  const deployment = kind === deploymentKind ? object : deploymentOf(kind, object, ref.namespace, inventory)
  if (deployment === undefined || !isOwnedBy(deployment, gateway, ref.namespace, inventory)) return false
  return isWrittenByItsMaker(subject, sources) || leavesTemplate(subject, pod)
}

function isProxyAlone(pod: Pod): boolean {
  const [only, ...others] = containersOf(pod.template)
  return only?.list === 'containers' && proxyNames.has(only.name) && others.length === 0
}

function deploymentOf(kind: string, object: Fields, namespace: string, inventory: Inventory): Fields | undefined {
  const set = kind === 'Pod' ? controllerOf(object, replicaSetKind, namespace, inventory) : object
  if (set === undefined || (kind !== 'Pod' && kind !== replicaSetKind)) return undefined
  return controllerOf(set, deploymentKind, namespace, inventory)
}

/** Returns the controller of an object, if it is of a kind and exists with the uid that the reference says. */
function controllerOf(object: Fields, kind: string, namespace: string, inventory: Inventory): Fields | undefined {
  const reference = referencesOf(object).find(
    entry => field(entry, 'controller') === true && `${text(field(entry, 'kind'))}.apps` === kind,
  )
  return found(reference, kind, namespace, inventory)
}

function isOwnedBy(deployment: Fields, name: string, namespace: string, inventory: Inventory): boolean {
  return referencesOf(deployment).some(
    entry =>
      field(entry, 'kind') === 'Gateway' &&
      groupOf(text(field(entry, 'apiVersion')) ?? '') === 'gateway.networking.k8s.io' &&
      field(entry, 'name') === name &&
      found(entry, gatewayKind, namespace, inventory) !== undefined,
  )
}

function referencesOf(object: Fields): readonly unknown[] {
  return list(dig(object, 'metadata', 'ownerReferences'))
}

function found(reference: unknown, kind: string, namespace: string, inventory: Inventory): Fields | undefined {
  const uid = text(field(reference, 'uid'))
  const object = inventory.find(kind, namespace, text(field(reference, 'name')) ?? '')
  return uid !== undefined && dig(object, 'metadata', 'uid') === uid ? object : undefined
}

function isWrittenByItsMaker({ kind, requester }: Subject, { facts }: Pick<Tools<string, unknown>, 'facts'>): boolean {
  if (requester === undefined) return true
  if (kind === deploymentKind) return isController(requester, facts)
  return isMadeBy(requester, kind === 'Pod' ? replicaSetKind : deploymentKind)
}

/** True for an UPDATE that leaves labels and spec of the pod alone, and for the old object of one, which was judged before. */
function leavesTemplate({ kind, oldObject, operation }: Subject, { template }: Pod): boolean {
  if (operation !== 'UPDATE') return false
  if (oldObject === undefined) return true
  const before = podTemplateOf(kind, oldObject)?.template
  return (
    sameJson(dig(before, 'metadata', 'labels'), dig(template, 'metadata', 'labels')) &&
    sameJson(field(before, 'spec'), template['spec'])
  )
}
