/** A Gateway of the Gateway API, which is not Istio's kind of that name. */
export const gatewayApiKind = 'Gateway.gateway.networking.k8s.io'

/** Istio's Gateway, whose `selector` names the pods that it configures. */
export const istioGatewayKind = 'Gateway.networking.istio.io'

/** What registers a host. */
export const entryKind = 'ServiceEntry.networking.istio.io'

/**
 * Kinds by group, those of older releases that control planes may still serve among them.
 *
 * Istio: manifests/charts/base/files/crd-all.gen.yaml. Gateway API v1.6: config/crd/experimental, which has all of
 * the standard channel; BackendLBPolicy, ReferencePolicy, XListenerSet and ListenerSet are one kind each under an
 * older and a newer name. Inference extension v1.5: config/crd, of which Istio reads this one group. Sail operator:
 * api/v1.
 */
const groups: Readonly<Record<string, readonly string[]>> = {
  'networking.istio.io': [
    'DestinationRule',
    'EnvoyFilter',
    'Gateway',
    'ProxyConfig',
    'ServiceEntry',
    'Sidecar',
    'VirtualService',
    'WorkloadEntry',
    'WorkloadGroup',
  ],
  'security.istio.io': ['AuthorizationPolicy', 'PeerAuthentication', 'RequestAuthentication'],
  'telemetry.istio.io': ['Telemetry'],
  'extensions.istio.io': ['TrafficExtension', 'WasmPlugin'],
  'install.istio.io': ['IstioOperator'],
  'sailoperator.io': ['Istio', 'IstioCNI', 'IstioRevision', 'IstioRevisionTag', 'ZTunnel'],
  'gateway.networking.k8s.io': [
    'BackendLBPolicy',
    'BackendTLSPolicy',
    'GRPCRoute',
    'Gateway',
    'GatewayClass',
    'HTTPRoute',
    'ListenerSet',
    'ReferenceGrant',
    'ReferencePolicy',
    'TCPRoute',
    'TLSRoute',
    'UDPRoute',
  ],
  'gateway.networking.x-k8s.io': ['XBackend', 'XBackendTrafficPolicy', 'XListenerSet', 'XMesh'],
  'inference.networking.k8s.io': ['InferencePool'],
}

/** The API groups of Istio, of what installs it, and of the Gateway API. */
export const meshGroups: readonly string[] = Object.keys(groups)

/** All kinds of these groups, as `Kind.group`. */
export const meshKinds: ReadonlySet<string> = new Set(
  Object.entries(groups).flatMap(([group, kinds]) => kinds.map(kind => `${kind}.${group}`)),
)
