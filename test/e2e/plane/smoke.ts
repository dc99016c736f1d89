/**
 * Shows that the control plane and the node do what suites rely on: `node test/e2e/plane/smoke.ts`, or
 * with `--host` as on machines without network namespaces.
 */
import { deepEqual, equal, match } from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { makeAuthority } from '../../authority.ts'
import { startCluster } from '../cluster.ts'
import type { Context } from '../context.ts'
import { parts } from './binaries.ts'
import { build } from './build.ts'

const namespace = 'smoke'
const image = {
  entrypoint: ['/nodejs/bin/node', '/app/tiny.js'],
  files: {
    '/nodejs/bin/node': process.execPath,
    '/app/tiny.js': join(import.meta.dirname, 'tiny.js'),
    '/app/package.json': join(import.meta.dirname, '../../../package.json'),
  },
  workingDir: '/app',
}

const credentials = await makeCredentials()
const say = (line: string): void => console.log(`          ${line}`)
const network = process.argv.includes('--host') ? 'host' : 'namespaces'
await build(parts, say)
const before = leftovers()
const cluster = await timed('control plane and node', () => startCluster({ images: { tiny: image }, network, say }))
try {
  await show(cluster.context)
} finally {
  await timed('everything stopped', () => cluster.close())
}
deepEqual(leftovers(), before, 'nothing is left behind')
console.log('nothing is left: no network namespace, bridge, process or mount')
process.exit()

async function show(context: Context): Promise<void> {
  const { plane, node, kubectl, mustKubectl, apply, waitFor } = context
  await timed('Deployment rolled out', async () => {
    await apply(objects())
    await mustKubectl(['-n', namespace, 'rollout', 'status', 'deployment/tiny', '--timeout=60s'])
  })
  const [run] = node.pods(namespace)
  const first = run?.pod.metadata.name ?? ''
  await timed('the pod is what its spec says', async () => {
    const log = await waitFor(() => /API server.*/.test(node.logs(namespace, first)) && node.logs(namespace, first), {
      what: 'the pod to ask the API server',
    })
    console.log(log.replace(/^/gm, '      ').trimEnd())
    match(log, /root: EROFS/)
    match(log, /user 65532, node node-1, address 10\.7[78]\./)
    match(log, /capabilities 0{16}/)
    match(log, /system:serviceaccount:smoke:default$/m)
  })

  const create = (refuse: string): ReturnType<Context['kubectl']> =>
    kubectl(['create', '-f', '-', '--dry-run=server'], { input: JSON.stringify(configMap(refuse)) })
  await timed('the API server calls it through the Service', async () => {
    await apply([configuration()])
    const { code, stderr } = await waitFor(
      async () => {
        const ended = await create('yes')
        return ended.code !== 0 && ended
      },
      { what: 'a refusal' },
    )
    console.log(`      ${stderr.trimEnd()}`)
    equal(code, 1)
    match(stderr, new RegExp(`refused by ${first}`))
    match(node.logs(namespace, first), /asked by tiny\.smoke\.svc:443/)
    equal((await create('no')).code, 0)
  })

  await timed('a rolling update under load loses nothing', async () => {
    const load = startLoad(context)
    await mustKubectl(['-n', namespace, 'rollout', 'restart', 'deployment/tiny'])
    await mustKubectl(['-n', namespace, 'rollout', 'status', 'deployment/tiny', '--timeout=60s'])
    await waitFor(() => node.pods(namespace).length === 1, { what: 'the old pod to go' })
    const { sent, wrong } = await load()
    console.log(`      ${sent} requests meanwhile`)
    deepEqual(wrong, [])
    match(node.logs(namespace, first), /^SIGTERM$.*^drained$/ms)
  })

  await timed('a crashed container is started again', async () => {
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

  await timed('the API server is restarted, and the webhook is called again', async () => {
    await plane.restartApiServer()
    await waitFor(async () => /refused by/.test((await create('yes')).stderr), { what: 'a refusal' })
  })
  await timed('pods of other images are said to run', async () => {
    await mustKubectl(['-n', namespace, 'create', 'deployment', 'other', '--image=nginx'])
    await mustKubectl(['-n', namespace, 'rollout', 'status', 'deployment/other', '--timeout=30s'])
    await mustKubectl(['-n', namespace, 'create', 'job', 'once', '--image=busybox'])
    await mustKubectl(['-n', namespace, 'wait', 'job/once', '--for=condition=Complete', '--timeout=30s'])
  })
  await timed('istiod injects', async () => {
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
  await timed('the namespace is deleted', async () => {
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

/** Returns what a run must not leave on this machine: only what carries the pid of this one. */
function leftovers(): readonly string[] {
  const run = (...[program = '', ...args]: readonly string[]): readonly string[] =>
    execFileSync(program, args, { encoding: 'utf8' }).split('\n')
  const mine = String(process.pid)
  return [
    ...run('ip', 'netns', 'list').filter(line => line.includes(`-${mine}-`)),
    ...run('ip', 'link').filter(line => line.includes(`pid ${mine}`)),
    ...run('cat', '/proc/mounts').filter(line => line.includes(`sallyport-e2e-${mine}-`)),
    ...run('ps', '-e', '-o', 'args').filter(line => line.includes(`sallyport-e2e-${mine}-`)),
  ]
}

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const started = Date.now()
  const result = await work()
  console.log(`${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s  ${what}`)
  return result
}
