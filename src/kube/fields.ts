import type { Kind } from '../core/kind.ts'

const template = (...paths: readonly string[]): readonly string[] => paths.map(path => `spec.template.${path}`)

/** What tells whose an object is, so that an exemption of a workload reaches what its controllers make for it. */
const chain = [
  'metadata.uid',
  'metadata.ownerReferences[*].apiVersion',
  'metadata.ownerReferences[*].kind',
  'metadata.ownerReferences[*].name',
  'metadata.ownerReferences[*].uid',
  'metadata.ownerReferences[*].controller',
]

const templatesAnnotation = 'metadata.annotations["inject.istio.io/templates"]'

const workload = [...chain, ...template('metadata.labels', templatesAnnotation)]

const backends = ['spec.rules[*].backendRefs[*].name', 'spec.rules[*].backendRefs[*].namespace']

const listenerSet = ['group', 'kind', 'name', 'namespace'].map(key => `spec.parentRef.${key}`)

const routes = (section: string): readonly string[] => [
  `spec.${section}[*].match[*].gateways`,
  `spec.${section}[*].route[*].destination.host`,
]

/** What says for which pods of a mesh an object holds. */
const target = ['spec.selector', 'spec.targetRef', 'spec.targetRefs']

/**
 * What rules read of each kind, besides `apiVersion`, `kind`, and namespace and name in `metadata`: all else is dropped as
 * it is decoded. A path takes all that is below it along; `[*]` is each item of a list, of which at least an empty object
 * stays, so that lists keep their length. A test judges every case of every rule by what is left.
 *
 * Of a kind with nothing outside `metadata` only that is asked for.
 */
export const fieldsRead: Readonly<Record<Kind, readonly string[]>> = {
  'AuthorizationPolicy.security.istio.io': ['metadata.annotations["istio.io/dry-run"]', 'spec.action', ...target],
  'ClusterRole.rbac.authorization.k8s.io': ['rules'],
  ConfigMap: ['metadata.labels', 'data'],
  'CronJob.batch': chain,
  'DaemonSet.apps': workload,
  'Deployment.apps': [...workload, 'spec.template.spec.serviceAccountName'],
  'GRPCRoute.gateway.networking.k8s.io': backends,
  'Gateway.gateway.networking.k8s.io': [
    'metadata.annotations',
    'metadata.labels',
    'spec.addresses',
    'spec.gatewayClassName',
    'spec.listeners[*].allowedRoutes',
    'spec.listeners[*].port',
    'spec.listeners[*].protocol',
  ],
  'Gateway.networking.istio.io': ['spec.selector', 'spec.servers[*].hosts'],
  'GatewayClass.gateway.networking.k8s.io': ['metadata.annotations', 'metadata.labels', 'spec.controllerName'],
  'HTTPRoute.gateway.networking.k8s.io': backends,
  'Job.batch': chain,
  'ListenerSet.gateway.networking.k8s.io': listenerSet,
  'MutatingWebhookConfiguration.admissionregistration.k8s.io': [
    'metadata.labels',
    'webhooks[*].namespaceSelector.matchExpressions',
  ],
  Namespace: ['metadata.annotations', 'metadata.deletionTimestamp', 'metadata.labels', 'status.phase'],
  'NetworkPolicy.networking.k8s.io': [
    'spec.egress[*].to[*].namespaceSelector',
    'spec.ingress[*].from[*].namespaceSelector',
    'spec.podSelector',
    'spec.policyTypes',
  ],
  'PeerAuthentication.security.istio.io': ['spec.mtls.mode', ...target],
  Pod: [templatesAnnotation, 'metadata.labels'],
  'ProxyConfig.networking.istio.io': ['spec.environmentVariables', 'spec.selector'],
  'ReplicaSet.apps': chain,
  ReplicationController: chain,
  'Role.rbac.authorization.k8s.io': ['rules'],
  Service: ['metadata.annotations["networking.istio.io/exportTo"]', 'spec.externalName', 'spec.selector', 'spec.type'],
  'ServiceEntry.networking.istio.io': [
    'metadata.labels["istio.io/use-waypoint"]',
    'metadata.labels["istio.io/use-waypoint-namespace"]',
    'spec.endpoints[*]',
    'spec.exportTo',
    'spec.hosts',
    'spec.location',
    'spec.ports[*].name',
    'spec.ports[*].number',
    'spec.resolution',
    'spec.workloadSelector',
  ],
  'Sidecar.networking.istio.io': ['metadata.creationTimestamp', 'spec.outboundTrafficPolicy', 'spec.workloadSelector'],
  'StatefulSet.apps': workload,
  'TCPRoute.gateway.networking.k8s.io': backends,
  'TLSRoute.gateway.networking.k8s.io': backends,
  'VirtualService.networking.istio.io': [
    'spec.gateways',
    'spec.hosts',
    'spec.http[*].delegate',
    ...['http', 'tls', 'tcp'].flatMap(routes),
  ],
  'WorkloadEntry.networking.istio.io': ['metadata.labels', 'spec.address', 'spec.labels'],
  'WorkloadGroup.networking.istio.io': ['spec.template.serviceAccount'],
  'XListenerSet.gateway.networking.x-k8s.io': listenerSet,
}
