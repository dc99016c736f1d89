import { holdsFor } from '../../core/attachment.ts'
import type { EgressGateway } from '../../core/facts.ts'
import type { Subject } from '../../core/rule.ts'
import { authorizationAction, isDryRun } from '../../istio/authorization.ts'
import { dig, type Fields, list } from '../../istio/json.ts'
import type { Judge } from './rule.ts'

/** Kinds that say who may use the egress gateway, and as whom. */
export const peerAuthentication = 'PeerAuthentication.security.istio.io'
export const authorizationPolicy = 'AuthorizationPolicy.security.istio.io'

/**
 * Judges an update by which a policy no longer forbids anything at the egress gateway. What the new object says by itself,
 * that it is only tried out or lets in callers without an identity, is no-gateway-weakening's to find, as is a deletion.
 */
export function judgeAccess(subject: Subject, tools: Judge): void {
  const { object, oldObject, operation } = subject
  if (operation === 'DELETE' || oldObject === undefined || speaksForItself(subject)) return
  const gateway = (tools.facts.egressGateways ?? []).find(candidate =>
    forbids(oldObject, subject.ref.namespace, candidate, tools),
  )
  if (
    gateway === undefined ||
    forbids(object, subject.ref.namespace, gateway, tools) ||
    hasHeir(gateway, subject, tools)
  )
    return
  tools.report('access-opened', { path: ['spec'], slots: { gateway: gateway.name } })
}

function speaksForItself({ kind, object }: Subject): boolean {
  if (kind === authorizationPolicy) return isDryRun(object) && authorizationAction(object) !== 'AUDIT'
  const mode = dig(object, 'spec', 'mtls', 'mode')
  return mode === 'PERMISSIVE' || mode === 'DISABLE'
}

/** Whether a policy refuses callers of the gateway. One that denies without any rule refuses nobody. */
function forbids(object: Fields, namespace: string, gateway: EgressGateway, tools: Judge): boolean {
  if (dig(object, 'kind') === 'PeerAuthentication') {
    if (dig(object, 'spec', 'mtls', 'mode') !== 'STRICT') return false
  } else {
    const action = authorizationAction(object)
    if (action === 'AUDIT' || isDryRun(object)) return false
    if (action !== 'ALLOW' && list(dig(object, 'spec', 'rules')).length === 0) return false
  }
  const selector = dig(object, 'spec', 'selector', 'matchLabels')
  return holdsFor({ object, namespace, selector }, gateway, tools) === 'yes'
}

/** Whether another object does the same: one that asks for an identity, or allows, and so refuses the rest. */
function hasHeir(gateway: EgressGateway, subject: Subject, tools: Judge): boolean {
  const { kind, oldObject, ref } = subject
  if (kind === authorizationPolicy && authorizationAction(oldObject) !== 'ALLOW') return false
  return [...new Set([gateway.namespace, tools.facts.mesh.rootNamespace])].some(namespace =>
    tools.inventory.list(kind, namespace).some(other => {
      if (namespace === ref.namespace && dig(other, 'metadata', 'name') === ref.name) return false
      if (kind === authorizationPolicy && authorizationAction(other) !== 'ALLOW') return false
      return forbids(other, namespace, gateway, tools)
    }),
  )
}
