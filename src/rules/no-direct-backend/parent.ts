import type { NamespaceClass } from '../../core/facts.ts'
import { gatewayNamespaces } from '../../core/gateway.ts'
import { egressGatewayOf, gatewayBehind, gatewayServes, isEgressPlace } from '../../core/gatewayapi.ts'
import { namespaceLabels } from '../../core/inventory.ts'
import { isInside } from '../../core/outside.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { type Parent, parentsOf } from '../../istio/gatewayapi.ts'
import { isClusterHost } from '../../istio/host.ts'
import { dig, field } from '../../istio/json.ts'
import { entryKind, gatewayApiKind } from '../../istio/kinds.ts'
import type { Judge } from './message.ts'

/** What a route is attached to. */
export interface Attached {
  /** Whether it routes what clients in the mesh send, besides what comes in at Gateways. */
  readonly mesh: boolean
  /** Whether the egress gateway is all that it is attached to: what it lets out has come that way. */
  readonly egress: boolean
  /** The first parent of which it is not known whether Istio serves it; undefined where one is certain. */
  readonly unknown: Path | undefined
}

/**
 * Judges the parents of a route, and returns what it is attached to; undefined where nothing of Istio's is among them: no
 * parent at all, or Gateways of other controllers.
 */
export function judgeParents(subject: Subject, tools: Judge): Attached | undefined {
  let mesh = false
  let egress = true
  let certain = false
  let unknown: Path | undefined
  for (const parent of parentsOf(subject.object, subject.ref.namespace)) {
    const { kind } = parent.ref
    if (kind === 'Service' || kind === entryKind) {
      mesh = true
      judgeMeshParent(parent, subject, tools)
      continue
    }
    const serves = judgeGateway(parent, subject, tools)
    if (serves === 'unknown') unknown ??= parent.path
    certain ||= serves === 'istio' || serves === 'egress'
    egress &&= serves === 'egress' || serves === 'other'
  }
  egress &&= !mesh
  if (mesh || certain) return { mesh, egress, unknown: undefined }
  return unknown === undefined ? undefined : { mesh, egress, unknown }
}

function judgeGateway(parent: Parent, subject: Subject, tools: Judge): 'istio' | 'egress' | 'other' | 'unknown' {
  const { facts, inventory } = tools
  const ref = gatewayBehind(parent.ref, inventory)
  if (ref === undefined) return parent.ref.kind.includes('ListenerSet.') ? 'unknown' : 'other'
  const gateway = inventory.find(gatewayApiKind, ref.namespace, ref.name)
  const egress = egressGatewayOf(ref, gateway, facts)
  if (egress !== undefined) {
    if (!isEgressPlace(subject, facts)) {
      const slots = { gateway: egress.name, owner: egress.namespace }
      tools.report('egress-parent', { path: [...parent.path, 'name'], value: `${ref.namespace}/${ref.name}`, slots })
    }
    return 'egress'
  }
  if (gateway === undefined && isEgressNamespace(ref.namespace, tools) && !isEgressPlace(subject, facts)) {
    const unknown = `whether Gateway "${ref.namespace}/${ref.name}" configures the egress gateway`
    tools.notJudged(parent.path, unknown, 'name it under spec.egressGateways, or give the Gateways with --inventory')
  }
  const serves = gatewayServes(gateway, inventory)
  return serves === 'other' || serves === 'unknown' ? serves : 'istio'
}

/** Where it is known that there is no such Gateway, the one to come says whose routes it takes. */
function isEgressNamespace(namespace: string, { facts, inventory }: Judge): boolean {
  return gatewayNamespaces(facts).includes(namespace) && !inventory.knows(gatewayApiKind)
}

/**
 * Istio heeds an HTTPRoute in the namespace of its parent and in that of the client, where it comes first; of TLSRoutes
 * and TCPRoutes it does not ask where they are.
 * Istio: pilot/pkg/networking/core/route/route.go (BuildHTTPRoutesForVirtualService), tls.go (buildSidecarOutboundTLSFilterChainOpts).
 */
function judgeMeshParent({ path, ref }: Parent, subject: Subject, tools: Judge): void {
  if (ref.namespace === subject.ref.namespace || isEgressPlace(subject, tools.facts)) return
  const value = `${ref.namespace}/${ref.name}`
  const at = [...path, 'name']
  const kind = subject.kind.slice(0, subject.kind.indexOf('.'))
  if (kind === 'TLSRoute' || kind === 'TCPRoute') {
    if (classOf(ref.namespace, tools) === 'notGoverned') return
    tools.report('foreign-l4-parent', { path: at, value, slots: { kind, owner: ref.namespace } })
    return
  }
  if (subject.namespaceClass === 'notGoverned' || kind === 'UDPRoute') return
  const answer = leadsOut(ref.kind, ref.namespace, ref.name, tools)
  if (answer === 'yes') tools.report('foreign-parent', { path: at, value, slots: { namespace: subject.ref.namespace } })
  if (answer === 'unknown') {
    const unknown = `whether "${value}" is a host outside the mesh`
    tools.notJudged(at, unknown, 'give the ServiceEntries with --inventory')
  }
}

function classOf(namespace: string, { facts, inventory }: Judge): NamespaceClass {
  return facts.namespaces.classOf(namespace, namespaceLabels(inventory, namespace))
}

/** Consumers may say how they reach a Service of the mesh; what is outside has its way already. */
function leadsOut(kind: string, namespace: string, name: string, tools: Judge): 'yes' | 'no' | 'unknown' {
  const { facts, inventory } = tools
  const found = inventory.find(kind, namespace, name)
  if (kind === 'Service') {
    const alias = dig(found, 'spec', 'type') === 'ExternalName' ? dig(found, 'spec', 'externalName') : undefined
    return typeof alias === 'string' && !isClusterHost(alias, facts.mesh.clusterDomain) ? 'yes' : 'no'
  }
  if (found === undefined) return inventory.knows(kind) ? 'yes' : 'unknown'
  return isInside(field(found, 'spec')) ? 'no' : 'yes'
}
