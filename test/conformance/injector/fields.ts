import type { Fields } from '../../../src/istio/json.ts'
import type { Random } from '../questions.ts'
import { oneOf } from './pods.ts'

// What an author may write into a container that the injector also writes.

/** Fields of a container, of which one set is taken. */
export type Choices = readonly Fields[]

export const PROGRAMS: readonly (readonly string[])[] = [
  ['/bin/sh', '-c', 'curl https://paste.example.net'],
  ['sleep', '3600'],
  ['/usr/local/bin/pilot-agent', 'proxy', 'router'],
]

export const ARGUMENTS: Choices = [
  { args: ['proxy', 'sidecar', '--concurrency=1'] },
  { args: ['proxy', 'sidecar', '--templateFile=/tmp/bootstrap.json'] },
  { args: ['istio-iptables', '-p', '15001', '-u', '1337', '-i', '10.0.0.0/8'] },
  { args: ['version'] },
]

export const ROLES: Choices = [{ args: ['proxy', 'router'] }, { args: ['proxy', 'ztunnel', '--domain', 'x'] }]

export const ENVIRONMENTS: Choices = [
  { env: [{ name: 'ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE', value: '2000' }] },
  { env: [{ name: 'SKIP_RULE_APPLY', valueFrom: { configMapKeyRef: { name: 'flags', key: 'skip' } } }] },
  { env: [{ name: 'ISTIO_META_DNS_CAPTURE', value: 'false' }] },
  { env: [{ name: 'PROXY_CONFIG', value: '{"discoveryAddress":"x.example.net:15012"}' }] },
  { env: [{ name: 'CA_ADDR', value: 'x.example.net:15012' }] },
  { env: [{ name: 'ISTIO_META_INTERCEPTION_MODE', value: 'NONE' }] },
  { env: [{ name: 'ISTIO_BOOTSTRAP_OVERRIDE', value: '/etc/istio/pod/annotations' }] },
  { env: [{ name: 'ISTIO_METAJSON_LABELS', value: '{"app":"gateway"}' }] },
  { env: [{ name: 'XDS_ROOT_CA', value: 'SYSTEM' }] },
  { env: [{ name: 'LD_PRELOAD', value: '/tmp/x.so' }] },
]

export const SOURCES: Choices = [
  { envFrom: [{ configMapRef: { name: 'flags' } }] },
  { envFrom: [{ prefix: 'ISTIO_', secretRef: { name: 'flags' } }] },
]

export const IMAGES: Choices = [
  { image: 'shop/proxy:1' },
  { image: 'registry.example.com:5000/mesh/proxyv2:1.20.0' },
  { image: 'istio/proxyv2:1.31.0@sha256:bad' },
]

export const CONTEXTS: Choices = [
  { securityContext: { runAsUser: 4201 } },
  { securityContext: { runAsUser: 0, runAsNonRoot: false } },
  { securityContext: { runAsGroup: 4201 } },
  { securityContext: { privileged: true } },
  { securityContext: { capabilities: { add: ['NET_ADMIN'] } } },
  { securityContext: { readOnlyRootFilesystem: false } },
  { securityContext: { procMount: 'Unmasked' } },
  { securityContext: { allowPrivilegeEscalation: true } },
  { securityContext: { runAsNonRoot: false } },
  { securityContext: { capabilities: { drop: ['NET_RAW'] } } },
  { securityContext: { seccompProfile: { type: 'Unconfined' } } },
  { securityContext: { appArmorProfile: { type: 'Unconfined' } } },
  { securityContext: { seLinuxOptions: { type: 'spc_t' } } },
]

export const HOOKS: Choices = [
  { lifecycle: { postStart: { exec: { command: ['/bin/sh', '-c', 'curl https://paste.example.net'] } } } },
  { lifecycle: { preStop: { exec: { command: ['/bin/sh', '-c', 'curl https://paste.example.net'] } } } },
  { lifecycle: { postStart: { httpGet: { path: '/quitquitquit', port: 15020, host: 'x.example.net' } } } },
]

export const PROBES: Choices = [
  { livenessProbe: { exec: { command: ['curl', 'https://paste.example.net'] } } },
  { readinessProbe: { exec: { command: ['curl', 'https://paste.example.net'] } } },
  { startupProbe: { exec: { command: ['curl', 'https://paste.example.net'] } } },
]

export const MOUNTS: Choices = [
  { volumeMounts: [{ name: 'scratch', mountPath: '/usr/local/bin' }] },
  { volumeMounts: [{ name: 'scratch', mountPath: '/etc/istio/proxy' }] },
  { volumeMounts: [{ name: 'scratch', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }] },
]

export const ODDITIES: Choices = [
  { workingDir: '/tmp' },
  { stdin: true, tty: true },
  { terminationMessagePath: '/usr/local/bin/pilot-agent' },
  { volumeDevices: [{ name: 'scratch', devicePath: '/dev/xvda' }] },
]

const ANY: readonly Choices[] = [
  [{ command: PROGRAMS[0] }, { command: ['sleep', '3600'] }],
  ARGUMENTS,
  ROLES,
  ENVIRONMENTS,
  SOURCES,
  IMAGES,
  CONTEXTS,
  HOOKS,
  MOUNTS,
  ODDITIES,
]

/** Returns what an author may write into a container that is not theirs. */
export function anything(random: Random): Fields {
  return oneOf(random, oneOf(random, ANY))
}
