import { defineRule, type Tools } from '../../core/rule.ts'
import { requireLists } from '../../core/shape.ts'
import { judgeListeners } from './listener.ts'
import { judgeRoutes } from './route.ts'

/** What this rule can say. */
export type Message = 'route-override' | 'host-set' | 'listener-protocol' | 'listener-uncaptured'

/** What this rule judges with. */
export type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'no-route-override',
  summary: 'Disallow routes and listeners of tenants that take the place of the platform’s routes',
  risk: [
    'The way through the egress gateway is a route, and routes can be outdone: a VirtualService of the client’s own',
    'namespace comes before the platform’s public one, one with an exact host before one with a wildcard, even where it',
    'has no route to offer. A listener of a Sidecar can switch routes off: one of protocol HTTP_PROXY has no port that',
    'they could match, one of protocol TCP on port 80 or 443 asks none for HTTP or TLS. Traffic then leaves directly.',
    'Whether it does needs the analysis of routes, which this version does not have; so some of this is only warned about.',
  ].join(' '),
  team: [
    'A timeout or retry for an outside host. Ask the platform to put it into the route that leads to the egress',
    'gateway: a VirtualService of your own takes that route’s place.',
  ].join(' '),
  judges: ['VirtualService.networking.istio.io', 'Sidecar.networking.istio.io'],
  reads: [],
  facts: ['approvedHosts', 'egressGateways', 'mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    'route-override': {
      severity: 'critical',
      enforcementAction: 'warn',
      why: 'this route for "{value}" comes before the platform’s, and does not lead to the egress gateway',
      fix: 'have the platform set it on the route through the gateway, or route to {gateway}',
      threats: ['vs/precedence-override'],
    },
    'host-set': {
      severity: 'high',
      enforcementAction: 'warn',
      why: '"{value}" takes over approved hosts such as "{member}", and does not lead them to the egress gateway',
      fix: 'name the hosts that are yours, or route to {gateway}',
      threats: ['vs/host-set'],
    },
    'listener-protocol': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'on a listener of protocol {protocol} {effect}, so approved hosts are reached directly',
      fix: 'remove spec.egress[].port, or give the port the protocol that its hosts speak (HTTP on 80, TLS on 443)',
      threats: ['sidecar/listener'],
    },
    'listener-uncaptured': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: '{cause} serves only who connects to it; what the application sends elsewhere is left to other listeners',
      fix: 'remove spec.egress[].bind and captureMode, so that the listener takes what is captured',
      threats: ['sidecar/listener'],
    },
  },
  check(subject, tools) {
    const gateway = tools.facts.egressGateways?.[0]
    if (subject.subresource !== '' || gateway === undefined) return
    if (subject.kind === 'Sidecar.networking.istio.io') {
      if (requireLists(subject, tools, ['egress'])) judgeListeners(subject, tools)
    } else if (requireLists(subject, tools, ['hosts', 'gateways', 'exportTo', 'http', 'tls', 'tcp'])) {
      judgeRoutes(subject, gateway, tools)
    }
  },
})
