import type { Item } from '../plane/client.ts'
import type { Places, Question } from './places.ts'

/** Returns questions about namespaces and what belongs to none. */
export async function clusterQuestions(
  { tenant, guard, release }: Places,
  read: (path: string) => Promise<Item>,
): Promise<readonly Question[]> {
  const rbac = '/apis/rbac.authorization.k8s.io/v1'
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' }
  const binding = (name: string): object => ({ metadata: { name }, roleRef, subjects: [] })
  const path = `/api/v1/namespaces/${tenant}`
  const namespace = await read(path)
  const labelled = {
    ...namespace,
    metadata: { ...namespace.metadata, labels: { ...namespace.metadata.labels, a: 'b' } },
  }
  const bindings = (of: string): string => `${rbac}/namespaces/${of}/rolebindings`
  return [
    {
      what: 'a new namespace',
      method: 'POST',
      path: '/api/v1/namespaces',
      body: { metadata: { name: 'new' } },
      asked: 'cluster',
    },
    {
      what: 'the namespace of the guard again',
      method: 'POST',
      path: '/api/v1/namespaces',
      body: { metadata: { name: guard } },
      asked: undefined,
    },
    {
      what: 'a namespace that the API server needs',
      method: 'POST',
      path: '/api/v1/namespaces',
      body: { metadata: { name: 'new' } },
      as: 'system:apiserver',
      asked: undefined,
    },
    {
      what: 'a label of a namespace',
      method: 'PATCH',
      path,
      body: { metadata: { labels: { a: 'b' } } },
      asked: 'cluster',
    },
    {
      what: 'a label by way of a status',
      method: 'PATCH',
      path: `${path}/status`,
      body: { metadata: { labels: { a: 'b' } } },
      asked: 'cluster',
    },
    {
      what: 'the status of a namespace',
      method: 'PATCH',
      path: `${path}/status`,
      body: { status: { conditions: [] } },
      asked: undefined,
    },
    { what: 'a label by way of finalizing', method: 'PUT', path: `${path}/finalize`, body: labelled, asked: 'cluster' },
    { what: 'a namespace finalized', method: 'PUT', path: `${path}/finalize`, body: namespace, asked: undefined },
    { what: 'a namespace less', method: 'DELETE', path, asked: 'cluster' },
    { what: 'rights in a namespace', method: 'POST', path: bindings(tenant), body: binding('new'), asked: 'cluster' },
    { what: 'rights of the guard', method: 'POST', path: bindings(guard), body: binding(release), asked: undefined },
    {
      what: 'the guard’s name in a namespace of a tenant',
      method: 'POST',
      path: bindings(tenant),
      body: binding(release),
      asked: 'cluster',
    },
    {
      what: 'rights in the namespace of the guard',
      method: 'POST',
      path: bindings(guard),
      body: binding('new'),
      asked: 'cluster',
    },
    {
      what: 'rights everywhere',
      method: 'POST',
      path: `${rbac}/clusterrolebindings`,
      body: binding('new'),
      asked: 'cluster',
    },
    {
      what: 'rights that the API server needs',
      method: 'POST',
      path: `${rbac}/clusterrolebindings`,
      body: binding('new'),
      as: 'system:apiserver',
      asked: undefined,
    },
    {
      what: 'a class of gateways',
      method: 'POST',
      path: '/apis/gateway.networking.k8s.io/v1/gatewayclasses',
      body: {
        apiVersion: 'gateway.networking.k8s.io/v1',
        kind: 'GatewayClass',
        metadata: { name: 'new' },
        spec: { controllerName: 'example.com/new' },
      },
      asked: 'cluster',
    },
  ]
}
