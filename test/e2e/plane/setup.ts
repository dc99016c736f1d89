import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { makeAuthority } from '../../authority.ts'
import { binary } from './binaries.ts'
import type { User } from './client.ts'

/** The controllers that run: those that pods, Services, namespaces and accounts need. */
const controllers = [
  'clusterrole-aggregation-controller',
  'cronjob-controller',
  'daemonset-controller',
  'deployment-controller',
  'disruption-controller',
  'endpoints-controller',
  'endpointslice-controller',
  'endpointslice-mirroring-controller',
  'garbage-collector-controller',
  'job-controller',
  'namespace-controller',
  'replicaset-controller',
  'root-ca-certificate-publisher-controller',
  'serviceaccount-controller',
  'serviceaccount-token-controller',
  'statefulset-controller',
] as const

const userGroups: Readonly<Record<User, readonly string[]>> = {
  admin: ['system:masters'],
  tenant: ['tenants'],
  gitops: ['gitops'],
}

/** The rights of the users, as manifests. */
export const userObjects = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: e2e-tenant }
rules:
  - { apiGroups: [""], resources: ["nodes", "namespaces"], verbs: [get, list, watch] }
  - apiGroups: [""]
    resources:
      - bindings
      - configmaps
      - endpoints
      - events
      - limitranges
      - persistentvolumeclaims
      - pods
      - pods/attach
      - pods/binding
      - pods/ephemeralcontainers
      - pods/eviction
      - pods/exec
      - pods/log
      - pods/portforward
      - pods/proxy
      - pods/resize
      - pods/status
      - podtemplates
      - replicationcontrollers
      - replicationcontrollers/scale
      - secrets
      - serviceaccounts
      - serviceaccounts/token
      - services
    verbs: ["*"]
  - apiGroups:
      - apps
      - autoscaling
      - batch
      - discovery.k8s.io
      - extensions.istio.io
      - gateway.networking.k8s.io
      - networking.istio.io
      - networking.k8s.io
      - policy
      - security.istio.io
      - telemetry.istio.io
    resources: ["*"]
    verbs: ["*"]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: e2e-tenant }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: e2e-tenant }
subjects: [{ apiGroup: rbac.authorization.k8s.io, kind: Group, name: tenants }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: e2e-gitops }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin }
subjects: [{ apiGroup: rbac.authorization.k8s.io, kind: Group, name: gitops }]
`

const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - { level: None, verbs: [get, list, watch] }
  - { level: None, resources: [{ group: coordination.k8s.io }] }
  - { level: Metadata }
`

/** Returns a kubeconfig with a context for each user. */
export function kubeconfig(url: string, ca: string, tokens: Readonly<Record<User, string>>): string {
  const users = Object.keys(tokens) as readonly User[]
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'admin',
    clusters: [
      { name: 'e2e', cluster: { server: url, 'certificate-authority-data': Buffer.from(ca).toString('base64') } },
    ],
    contexts: users.map(user => ({ name: user, context: { cluster: 'e2e', user } })),
    users: users.map(user => ({ name: user, user: { token: tokens[user] } })),
  })
}

/** Returns the command line of etcd. */
export function etcdCommand(folder: string, port: number, peerPort: number): readonly [string, ...string[]] {
  const [client, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${peerPort}`]
  return [
    binary('etcd'),
    `--data-dir=${join(folder, 'etcd')}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    '--unsafe-no-fsync',
    '--log-level=warn',
  ]
}

/** Returns the file that makes the API server reach Services through an HTTP CONNECT proxy. */
function egressSelection(proxy: string): string {
  const connection = { proxyProtocol: 'HTTPConnect', transport: { uds: { udsName: proxy } } }
  return JSON.stringify({
    apiVersion: 'apiserver.k8s.io/v1beta1',
    kind: 'EgressSelectorConfiguration',
    egressSelections: [{ name: 'cluster', connection }],
  })
}

/** Returns the command line of the API server. */
export function apiServerCommand(
  folder: string,
  port: number,
  etcdPort: number,
  proxied: boolean,
): readonly [string, ...string[]] {
  const file = (name: string): string => join(folder, name)
  return [
    binary('kube-apiserver'),
    `--etcd-servers=http://127.0.0.1:${etcdPort}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    `--secure-port=${port}`,
    `--cert-dir=${file('certs')}`,
    `--tls-cert-file=${file('server.crt')}`,
    `--tls-private-key-file=${file('server.key')}`,
    `--client-ca-file=${file('ca.crt')}`,
    `--token-auth-file=${file('tokens.csv')}`,
    '--authorization-mode=RBAC',
    '--anonymous-auth=false',
    '--allow-privileged',
    '--service-cluster-ip-range=10.96.0.0/16',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${file('accounts.pub')}`,
    `--service-account-signing-key-file=${file('accounts.key')}`,
    '--endpoint-reconciler-type=none',
    // Webhooks are reached through the EndpointSlices of their Services: nothing here serves cluster IPs.
    '--enable-aggregator-routing=true',
    `--audit-policy-file=${file('audit.yaml')}`,
    `--audit-log-path=${file('audit.log')}`,
    '--audit-log-mode=blocking',
    // Nothing waits for load balancers here; but unless watches are ended, a stop waits for them for a minute.
    '--shutdown-delay-duration=0s',
    '--shutdown-watch-termination-grace-period=1s',
    ...(proxied ? [`--egress-selector-config-file=${file('egress.yaml')}`] : []),
  ]
}

/** Returns the command line of the controller manager. */
export function managerCommand(folder: string, config: string, port: number): readonly [string, ...string[]] {
  return [
    binary('kube-controller-manager'),
    `--kubeconfig=${config}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    `--cert-dir=${join(folder, 'manager-certs')}`,
    '--leader-elect=false',
    '--use-service-account-credentials',
    `--service-account-private-key-file=${join(folder, 'accounts.key')}`,
    `--root-ca-file=${join(folder, 'ca.crt')}`,
    `--controllers=${controllers.join(',')}`,
  ]
}

/** Writes the files that the processes are given into the folder, and returns the users' tokens. */
export async function writeFiles(
  folder: string,
  addresses: readonly string[],
  proxy?: string,
): Promise<Record<User, string>> {
  const authority = await makeAuthority('sallyport e2e')
  const names = ['127.0.0.1', 'localhost', 'kubernetes.default.svc', 'kubernetes.default', ...addresses]
  const { cert, key } = await authority.issue({ names })
  const accounts = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const token = (): string => randomBytes(16).toString('hex')
  const tokens: Record<User, string> = { admin: token(), tenant: token(), gitops: token() }
  const rows = Object.entries(userGroups).map(([user, groups]) => {
    return `${tokens[user as User]},${user},${user},"${groups.join(',')}"\n`
  })
  const files: Readonly<Record<string, string>> = {
    'ca.crt': authority.cert,
    'server.crt': cert,
    'server.key': key,
    'accounts.pub': accounts.publicKey,
    'accounts.key': accounts.privateKey,
    'tokens.csv': rows.join(''),
    'audit.yaml': auditPolicy,
    ...(proxy === undefined ? {} : { 'egress.yaml': egressSelection(proxy) }),
  }
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content, { mode: 0o600 })
  return tokens
}

/** Returns ports that were free a moment ago; all are held at once, so that they differ. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      server => new Promise<number>(resolve => server.listen(0, '127.0.0.1', () => resolve(portOf(server.address())))),
    ),
  )
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

function portOf(address: unknown): number {
  return typeof address === 'object' && address !== null && 'port' in address ? Number(address.port) : 0
}
