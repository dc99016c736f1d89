import { liveApprovals } from '../../core/clients.ts'
import type { NamedGateways } from '../../core/facts.ts'
import {
  classServes,
  egressGatewayOf,
  gatewayClassKind,
  isEgressPlace,
  parentOfListenerSet,
} from '../../core/gatewayapi.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { requireLists } from '../../core/shape.ts'
import { isAutoPassthrough, listenerProtocolOption, listenerSetKinds } from '../../istio/gatewayapi.ts'
import { isPublicSuffix } from '../../istio/host.ts'
import { dig, field, list, text } from '../../istio/json.ts'
import { gatewayApiKind } from '../../istio/kinds.ts'
import { networkLabel } from '../../istio/network.ts'
import { inboundBindingAnnotation } from '../../istio/waypoint.ts'
import { labelsOf } from '../../istio/workload.ts'
import { judgeGrant } from './grant.ts'
import { judgePolicy } from './policy.ts'

/** What this rule can say. */
export type Message =
  | 'open-routes'
  | 'open-listeners'
  | 'any-host'
  | 'auto-passthrough'
  | 'foreign-listeners'
  | 'egress-grant'
  | 'grant'
  | 'foreign-trust'
  | 'class-wide'

/** What this rule judges with. */
export type Judge = Tools<Message, Record<never, never>>

const grantKind = 'ReferenceGrant.gateway.networking.k8s.io'

const policyKinds = ['BackendTLSPolicy.gateway.networking.k8s.io', 'XBackendTrafficPolicy.gateway.networking.x-k8s.io']

export default defineRule<Message, Record<never, never>>({
  id: 'no-open-listener',
  summary: 'Disallow that others add listeners, routes or trust to an egress gateway of the Gateway API',
  risk: [
    'A Gateway of the Gateway API says itself whose routes and listeners it takes. Where the egress gateway takes those of',
    'every namespace, a tenant’s route decides what it does with traffic of others. A ReferenceGrant lets routes of other',
    'namespaces lead to what is in its own, a BackendTLSPolicy says whom is trusted on the way to a host outside, and a',
    'GatewayClass changes every Gateway of the class.',
  ].join(' '),
  team: [
    '`allowedRoutes: {from: All}` is convenient on an ingress gateway. On the egress gateway leave it out, so that',
    'only routes of its own namespace attach.',
  ].join(' '),
  judges: [gatewayApiKind, ...listenerSetKinds, grantKind, ...policyKinds, gatewayClassKind],
  reads: [gatewayApiKind, gatewayClassKind, 'Service', 'ServiceEntry.networking.istio.io'],
  facts: ['approvedHosts', 'eastWestGateways', 'egressGateways', 'ingressGateways', 'mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    'open-routes': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'from "{value}" lets tenants attach routes of their own to egress gateway "{gateway}"',
      fix: 'set allowedRoutes.namespaces.from to Same, and keep the routes with the Gateway',
      threats: ['gwapi/gateway-egress'],
    },
    'open-listeners': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'from "{value}" lets other namespaces add listeners to egress gateway "{gateway}"',
      fix: 'set allowedListeners.namespaces.from to None or Same',
      threats: ['gwapi/listenerset'],
    },
    'any-host': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: 'a listener {state} takes traffic for hosts that nobody approved, and only its routes say which may leave',
      fix: 'give each approved host a listener with its hostname',
      threats: ['gwapi/gateway-egress'],
    },
    'auto-passthrough': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'whoever reaches this listener reaches every service of the mesh by its SNI, without any route',
      fix: 'remove {field}, or have the Gateway named in spec.eastWestGateways of the policy',
      threats: ['gwapi/gateway-egress', 'gwapi/listenerset', 'gw/auto-passthrough'],
    },
    'foreign-listeners': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the listeners would be added to Gateway "{value}", which is the platform’s',
      fix: 'set parentRef to a Gateway of your own, or to one that spec.ingressGateways of the policy gives your namespace',
      threats: ['gwapi/listenerset'],
    },
    'egress-grant': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'namespace "{value}" could lead its routes to what is beside the egress gateway, or use its credentials',
      fix: 'remove the grant: what the egress gateway needs belongs in its own namespace',
      threats: ['gwapi/reference-grant'],
    },
    grant: {
      severity: 'low',
      enforcementAction: 'warn',
      why: 'routes of namespace "{value}" may lead to {what}, which is outside',
      fix: 'name Services of the mesh under spec.to',
      threats: ['gwapi/reference-grant'],
    },
    'foreign-trust': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'the policy would decide how "{value}" is connected to and whom is trusted there, which the platform does',
      fix: 'remove the target, and have the platform originate TLS at the egress gateway',
      threats: ['gwapi/backend-tls'],
    },
    'class-wide': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: '{what} holds for every Gateway of the class',
      fix: 'set it on the Gateways that need it',
      threats: ['gwapi/gatewayclass'],
    },
  },
  check(subject, tools) {
    if (subject.subresource !== '') return
    if (!requireLists(subject, tools, ['listeners', 'from', 'to', 'targetRefs'])) return
    if (subject.kind === gatewayClassKind) return judgeGatewayClass(subject, tools)
    if (subject.kind === gatewayApiKind) return judgeGateway(subject, tools)
    if (subject.kind === grantKind) return judgeGrant(subject, tools)
    if (policyKinds.includes(subject.kind)) return judgePolicy(subject, tools)
    judgeListenerSet(subject, tools)
  },
})

function judgeGateway(subject: Subject, tools: Judge): void {
  const egress = egressGatewayOf(subject.ref, subject.object, tools.facts)
  if (egress !== undefined) judgeListeners(subject, egress.name, tools)
  judgePassthrough(subject, subject.ref, egress !== undefined, tools)
  const path = ['spec', 'allowedListeners', 'namespaces', 'from']
  const from = text(dig(subject.object, ...path))
  if (egress !== undefined && isOpen(from)) {
    tools.report('open-listeners', { path, value: from, slots: { gateway: egress.name } })
  }
}

/** Judges the listeners that an egress gateway has, of its Gateway or of a set that belongs to it. */
function judgeListeners({ object }: Subject, gateway: string, tools: Judge): void {
  const labels = labelsOf(object)
  for (const [i, listener] of list(dig(object, 'spec', 'listeners')).entries()) {
    const at = ['spec', 'listeners', i]
    const protocol = text(field(listener, 'protocol'))
    // Of a waypoint it says who may choose it, not who may route for it: routes of the mesh have other parents.
    if (protocol === 'HBONE' || isAutoPassthrough(labels, listener)) continue
    const path = [...at, 'allowedRoutes', 'namespaces', 'from']
    const from = text(dig(listener, 'allowedRoutes', 'namespaces', 'from'))
    if (isOpen(from)) tools.report('open-routes', { path, value: from, slots: { gateway } })
    // Of TCP and UDP there is no host to tell.
    if (!namesHosts(protocol)) continue
    const hostname = text(field(listener, 'hostname')) ?? ''
    const state = hostname === '' ? 'without a hostname' : `for "${hostname}"`
    if (isEveryones(hostname, tools)) {
      tools.report('any-host', { path: [...at, 'hostname'], value: hostname, slots: { state } })
    }
  }
}

/** Whether a hostname holds names of many owners, and nobody approved that. */
function isEveryones(hostname: string, { facts, now }: Judge): boolean {
  if (hostname === '') return true
  return hostname.startsWith('*') && isPublicSuffix(hostname) && liveApprovals(hostname, facts, now).length === 0
}

const isOpen = (from: string | undefined): from is string => from === 'All' || from === 'Selector'

const namesHosts = (protocol: string | undefined): boolean =>
  protocol === 'HTTP' || protocol === 'HTTPS' || protocol === 'TLS'

/**
 * Judges listeners that need no route. Gateways between clusters are the platform's; where the policy names none, one of
 * its own may be such.
 */
function judgePassthrough(subject: Subject, gateway: Place, isEgress: boolean, tools: Judge): void {
  const labels = labelsOf(subject.object)
  const { eastWestGateways } = tools.facts
  for (const [i, listener] of list(dig(subject.object, 'spec', 'listeners')).entries()) {
    if (!isAutoPassthrough(labels, listener)) continue
    const isSaid = dig(listener, 'tls', 'options', listenerProtocolOption) === 'auto-passthrough'
    const at = ['spec', 'listeners', i, 'tls']
    const path = isSaid ? [...at, 'options', listenerProtocolOption] : at
    if (eastWestGateways?.some(named => isAmong(named, gateway)) === true) return
    if (eastWestGateways === undefined && subject.namespaceClass === 'platform' && !isEgress) {
      tools.notJudged(path, 'whether this is a gateway between clusters', 'give spec.eastWestGateways in the policy')
      continue
    }
    const value = isSaid ? 'auto-passthrough' : `port ${String(field(listener, 'port'))}`
    const slots = { field: isSaid ? listenerProtocolOption : `the label ${networkLabel}` }
    tools.report('auto-passthrough', { path, value, slots })
  }
}

interface Place {
  readonly namespace: string
  readonly name: string
}

function isAmong({ namespace, gateways }: NamedGateways, gateway: Place): boolean {
  return namespace === gateway.namespace && (gateways.includes('*') || gateways.includes(gateway.name))
}

function judgeListenerSet(subject: Subject, tools: Judge): void {
  const { facts, inventory } = tools
  const own = subject.ref.namespace
  const parent = parentOfListenerSet(subject.object, own)
  if (parent.kind !== gatewayApiKind) return
  const gateway = inventory.find(gatewayApiKind, parent.namespace, parent.name)
  const egress = egressGatewayOf(parent, gateway, facts)
  judgePassthrough(subject, parent, egress !== undefined, tools)
  if (isEgressPlace(subject, facts)) {
    if (egress !== undefined) judgeListeners(subject, egress.name, tools)
    return
  }
  if (egress === undefined && (parent.namespace === own || mayBind(parent, own, tools))) return
  const value = `${parent.namespace}/${parent.name}`
  tools.report('foreign-listeners', { path: ['spec', 'parentRef', 'name'], value })
}

/** Where the policy does not say which Gateways are for others, each says itself whose listeners it takes. */
function mayBind(gateway: Place, own: string, { facts }: Judge): boolean {
  if (facts.ingressGateways === undefined) return true
  return facts.ingressGateways.some(named => isAmong(named, gateway) && named.serves(own))
}

/** Istio: pilot/pkg/serviceregistry/ambient/waypoints.go (makeInboundBinding); it reads no parameters of a class. */
function judgeGatewayClass(subject: Subject, tools: Judge): void {
  const serves = classServes(subject.ref.name, tools.inventory)
  if (serves === 'other') return
  const parameters = dig(subject.object, 'spec', 'parametersRef', 'name')
  if (parameters !== undefined) {
    const path = ['spec', 'parametersRef', 'name']
    tools.report('class-wide', { path, value: String(parameters), slots: { what: `what "${parameters}" says` } })
  }
  const path = ['metadata', 'annotations', inboundBindingAnnotation]
  const binding = text(dig(subject.object, ...path))
  if (binding === undefined) return
  tools.report('class-wide', { path, value: binding, slots: { what: `how traffic reaches a waypoint, "${binding}",` } })
}
