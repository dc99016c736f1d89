import type { Message as Text, Tools } from '../../core/rule.ts'

/** What this rule can say. */
export type Message =
  | 'direct-backend'
  | 'direct-mirror'
  | 'unknown-backend'
  | 'external-backend'
  | 'unknown-filter'
  | 'foreign-parent'
  | 'foreign-l4-parent'
  | 'egress-parent'
  | 'mesh-redirect'
  | 'ingress-redirect'
  | 'rewritten-host'
  | 'ingress-rewrite'
  | 'udp-route'

/** Opinions of this rule. */
export interface Params {
  readonly backendKinds: readonly string[]
  readonly filterKinds: readonly string[]
}

/** What this rule judges with. */
export type Judge = Tools<Message, Params>

/** The messages of this rule. */
export const messages: Readonly<Record<Message, Text>> = {
  'direct-backend': {
    severity: 'critical',
    enforcementAction: 'deny',
    why: 'traffic would be sent to "{value}", a host that is not approved{whose}',
    fix: '{remedy}',
    threats: ['gwapi/mesh-route-direct', 'gwapi/backend-hostname', 'gwapi/weights'],
  },
  'direct-mirror': {
    severity: 'critical',
    enforcementAction: 'deny',
    why: '{what} would be sent to "{value}", a host that is not approved{whose}',
    fix: 'name a Service of the mesh, or have the host approved (ApprovedHosts)',
    threats: ['gwapi/mirror'],
  },
  'unknown-backend': {
    severity: 'high',
    enforcementAction: 'deny',
    why: 'nothing judges where a backend of kind "{value}" leads',
    fix: 'use a Service, or accept the kind in params.backendKinds',
    threats: ['gwapi/backend-other'],
  },
  'external-backend': {
    severity: 'high',
    enforcementAction: 'deny',
    why: 'host "{value}" would be in the registry for routes to lead to, and it is not approved{whose}',
    fix: 'remove the backend, or have the host approved (ApprovedHosts)',
    threats: ['gwapi/backend-other'],
  },
  'unknown-filter': {
    severity: 'medium',
    enforcementAction: 'deny',
    why: 'nothing judges what a filter of kind "{value}" does with requests',
    fix: 'remove the filter, or accept the kind in params.filterKinds',
    threats: ['gwapi/extension-ref'],
  },
  'foreign-parent': {
    severity: 'critical',
    enforcementAction: 'deny',
    why: 'for clients of namespace "{namespace}" this route would come before the routes that lead "{value}" to the egress gateway',
    fix: 'remove the parent, and have its owner route it',
    threats: ['gwapi/consumer-override'],
  },
  'foreign-l4-parent': {
    severity: 'critical',
    enforcementAction: 'deny',
    why: 'a {kind} counts for every client of its parent, and "{value}" belongs to another namespace',
    fix: 'move the route to namespace "{owner}", or remove the parent',
    threats: ['gwapi/l4-cross-namespace'],
  },
  'egress-parent': {
    severity: 'high',
    enforcementAction: 'deny',
    why: 'the route would decide what egress gateway "{gateway}" does with traffic of others',
    fix: 'define the route in namespace {owner}, where the platform does, or attach it to a Gateway of your own',
    threats: ['gwapi/gateway-egress'],
  },
  'mesh-redirect': {
    severity: 'low',
    enforcementAction: 'deny',
    why: 'clients in the mesh are sent on to "{value}", which is not approved{whose}',
    fix: '{remedy}',
    threats: ['gwapi/redirect'],
  },
  'ingress-redirect': {
    severity: 'low',
    enforcementAction: 'warn',
    why: 'clients are sent on to "{value}", which is neither a host of this route’s own domain nor approved{whose}',
    fix: '{remedy}',
    threats: ['gwapi/redirect'],
  },
  'rewritten-host': {
    severity: 'medium',
    enforcementAction: 'deny',
    why: 'requests would leave for "{value}" under the name of another host; it is not approved{whose}',
    fix: 'remove the host from the filter, or have it approved (ApprovedHosts)',
    threats: ['gwapi/url-rewrite'],
  },
  'ingress-rewrite': {
    severity: 'low',
    enforcementAction: 'dryrun',
    why: 'a Service of the mesh is asked for "{value}", which is not approved{whose}, and may pass the request on',
    fix: 'remove the host from the filter where the Service does not need it',
    threats: ['gwapi/url-rewrite'],
  },
  'udp-route': {
    severity: 'low',
    enforcementAction: 'warn',
    why: 'Istio does nothing with a UDPRoute, so its traffic is neither routed nor governed',
    fix: 'remove the route, and see to UDP with NetworkPolicies',
    threats: ['gwapi/udproute'],
  },
}
