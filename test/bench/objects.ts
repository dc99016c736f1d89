import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Stored } from '../scripted.ts'

const reviews = join(import.meta.dirname, '../fixtures/reviews')

function objectOf(file: string): Stored {
  return JSON.parse(readFileSync(join(reviews, `${file}.json`), 'utf8')).request.object
}

/** Objects that an API server really sent. */
const recorded = {
  pod: objectOf('03-pod-create-native-validating'),
  entry: objectOf('47-serviceentry-create-user-with-groups'),
  service: objectOf('31-virtualservice-create-v1beta1-seen-as-v1'),
}

/** Collections of a mesh with many objects; `share` of them are of each kind. */
export const collections = [
  { path: '/api/v1/pods', apiVersion: 'v1', kind: 'Pod', share: 0.4, make: pod },
  {
    path: '/apis/networking.istio.io/v1/virtualservices',
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    share: 0.3,
    make: virtualService,
  },
  {
    path: '/apis/networking.istio.io/v1/serviceentries',
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    share: 0.3,
    make: serviceEntry,
  },
] as const

function placed(object: Stored, i: number, labels: object): Stored {
  const name = `${object.metadata.name}-${String(i).padStart(6, '0')}`
  const metadata = { ...object.metadata, namespace: `team-${i % 200}`, name, labels }
  return { ...object, metadata }
}

/** Ten pods of one ReplicaSet bear the same labels. */
function pod(i: number): Stored {
  const app = `app-${Math.floor(i / 10)}`
  return placed(recorded.pod, i, {
    app,
    version: 'v1',
    'pod-template-hash': `${(i - (i % 10)).toString(36)}f7c9d`,
    'security.istio.io/tlsMode': 'istio',
    'service.istio.io/canonical-name': app,
    'service.istio.io/canonical-revision': 'v1',
  })
}

function virtualService(i: number): Stored {
  const http = [
    {
      match: [{ gateways: ['mesh'], port: 443, uri: { prefix: '/v1' } }],
      route: [
        {
          destination: { host: 'istio-egressgateway.istio-egress.svc.cluster.local', port: { number: 443 } },
          weight: 100,
        },
      ],
    },
    {
      match: [{ gateways: ['istio-egress/egress'], port: 443 }],
      route: [{ destination: { host: `api-${i}.example.com`, port: { number: 443 } } }],
      timeout: '3s',
      retries: { attempts: 3, perTryTimeout: '1s' },
    },
  ]
  return {
    ...placed(recorded.service, i, { team: `team-${i % 200}`, 'app.kubernetes.io/managed-by': 'Helm' }),
    spec: { hosts: [`api-${i}.example.com`], gateways: ['mesh', 'istio-egress/egress'], http },
  }
}

function serviceEntry(i: number): Stored {
  return {
    ...placed(recorded.entry, i, { team: `team-${i % 200}`, 'app.kubernetes.io/managed-by': 'Helm' }),
    spec: {
      hosts: [`api-${i}.example.com`, `www-${i}.example.com`],
      ports: [{ number: 443, name: 'tls', protocol: 'TLS' }],
      location: 'MESH_EXTERNAL',
      resolution: 'DNS',
      exportTo: ['.'],
    },
  }
}
