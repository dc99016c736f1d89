import { defineRule, type Tools } from '../../core/rule.ts'
import { requireLists } from '../../core/shape.ts'
import { judgeHost } from './host.ts'
import { readDestination } from './place.ts'
import { judgeSettings } from './setting.ts'

/** What this rule can say. */
export type Message =
  | 'passthrough'
  | 'tunnel'
  | 'gateway-rule'
  | 'approved-host-rule'
  | 'gateway-tls'
  | 'unverified'
  | 'fronting'
  | 'name-unchecked'
  | 'locality'
  | 'gateway-rule-deleted'

/** What this rule judges with. */
export type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'no-gateway-detour',
  summary: 'Disallow DestinationRules that lead traffic past the egress gateway or weaken the way through it',
  risk: [
    'A DestinationRule decides how a proxy reaches what a route chose. With load balancer `PASSTHROUGH` it connects to the',
    'address that the application dialled, whatever the route says; a tunnel leads to any target beyond the destination;',
    'weaker TLS takes the caller’s identity from the gateway, or the check of the server from the last leg. One in the',
    'client’s own namespace hides the platform’s, by the exact host or by a wildcard such as `*.local`.',
  ].join(' '),
  team: [
    'A DestinationRule with a wildcard host, such as `*.local`, for connection limits or TLS. Name the Services that',
    'are meant; limits, outlier detection, subsets and `ISTIO_MUTUAL` pass.',
  ].join(' '),
  judges: ['DestinationRule.networking.istio.io'],
  reads: ['Service', 'ServiceEntry.networking.istio.io'],
  facts: ['approvedHosts', 'egressGateways', 'internalHosts', 'mesh'],
  operations: ['CREATE', 'UPDATE', 'DELETE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform'],
  outsideLaw: false,
  params: {},
  messages: {
    passthrough: {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'the proxy would connect to whatever address the application dialled, past the egress gateway',
      fix: 'set loadBalancer.simple to LEAST_REQUEST, or remove it',
      threats: ['dr/lb-passthrough'],
    },
    tunnel: {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'the connection would be handed on to "{target}", which {reason}',
      fix: 'remove the tunnel; the way out is a route to the egress gateway',
      threats: ['dr/tunnel'],
    },
    'gateway-rule': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'for this namespace it takes the place of the platform’s rule for egress gateway "{gateway}"',
      fix: 'define the rule in {place}, or name only hosts of your own',
      threats: ['dr/precedence-override'],
    },
    'approved-host-rule': {
      severity: 'high',
      enforcementAction: 'warn',
      why: 'for this namespace it decides how "{value}" is reached, in the place of the platform’s rule',
      fix: 'define the rule in {place}, or keep to connection pools, outlier detection and load balancing',
      threats: ['dr/precedence-override'],
    },
    'gateway-tls': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'with TLS mode {mode} egress gateway "{gateway}" no longer learns which workload calls',
      fix: 'set mode to ISTIO_MUTUAL, or remove tls',
      threats: ['dr/tls-weaken'],
    },
    unverified: {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'without a check of its certificate anybody on the way may answer for "{host}"',
      fix: 'remove insecureSkipVerify, and set caCertificates where the host has an authority of its own',
      threats: ['dr/tls-weaken'],
    },
    fronting: {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the connection to "{host}" would ask for "{sni}", which is not approved{whose}',
      fix: 'remove sni, or have that host approved (ApprovedHosts)',
      threats: ['dr/tls-weaken'],
    },
    'name-unchecked': {
      severity: 'low',
      enforcementAction: 'dryrun',
      why: 'with sni and without subjectAltNames any certificate of a known authority passes for "{host}"',
      fix: 'set subjectAltNames to the host, or remove sni, which the proxy sets by itself',
      threats: ['dr/tls-weaken'],
    },
    locality: {
      severity: 'low',
      enforcementAction: 'warn',
      why: 'it may shift the load of "{host}" to endpoints outside, which a ServiceEntry gives it',
      fix: 'remove localityLbSetting, or give the endpoints that are meant a host of their own',
      threats: ['dr/locality'],
    },
    'gateway-rule-deleted': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: 'routes to egress gateway "{gateway}" that name a subset of it fail, and its TLS falls back to the default',
      fix: 'apply the rule that replaces it first',
      threats: ['dr/delete'],
    },
  },
  check(subject, tools) {
    if (subject.subresource !== '' || !requireLists(subject, tools, ['subsets', 'exportTo'])) return
    const destination = readDestination(subject, tools)
    if (destination === undefined) return
    if (subject.operation !== 'DELETE') {
      judgeHost(destination, subject, tools)
      judgeSettings(destination, subject, tools)
    } else if (subject.namespaceClass === 'platform' && destination.gateway !== undefined && !destination.isWide) {
      const slots = { gateway: destination.gateway.name }
      tools.report('gateway-rule-deleted', { path: ['spec', 'host'], value: destination.host, slots })
    }
  },
})
