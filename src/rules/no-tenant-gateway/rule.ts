import { type ClassServes, gatewayServes } from '../../core/gatewayapi.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { requireLists, requireMap } from '../../core/shape.ts'
import { registersNetwork } from '../../istio/gatewayapi.ts'
import { dig, list, text } from '../../istio/json.ts'
import { gatewayApiKind, istioGatewayKind } from '../../istio/kinds.ts'
import { networkLabel } from '../../istio/network.ts'
import { labelsOf } from '../../istio/workload.ts'
import { judgeAddresses } from './address.ts'
import { judgeInfrastructure } from './infrastructure.ts'

/** What this rule can say. */
export type Message =
  | 'own-gateway'
  | 'own-gateway-unlisted'
  | 'own-waypoint'
  | 'shared-waypoint'
  | 'network-gateway'
  | 'gateway-address'
  | 'gateway-parameters'
  | 'gateway-image'
  | 'gateway-labels'
  | 'gateway-service'
  | 'gateway-name'

/** What this rule judges with. */
export type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'no-tenant-gateway',
  summary: 'Disallow Gateways of the Gateway API that bring tenants proxies of their own or take those of others',
  risk: [
    'For each Gateway of one of its classes istiod runs a proxy that no other proxy captures: unless a NetworkPolicy holds it,',
    'it reaches what its routes name. The Gateway chooses the image, labels and identity of that proxy, and an address of',
    'type Hostname takes the proxies of an existing Service instead. Gateways of other controllers’ classes are not judged,',
    'save that addresses of a Gateway of any class become the way into the network that its label names.',
    'What teams do by the books passes: Gateways for what comes in, where `spec.ingressGateways` of the policy does not say',
    'which there may be, and waypoints for one’s own namespace. The baseline only counts those.',
  ].join(' '),
  team: [
    'A Gateway per team is a fine pattern for what comes in: the platform lists it under `spec.ingressGateways`, a',
    'waypoint under `spec.waypoints`.',
  ].join(' '),
  judges: [gatewayApiKind],
  reads: ['GatewayClass.gateway.networking.k8s.io', istioGatewayKind, 'Namespace', 'Service'],
  facts: ['eastWestGateways', 'egressGateways', 'ingressGateways', 'mesh', 'waypoints'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    'own-gateway': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'istiod would run a gateway in namespace "{namespace}", which is none that the policy lists',
      fix: 'have the Gateway listed under spec.ingressGateways of the policy, or attach routes to one that is',
      threats: ['gwapi/gateway-new'],
    },
    'own-gateway-unlisted': {
      severity: 'medium',
      enforcementAction: 'dryrun',
      why: 'istiod runs a gateway in namespace "{namespace}", and the policy does not say which there may be',
      fix: 'have the Gateways for what comes in listed under spec.ingressGateways of the policy',
      threats: ['gwapi/gateway-new'],
    },
    'own-waypoint': {
      severity: 'medium',
      enforcementAction: 'dryrun',
      why: 'istiod runs a waypoint in namespace "{namespace}", by which its ServiceEntries may leave',
      fix: 'have the waypoint listed under spec.waypoints of the policy, or use one that is',
      threats: ['gwapi/gateway-new'],
    },
    'shared-waypoint': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'other namespaces may choose this waypoint, and the policy does not list it',
      fix: 'set allowedRoutes.namespaces.from to Same, or have the waypoint listed under spec.waypoints of the policy',
      threats: ['gwapi/gateway-new'],
    },
    'network-gateway': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'a Gateway {what} becomes a way into or out of another network, for the whole mesh',
      fix: 'remove the Gateway, or have it listed under spec.eastWestGateways of the policy',
      threats: ['gwapi/gateway-new'],
    },
    'gateway-address': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the address names a Service of namespace "{owner}", so that the Gateway would configure the pods behind it',
      fix: 'remove the address, so that the Gateway gets pods of its own',
      threats: ['gwapi/gateway-address'],
    },
    'gateway-parameters': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the ConfigMap "{value}" may put anything into the generated pods, also later on',
      fix: 'remove parametersRef, or have the Gateway’s exception recorded (EgressExemptions)',
      threats: ['gwapi/infrastructure'],
    },
    'gateway-image': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the generated pods would run "{value}" instead of the proxy of the mesh',
      fix: 'remove the annotation, or have the image listed under spec.mesh.proxyImages of the policy',
      threats: ['gwapi/infrastructure'],
    },
    'gateway-labels': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the generated pods would bear {value}, by which they pass for {what}',
      fix: 'remove the labels from spec.infrastructure, or from the Gateway where that has none',
      threats: ['gwapi/infrastructure'],
    },
    'gateway-service': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'the generated Service would be of type "{value}", which is no gateway’s',
      fix: 'use ClusterIP, NodePort or LoadBalancer',
      threats: ['gwapi/infrastructure'],
    },
    'gateway-name': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: 'what is generated for the Gateway takes "{value}", which may be somebody else’s',
      fix: 'remove the annotation, so that names and identity are the Gateway’s own',
      threats: ['gwapi/infrastructure'],
    },
  },
  check(subject, tools) {
    // Whether it is ready is written by istiod.
    if (subject.subresource !== '' || !requireLists(subject, tools, ['addresses', 'listeners'])) return
    for (const map of ['labels', 'annotations']) if (!requireMap(subject, tools, ['metadata', map])) return
    const serves = gatewayServes(subject.object, tools.inventory)
    judgeNetwork(serves, subject, tools)
    if (serves === 'other' || subject.namespaceClass === 'platform') return
    if (serves === 'unknown') return judgeUnknown(subject, tools)
    judgeAddresses(subject, tools)
    if (subject.namespaceClass === 'notGoverned') return
    judgeClass(serves, subject, tools)
    judgeInfrastructure(subject, serves, tools)
  },
})

function judgeUnknown(subject: Subject, tools: Judge): void {
  const className = text(dig(subject.object, 'spec', 'gatewayClassName'))
  if (className === undefined || subject.namespaceClass === 'notGoverned') return
  const unknown = `whether GatewayClass "${className}" is one of Istio’s`
  tools.notJudged(['spec', 'gatewayClassName'], unknown, 'give the GatewayClasses with --inventory')
}

/**
 * Ways between networks are the whole mesh's matter: so outside the policy too, and those of the platform where it says
 * which there are.
 */
function judgeNetwork(serves: ClassServes, subject: Subject, tools: Judge): void {
  const { eastWestGateways } = tools.facts
  if (isNamed(eastWestGateways, subject)) return
  if (subject.namespaceClass === 'platform' && eastWestGateways === undefined) return
  const labels = labelsOf(subject.object)
  if (serves === 'remote' || serves === 'east-west') {
    const path = ['spec', 'gatewayClassName']
    const value = String(dig(subject.object, ...path))
    tools.report('network-gateway', { path, value, slots: { what: `of class "${value}"` } })
  } else if (registersNetwork(subject.object, labels)) {
    const path = ['metadata', 'labels', networkLabel]
    const slots = { what: 'with this label and addresses of its own' }
    tools.report('network-gateway', { path, value: String(labels.get(networkLabel)), slots })
  }
}

function isNamed(named: Judge['facts']['ingressGateways'], { ref }: Subject): boolean {
  return (named ?? []).some(
    ({ namespace, gateways }) => namespace === ref.namespace && ['*', ref.name].some(one => gateways.includes(one)),
  )
}

function judgeClass(serves: ClassServes, subject: Subject, tools: Judge): void {
  if (serves === 'remote' || serves === 'east-west') return
  const { namespace, name } = subject.ref
  const { facts } = tools
  const path = ['spec', 'gatewayClassName']
  const place = { path, value: String(dig(subject.object, ...path)), slots: { namespace } }
  if (serves === 'gateway') {
    if (isNamed(facts.ingressGateways, subject) || isNamed(facts.eastWestGateways, subject)) return
    if (isEgress(subject, tools)) return
    tools.report(facts.ingressGateways === undefined ? 'own-gateway-unlisted' : 'own-gateway', place)
  } else if (facts.waypoints?.some(waypoint => waypoint.namespace === namespace && waypoint.name === name) !== true) {
    judgeWaypoint(subject, place, tools)
  }
}

/** An egress gateway in a namespace that the policy does not count to the platform is the policy's all the same. */
function isEgress({ ref }: Subject, { facts }: Judge): boolean {
  return (
    facts.egressGateways?.some(
      ({ namespace, gatewayApi }) => namespace === ref.namespace && gatewayApi.includes(ref.name),
    ) === true
  )
}

function judgeWaypoint(subject: Subject, place: Parameters<Judge['report']>[1], tools: Judge): void {
  for (const [i, listener] of list(dig(subject.object, 'spec', 'listeners')).entries()) {
    const from = text(dig(listener, 'allowedRoutes', 'namespaces', 'from'))
    if (from !== 'All' && from !== 'Selector') continue
    const path = ['spec', 'listeners', i, 'allowedRoutes', 'namespaces', 'from']
    return tools.report('shared-waypoint', { path, value: from })
  }
  tools.report('own-waypoint', place)
}
