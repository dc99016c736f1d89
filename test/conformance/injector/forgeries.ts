import type { Random } from '../questions.ts'
import {
  ARGUMENTS,
  anything,
  type Choices,
  CONTEXTS,
  ENVIRONMENTS,
  HOOKS,
  IMAGES,
  MOUNTS,
  ODDITIES,
  PROBES,
  PROGRAMS,
  ROLES,
  SOURCES,
} from './fields.ts'
import { type Container, oneOf, type Pod, some } from './pods.ts'

/** One way in which the author of a pod may tamper with what the injector writes. */
export interface Forgery {
  readonly name: string
  /** True where only the installation makes it one, so that a template says nothing of it. */
  readonly onlyFinal?: true
  /** Changes the pod. */
  readonly apply: (pod: Pod, random: Random) => void
}

/** Returns the author's container of that name, put into one of the lists where there is none yet. */
function ownContainer(pod: Pod, random: Random, name: string): Container {
  for (const containers of [pod.spec.containers, pod.spec.initContainers]) {
    const known = containers.find(container => container.name === name)
    if (known !== undefined) return known
  }
  const added: Container = { name, image: 'auto' }
  const containers = random(4) === 0 ? pod.spec.initContainers : pod.spec.containers
  containers.splice(random(containers.length + 1), 0, added)
  return added
}

function proxyWith(name: string, choices: Choices): Forgery {
  return {
    name: `istio-proxy with ${name}`,
    apply: (pod, random) => {
      Object.assign(ownContainer(pod, random, 'istio-proxy'), oneOf(random, choices))
    },
  }
}

function initContainer(name: 'istio-init' | 'istio-validation', list: 'initContainers' | 'containers'): Forgery {
  return {
    name: `${name} in ${list}`,
    apply: (pod, random) => {
      const image = oneOf(random, ['auto', 'shop/nothing:1', 'busybox'])
      const fields = random(4) === 0 ? {} : anything(random)
      const containers = pod.spec[list].filter(container => container.name !== name)
      containers.splice(random(containers.length + 1), 0, { name, image, ...fields })
      pod.spec[list].splice(0, pod.spec[list].length, ...containers)
    },
  }
}

const PARSE_BOOL = ['1', 't', 'T', 'TRUE', 'true', 'True', '0', 'f', 'F', 'FALSE', 'false', 'False', 'yes', ''] as const

/** Returns JSON of containers as the injector records overrides. */
function overridesOf(random: Random): string {
  const of = (name: string) => ({ name, image: oneOf(random, ['', 'auto', 'shop/x:1']), ...anything(random) })
  return JSON.stringify(
    oneOf(random, [
      { containers: [of('istio-proxy')] },
      { initContainers: [of('istio-proxy')] },
      { initContainers: [of('istio-init')] },
      { initContainers: [of('istio-validation')] },
      {
        containers: [of('istio-proxy')],
        initContainers: [of('istio-init'), of('istio-validation'), of('istio-proxy')],
      },
      { containers: [of('istio-init')] },
    ]),
  )
}

/** Returns a status annotation that lists some containers. */
function statusOf(random: Random, names: readonly string[]): string {
  return JSON.stringify({
    initContainers: some(random, 60, names),
    containers: some(random, 60, names),
    volumes: ['istio-envoy'],
    imagePullSecrets: null,
    revision: 'default',
  })
}

const STATUS = 'sidecar.istio.io/status'
const injected = ['istio-proxy', 'istio-init', 'istio-validation'] as const

function annotated(name: string, choices: readonly Record<string, string>[]): Forgery {
  return {
    name,
    apply: (pod, random) => {
      Object.assign(pod.metadata.annotations, oneOf(random, choices))
    },
  }
}

/** Every way that the guard stands against. */
export const FORGERIES: readonly Forgery[] = [
  proxyWith('a command', [
    { command: PROGRAMS[0] },
    { command: PROGRAMS[1] },
    { command: PROGRAMS[2] },
    { command: PROGRAMS[0], args: [] },
  ]),
  proxyWith('arguments', ARGUMENTS),
  proxyWith('another role', ROLES),
  proxyWith('environment', ENVIRONMENTS),
  proxyWith('envFrom', SOURCES),
  proxyWith('an image', IMAGES),
  proxyWith('a securityContext', CONTEXTS),
  proxyWith('hooks', HOOKS),
  proxyWith('exec probes', PROBES),
  proxyWith('mounts', MOUNTS),
  proxyWith('odd fields', ODDITIES),
  {
    name: 'DISABLE_ENVOY',
    apply: (pod, random) => {
      ownContainer(pod, random, 'istio-proxy')['env'] = [{ name: 'DISABLE_ENVOY', value: oneOf(random, PARSE_BOOL) }]
    },
  },
  initContainer('istio-init', 'initContainers'),
  initContainer('istio-init', 'containers'),
  initContainer('istio-validation', 'initContainers'),
  initContainer('istio-validation', 'containers'),
  {
    name: 'overrides',
    apply: (pod, random) => {
      pod.metadata.annotations['proxy.istio.io/overrides'] = overridesOf(random)
    },
  },
  {
    name: 'status alone',
    apply: (pod, random) => {
      const names = [...injected, 'app', 'schema']
      pod.metadata.annotations[STATUS] = oneOf(random, ['{}', '', '[', statusOf(random, names), statusOf(random, [])])
    },
  },
  {
    name: 'status and its containers',
    apply: (pod, random) => {
      // Most often the proxy: what the template leaves unset in it survives without a record.
      const name = oneOf(random, ['istio-proxy', ...injected])
      for (let fields = 1 + random(3); fields > 0; fields--) {
        Object.assign(ownContainer(pod, random, name), anything(random))
      }
      pod.metadata.annotations[STATUS] = statusOf(random, injected)
    },
  },
  {
    name: 'status of nothing, and a proxy',
    apply: (pod, random) => {
      // The injector lays the container over its own and keeps no record of it.
      const fields = [ENVIRONMENTS, CONTEXTS, HOOKS, PROBES, MOUNTS, ODDITIES, ARGUMENTS, IMAGES, SOURCES].flat()
      Object.assign(ownContainer(pod, random, 'istio-proxy'), oneOf(random, fields))
      pod.metadata.annotations[STATUS] = oneOf(random, ['{}', '[', statusOf(random, ['app'])])
    },
  },
  {
    name: 'status and overrides',
    apply: (pod, random) => {
      pod.metadata.annotations['proxy.istio.io/overrides'] = overridesOf(random)
      pod.metadata.annotations[STATUS] = statusOf(random, injected)
    },
  },
  {
    name: 'classic layout',
    apply: (pod, random) => {
      pod.metadata.annotations['sidecar.istio.io/nativeSidecar'] = 'false'
      const first = { name: 'fetch', image: 'shop/fetch:1', ...(random(2) === 0 ? {} : { restartPolicy: 'Always' }) }
      pod.spec.initContainers.unshift(first)
    },
  },
  {
    name: 'init container without a word on the layout',
    onlyFinal: true,
    apply: pod => {
      pod.spec.initContainers.unshift({ name: 'fetch', image: 'shop/fetch:1' })
    },
  },
  annotated('excluded ranges', [
    { 'traffic.sidecar.istio.io/excludeOutboundIPRanges': '0.0.0.0/1,128.0.0.0/1' },
    { 'traffic.sidecar.istio.io/excludeOutboundIPRanges': '203.0.113.0/24' },
    { 'traffic.sidecar.istio.io/excludeOutboundIPRanges': '2000::/3' },
  ]),
  annotated('included ranges', [
    { 'traffic.sidecar.istio.io/includeOutboundIPRanges': '' },
    { 'traffic.sidecar.istio.io/includeOutboundIPRanges': '10.96.0.0/12' },
    { 'traffic.sidecar.istio.io/includeOutboundIPRanges': '*,10.0.0.0/8' },
  ]),
  annotated('excluded ports', [
    { 'traffic.sidecar.istio.io/excludeOutboundPorts': '443' },
    { 'traffic.sidecar.istio.io/excludeOutboundPorts': '53,0443' },
  ]),
  annotated('included ports that carry arguments', [
    { 'traffic.sidecar.istio.io/includeOutboundPorts': '443"\n    - "-x"\n    - "203.0.113.0/24' },
  ]),
  annotated('interfaces', [
    { 'traffic.sidecar.istio.io/excludeInterfaces': 'eth0' },
    { 'istio.io/reroute-virtual-interfaces': 'eth0' },
    { 'traffic.sidecar.istio.io/kubevirtInterfaces': 'net1,eth0' },
  ]),
  {
    name: 'interception mode',
    apply: (pod, random) => {
      Object.assign(
        pod.metadata.annotations,
        oneOf(random, [
          { 'sidecar.istio.io/interceptionMode': 'NONE' },
          { 'sidecar.istio.io/interceptionMode': 'none' },
          { 'sidecar.istio.io/interceptionMode': 'TPROXY' },
          { 'proxy.istio.io/config': 'interceptionMode: NONE' },
          { 'proxy.istio.io/config': '{"interceptionMode": 2}' },
        ]),
      )
    },
  },
  annotated('templates', [
    { 'inject.istio.io/templates': 'gateway' },
    { 'inject.istio.io/templates': 'grpc-simple' },
    { 'inject.istio.io/templates': 'grpc-agent' },
    { 'inject.istio.io/templates': ' gateway , sidecar' },
    { 'inject.istio.io/templates': 'sidecar,gateway' },
    { 'inject.istio.io/templates': 'sidecar,nothing' },
    { 'inject.istio.io/templates': '' },
  ]),
  {
    name: 'odd injection label',
    apply: (pod, random) => {
      const where = random(2) === 0 ? pod.metadata.labels : pod.metadata.annotations
      where['sidecar.istio.io/inject'] = oneOf(random, ['0', 'f', 'F', 'False', 'FALSE', 'no', 'True'])
    },
  },
]

/** Ways that count as soon as a rule says that it stands against their threat in `src/rules/threats.yaml`. */
export const FURTHER_FORGERIES: ReadonlyMap<string, Forgery> = new Map([
  [
    'pod/proxy-image',
    annotated('image by annotation', [
      { 'sidecar.istio.io/proxyImage': 'shop/proxy:1' },
      { 'sidecar.istio.io/proxyImage': 'registry.example.net/a/b@sha256:1' },
    ]),
  ],
  [
    'pod/proxy-image-type',
    annotated('image type', [
      { 'sidecar.istio.io/proxyImageType': 'debug' },
      { 'sidecar.istio.io/proxyImageType': 'x"\n    command: ["sleep", "3600"]\n    workingDir: "/tmp' },
    ]),
  ],
  ['pod/bootstrap-override', annotated('own bootstrap', [{ 'sidecar.istio.io/bootstrapOverride': 'my-bootstrap' }])],
  [
    'pod/user-volume',
    annotated('own volumes', [
      {
        'sidecar.istio.io/userVolume': '{"own":{"hostPath":{"path":"/"}}}',
        'sidecar.istio.io/userVolumeMount': '{"own":{"mountPath":"/etc/own"}}',
      },
    ]),
  ],
  [
    'pod/injected-volume',
    {
      name: 'volumes of the proxy',
      apply: (pod, random) => {
        const name = oneOf(random, [
          'istio-envoy',
          'workload-socket',
          'credential-socket',
          'workload-certs',
          'istio-data',
        ])
        const own = [
          { name, emptyDir: {} },
          { name, secret: { secretName: 'own' } },
        ]
        pod.spec.volumes.push(...some(random, 40, own).slice(0, 1))
        const [app] = pod.spec.containers.filter(container => !injected.some(known => known === container.name))
        if (app !== undefined) app['volumeMounts'] = [{ name, mountPath: '/proxy' }]
      },
    },
  ],
  ['pod/cap-net-bind-tproxy', annotated('low ports', [{ 'sidecar.istio.io/capNetBindService': 'true' }])],
])
