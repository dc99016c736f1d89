import { containers, type Places, type Question } from './places.ts'

/** Nearly 256 KiB, which is the most. What a condition may cost is limited, too. */
const manyAnnotations = Object.fromEntries(
  Array.from({ length: 6000 }, (_, i) => [`example.com/note-${i}`, 'x'.repeat(20)]),
)

/** Returns questions about pods and what becomes pods. */
export function podQuestions({ tenant, platform, guard }: Places): readonly Question[] {
  const pods = (namespace: string): string => `/api/v1/namespaces/${namespace}/pods`
  const pod = `${pods(tenant)}/web`
  const body = { metadata: { name: 'new' }, spec: { containers } }
  const patch = { method: 'PATCH', path: pod }
  const status = { method: 'PATCH', path: `${pod}/status` }
  const kubelet = 'system:node:elsewhere'
  const deployment = `/apis/apps/v1/namespaces/${tenant}/deployments/web`
  const binding = (metadata: object): object => ({
    metadata: { name: 'web', ...metadata },
    target: { name: 'elsewhere' },
  })
  const bind = { method: 'POST', path: `${pod}/binding`, as: 'system:kube-scheduler' }
  const exec = (query: string): string => `${pod}/exec?stdout=1&command=ls${query}`
  return [
    { what: 'a new pod', method: 'POST', path: pods(tenant), body, asked: 'pods' },
    { what: 'a new pod beside the guard', method: 'POST', path: pods(guard), body, asked: undefined },
    { what: 'a new pod of the cluster', method: 'POST', path: pods('kube-system'), body, asked: undefined },
    { what: 'a new pod of the mesh', method: 'POST', path: pods(platform), body, asked: 'platform' },
    { ...patch, what: 'a label of a pod', body: { metadata: { labels: { app: 'x' } } }, asked: 'pods' },
    { ...patch, what: 'a finalizer of a pod', body: { metadata: { finalizers: ['a.b/c'] } }, asked: undefined },
    {
      ...patch,
      what: 'the deadline of a pod',
      body: { spec: { activeDeadlineSeconds: 60 } },
      asked: 'pods',
    },
    { ...status, as: kubelet, what: 'the status of a pod', body: { status: { message: 'running' } }, asked: undefined },
    {
      ...status,
      what: 'what a network plugin notes on a pod that starts',
      body: { metadata: { annotations: { 'cni.projectcalico.org/podIP': '10.0.0.1' } } },
      asked: undefined,
    },
    {
      ...status,
      what: 'as many annotations as a pod may have',
      body: { metadata: { annotations: manyAnnotations } },
      asked: undefined,
    },
    {
      ...status,
      what: 'an annotation of Istio among as many as a pod may have',
      body: { metadata: { annotations: { ...manyAnnotations, 'sidecar.istio.io/inject': 'false' } } },
      asked: 'pods',
    },
    {
      ...status,
      what: 'an annotation of Istio by way of the status',
      body: { metadata: { annotations: { 'sidecar.istio.io/inject': 'false' } } },
      asked: 'pods',
    },
    {
      ...status,
      what: 'an annotation of Istio that goes by way of the status',
      body: { metadata: { annotations: { 'proxy.istio.io/config': null } } },
      asked: 'pods',
    },
    {
      what: 'a debug container',
      method: 'PATCH',
      path: `${pod}/ephemeralcontainers`,
      body: { spec: { ephemeralContainers: [{ name: 'debug', image: 'sh' }] } },
      asked: 'pods',
    },
    { ...bind, what: 'a pod bound to a node', body: binding({}), asked: undefined },
    {
      ...bind,
      what: 'a pod bound with its zone',
      body: binding({ labels: { 'topology.kubernetes.io/zone': 'a' } }),
      asked: undefined,
    },
    {
      ...bind,
      what: 'a pod bound with a label of Istio',
      body: binding({ labels: { 'istio.io/rev': 'x' } }),
      asked: 'pods',
    },
    { what: 'a shell in the application', method: 'POST', path: exec('&container=app'), asked: undefined },
    { what: 'a shell in the proxy', method: 'POST', path: exec('&container=istio-proxy'), asked: 'pods' },
    { what: 'a shell in no container by name', method: 'POST', path: exec(''), asked: 'pods' },
    { what: 'more replicas', method: 'PATCH', path: deployment, body: { spec: { replicas: 2 } }, asked: undefined },
    {
      what: 'more replicas by scale',
      method: 'PATCH',
      path: `${deployment}/scale`,
      body: { spec: { replicas: 2 } },
      asked: undefined,
    },
    {
      what: 'another template',
      method: 'PATCH',
      path: deployment,
      body: { spec: { template: { metadata: { annotations: { a: 'b' } } } } },
      asked: 'pods',
    },
    { what: 'a Deployment less', method: 'DELETE', path: deployment, asked: undefined },
  ]
}
