import { gatewayWorkloads } from '../../core/gatewaypods.ts'
import { defineRule, type Tools } from '../../core/rule.ts'
import { requireLists } from '../../core/shape.ts'
import { judgeDelegates } from './delegate.ts'
import { judgeExport } from './export.ts'
import { judgeGateways } from './gateway.ts'

/** What this rule can say. */
export type Message = 'binds-egress-gateway' | 'binds-foreign-gateway' | 'exported-to-foreign' | 'foreign-delegate'

/** What this rule judges with. */
export type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'no-foreign-binding',
  summary: 'Disallow routes of tenants on gateways and in namespaces of others',
  risk: [
    'A VirtualService says itself where it holds. Bound to the Istio Gateway of the egress gateway, it adds routes to what',
    'everybody’s traffic passes; exported to a namespace by name, it comes there before the routes that are public; and',
    'through a delegate somebody else writes the routes, under approvals of their own.',
  ].join(' '),
  team: [
    'A VirtualService copied from the tutorial binds to the egress gateway, or exports itself to other namespaces.',
    'Bind to the ingress gateway that is meant for it; routes on the egress gateway are the platform’s.',
  ].join(' '),
  judges: ['VirtualService.networking.istio.io'],
  reads: [...gatewayWorkloads, 'Gateway.networking.istio.io', 'Namespace'],
  facts: ['egressGateways', 'ingressGateways', 'mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    'binds-egress-gateway': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'its routes would be added to egress gateway "{gateway}", by which the traffic of others leaves',
      fix: 'define the route in namespace {namespace}, where the platform does, or remove "{value}" from spec.gateways',
      threats: ['vs/gateway-binding'],
    },
    'binds-foreign-gateway': {
      severity: 'high',
      enforcementAction: 'deny',
      why: '"{value}" is no Gateway that the policy lets namespace "{own}" bind routes to',
      fix: 'use a Gateway of your own namespace, or have this one added to spec.ingressGateways of the policy',
      threats: ['vs/gateway-binding'],
    },
    'exported-to-foreign': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'in namespace "{foreign}" this route would come before those that hold for everybody',
      fix: 'remove "{foreign}" from spec.exportTo, or have that namespace define the route itself',
      threats: ['vs/foreign-export'],
    },
    'foreign-delegate': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'namespace "{foreign}" would decide where this traffic goes, and it goes directly once the delegate is missing',
      fix: 'write the routes here, or name a delegate in namespace "{own}"',
      threats: ['vs/delegate'],
    },
  },
  check(subject, tools) {
    if (subject.subresource !== '' || !requireLists(subject, tools, ['gateways', 'exportTo', 'hosts', 'http'])) return
    if (subject.namespaceClass !== 'platform') {
      judgeGateways(subject, tools)
      judgeExport(subject, tools)
    }
    if (subject.namespaceClass !== 'notGoverned') judgeDelegates(subject, tools)
  },
})
