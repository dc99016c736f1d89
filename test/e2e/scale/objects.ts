/** Objects of one kind, as a share of all. */
export interface Share {
  readonly kind: string
  readonly share: number
  /** Returns the path of the collection in a namespace. */
  readonly path: (namespace: string) => string
  readonly make: (index: number, namespace: string) => object
}

const host = (index: number): string => `api-${index}.partner-${index % 97}.example.com`
const labels = (index: number): Readonly<Record<string, string>> => ({ app: `app-${index % 200}`, version: 'v1' })

/** What a mesh holds: the kinds that grow with it, and their shares. */
export const shares: readonly Share[] = [
  {
    kind: 'Pod',
    share: 0.4,
    path: namespace => `/api/v1/namespaces/${namespace}/pods`,
    make: (index, namespace) => ({
      metadata: {
        name: `pod-${index}`,
        namespace,
        labels: { ...labels(index), 'pod-template-hash': '7887448d46', 'security.istio.io/tlsMode': 'istio' },
        annotations: { 'sidecar.istio.io/status': status, 'prometheus.io/scrape': 'true', 'istio.io/rev': 'default' },
      },
      // On a node that is not there, so that nobody plays its kubelet.
      spec: { nodeName: 'elsewhere', containers: [container('app'), container('istio-proxy')] },
    }),
  },
  {
    kind: 'ServiceEntry',
    share: 0.2,
    path: namespace => `/apis/networking.istio.io/v1/namespaces/${namespace}/serviceentries`,
    make: (index, namespace) => ({
      apiVersion: 'networking.istio.io/v1',
      kind: 'ServiceEntry',
      metadata: { name: `entry-${index}`, namespace },
      spec: {
        hosts: [host(index)],
        exportTo: ['.'],
        location: 'MESH_EXTERNAL',
        resolution: 'DNS',
        ports: [{ number: 443, name: 'tls', protocol: 'TLS' }],
      },
    }),
  },
  {
    kind: 'VirtualService',
    share: 0.2,
    path: namespace => `/apis/networking.istio.io/v1/namespaces/${namespace}/virtualservices`,
    make: (index, namespace) => ({
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name: `route-${index}`, namespace },
      spec: {
        hosts: [host(index)],
        exportTo: ['.'],
        gateways: ['mesh', 'istio-egress/egress'],
        tls: [
          leg(index, 'mesh', 'istio-egressgateway.istio-egress.svc.cluster.local'),
          leg(index, 'istio-egress/egress', host(index)),
        ],
      },
    }),
  },
  {
    kind: 'Service',
    share: 0.1,
    path: namespace => `/api/v1/namespaces/${namespace}/services`,
    // Without a selector, since the controllers would be busy with endpoints for long.
    make: (index, namespace) => ({
      metadata: { name: `service-${index}`, namespace, labels: labels(index) },
      spec: { clusterIP: 'None', ports: [{ name: 'http', port: 80 }] },
    }),
  },
  {
    kind: 'NetworkPolicy',
    share: 0.1,
    path: namespace => `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`,
    make: (index, namespace) => ({
      metadata: { name: `policy-${index}`, namespace },
      spec: {
        podSelector: { matchLabels: { app: `app-${index % 200}` } },
        policyTypes: ['Ingress', 'Egress'],
        egress: [{ to: [{ namespaceSelector: { matchLabels: { team: `team-${index % 50}` } } }] }],
      },
    }),
  },
]

const status = JSON.stringify({
  initContainers: ['istio-init', 'istio-proxy'],
  containers: null,
  volumes: ['workload-socket', 'credential-socket', 'workload-certs', 'istio-envoy', 'istio-data', 'istio-podinfo'],
  imagePullSecrets: null,
  revision: 'default',
})

function container(name: string): object {
  const env = Array.from({ length: 12 }, (_, i) => ({
    name: `SETTING_${i}`,
    value: `value of setting ${i} of ${name}`,
  }))
  return {
    name,
    image: `registry.example/acme/${name}:1`,
    env,
    resources: { requests: { cpu: '100m', memory: '128Mi' } },
  }
}

function leg(index: number, gateway: string, destination: string): object {
  return {
    match: [{ gateways: [gateway], port: 443, sniHosts: [host(index)] }],
    route: [{ destination: { host: destination, port: { number: 443 } } }],
  }
}

/** Returns one of the objects that reviews are made of, none of which is stored. */
export function reviewed(index: number, namespace: string): { readonly path: string; readonly object: object } {
  const kinds = shares.filter(({ kind }) => kind !== 'NetworkPolicy')
  const { path, make } = kinds[index % kinds.length] ?? shares[0] ?? never()
  return { path: path(namespace), object: make(1_000_000 + index, namespace) }
}

function never(): never {
  throw new Error('there are shares')
}
