import {
  classServes,
  egressGatewayOf,
  gatewayClassKind,
  isEgressPlace,
  parentOfListenerSet,
} from '../../core/gatewayapi.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { requireLists } from '../../core/shape.ts'
import { gatewayApiKind, listenerSetKinds } from '../../istio/gatewayapi.ts'
import { dig, field, list, text } from '../../istio/json.ts'
import { judgeGrant } from './grant.ts'
import { judgePolicy } from './policy.ts'

/** What this rule can say. */
export type Message =
  | 'open-routes'
  | 'open-listeners'
  | 'any-host'
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
  facts: ['egressGateways', 'ingressGateways', 'mesh'],
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
      why: 'a listener without a hostname takes traffic for every host, and only its routes say which may leave',
      fix: 'give each approved host a listener with its hostname',
      threats: ['gwapi/gateway-egress'],
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
      why: 'routes of namespace "{value}" could lead to what is beside the egress gateway',
      fix: 'remove the grant: routes of the egress gateway belong in its own namespace',
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
  if (egress === undefined) return
  const slots = { gateway: egress.name }
  for (const [i, listener] of list(dig(subject.object, 'spec', 'listeners')).entries()) {
    const at = ['spec', 'listeners', i]
    const protocol = text(field(listener, 'protocol'))
    // Of a waypoint it says who may choose it, not who may route for it: routes of the mesh have other parents.
    if (protocol === 'HBONE') continue
    const path = [...at, 'allowedRoutes', 'namespaces', 'from']
    const from = text(dig(listener, 'allowedRoutes', 'namespaces', 'from'))
    if (isOpen(from)) tools.report('open-routes', { path, value: from, slots })
    // Of TCP and UDP there is no host to tell.
    if (!namesHosts(protocol)) continue
    const hostname = text(field(listener, 'hostname')) ?? ''
    if (hostname === '' || hostname === '*') tools.report('any-host', { path: [...at, 'hostname'], value: hostname })
  }
  const listeners = ['spec', 'allowedListeners', 'namespaces', 'from']
  const from = text(dig(subject.object, ...listeners))
  if (isOpen(from)) tools.report('open-listeners', { path: listeners, value: from, slots })
}

const isOpen = (from: string | undefined): from is string => from === 'All' || from === 'Selector'

const namesHosts = (protocol: string | undefined): boolean =>
  protocol === 'HTTP' || protocol === 'HTTPS' || protocol === 'TLS'

function judgeListenerSet(subject: Subject, tools: Judge): void {
  const { facts, inventory } = tools
  const own = subject.ref.namespace
  const parent = parentOfListenerSet(subject.object, own)
  if (parent.kind !== gatewayApiKind || isEgressPlace(subject, facts)) return
  const gateway = inventory.find(gatewayApiKind, parent.namespace, parent.name)
  const isEgress = egressGatewayOf(parent, gateway, facts) !== undefined
  if (!isEgress && (parent.namespace === own || mayBind(parent.namespace, parent.name, own, tools))) return
  const value = `${parent.namespace}/${parent.name}`
  tools.report('foreign-listeners', { path: ['spec', 'parentRef', 'name'], value })
}

/** Where the policy does not say which Gateways are for others, each says itself whose listeners it takes. */
function mayBind(namespace: string, name: string, own: string, { facts }: Judge): boolean {
  if (facts.ingressGateways === undefined) return true
  return facts.ingressGateways.some(
    entry =>
      entry.namespace === namespace &&
      (entry.gateways.includes('*') || entry.gateways.includes(name)) &&
      entry.serves(own),
  )
}

const bindingAnnotation = 'ambient.istio.io/waypoint-inbound-binding'

/** Istio: pilot/pkg/serviceregistry/ambient/waypoints.go (makeInboundBinding); it reads no parameters of a class. */
function judgeGatewayClass(subject: Subject, tools: Judge): void {
  const serves = classServes(subject.ref.name, tools.inventory)
  if (serves === 'other') return
  const parameters = dig(subject.object, 'spec', 'parametersRef', 'name')
  if (parameters !== undefined) {
    const path = ['spec', 'parametersRef', 'name']
    tools.report('class-wide', { path, value: String(parameters), slots: { what: `what "${parameters}" says` } })
  }
  const path = ['metadata', 'annotations', bindingAnnotation]
  const binding = text(dig(subject.object, ...path))
  if (binding === undefined) return
  tools.report('class-wide', { path, value: binding, slots: { what: `how traffic reaches a waypoint, "${binding}",` } })
}
