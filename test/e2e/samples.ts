import type { Item } from './plane/client.ts'

/** An object with everything that sending it needs. */
export interface Sample extends Item {
  readonly apiVersion: string
  readonly kind: string
}

/** Returns a ServiceEntry by which a namespace reaches a host with TLS. */
export function entryFor(namespace: string, host: string, name = host.replaceAll('.', '-')): Sample {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name, namespace },
    spec: {
      hosts: [host],
      exportTo: ['.'],
      location: 'MESH_EXTERNAL',
      resolution: 'DNS',
      ports: [{ number: 443, name: 'tls', protocol: 'TLS' }],
    },
  }
}

/** Returns a VirtualService by which calls of a host go to the host itself. */
export function routeFor(namespace: string, host: string, name = host.replaceAll('.', '-')): Sample {
  const destination = { host, port: { number: 443 } }
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name, namespace },
    spec: {
      hosts: [host],
      exportTo: ['.'],
      tls: [{ match: [{ port: 443, sniHosts: [host] }], route: [{ destination }] }],
    },
  }
}

/** Returns a Deployment that nothing is wrong with, or whose pods have more in their spec. */
export function deploymentOf(namespace: string, name: string, replicas: number, more: object = {}): Sample {
  const labels = { app: name }
  const spec = { containers: [{ name: 'app', image: 'registry.example/shop/app:1' }], ...more }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace, labels },
    spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  }
}

/** Returns a NetworkPolicy that closes ways out of a namespace. */
export function closingPolicy(namespace: string, name: string): Sample {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace },
    spec: { podSelector: {}, policyTypes: ['Egress'], egress: [{ to: [{ namespaceSelector: {} }] }] },
  }
}

/** Returns a ConfigMap with files of a policy. */
export function policyMap(namespace: string, name: string, files: Readonly<Record<string, string>>): Sample {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data: files }
}

/** Returns a document that approves hosts for TLS, for every namespace. */
export function approve(...hosts: readonly string[]): string {
  return JSON.stringify({
    apiVersion: 'sallyport.dev/v1alpha1',
    kind: 'ApprovedHosts',
    metadata: { name: 'approved' },
    spec: {
      defaults: { owner: 'security', ticket: 'SEC-12', expires: '2099-06-30' },
      hosts: hosts.map(host => ({ host, ports: [{ number: 443, protocol: 'TLS' }] })),
    },
  })
}

/** Returns the path of an object's kind in the API, within its namespace. */
export function pathOf({ apiVersion, kind, metadata: { namespace } }: Sample): string {
  const plural = kind === 'ServiceEntry' || kind === 'NetworkPolicy' ? `${kind.slice(0, -1)}ies` : `${kind}s`
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  return `${root}/${namespace === undefined ? '' : `namespaces/${namespace}/`}${plural.toLowerCase()}`
}

/** A namespaced kind that a suite defines, of which the API server shall ask nothing. */
export interface Definable {
  readonly group: string
  readonly kind: string
  readonly plural: string
  readonly version: string
}

/** Returns the definition of a kind whose objects may hold anything. */
export function definitionOf({ group, kind, plural, version }: Definable): Sample {
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: { kind, plural },
      scope: 'Namespaced',
      versions: [{ name: version, served: true, storage: true, schema }],
    },
  }
}
