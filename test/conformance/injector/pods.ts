import type { Fields } from '../../../src/istio/json.ts'
import type { Random } from '../questions.ts'

/** A container as its author writes it. */
export type Container = { name: string; [field: string]: unknown }

/** A pod as its author writes it. */
export interface Pod {
  readonly apiVersion: 'v1'
  readonly kind: 'Pod'
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly labels: Record<string, string>
    readonly annotations: Record<string, string>
  }
  readonly spec: {
    readonly containers: Container[]
    readonly initContainers: Container[]
    readonly volumes: Fields[]
    readonly [field: string]: unknown
  }
}

export const NAMESPACE = 'shop'

/** Returns one of the values. */
export function oneOf<T>(random: Random, values: readonly T[]): T {
  const chosen = values[random(values.length)]
  if (chosen === undefined) throw new Error('nothing to choose from')
  return chosen
}

/** Returns each entry with the given chance, in percent. */
export function some<T>(random: Random, percent: number, values: readonly T[]): T[] {
  return values.filter(() => random(100) < percent)
}

/** Returns fields, each with a chance of one in four. */
function someFields(random: Random, fields: readonly Fields[]): Fields {
  return Object.assign({}, ...some(random, 25, fields))
}

const LABELS: readonly Record<string, string>[] = [
  { 'app.kubernetes.io/name': 'checkout', 'app.kubernetes.io/version': '3.2.0' },
  { version: 'v3', tier: 'backend' },
  { 'sidecar.istio.io/inject': 'true' },
  { 'service.istio.io/canonical-name': 'till' },
  { 'service.istio.io/workload-name': 'till' },
]

// What Istio documents for teams and what lets nothing out.
const ANNOTATIONS: readonly Record<string, string>[] = [
  { 'sidecar.istio.io/proxyCPU': '200m', 'sidecar.istio.io/proxyMemory': '96Mi' },
  { 'sidecar.istio.io/proxyCPULimit': '2', 'sidecar.istio.io/proxyMemoryLimit': '1Gi' },
  { 'sidecar.istio.io/logLevel': 'debug' },
  { 'sidecar.istio.io/componentLogLevel': 'misc:error,http:info' },
  { 'sidecar.istio.io/agentLogLevel': 'default:info' },
  { 'proxy.istio.io/config': 'concurrency: 2' },
  { 'proxy.istio.io/config': '{"concurrency": 1}' },
  { 'proxy.istio.io/config': 'holdApplicationUntilProxyStarts: true' },
  { 'proxy.istio.io/config': 'concurrency: 2\nholdApplicationUntilProxyStarts: true\nterminationDrainDuration: 20s\n' },
  { 'status.sidecar.istio.io/port': '15020' },
  { 'status.sidecar.istio.io/port': '0' },
  { 'readiness.status.sidecar.istio.io/initialDelaySeconds': '3' },
  { 'readiness.status.sidecar.istio.io/periodSeconds': '20' },
  { 'traffic.sidecar.istio.io/includeInboundPorts': '8080,8081' },
  { 'traffic.sidecar.istio.io/includeInboundPorts': '' },
  { 'traffic.sidecar.istio.io/excludeInboundPorts': '9102' },
  { 'traffic.sidecar.istio.io/includeOutboundPorts': '443' },
  { 'traffic.sidecar.istio.io/includeOutboundIPRanges': '*' },
  { 'traffic.sidecar.istio.io/excludeOutboundIPRanges': '' },
  { 'sidecar.istio.io/interceptionMode': 'REDIRECT' },
  { 'sidecar.istio.io/rewriteAppHTTPProbers': 'false' },
  { 'sidecar.istio.io/nativeSidecar': 'true' },
  { 'sidecar.istio.io/inject': 'true' },
  { 'inject.istio.io/templates': 'sidecar' },
  { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '9102', 'prometheus.io/path': '/metrics' },
  { 'prometheus.istio.io/merge-metrics': 'false' },
  { 'kubectl.kubernetes.io/default-container': 'app' },
  { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'true' },
  { 'checksum/config': '9d2f0c1b7a6e' },
]

const PROBES: readonly Fields[] = [
  { httpGet: { path: '/ready', port: 8080 }, periodSeconds: 5 },
  { httpGet: { path: '/ready', port: 'http', httpHeaders: [{ name: 'X-Probe', value: 'yes' }] } },
  { tcpSocket: { port: 8081 }, initialDelaySeconds: 3 },
  { exec: { command: ['/bin/ready'] }, failureThreshold: 5 },
  { grpc: { port: 9443 } },
]

const HOOKS: readonly Fields[] = [
  { preStop: { exec: { command: ['/bin/sleep', '8'] } } },
  { preStop: { httpGet: { path: '/drain', port: 8080 } } },
  { postStart: { exec: { command: ['/app/warm', '--cache'] } }, preStop: { sleep: { seconds: 5 } } },
]

function probesAndHooks(random: Random): readonly Fields[] {
  return [
    { readinessProbe: oneOf(random, PROBES) },
    { livenessProbe: oneOf(random, PROBES) },
    { startupProbe: oneOf(random, PROBES) },
    { lifecycle: oneOf(random, HOOKS) },
  ]
}

function containerOf(random: Random, name: string, fields: readonly Fields[] = []): Container {
  return {
    name,
    image: `shop/${name}:3.2.0`,
    ...someFields(random, [
      { args: ['--listen=:8080', '--metrics=:9102'] },
      { command: ['/app/run'] },
      { imagePullPolicy: 'Always' },
      { env: [{ name: 'STRIPE_API', value: 'https://api.stripe.com/v1' }, fromField('POD_IP', 'status.podIP')] },
      { envFrom: [{ configMapRef: { name: 'settings' } }] },
      { ports: [{ name: `${name}-http`.slice(-15), containerPort: 8080 }] },
      { resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { memory: '128Mi' } } },
      { volumeMounts: [{ name: 'scratch', mountPath: '/tmp' }] },
      { workingDir: '/app', stdin: false },
      {
        securityContext: {
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
          readOnlyRootFilesystem: true,
          runAsNonRoot: true,
          runAsUser: 4201,
        },
      },
      ...fields,
    ]),
  }
}

function fromField(name: string, fieldPath: string): Fields {
  return { name, valueFrom: { fieldRef: { fieldPath } } }
}

/** Returns containers that run before the application, some of them beside it for as long as it lives. */
function initContainers(random: Random): Container[] {
  const containers = [containerOf(random, 'schema'), { ...containerOf(random, 'files', probesAndHooks(random)) }]
  if (random(2) === 0) containers.reverse()
  return some(random, 60, containers).map(container =>
    container.name === 'files' ? { ...container, restartPolicy: 'Always' } : container,
  )
}

/** What an author may say of the proxy's container: its size, its ports, plain probes, time to drain. */
export function sizedProxy(random: Random): Container {
  return {
    name: 'istio-proxy',
    image: 'auto',
    ...someFields(random, [
      { ports: [{ name: 'http-admin', containerPort: 15000 }] },
      { readinessProbe: { httpGet: { path: '/healthz/ready', port: 15021 }, periodSeconds: 3 } },
      { livenessProbe: { tcpSocket: { port: 15021 } } },
      { imagePullPolicy: 'IfNotPresent' },
      {
        lifecycle: {
          preStop: {
            exec: {
              command: oneOf(random, [
                ['sleep', '15'],
                ['/bin/sh', '-c', 'sleep 15'],
              ]),
            },
          },
        },
      },
    ]),
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
  }
}

/**
 * Returns a pod in which nothing is wrong. `early` says whether it may have init containers: in the classic layout without
 * the CNI plugin these would run before the redirection, so there it may not.
 */
export function wellBehaved(random: Random, name: string, early: boolean): Pod {
  const containers = [containerOf(random, 'app', probesAndHooks(random))]
  if (random(3) === 0) containers.push(containerOf(random, 'log-forwarder', probesAndHooks(random)))
  if (random(4) === 0) containers.splice(random(2), 0, sizedProxy(random))
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: NAMESPACE,
      labels: { app: 'checkout', ...Object.assign({}, ...some(random, 15, LABELS)) },
      annotations: Object.assign({}, ...some(random, 8, ANNOTATIONS)),
    },
    spec: {
      containers,
      initContainers: early && random(2) === 0 ? initContainers(random) : [],
      volumes: [
        { name: 'scratch', emptyDir: {} },
        ...some<Fields>(random, 15, [
          { name: 'config', configMap: { name: 'checkout-config' } },
          { name: 'tls', secret: { secretName: 'checkout-tls' } },
          { name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'token', audience: 'vault' } }] } },
        ]),
      ],
      ...someFields(random, [
        { serviceAccountName: 'checkout' },
        { automountServiceAccountToken: false },
        {
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 4201,
            fsGroup: 4201,
            seccompProfile: { type: 'RuntimeDefault' },
          },
        },
        { terminationGracePeriodSeconds: 45 },
        { nodeSelector: { 'kubernetes.io/os': 'linux' } },
        { tolerations: [{ key: 'workload', operator: 'Equal', value: 'web', effect: 'NoSchedule' }] },
        { imagePullSecrets: [{ name: 'registry' }] },
        { dnsConfig: { options: [{ name: 'ndots', value: '2' }] } },
        { enableServiceLinks: false },
      ]),
    },
  }
}
