/** Where questions are asked about. */
export interface Places {
  readonly tenant: string
  readonly platform: string
  /** The namespace of the release. */
  readonly guard: string
  /** The name of the guard's objects. */
  readonly release: string
}

/** A request, and which entry the API server asks about it. */
export interface Question {
  readonly what: string
  readonly method: string
  readonly path: string
  readonly body?: unknown
  /** Who wants it; the admin unless told. */
  readonly as?: string
  /** The first word of the entry's name; undefined: nobody is asked. */
  readonly asked: string | undefined
}

/** Containers of a pod that the injector has seen. */
export const containers = [
  { name: 'app', image: 'app' },
  { name: 'istio-proxy', image: 'proxy' },
]
/** The template of Deployments. */
export const template = { metadata: { labels: { app: 'web' } }, spec: { containers } }
/** Endpoints that lie inside. */
export const slice = { addressType: 'IPv4', endpoints: [{ addresses: ['10.1.2.3'] }], ports: [] }
/** What Services take. */
export const ports = [{ port: 80 }]
/** What registers a host. */
export const serviceEntry = {
  hosts: ['api.example.com'],
  resolution: 'DNS',
  ports: [{ number: 443, name: 'tls', protocol: 'TLS' }],
}

/** Returns what must be there before the questions. */
export function objectsIn({ tenant, platform, guard }: Places): readonly object[] {
  const deployment = (namespace: string, name: string): object => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: { replicas: 0, selector: { matchLabels: { app: 'web' } }, template },
  })
  const metadata = { name: 'web', namespace: tenant }
  return [
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...metadata, labels: { app: 'web' }, annotations: { 'proxy.istio.io/config': '{}' } },
      // Of a node that is none of ours, so that nobody runs it.
      spec: { nodeName: 'elsewhere', containers },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata, name: 'large' },
      ...slice,
      endpoints: Array.from({ length: 1000 }, (_, i) => ({ addresses: [`10.1.${i >> 8}.${i & 255}`] })),
    },
    deployment(tenant, 'web'),
    deployment(platform, 'istiod'),
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports } },
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: guard }, spec: { ports } },
    { apiVersion: 'v1', kind: 'Endpoints', metadata, subsets: [{ addresses: [{ ip: '10.1.2.3' }], ports }] },
    { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, ...slice },
    { apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry', metadata, spec: serviceEntry },
  ]
}
