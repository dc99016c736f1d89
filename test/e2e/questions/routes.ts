import { type Places, ports, type Question, serviceEntry, slice } from './places.ts'

/** Returns questions about what steers, opens and closes ways. */
export function routeQuestions({ tenant, guard }: Places): readonly Question[] {
  const services = (namespace: string): string => `/api/v1/namespaces/${namespace}/services`
  const service = `${services(tenant)}/web`
  const slices = `/apis/discovery.k8s.io/v1/namespaces/${tenant}/endpointslices`
  const endpoints = `/api/v1/namespaces/${tenant}/endpoints/web`
  const istio = (namespace: string, version = 'v1'): string =>
    `/apis/networking.istio.io/${version}/namespaces/${namespace}`
  const entry = `${istio(tenant)}/serviceentries/web`
  const controller = (name: string): string => `system:serviceaccount:kube-system:${name}`
  const newService = { metadata: { name: 'new' }, spec: { ports } }
  const newSlice = (by?: string): object => ({
    metadata: { name: 'new', labels: by === undefined ? {} : { 'endpointslice.kubernetes.io/managed-by': by } },
    ...slice,
  })
  const newEntry = (version: string): object => ({
    apiVersion: `networking.istio.io/${version}`,
    kind: 'ServiceEntry',
    metadata: { name: 'new' },
    spec: serviceEntry,
  })
  const sliceController = controller('endpointslice-controller')
  const policy = { metadata: { name: 'new' }, spec: { podSelector: {}, policyTypes: ['Ingress'] } }
  const networkPolicies = (namespace: string): string =>
    `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`
  return [
    { what: 'a new Service', method: 'POST', path: services(tenant), body: newService, asked: 'routes' },
    {
      what: 'a new Service of the cluster',
      method: 'POST',
      path: services('kube-system'),
      body: newService,
      asked: 'routes',
    },
    {
      what: 'a Service of the guard',
      method: 'PATCH',
      path: `${services(guard)}/web`,
      body: { metadata: { labels: { a: 'b' } } },
      asked: undefined,
    },
    {
      what: 'a Service of the API server',
      method: 'POST',
      path: services('default'),
      body: newService,
      as: 'system:apiserver',
      asked: undefined,
    },
    {
      what: 'a finalizer of a Service',
      method: 'PATCH',
      path: service,
      body: { metadata: { finalizers: ['a.b/c'] } },
      asked: undefined,
    },
    {
      what: 'an annotation of a Service',
      method: 'PATCH',
      path: service,
      body: { metadata: { annotations: { a: 'b' } } },
      asked: 'routes',
    },
    {
      what: 'no change of a status',
      method: 'PATCH',
      path: `${service}/status`,
      body: { status: { conditions: [] } },
      asked: undefined,
    },
    {
      what: 'an annotation by way of a status',
      method: 'PATCH',
      path: `${service}/status`,
      body: { metadata: { annotations: { a: 'b' } } },
      asked: 'routes',
    },
    { what: 'endpoints by hand', method: 'POST', path: slices, body: newSlice(), asked: 'routes' },
    {
      what: 'endpoints of pods',
      method: 'POST',
      path: slices,
      body: newSlice('endpointslice-controller.k8s.io'),
      as: sliceController,
      asked: undefined,
    },
    {
      what: 'endpoints by hand in a controller’s name',
      method: 'POST',
      path: slices,
      body: newSlice('endpointslice-controller.k8s.io'),
      asked: 'routes',
    },
    {
      what: 'endpoints that a controller copies',
      method: 'POST',
      path: slices,
      body: newSlice('endpointslicemirroring-controller.k8s.io'),
      as: controller('endpointslicemirroring-controller'),
      asked: 'routes',
    },
    {
      what: 'an annotation of endpoints',
      method: 'PATCH',
      path: `${slices}/web`,
      body: { metadata: { annotations: { a: 'b' } } },
      asked: undefined,
    },
    {
      what: 'other endpoints',
      method: 'PATCH',
      path: `${slices}/web`,
      body: { endpoints: [{ addresses: ['192.0.2.1'] }] },
      asked: 'routes',
    },
    {
      what: 'an annotation of as many endpoints as a slice holds',
      method: 'PATCH',
      path: `${slices}/large`,
      body: { metadata: { annotations: { a: 'b' } } },
      asked: undefined,
    },
    {
      what: 'a lock that is kept on Endpoints',
      method: 'PATCH',
      path: endpoints,
      body: { metadata: { annotations: { a: 'b' } } },
      asked: undefined,
    },
    {
      what: 'other Endpoints',
      method: 'PATCH',
      path: endpoints,
      body: { subsets: [{ addresses: [{ ip: '192.0.2.1' }], ports }] },
      asked: 'routes',
    },
    {
      what: 'Endpoints of pods',
      method: 'PATCH',
      path: endpoints,
      body: { subsets: [] },
      as: controller('endpoint-controller'),
      asked: undefined,
    },
    ...['v1', 'v1beta1', 'v1alpha3'].map(version => ({
      what: `a new ServiceEntry of ${version}`,
      method: 'POST',
      path: `${istio(tenant, version)}/serviceentries`,
      body: newEntry(version),
      asked: 'routes',
    })),
    {
      what: 'a new ServiceEntry beside the guard',
      method: 'POST',
      path: `${istio(guard)}/serviceentries`,
      body: newEntry('v1'),
      asked: 'routes',
    },
    { what: 'a ServiceEntry less', method: 'DELETE', path: entry, asked: 'routes' },
    {
      what: 'a ServiceEntry that goes with its namespace',
      method: 'DELETE',
      path: entry,
      as: controller('namespace-controller'),
      asked: undefined,
    },
    {
      what: 'conditions of a ServiceEntry',
      method: 'PATCH',
      path: `${entry}/status`,
      body: { status: { conditions: [] } },
      asked: undefined,
    },
    {
      what: 'addresses of a ServiceEntry',
      method: 'PATCH',
      path: `${entry}/status`,
      body: { status: { addresses: [{ value: '192.0.2.1', host: 'api.example.com' }] } },
      asked: 'routes',
    },
    { what: 'a new NetworkPolicy', method: 'POST', path: networkPolicies(tenant), body: policy, asked: 'routes' },
    {
      what: 'a NetworkPolicy of the guard',
      method: 'POST',
      path: networkPolicies(guard),
      body: policy,
      asked: undefined,
    },
    {
      what: 'who leads',
      method: 'POST',
      path: `/apis/coordination.k8s.io/v1/namespaces/${tenant}/leases`,
      body: { metadata: { name: 'new' }, spec: {} },
      asked: undefined,
    },
  ]
}
