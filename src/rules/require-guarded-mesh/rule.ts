import { meshConfigKinds, meshConfigsOf } from '../../core/installation.ts'
import { defineRule, type Tools } from '../../core/rule.ts'
import { judgeDiscovery } from './discovery.ts'
import { judgeProviders } from './provider.ts'
import { judgeSources, judgeTrust } from './source.ts'

/** What this rule can say. */
export type Message =
  | 'config-source'
  | 'outside-provider'
  | 'unknown-provider'
  | 'moved-root'
  | 'forward-proxy'
  | 'outside-bundle'
  | 'outside-authority'
  | 'plaintext'
  | 'undiscovered'

/** What this rule judges with. */
export type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'require-guarded-mesh',
  summary: 'Require a mesh configuration in which what the guard judges is all there is',
  risk: [
    'The mesh configuration decides what everything else means: from where istiod takes configuration besides the API',
    'server, whom every proxy tells about its requests, which namespace holds the objects for all, which namespaces istiod',
    'looks at, whose certificates count, and whether each sidecar opens a forward proxy. It is judged wherever it stands:',
    'in the ConfigMaps of the root namespace, an IstioOperator, and the kinds of the Sail operator. What Istio’s own',
    'profiles install passes. The outbound policy is judged by `no-allow-any`, and changes by `no-mesh-change`.',
  ].join(' '),
  team: [
    'A platform’s own change: a tracing backend, a new source of configuration. Have the provider listed in the',
    'policy, or the change recorded as an exemption.',
  ].join(' '),
  judges: meshConfigKinds,
  reads: ['Namespace', 'Service', 'ServiceEntry.networking.istio.io'],
  facts: ['approvedHosts', 'authorizers', 'egressGateways', 'internalHosts', 'mesh', 'telemetryProviders', 'waypoints'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    'config-source': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'istiod would take configuration from "{value}", which never passes the API server',
      fix: 'remove the entry of configSources; for the cluster itself write k8s://',
      threats: ['mesh/config-sources'],
    },
    'outside-provider': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'provider "{name}" hands data of requests to "{value}", which is {state}',
      fix: 'use a Service of the cluster, or have it listed under spec.{fact} of the policy',
      threats: ['mesh/extension-providers'],
    },
    'unknown-provider': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'to whom provider "{name}" of kind "{value}" hands data of requests is not said here',
      fix: 'remove the provider, or have its name listed under spec.telemetryProviders of the policy',
      threats: ['mesh/extension-providers'],
    },
    'moved-root': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'what stands in namespace "{value}" would hold for the whole mesh, and what is in "{root}" would no longer',
      fix: 'set rootNamespace to {root}, or correct spec.mesh.rootNamespace of the policy',
      threats: ['mesh/root-namespace'],
    },
    'forward-proxy': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'every sidecar would open a forward proxy on port {value}, past the routes that name a port',
      fix: 'remove proxyHttpPort',
      threats: ['mesh/proxy-http-port'],
    },
    'outside-bundle': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'whoever answers at "{value}" says whose certificates the mesh trusts, and it is outside and not approved',
      fix: 'write the certificate itself (pem), or have the host approved (ApprovedHosts)',
      threats: ['mesh/trust'],
    },
    'outside-authority': {
      severity: 'high',
      enforcementAction: 'deny',
      why: '"{value}" would sign the identities of the mesh, and it is outside and not approved',
      fix: 'use an authority in the cluster, or have the host approved (ApprovedHosts)',
      threats: ['mesh/trust'],
    },
    plaintext: {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'sidecars would speak to each other in plaintext, so that the egress gateway cannot tell who asks',
      fix: 'remove enableAutoMtls',
      threats: ['mesh/trust'],
    },
    undiscovered: {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'no discovery selector matches namespace "{value}", so what stands there would be gone from the mesh',
      fix: 'label the namespace so that a selector matches, or remove discoverySelectors',
      threats: ['mesh/discovery-selectors'],
    },
  },
  check(subject, tools) {
    for (const { read, at } of meshConfigsOf(subject, tools.facts.mesh.rootNamespace)) {
      // That it cannot be read is said by no-allow-any.
      if (!read.ok) continue
      const held = { config: read.value, at, subject }
      judgeSources(held, tools)
      judgeProviders(held, tools)
      judgeTrust(held, tools)
      judgeDiscovery(held, tools)
    }
  },
})
