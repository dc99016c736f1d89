import { readFileSync } from 'node:fs'

/** The uid of every review here that does not say otherwise. */
export const uid = '7f3a1f0e-5f0c-4d8e-9c39-0d5c1f6f2b11'

/** Parts of a review or object that replace those of a good one. */
type Changes = { readonly [key: string]: unknown }

const istio = 'networking.istio.io'

/** Returns a review as an API server writes it; the name of the object and its namespace are those of the request. */
export function review(group: string, kind: string, object: Changes, request: Changes = {}): object {
  return {
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid,
      kind: { group, version: 'v1', kind },
      name: 'stripe',
      namespace: 'shop',
      operation: 'CREATE',
      userInfo: { username: 'dana@example.com', groups: ['system:authenticated'] },
      object: {
        apiVersion: group === '' ? 'v1' : `${group}/v1`,
        kind,
        metadata: { name: 'stripe', namespace: 'shop' },
        ...object,
      },
      oldObject: null,
      dryRun: false,
      ...request,
    },
  }
}

/** A ServiceEntry that warns only: its host is approved, and no rule traces where its traffic goes. */
export function entry(spec: Changes = {}, request: Changes = {}, object: Changes = {}): object {
  const good = {
    hosts: ['api.stripe.com'],
    exportTo: ['.'],
    location: 'MESH_EXTERNAL',
    resolution: 'DNS',
    ports: [{ number: 443, name: 'tls', protocol: 'TLS' }],
  }
  return review(istio, 'ServiceEntry', { spec: { ...good, ...spec }, ...object }, request)
}

/** A VirtualService that passes; `http` replaces its routes. */
export function route(spec: Changes = {}, request: Changes = {}): object {
  const good = { hosts: ['reviews'], http: [{ route: [{ destination: { host: 'reviews' } }] }] }
  return review(istio, 'VirtualService', { spec: { ...good, ...spec } }, request)
}

/** A Gateway that passes, of the tenant's own pods. */
export function gateway(spec: Changes = {}): object {
  const servers = [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['shop.example.com'] }]
  return review(istio, 'Gateway', { spec: { selector: { istio: 'ingressgateway' }, servers, ...spec } })
}

const finalPod = JSON.parse(
  readFileSync(new URL('../fixtures/reviews/24-pod-create-dry-run.json', import.meta.url), 'utf8'),
)

/** A pod with its sidecar that passes, with more annotations, labels or fields. */
export function pod(annotations: Changes = {}, labels: Changes = {}, more: Changes = {}): object {
  const { request } = finalPod
  const { metadata } = request.object
  const grown = {
    ...metadata,
    annotations: { ...metadata.annotations, ...annotations },
    labels: { ...metadata.labels, ...labels },
  }
  const object = { ...request.object, metadata: grown, ...more }
  return { ...finalPod, request: { ...request, uid, dryRun: false, object } }
}

/** Returns the JSON of a review with the text `"HERE"` replaced by a literal that JSON.stringify would not write. */
export function literally(body: object, literal: string): string {
  return JSON.stringify(body).replace('"HERE"', () => literal)
}

/** Returns `count` entries made from their index. */
export function many<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index))
}

/** Returns a map with the keys `0` to `count - 1`, which engines keep in another way than names. */
export function numbered(count: number, value: unknown = 'x'): Record<string, unknown> {
  return Object.fromEntries(many(count, i => [String(i), value]))
}
