import { defineRule } from '../../core/rule.ts'
import { requireLists } from '../../core/shape.ts'
import { few } from '../../core/uncaptured.ts'
import { judgeBackends, judgeExternal } from './backend.ts'
import { judgeFilters } from './filter.ts'
import { type Judge, type Message, messages, type Params } from './message.ts'
import { judgeParents } from './parent.ts'

const externalKind = 'XBackend.gateway.networking.x-k8s.io'

export default defineRule<Message, Params>({
  id: 'no-direct-backend',
  summary: 'Disallow routes of the Gateway API that lead to hosts nobody approved, or into the routes of others',
  risk: [
    'A route of the Gateway API does what a VirtualService does: attached to a Service or ServiceEntry it decides where every',
    'client of the mesh is sent, attached to a Gateway where what comes in or leaves is sent. A backend may be any host of',
    'the registry (`Hostname`) or a Service that is only another name for one outside; a filter may copy requests, rewrite',
    'the host that they ask for, or send clients elsewhere. TLSRoutes and TCPRoutes of any namespace count for all clients',
    'of their parent. Routes that only serve Gateways of other controllers are not judged.',
  ].join(' '),
  team: [
    'An HTTPRoute that sends part of the traffic to a Service in front of somebody else’s API. Have the host approved',
    'and let the platform route it by the egress gateway; backends in the cluster pass as they are.',
  ].join(' '),
  judges: [
    ...['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute'].map(kind => `${kind}.gateway.networking.k8s.io`),
    externalKind,
  ],
  reads: [
    'Gateway.gateway.networking.k8s.io',
    'GatewayClass.gateway.networking.k8s.io',
    'ListenerSet.gateway.networking.k8s.io',
    'Namespace',
    'Service',
    'ServiceEntry.networking.istio.io',
    'XListenerSet.gateway.networking.x-k8s.io',
  ],
  facts: ['approvedHosts', 'egressGateways', 'internalHosts', 'mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {
    backendKinds: {
      doc: 'Kinds of backends that are accepted besides Services and Hostnames, with their group (`InferencePool.inference.networking.k8s.io`).',
      schema: { type: 'array', items: { type: 'string', minLength: 1 } },
      default: [],
    },
    filterKinds: {
      doc: 'Kinds that an ExtensionRef may name, with their group.',
      schema: { type: 'array', items: { type: 'string', minLength: 1 } },
      default: [],
    },
  },
  messages,
  check(subject, tools: Judge) {
    // Controllers write which Gateways have taken a route.
    if (subject.subresource !== '') return
    if (subject.kind === externalKind) {
      if (subject.namespaceClass !== 'notGoverned') judgeExternal(subject, tools)
      return
    }
    if (!requireLists(subject, tools, ['parentRefs', 'hostnames', 'rules'])) return
    const attached = judgeParents(subject, tools)
    if (attached === undefined || subject.namespaceClass === 'notGoverned') return
    if (subject.kind === 'UDPRoute.gateway.networking.k8s.io') {
      tools.report('udp-route', { path: ['spec', 'rules'] })
      return
    }
    const odd = new Set<string>()
    const route = { subject, attached, tools, odd }
    judgeFilters(route, judgeBackends(route))
    if (attached.unknown === undefined || odd.size === 0) return
    const unknown = `whether Istio serves the Gateway of a route with ${few([...odd].sort())}`
    tools.notJudged(attached.unknown, unknown, 'give the Gateways and GatewayClasses with --inventory')
  },
})
