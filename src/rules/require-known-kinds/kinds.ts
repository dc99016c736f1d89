import type { Kind } from '../../core/kind.ts'

/**
 * Kinds by group, those of older releases that control planes may still serve among them.
 *
 * Istio: manifests/charts/base/files/crd-all.gen.yaml. Gateway API v1.6: config/crd/experimental, which has all of the
 * standard channel; BackendLBPolicy, ReferencePolicy, XListenerSet and ListenerSet are one kind each under an older and a
 * newer name. Inference extension v1.5: config/crd, of which Istio reads this one group. Sail operator: api/v1.
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

/** The groups in which a kind that is not in the table is refused. */
export const knownGroups: readonly string[] = Object.keys(groups)

/** The kinds that some rule knows, or that were looked at and do nothing. */
export const knownKinds: ReadonlySet<Kind> = new Set(
  Object.entries(groups).flatMap(([group, kinds]) => kinds.map(kind => `${kind}.${group}`)),
)
