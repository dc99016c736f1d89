import { deploymentOf, entryFor, routeFor } from './samples.ts'

/** Returns an object of each kind that is judged in a namespace and may stand alone, few of them as they should be. */
export function objectsOfEveryKind(namespace: string): readonly object[] {
  const make = (apiVersion: string, kind: string, content: object): object => ({
    apiVersion,
    kind,
    metadata: { name: 'some', namespace, labels: { app: 'some' } },
    ...content,
  })
  const template = {
    metadata: { labels: { app: 'some' } },
    spec: { hostNetwork: true, containers: [{ name: 'app', image: 'registry.example/shop/app:1' }] },
  }
  const once = { ...template, spec: { ...template.spec, restartPolicy: 'Never' } }
  const selector = { matchLabels: { app: 'some' } }
  const [istio, security, gateways] = ['networking.istio.io/v1', 'security.istio.io/v1', 'gateway.networking.k8s.io/v1']
  const parentRefs = [{ name: 'some' }]
  return [
    make('v1', 'ConfigMap', { data: {} }),
    make('v1', 'PodTemplate', { template }),
    make('v1', 'ReplicationController', { spec: { replicas: 1, selector: { app: 'some' }, template } }),
    make('v1', 'Service', { spec: { type: 'ExternalName', externalName: 'some.example.com' } }),
    make('v1', 'Endpoints', { subsets: [{ addresses: [{ ip: '203.0.113.7' }], ports: [{ port: 443 }] }] }),
    make('apps/v1', 'DaemonSet', { spec: { selector, template } }),
    make('apps/v1', 'StatefulSet', { spec: { selector, template, serviceName: 'some' } }),
    make('apps/v1', 'ReplicaSet', { spec: { replicas: 0, selector, template } }),
    deploymentOf(namespace, 'some', 1, { hostNetwork: true }),
    make('batch/v1', 'Job', { spec: { template: once } }),
    make('batch/v1', 'CronJob', { spec: { schedule: '0 0 1 1 *', jobTemplate: { spec: { template: once } } } }),
    make('discovery.k8s.io/v1', 'EndpointSlice', {
      addressType: 'IPv4',
      endpoints: [{ addresses: ['203.0.113.7'] }],
      ports: [],
    }),
    make('networking.k8s.io/v1', 'NetworkPolicy', { spec: { podSelector: {}, policyTypes: ['Egress'] } }),
    make('networking.k8s.io/v1', 'Ingress', {
      spec: { defaultBackend: { service: { name: 'some', port: { number: 80 } } } },
    }),
    make('rbac.authorization.k8s.io/v1', 'Role', { rules: [] }),
    make('rbac.authorization.k8s.io/v1', 'RoleBinding', {
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'some' },
      subjects: [],
    }),
    entryFor(namespace, 'some.example.com'),
    routeFor(namespace, 'some.example.com'),
    make(istio, 'DestinationRule', { spec: { host: 'some.example.com' } }),
    make(istio, 'Gateway', {
      spec: { servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }] },
    }),
    make(istio, 'Sidecar', { spec: { outboundTrafficPolicy: { mode: 'ALLOW_ANY' } } }),
    make(istio, 'WorkloadEntry', { spec: { address: '203.0.113.7' } }),
    make(istio, 'WorkloadGroup', { spec: { template: {} } }),
    make('networking.istio.io/v1alpha3', 'EnvoyFilter', { spec: { configPatches: [] } }),
    make('networking.istio.io/v1beta1', 'ProxyConfig', { spec: { concurrency: 1 } }),
    make(security, 'AuthorizationPolicy', { spec: {} }),
    make(security, 'PeerAuthentication', { spec: {} }),
    make(security, 'RequestAuthentication', { spec: {} }),
    make('telemetry.istio.io/v1', 'Telemetry', { spec: {} }),
    make('extensions.istio.io/v1alpha1', 'WasmPlugin', { spec: { url: 'oci://registry.example/some:1' } }),
    make(gateways, 'Gateway', {
      spec: { gatewayClassName: 'istio', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] },
    }),
    make(gateways, 'HTTPRoute', { spec: { parentRefs } }),
    make(gateways, 'GRPCRoute', { spec: { parentRefs } }),
  ]
}
