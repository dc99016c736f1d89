import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { evaluate } from '../src/core/evaluate.ts'
import { type Inventory, inventoryOf } from '../src/core/inventory.ts'
import { formatPath } from '../src/core/path.ts'
import type { Review } from '../src/core/review.ts'
import { readReview } from '../src/http/admission.ts'
import { isInstalled, isSameRelease, matchesImage, repositoryOf, withOtherTypes } from '../src/istio/image.ts'
import {
  interceptionModeOf,
  isInjectedName,
  isTemplateCommand,
  isTemplateMount,
  proxyArgumentFault,
  readMount,
} from '../src/istio/injected.ts'
import { dig, type Fields, field, isFields, list, text } from '../src/istio/json.ts'
import { readOverrides } from '../src/istio/overrides.ts'
import { isForeignVariable } from '../src/istio/proxyenv.ts'
import { hasInjectorOutput } from '../src/istio/workload.ts'
import { loadPolicy } from '../src/policy/load.ts'
import { rules } from '../src/rules/index.ts'
import { isCommand } from '../src/rules/no-forged-injection/hook.ts'

t.test('names of images', t => {
  const rows: [name: string, image: string, yes: boolean][] = [
    ['hub.example/proxyv2', 'hub.example/proxyv2', true],
    ['hub.example/proxyv2', 'hub.example/proxyv2:1.31.0', true],
    ['hub.example/proxyv2', 'hub.example/proxyv2@sha256:aa', true],
    ['hub.example/proxyv2', 'hub.example/proxyv2:1.31.0@sha256:aa', true],
    ['hub.example/proxyv2', 'hub.example/proxyv2-mine:1.31.0', false],
    ['hub.example/proxyv2', 'hub.example/proxyv2/mine:1.31.0', false],
    ['hub.example', 'hub.example:5000/proxyv2', false],
    ['hub.example:5000/proxyv2', 'hub.example:5000/proxyv2:1.31.0', true],
    ['proxyv2:1.31.0', 'proxyv2:1.31.0', true],
    ['proxyv2:1.31.0', 'proxyv2:1.31.0-debug', false],
    ['proxyv2:1.31.0', 'proxyv2:1.31.0@sha256:aa', false],
    ['hub.example/mesh/*', 'hub.example/mesh/proxyv2:1.31.0', true],
    ['hub.example/mesh/*', 'hub.example/meshed/proxyv2:1.31.0', false],
    ['hub.example/proxyv2:1.31.*', 'hub.example/proxyv2:1.31.4', true],
  ]
  for (const [name, image, yes] of rows) t.equal(matchesImage(name, image), yes, `${name} names ${image}: ${yes}`)
  t.equal(repositoryOf('hub:5000/a/proxyv2'), 'hub:5000/a/proxyv2')
  t.equal(repositoryOf('hub:5000/a/proxyv2:1@sha256:aa'), 'hub:5000/a/proxyv2')
  t.end()
})

t.test('images of one release', t => {
  const rows: [a: string, b: string, yes: boolean][] = [
    ['hub/proxyv2:1.31.0', 'hub/proxyv2:1.31.0', true],
    ['hub/proxyv2:1.31.0', 'hub/proxyv2:1.31.0-distroless', true],
    ['hub/proxyv2:1.31.0-debug', 'hub/proxyv2:1.31.0-distroless', true],
    ['hub/proxyv2:1.31.0', 'hub/proxyv2:1.31.0-own', true],
    ['hub/proxyv2:1.31.0', 'hub/proxyv2:1.30.0', false],
    ['hub/proxyv2:1.31.0', 'hub/proxyv2:1.31.01', false],
    ['hub/proxyv2:1.31.0', 'mine/proxyv2:1.31.0', false],
    ['hub/proxyv2:1.31.0@sha256:aa', 'hub/proxyv2:1.31.0', true],
    ['hub/proxyv2:1.31.0@sha256:aa', 'hub/proxyv2:1.31.0@sha256:aa', true],
    ['hub/proxyv2:1.31.0@sha256:aa', 'hub/proxyv2:1.31.0@sha256:bb', false],
    ['hub/proxyv2:1.31.0@sha256:aa', 'hub/proxyv2:1.31.0-distroless@sha256:bb', true],
    ['hub/proxyv2@sha256:aa', 'hub/init@sha256:bb', true],
    ['hub/proxyv2@sha256:aa', 'hub/proxyv2:1.31.0', false],
    ['hub/proxyv2@sha256:aa', 'mine/proxyv2@sha256:aa', false],
  ]
  for (const [a, b, yes] of rows) {
    t.equal(isSameRelease(a, b), yes, `${a} and ${b}: ${yes}`)
    t.equal(isSameRelease(b, a), yes, `${b} and ${a}: ${yes}`)
  }
  t.end()
})

t.test('images that an installation names', t => {
  const rows: [image: string, named: string, yes: boolean][] = [
    ['hub/proxyv2:1.31.0', 'hub/proxyv2:1.31.0', true],
    ['hub/proxyv2:1.31.0-debug', 'hub/proxyv2:1.31.0', true],
    ['hub/proxyv2:1.31.0', 'hub/proxyv2:1.31.0-distroless', true],
    ['hub/proxyv2:1.31.0-debug', 'hub/proxyv2:1.31.0-distroless', true],
    ['hub/proxyv2:1.31.0@sha256:aa', 'hub/proxyv2:1.31.0', true],
    ['hub/proxyv2:1.31.1', 'hub/proxyv2:1.31.0', false],
    ['hub/proxyv2:1.31.0-a/b', 'hub/proxyv2:1.31.0', false],
    ['hub/proxyv2@sha256:aa', 'hub/proxyv2@sha256:aa', true],
    ['hub/proxyv2', 'hub/proxyv2', true],
    ['hub/proxyv2-mine', 'hub/proxyv2', false],
  ]
  for (const [image, named, yes] of rows) t.equal(isInstalled(image, named), yes, `${image} is ${named}: ${yes}`)
  t.strictSame(withOtherTypes('hub/p:1', undefined), ['hub/p:1'])
  t.strictSame(withOtherTypes('hub/p:1-own', 'own'), ['hub/p:1-own', 'hub/p:1', 'hub/p:1-distroless', 'hub/p:1-debug'])
  t.strictSame(withOtherTypes('hub/p:1', 'own'), ['hub/p:1', 'hub/p:1', 'hub/p:1-distroless', 'hub/p:1-debug'])
  t.end()
})

t.test('the record of what authors wrote', t => {
  const nothing = ['', ' \n', 'null', '{}', '[]', '{"containers":[]}', '{"containers":null,"initContainers":[]}']
  for (const json of nothing) t.strictSame(readOverrides(json), { ok: true, value: [] }, JSON.stringify(json))
  const read = readOverrides('{"initContainers":[{"name":"b"}],"containers":[{"name":"a","image":"x"},{"name":"a"}]}')
  t.ok(read.ok)
  if (read.ok) {
    t.strictSame(
      read.value.map(({ name, container }) => [name, field(container, 'image')]),
      [
        ['a', 'x'],
        ['a', undefined],
        ['b', undefined],
      ],
    )
  }
  const escaped = readOverrides('{"containers":[{"name":"istio-proxy","command":["sh","a \\u0026\\u0026 b"]}]}')
  t.strictSame(escaped.ok && list(field(escaped.value[0]?.container, 'command')), ['sh', 'a && b'])
  const keyed = readOverrides('{"containers":[{"n\\u0061me":"istio-proxy"}]}')
  t.strictSame(keyed.ok && keyed.value[0]?.name, 'istio-proxy', 'a key with an escape is the key that it spells')
  const wrong = [
    '{',
    '7',
    '["a"]',
    '{"Containers":[]}',
    '{"containers":{}}',
    '{"containers":[7]}',
    '{"containers":[{}]}',
    '{"containers":[{"name":7}]}',
    '{"containers":[{"name":"a"}],"a\\u0000":1',
  ]
  for (const json of wrong) {
    const refused = readOverrides(json)
    t.notOk(refused.ok, json)
    if (!refused.ok) t.match(refused.why, /^[a-z].*[^.]$/)
  }
  t.end()
})

t.test('what is mounted by template and API server', t => {
  const proxy = 'istio-proxy'
  const rows: [container: string, mount: unknown, yes: boolean][] = [
    [proxy, { mountPath: '/etc/istio/proxy', name: 'istio-envoy' }, true],
    [proxy, { mountPath: '/etc/istio/proxy/', name: 'istio-envoy', readOnly: true }, true],
    [proxy, { mountPath: '/etc/istio/proxy', name: 'own' }, false],
    [proxy, { mountPath: '/etc/istio/proxy', name: 'istio-envoy', subPath: 'a' }, false],
    [proxy, { mountPath: '/etc/istio/proxy', name: 'istio-envoy', subPath: '' }, true],
    [proxy, { mountPath: '/etc/istio/./proxy', name: 'istio-envoy' }, false],
    [proxy, { mountPath: '/etc/istio/custom-bootstrap', name: 'custom-bootstrap-volume' }, false],
    [proxy, { mountPath: '/', name: 'own' }, false],
    [proxy, { mountPath: '/etc/certs/', name: 'istio-certs' }, true],
    [proxy, { mountPath: '/etc/lightstep', name: 'lightstep-certs' }, true],
    ['istio-init', { mountPath: '/etc/istio/proxy', name: 'istio-envoy' }, false],
    ['istio-init', { mountPath: '/var/run/secrets/kubernetes.io/serviceaccount', name: 'kube-api-access-x' }, true],
    ['istio-init', { mountPath: '/var/run/secrets/kubernetes.io/serviceaccount', name: 'own' }, false],
    [proxy, { mountPath: 7, name: null }, false],
    [proxy, null, false],
  ]
  for (const [container, mount, yes] of rows) {
    t.equal(isTemplateMount(container, readMount(mount)), yes, `${JSON.stringify(mount)} in ${container}: ${yes}`)
  }
  t.end()
})

t.test('commands and arguments of the template', t => {
  const commands: [words: readonly string[], yes: boolean][] = [
    [['pilot-agent', 'wait'], true],
    [['pilot-agent', 'wait', '--url=http://x'], false],
    [['pilot-agent', 'request', '--debug-port=15020', 'POST', 'drain'], true],
    [['pilot-agent', 'request', '--debug-port=15020', 'POST', 'quitquitquit'], false],
    [['pilot-agent', 'request', '--debug-port=x', 'POST', 'drain'], false],
    [['pilot-agent', 'request'], false],
    [['pilot-agent'], false],
    [['sh', 'wait'], false],
    [[], false],
  ]
  for (const [words, yes] of commands) t.equal(isTemplateCommand(words), yes, `${words.join(' ')}: ${yes}`)
  const args: [args: readonly unknown[], fault: unknown][] = [
    [[], undefined],
    [['proxy', 'sidecar'], undefined],
    [['proxy', 'sidecar', '--domain', '$(POD_NAMESPACE).svc.cluster.local', '--proxyLogLevel=warning'], undefined],
    [['proxy', 'sidecar', '--stsPort=1', '--log_as_json', '--outlierLogPath=/x', '--log_output_level=a:b'], undefined],
    [['proxy', 'router'], { kind: 'role' }],
    [['--domain', 'x', 'proxy', 'sidecar'], { kind: 'role' }],
    [['proxy'], { kind: 'role' }],
    [['proxy', 'sidecar', '--templateFile=/x'], { kind: 'flag', index: 2 }],
    [['proxy', 'sidecar', '--domain', 'x', '--meshConfig=/x'], { kind: 'flag', index: 4 }],
    [['proxy', 'sidecar', '--proxyLogLevel', 'debug'], { kind: 'flag', index: 2 }],
    [['proxy', 'sidecar', '--domain'], { kind: 'flag', index: 2 }],
    [['proxy', 'sidecar', 'router'], { kind: 'flag', index: 2 }],
    [['proxy', 'sidecar', null], { kind: 'flag', index: 2 }],
  ]
  for (const [given, fault] of args) t.strictSame(proxyArgumentFault(given), fault, JSON.stringify(given))
  t.equal(interceptionModeOf(['-i', '*', '-m', 'TPROXY']), 'TPROXY')
  t.equal(interceptionModeOf(['-m']), undefined)
  t.equal(interceptionModeOf('-m'), undefined)
  t.equal(isInjectedName('istio-validation'), true)
  t.equal(isInjectedName('istio-proxy-2'), false)
  t.end()
})

t.test('accepted commands', t => {
  const rows: [accepted: string, words: readonly string[], yes: boolean][] = [
    ['sleep N', ['sleep', '10'], true],
    ['sleep N', ['sleep', 'ten'], false],
    ['sleep N', ['sleep', ''], false],
    ['sleep N', ['sleep', '10', '&&', 'curl'], false],
    ['sleep N', ['/bin/sleep', '10'], false],
    ['sh -c sleep N', ['sh', '-c', 'sleep 10'], true],
    ['sh -c sleep N', ['sh', '-c', 'sleep 10; curl'], false],
    ['N', ['7'], true],
    ['drain', ['drain'], true],
    ['drain', [], false],
  ]
  for (const [accepted, words, yes] of rows) {
    t.equal(isCommand(accepted, words), yes, `${JSON.stringify(words)} is ${accepted}: ${yes}`)
  }
  t.end()
})

t.test('variables that are not of injection', t => {
  const ofInit = new Map([['ISTIO_META_DNS_CAPTURE', 'true']])
  const rows: [entry: unknown, yes: boolean][] = [
    [{ name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }, false],
    [{ name: 'POD_NAME', value: 'web' }, true],
    [{ name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } }, true],
    [{ name: 'CA_ADDR', value: 'istiod:15012' }, false],
    [{ name: 'CA_ADDR', valueFrom: { configMapKeyRef: { name: 'a', key: 'b' } } }, true],
    [{ name: 'GOMAXPROCS', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } }, false],
    [{ name: 'ISTIO_META_DNS_CAPTURE', value: 'true' }, false],
    [{ name: 'ISTIO_META_DNS_CAPTURE', value: 'false' }, true],
    [{ name: 'ISTIO_META_OTHER' }, true],
    [{ name: 'LD_PRELOAD', valueFrom: {} }, true],
    [{ name: 'AWS_ROLE_ARN', value: 'arn' }, false],
    [{ value: 'x' }, false],
    [null, false],
  ]
  for (const [entry, yes] of rows)
    t.equal(
      isForeignVariable('istio-proxy', entry, () => ofInit),
      yes,
      `${JSON.stringify(entry)}: ${yes}`,
    )
  const captured = new Map([['ISTIO_META_DNS_CAPTURE', 'true']])
  for (const [entry, yes] of [
    [{ name: 'ISTIO_META_DNS_CAPTURE', value: 'true' }, false],
    [{ name: 'ISTIO_META_DNS_CAPTURE', value: '1' }, true],
    [{ name: 'CA_ADDR', value: 'istiod:15012' }, true],
    [{ name: 'POD_NAME', value: 'web' }, false],
  ] as const) {
    t.equal(
      isForeignVariable('istio-init', entry, () => captured),
      yes,
      `${JSON.stringify(entry)} of init: ${yes}`,
    )
  }
  t.end()
})

// The rules over recorded pods, and over what else the template makes of them.

const fixtures = join(import.meta.dirname, 'fixtures')
const judged = new Set(['no-forged-injection', 'no-capture-bypass', 'require-early-capture'])
const policy = loadPolicy(
  [
    {
      file: 'policy',
      text: [
        'apiVersion: sallyport.dev/v1alpha1',
        'kind: EgressPolicy',
        'metadata: {name: acme}',
        'spec: {ranges: {pods: [10.0.0.0/16], services: [10.96.0.0/12]}}',
      ].join('\n'),
    },
  ],
  { rules, now: Date.parse('2026-11-21T12:00:00Z') },
)
if (!policy.ok) throw new Error('the policy does not load')
const { policy: acme } = policy

const namespaces = ['shop', 'payments'].map(name => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels: { 'istio-injection': 'enabled' } },
}))
const injector = (values: Fields): Fields[] => [
  {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: 'istio-sidecar-injector', labels: { app: 'sidecar-injector', 'istio.io/rev': 'default' } },
    webhooks: [
      {
        namespaceSelector: { matchExpressions: [{ key: 'istio-injection', operator: 'In', values: ['enabled'] }] },
      },
    ],
  },
  {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'istio-sidecar-injector', namespace: 'istio-system' },
    data: { values: JSON.stringify(values) },
  },
]
const installed = inventoryOf([
  ...namespaces,
  ...injector({
    global: { hub: 'istio', tag: '1.31.0', proxy: { image: 'proxyv2' }, proxy_init: { image: 'proxyv2' } },
  }),
])

function said(review: Review, inventory: Inventory): string[] {
  const { findings, notJudged, ruleErrors } = evaluate(review, acme, inventory, 0)
  t.strictSame(ruleErrors, [])
  return [
    ...findings.map(({ rule, message, path }) => [rule, `${message} ${formatPath(path)}`] as const),
    ...notJudged.map(({ rule, path }) => [rule, `? ${formatPath(path)}`] as const),
  ].flatMap(([rule, line]) => (judged.has(rule) ? [`${rule}: ${line}`] : []))
}

function recorded(file: string): Review {
  const body: unknown = JSON.parse(readFileSync(join(fixtures, 'reviews', file), 'utf8'))
  const read = readReview(body, hasInjectorOutput(dig(body, 'request', 'object')) ? 'final' : 'submitted')
  if (!read.ok) throw new Error(`${file} cannot be read`)
  return read.review
}

t.test('recorded reviews: genuine pods pass, own parts of injection do not', t => {
  const found: Readonly<Record<string, string>> = {
    // The classic layout, with an init container that sets up the schema of a database outside.
    '05': 'require-early-capture: before-redirection spec.initContainers[0]',
    '19': 'no-capture-bypass: excluded-ranges metadata.annotations["traffic.sidecar.istio.io/excludeOutboundIPRanges"]',
    '20': 'no-capture-bypass: excluded-ranges metadata.annotations["traffic.sidecar.istio.io/excludeOutboundIPRanges"]',
    '22': 'no-forged-injection: foreign-image spec.containers[1].image',
    '23': 'no-forged-injection: foreign-image spec.initContainers[1].image',
  }
  const files = readdirSync(join(fixtures, 'reviews')).filter(file => /^(0\d|1[0-4]|18|19|2[0-4])-/.test(file))
  t.equal(files.length, 21)
  for (const file of files) {
    const expected = found[file.slice(0, 2)]
    for (const inventory of [inventoryOf([]), inventoryOf(namespaces), installed]) {
      t.strictSame(said(recorded(file), inventory), expected === undefined ? [] : [expected], file)
    }
  }
  t.end()
})

/** Returns the recorded final pod with its injected containers changed. */
function variant(file: string, change: (container: Fields) => Fields): Review {
  const review = recorded(file)
  const { object } = review
  const spec = field(object, 'spec')
  if (!isFields(object) || !isFields(spec)) throw new Error('no pod')
  const changed = (containers: unknown): Fields[] =>
    list(containers).map(container => {
      if (!isFields(container)) throw new Error('no container')
      return isInjectedName(text(field(container, 'name')) ?? '') ? change(container) : container
    })
  return {
    ...review,
    object: {
      ...object,
      spec: {
        ...spec,
        initContainers: changed(field(spec, 'initContainers')),
        containers: changed(field(spec, 'containers')),
      },
    },
  }
}

const only = (name: string, change: (container: Fields) => Fields) => (container: Fields) =>
  field(container, 'name') === name ? change(container) : container
const proxy = (change: (container: Fields) => Fields) => only('istio-proxy', change)
const context = (container: Fields, more: Fields): Fields => ({
  ...container,
  securityContext: { ...Object(field(container, 'securityContext')), ...more },
})
const added = (container: Fields, key: string, ...more: unknown[]): Fields => ({
  ...container,
  [key]: [...list(field(container, key)), ...more],
})

t.test('everything else that the template makes, by values of the installation, passes', t => {
  const native = '03-pod-create-native-validating.json'
  const classic = '05-pod-create-classic-validating.json'
  const cni = '07-pod-create-cni-validating.json'
  const secret = (mountPath: string, name: string): Fields => ({ mountPath, name, readOnly: true })
  const identity = { mountPath: '/var/run/secrets/azure/tokens', name: 'azure-identity-token', readOnly: true }
  const rows: [what: string, file: string, change: (container: Fields) => Fields][] = [
    [
      'applications wait for the proxy',
      classic,
      proxy(c => ({ ...c, lifecycle: { postStart: { exec: { command: ['pilot-agent', 'wait'] } } } })),
    ],
    ['a port of the token service', native, proxy(c => added(c, 'args', '--stsPort=15463'))],
    ['logs', cni, proxy(c => added(c, 'args', '--log_as_json', '--outlierLogPath=/dev/stdout'))],
    [
      'another way to set up redirection',
      native,
      only('istio-init', c => added(c, 'args', '--log_as_json', '--force-apply', '--native-nftables')),
    ],
    ['ports captured besides', native, only('istio-init', c => added(c, 'args', '-q', '8080'))],
    ['metadata of the proxy', cni, c => added(c, 'env', { name: 'ISTIO_META_DNS_CAPTURE', value: 'true' })],
    [
      'a compliance policy, a network, attributes of traces',
      native,
      proxy(c =>
        added(
          c,
          'env',
          { name: 'REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION', value: 'true' },
          { name: 'COMPLIANCE_POLICY', value: 'fips-140-3' },
          { name: 'GODEBUG', value: 'fips140=only' },
          { name: 'ISTIO_META_NETWORK', value: 'net-1' },
          { name: 'OTEL_RESOURCE_ATTRIBUTES', value: 'a=b' },
        ),
      ),
    ],
    ['no probes', native, proxy(c => ({ ...c, readinessProbe: null, startupProbe: null }))],
    ['a profile of seccomp', cni, c => context(c, { seccompProfile: { type: 'RuntimeDefault' } })],
    ['an image of another type', native, proxy(c => ({ ...c, image: 'istio/proxyv2:1.31.0-distroless' }))],
    ['certificates in files', native, proxy(c => added(c, 'volumeMounts', secret('/etc/certs/', 'istio-certs')))],
    [
      'certificates of a cloud',
      native,
      proxy(c =>
        added(c, 'volumeMounts', secret('/var/run/secrets/workload-spiffe-credentials', 'gke-workload-certificate')),
      ),
    ],
    [
      'certificates of a tracer',
      cni,
      proxy(c => added(c, 'volumeMounts', secret('/etc/lightstep', 'lightstep-certs'))),
    ],
    [
      'an identity of a cloud in every container',
      cni,
      c => added(added(c, 'volumeMounts', identity), 'env', { name: 'AZURE_CLIENT_ID', value: 'x' }),
    ],
    [
      'low ports',
      native,
      proxy(c =>
        context(c, { capabilities: { add: ['NET_BIND_SERVICE'], drop: ['ALL'] }, runAsNonRoot: false, runAsUser: 0 }),
      ),
    ],
    [
      'traced redirection',
      native,
      c => {
        const traced = added(c, 'env', { name: 'IPTABLES_TRACE_LOGGING', value: 'true' })
        const capabilities = { add: ['NET_ADMIN'], drop: ['ALL'] }
        return field(c, 'name') === 'istio-proxy'
          ? context(traced, { capabilities, privileged: true, runAsNonRoot: false, runAsUser: 0 })
          : traced
      },
    ],
  ]
  for (const [what, file, change] of rows) {
    for (const state of [inventoryOf([]), inventoryOf(namespaces), installed]) {
      t.strictSame(said(variant(file, change), state), said(recorded(file), state), what)
    }
  }
  const free = variant(native, c => context(c, { privileged: true, allowPrivilegeEscalation: true }))
  const state = inventoryOf([...namespaces, ...injector({ global: { proxy: { privileged: true } } })])
  t.strictSame(said(free, state), [], 'privileged containers')
  t.end()
})
