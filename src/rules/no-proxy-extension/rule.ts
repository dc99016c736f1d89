import { gatewayWorkloads } from '../../core/gatewaypods.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { judgeFilter, reportCode } from './filter.ts'
import { judgeModule } from './module.ts'

/** What this rule can say. */
export type Message = 'envoy-filter' | 'traffic-extension' | 'module-not-approved'

/** What this rule judges with. */
export type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'no-proxy-extension',
  summary: 'Disallow changes of the proxy’s own configuration and code in it that nobody approved',
  risk: [
    'An EnvoyFilter can add any listener, cluster, route or script to the proxy; a TrafficExtension runs Lua or',
    'WebAssembly in it, a WasmPlugin a module that the proxy’s agent downloads as the one user whose traffic is not',
    'captured. Nothing else that is said about egress holds then. What such an object does cannot be read off it; so it is',
    'refused, and an exemption is bound to the digest of what was looked at. The platform may shape its other gateways.',
  ].join(' '),
  team: [
    'A rate limit, a header or a Lua snippet. Most of it can be said with a VirtualService or Telemetry today; what',
    'remains is the platform’s to apply, recorded with the digest of its content.',
  ].join(' '),
  judges: [
    'EnvoyFilter.networking.istio.io',
    'TrafficExtension.extensions.istio.io',
    'WasmPlugin.extensions.istio.io',
    // Whatever else comes to this group is code too.
    '*.extensions.istio.io',
  ],
  reads: [...gatewayWorkloads, 'Gateway.networking.istio.io'],
  facts: ['eastWestGateways', 'egressGateways', 'ingressGateways', 'mesh', 'wasmModules', 'waypoints'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    'envoy-filter': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'it can change everything about the proxies of {whose}, where their traffic goes included',
      fix: '{remedy}, or have it exempted (EgressExemptions, specDigest {digest})',
      threats: ['ef/any'],
    },
    'traffic-extension': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'it runs code in the proxies of {whose}, which can send on what passes',
      fix: 'remove it, or have it exempted (EgressExemptions, specDigest {digest})',
      threats: ['te/any'],
    },
    'module-not-approved': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'the proxy’s agent would fetch and run "{value}", which is not approved',
      fix: 'use a module of spec.wasmModules of the policy, or have this one added there',
      threats: ['wasm/url'],
    },
  },
  check(subject, tools) {
    if (subject.subresource !== '' || isForOthersOnly(subject, tools)) return
    if (subject.kind === 'WasmPlugin.extensions.istio.io') judgeModule(subject, tools)
    else if (subject.kind === 'EnvoyFilter.networking.istio.io') judgeFilter(subject, tools)
    else reportCode('traffic-extension', subject, tools)
  },
})

/** Outside the policy each may do what it likes to its own proxies; in the root namespace they are everybody's. */
function isForOthersOnly({ namespaceClass, ref }: Subject, tools: Judge): boolean {
  return namespaceClass === 'notGoverned' && ref.namespace !== tools.facts.mesh.rootNamespace
}
