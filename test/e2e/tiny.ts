import { join } from 'node:path'
import { makeAuthority } from '../authority.ts'
import type { Image } from './plane/launch.ts'

/** Where the webhook of the suite `cluster` lives. */
export const namespace = 'tiny'

/** The image of a webhook as small as can be. */
export const tiny: Image = {
  entrypoint: ['/nodejs/bin/node', '/app/tiny.js'],
  files: {
    '/nodejs/bin/node': process.execPath,
    '/app/tiny.js': join(import.meta.dirname, 'tiny.js'),
    '/app/package.json': join(import.meta.dirname, '../../package.json'),
  },
  workingDir: '/app',
}

const credentials = await makeCredentials()

/** Returns a ConfigMap that the webhook is asked about. */
export function configMap(refuse: string): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'any', namespace: 'default', labels: { refuse } } }
}

/** Returns the registration of the webhook. */
export function configuration(): object {
  const { cert } = credentials
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: 'tiny' },
    webhooks: [
      {
        name: 'tiny.sallyport.dev',
        clientConfig: {
          service: { name: 'tiny', namespace, path: '/validate' },
          caBundle: Buffer.from(cert).toString('base64'),
        },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }],
        objectSelector: { matchExpressions: [{ key: 'refuse', operator: 'Exists' }] },
        failurePolicy: 'Fail',
        sideEffects: 'None',
        timeoutSeconds: 3,
        admissionReviewVersions: ['v1'],
      },
    ],
  }
}

async function makeCredentials(): Promise<{ readonly cert: string; readonly leaf: string; readonly key: string }> {
  const authority = await makeAuthority('tiny')
  const { cert, key } = await authority.issue({ names: [`tiny.${namespace}.svc`] })
  return { cert: authority.cert, leaf: cert, key }
}

/** Returns the webhook: its Namespace, Secret, Service and Deployment. */
export function tinyObjects(): readonly object[] {
  const { leaf, key } = credentials
  const labels = { app: 'tiny' }
  const field = (name: string, fieldPath: string): object => ({ name, valueFrom: { fieldRef: { fieldPath } } })
  const probe = (path: string): object => ({ httpGet: { path, port: 'probes' }, periodSeconds: 1 })
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'tls', namespace },
      stringData: { 'tls.crt': leaf, 'tls.key': key },
    },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'words', namespace }, data: { word: 'first' } },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'tiny', namespace },
      spec: { selector: labels, ports: [{ port: 443, targetPort: 'https' }] },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'tiny', namespace },
      spec: {
        replicas: 1,
        strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            terminationGracePeriodSeconds: 10,
            securityContext: { runAsNonRoot: true, runAsUser: 65532 },
            containers: [
              {
                name: 'tiny',
                image: 'registry.example/acme/tiny:1',
                args: ['0.0.0.0:9443', '0.0.0.0:9090'],
                env: [
                  field('POD_NAME', 'metadata.name'),
                  field('POD_IP', 'status.podIP'),
                  field('NODE_NAME', 'spec.nodeName'),
                ],
                ports: [
                  { name: 'https', containerPort: 9443 },
                  { name: 'probes', containerPort: 9090 },
                ],
                readinessProbe: probe('/readyz'),
                // On a busy machine the program may take seconds to start.
                livenessProbe: { ...probe('/livez'), failureThreshold: 30 },
                securityContext: { readOnlyRootFilesystem: true },
                volumeMounts: [
                  { name: 'tls', mountPath: '/tls', readOnly: true },
                  { name: 'scratch', mountPath: '/scratch' },
                  { name: 'words', mountPath: '/words', readOnly: true },
                ],
              },
            ],
            volumes: [
              { name: 'tls', secret: { secretName: 'tls' } },
              { name: 'scratch', emptyDir: {} },
              { name: 'words', configMap: { name: 'words' } },
            ],
          },
        },
      },
    },
  ]
}

/** Returns a Deployment of the guard as its image starts it. */
export function guardObjects(): readonly object[] {
  const labels = { app: 'guard' }
  const spec = {
    securityContext: { runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532 },
    automountServiceAccountToken: false,
    containers: [
      {
        name: 'guard',
        image: 'registry.example/sallyport@sha256:0000000000000000000000000000000000000000000000000000000000000000',
        readinessProbe: { httpGet: { path: '/readyz', port: 9090 }, periodSeconds: 1 },
        volumeMounts: [{ name: 'tls', mountPath: '/etc/sallyport/tls', readOnly: true }],
      },
    ],
    volumes: [{ name: 'tls', secret: { secretName: 'tls', defaultMode: 0o440 } }],
  }
  return [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'guard', namespace },
      spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
    },
  ]
}
