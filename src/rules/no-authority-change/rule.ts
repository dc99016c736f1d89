import { defineRule, type Tools } from '../../core/rule.ts'
import { requireLists } from '../../core/shape.ts'
import { judgeRoutes } from './route.ts'

/** What this rule can say. */
export type Message = 'redirect-outside' | 'ingress-redirect-outside' | 'rewrite-outside' | 'ingress-rewrite-outside'

/** What this rule judges with. */
export type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'no-authority-change',
  summary: 'Disallow redirects and rewrites of routes to hosts that are not approved',
  risk: [
    'A route to an approved host may ask it for another one: the authority, or the header `Host`, is rewritten, and a',
    'server that many share, such as a content delivery network, answers for a host that nobody approved. A redirect',
    'sends the client itself there. Both stand in the route, in its headers, and in those of each destination.',
  ].join(' '),
  team: [
    'A redirect to a page elsewhere, or a rewrite of the host so that a backend answers. Redirects and rewrites to',
    'hosts of the mesh, and from http to https, pass; for another host have it approved (ApprovedHosts).',
  ].join(' '),
  judges: ['VirtualService.networking.istio.io'],
  reads: ['Service', 'ServiceEntry.networking.istio.io'],
  facts: ['approvedHosts', 'egressGateways', 'internalHosts', 'mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform'],
  outsideLaw: false,
  params: {},
  messages: {
    'redirect-outside': {
      severity: 'low',
      enforcementAction: 'deny',
      why: 'clients in the mesh would be sent on to "{value}", which is not approved{whose}',
      fix: 'remove {field}, name a host of the mesh there, or have the host approved (ApprovedHosts)',
      threats: ['vs/redirect'],
    },
    'ingress-redirect-outside': {
      severity: 'low',
      enforcementAction: 'warn',
      why: 'callers from outside are sent on to "{value}", which is neither approved{whose} nor a host of this route',
      fix: 'remove {field} if the host is not yours, or have it approved (ApprovedHosts)',
      threats: ['vs/redirect'],
    },
    'rewrite-outside': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'the destination would be asked for "{value}", which is not approved{whose}',
      fix: 'remove {field}, name a host of the mesh there, or have the host approved (ApprovedHosts)',
      threats: ['vs/rewrite-authority'],
    },
    'ingress-rewrite-outside': {
      severity: 'low',
      enforcementAction: 'warn',
      why: 'a Service of the mesh is asked for "{value}", which is neither approved{whose} nor a host of this route',
      fix: 'remove {field} if the Service passes requests on, or have the host approved (ApprovedHosts)',
      threats: ['vs/rewrite-authority'],
    },
  },
  check(subject, tools) {
    if (subject.subresource !== '' || !requireLists(subject, tools, ['http', 'hosts', 'gateways'])) return
    judgeRoutes(subject, tools)
  },
})
