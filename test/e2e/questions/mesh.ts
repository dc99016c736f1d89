import type { Places, Question } from './places.ts'

/** Returns questions about the namespaces of the mesh. */
export function meshQuestions({ tenant, platform }: Places): readonly Question[] {
  const istiod = `/apis/apps/v1/namespaces/${platform}/deployments/istiod`
  const configMaps = (namespace: string): string => `/api/v1/namespaces/${namespace}/configmaps`
  const collector = 'system:serviceaccount:kube-system:generic-garbage-collector'
  const create = { method: 'POST', path: configMaps(platform) }
  const labels = { 'gateway.istio.io/defaults-for-class': 'istio' }
  return [
    { what: 'fewer control planes', method: 'PATCH', path: istiod, body: { spec: { replicas: 1 } }, asked: 'platform' },
    { what: 'no control plane', method: 'DELETE', path: istiod, asked: 'platform' },
    {
      what: 'a Deployment that the garbage collector takes',
      method: 'DELETE',
      path: istiod,
      as: collector,
      asked: undefined,
    },
    { ...create, what: 'the mesh configuration', body: { metadata: { name: 'istio' } }, asked: 'platform' },
    {
      ...create,
      what: 'what gateways of a class are made from',
      body: { metadata: { name: 'any', labels } },
      asked: 'platform',
    },
    { ...create, what: 'a book of a controller', body: { metadata: { name: 'istio-leader' } }, asked: undefined },
    { what: 'all ConfigMaps at once', method: 'DELETE', path: configMaps(platform), asked: 'platform' },
    {
      what: 'a ConfigMap of a tenant',
      method: 'POST',
      path: configMaps(tenant),
      body: { metadata: { name: 'istio' } },
      asked: undefined,
    },
    {
      what: 'a Secret',
      method: 'POST',
      path: `/api/v1/namespaces/${platform}/secrets`,
      body: { metadata: { name: 'cacerts' } },
      asked: undefined,
    },
  ]
}
