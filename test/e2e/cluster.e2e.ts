import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { join } from 'node:path'
import { makeAuthority } from '../authority.ts'
import type { Case, Context } from './context.ts'
import type { Image } from './plane/launch.ts'

export const name = 'the cluster that the suites run on'

/** The webhook's image. */
export const images: Readonly<Record<string, Image>> = {
  tiny: {
    entrypoint: ['/nodejs/bin/node', '/app/tiny.js'],
    files: {
      '/nodejs/bin/node': process.execPath,
      '/app/tiny.js': join(import.meta.dirname, 'plane/tiny.js'),
      '/app/package.json': join(import.meta.dirname, '../../package.json'),
    },
    workingDir: '/app',
  },
}

const namespace = 'tiny'
const credentials = await makeCredentials()

/** Shows on a webhook as small as can be what the other suites rely on. */
export async function run(context: Context, test: Case): Promise<void> {
  const { plane, node, kubectl, mustKubectl, apply, waitFor } = context
  await test('Deployment rolled out', async () => {
    await apply(objects())
    await mustKubectl(['-n', namespace, 'rollout', 'status', 'deployment/tiny', '--timeout=60s'])
  })
  const [run] = node.pods(namespace)
  const first = run?.pod.metadata.name ?? ''
  await test('the pod is what its spec says', async () => {
    const log = await waitFor(() => /API server.*/.test(node.logs(namespace, first)) && node.logs(namespace, first), {
      what: 'the pod to ask the API server',
    })
    match(log, /root: EROFS/)
    match(log, /user 65532, node node-1, address 10\.7[78]\./)
    match(log, /capabilities 0{16}/)
    match(log, /system:serviceaccount:tiny:default$/m)
  })

  const create = (refuse: string): ReturnType<Context['kubectl']> =>
    kubectl(['create', '-f', '-', '--dry-run=server'], { input: JSON.stringify(configMap(refuse)) })
  await test('the API server calls it through the Service', async () => {
    await apply([configuration()])
    const { code, stderr } = await waitFor(
      async () => {
        const ended = await create('yes')
        return ended.code !== 0 && ended
      },
      { what: 'a refusal' },
    )
    equal(code, 1)
    match(stderr, new RegExp(`refused by ${first}`))
    match(node.logs(namespace, first), /asked by tiny\.tiny\.svc:443/)
    equal((await create('no')).code, 0)
  })

  await test('a rolling update under load loses nothing', async () => {
    const load = startLoad(context)
    await mustKubectl(['-n', namespace, 'rollout', 'restart', 'deployment/tiny'])
    await mustKubectl(['-n', namespace, 'rollout', 'status', 'deployment/tiny', '--timeout=60s'])
    await waitFor(() => node.pods(namespace).length === 1, { what: 'the old pod to go' })
    const { sent, wrong } = await load()
    ok(sent > 20, `only ${sent} requests were sent meanwhile`)
    deepEqual(wrong, [])
    match(node.logs(namespace, first), /^SIGTERM$.*^drained$/ms)
  })

  await test('a crashed container is started again', async () => {
    const [pod] = node.pods(namespace)
    const name = pod?.pod.metadata.name ?? ''
    node.kill(namespace, name, 'SIGKILL')
    await waitFor(
      async () => {
        const jsonpath = '{.status.containerStatuses[0].restartCount}{.status.containerStatuses[0].ready}'
        return (await mustKubectl(['-n', namespace, 'get', 'pod', name, `-o=jsonpath=${jsonpath}`])) === '1true'
      },
      { what: 'a restart' },
    )
  })

  await test('the API server is restarted, and the webhook is called again', async () => {
    await plane.restartApiServer()
    await waitFor(async () => /refused by/.test((await create('yes')).stderr), { what: 'a refusal' })
  })
  await test('pods of other images are said to run', async () => {
    await mustKubectl(['-n', namespace, 'create', 'deployment', 'other', '--image=nginx'])
    await mustKubectl(['-n', namespace, 'rollout', 'status', 'deployment/other', '--timeout=30s'])
    await mustKubectl(['-n', namespace, 'create', 'job', 'once', '--image=busybox'])
    await mustKubectl(['-n', namespace, 'wait', 'job/once', '--for=condition=Complete', '--timeout=30s'])
  })
  await test('istiod injects', async () => {
    await context.istiod()
    const labelled = await context.freshNamespace({ 'istio-injection': 'enabled' })
    const pod = await mustKubectl(['-n', labelled, 'run', 'web', '--image=nginx', '--dry-run=server', '-o=name'])
    match(pod, /pod\/web/)
    const names = await mustKubectl([
      '-n',
      labelled,
      'run',
      'web',
      '--image=nginx',
      '--dry-run=server',
      '-o=jsonpath={.spec.initContainers[*].name}',
    ])
    match(names, /istio-proxy/)
  })
  await test('the namespace is deleted', async () => {
    await mustKubectl(['delete', 'validatingwebhookconfiguration', 'tiny'])
    await mustKubectl(['delete', 'namespace', namespace, '--timeout=60s'])
    equal(node.pods(namespace).length, 0)
  })
}

/** Asks for refusals until told to stop; whatever else comes is wrong. */
function startLoad({ plane }: Context): () => Promise<{ readonly sent: number; readonly wrong: readonly string[] }> {
  let sent = 0
  let going = true
  const wrong: string[] = []
  const send = async (): Promise<void> => {
    while (going) {
      const path = '/api/v1/namespaces/default/configmaps?dryRun=All'
      const { status, body } = await plane.request<object>('POST', path, configMap('yes'))
      sent++
      if (status !== 403) wrong.push(`${status} ${JSON.stringify(body)}`)
    }
  }
  const senders = Array.from({ length: 4 }, send)
  return async () => {
    going = false
    await Promise.all(senders)
    return { sent, wrong }
  }
}

function configMap(refuse: string): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'any', namespace: 'default', labels: { refuse } } }
}

function configuration(): object {
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

function objects(): readonly object[] {
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
                livenessProbe: probe('/livez'),
                securityContext: { readOnlyRootFilesystem: true },
                volumeMounts: [
                  { name: 'tls', mountPath: '/tls', readOnly: true },
                  { name: 'scratch', mountPath: '/scratch' },
                ],
              },
            ],
            volumes: [
              { name: 'tls', secret: { secretName: 'tls' } },
              { name: 'scratch', emptyDir: {} },
            ],
          },
        },
      },
    },
  ]
}
