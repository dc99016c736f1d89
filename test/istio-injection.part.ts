import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import {
  decideInjection,
  defaultInjectorPolicy,
  type InjectionInput,
  type InjectionReason,
  type InjectorPolicy,
  parseGoBool,
  resolveTemplates,
} from '../src/istio/injection.ts'
import { dig } from '../src/istio/json.ts'
import {
  annotationsOf,
  containersOf,
  environmentOf,
  hasInjectorOutput,
  labelsOf,
  podTemplateOf,
  usesHostNetwork,
  workloadKinds,
} from '../src/istio/workload.ts'
import { readYaml } from '../src/istio/yaml.ts'

const pods = join(import.meta.dirname, 'fixtures', 'pods')

function readFixture(file: string): unknown {
  const read = readYaml(readFileSync(join(pods, file), 'utf8'))
  if (!read.ok) throw new Error(`${file} ${read.why}`)
  return read.value
}

t.test('pod templates', t => {
  const template = { metadata: { labels: { app: 'shop' } }, spec: { containers: [] } }
  const rows: [kind: string, object: unknown, root: string | undefined][] = [
    ['Pod', template, ''],
    ['Revision.serving.knative.dev', template, ''],
    ['PodTemplate', { template }, 'template'],
    ['ReplicationController', { spec: { template } }, 'spec.template'],
    ['Deployment.apps', { spec: { template } }, 'spec.template'],
    ['ReplicaSet.apps', { spec: { template } }, 'spec.template'],
    ['StatefulSet.apps', { spec: { template } }, 'spec.template'],
    ['DaemonSet.apps', { spec: { template } }, 'spec.template'],
    ['Job.batch', { spec: { template } }, 'spec.template'],
    ['CronJob.batch', { spec: { jobTemplate: { spec: { template } } } }, 'spec.jobTemplate.spec.template'],
    ['Rollout.argoproj.io', { spec: { template } }, 'spec.template'],
    ['DeploymentConfig.apps.openshift.io', { spec: { template } }, 'spec.template'],
    ['VirtualMachine.kubevirt.io', { spec: { template } }, 'spec.template'],
    ['Service.serving.knative.dev', { spec: { template } }, 'spec.template'],
    ['Configuration.serving.knative.dev', { spec: { template } }, 'spec.template'],
    ['Service', { spec: { template } }, undefined],
    ['Deployment', { spec: { template } }, undefined],
    ['constructor', { spec: { template } }, undefined],
    ['Pod', null, undefined],
    ['Pod', [template], undefined],
    ['Deployment.apps', { spec: null }, undefined],
    ['Deployment.apps', { spec: { template: [template] } }, undefined],
    ['Deployment.apps', { spec: { template: null } }, undefined],
    ['Rollout.argoproj.io', { spec: { workloadRef: { kind: 'Deployment' } } }, undefined],
  ]
  for (const [kind, object, root] of rows) {
    const found = podTemplateOf(kind, object)
    t.equal(found?.root.join('.'), root, `${kind} ${JSON.stringify(object)?.slice(0, 40)}: ${root}`)
    if (root !== undefined) t.equal(found?.template, template, `${kind}: the template itself`)
  }
  t.strictSame(
    workloadKinds,
    [...new Set(rows.filter(([, , root]) => root !== undefined).map(([kind]) => kind))].sort(),
    'every kind is in the table, and the list is sorted',
  )
  t.end()
})

t.test('containers', t => {
  const template = {
    spec: {
      containers: [{ name: 'app' }, 'odd', { name: 5 }],
      initContainers: [{ name: 'schema' }, { name: 'istio-proxy', restartPolicy: 'Always' }],
      ephemeralContainers: [{ name: 'debugger' }],
    },
  }
  t.strictSame(
    [...containersOf(template)].map(entry => `${entry.list}[${entry.index}] ${entry.name}`),
    [
      'initContainers[0] schema',
      'initContainers[1] istio-proxy',
      'containers[0] app',
      'containers[2] ',
      'ephemeralContainers[0] debugger',
    ],
  )
  for (const none of [undefined, null, {}, { spec: null }, { spec: { containers: {} } }])
    t.strictSame([...containersOf(none)], [], `no containers in ${JSON.stringify(none)}`)
  t.strictSame([...labelsOf({ metadata: { labels: { a: 'b', c: 5 } } })], [['a', 'b']])
  t.strictSame([...annotationsOf({ metadata: { annotations: null } })], [])
  t.equal(usesHostNetwork({ spec: { hostNetwork: true } }), true)
  t.equal(usesHostNetwork({ spec: { hostNetwork: 'true' } }), false)
  t.equal(usesHostNetwork({}), false)
  const env = [
    { name: 'A', value: '1' },
    { name: 'B' },
    { name: 'C', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
    { value: 'nameless' },
    'odd',
    { name: 'A', value: '2' },
  ]
  t.strictSame(
    [...environmentOf({ env })],
    [
      ['A', '2'],
      ['B', ''],
      ['C', undefined],
    ],
    'the last one counts, no value is an empty one, valueFrom is not known',
  )
  t.end()
})

t.test('output of the injector', t => {
  const status = { 'sidecar.istio.io/status': '{}' }
  const rows: [what: string, annotations: unknown, spec: unknown, yes: boolean][] = [
    ['container', status, { containers: [{ name: 'istio-proxy', image: 'istio/proxyv2:1.31.0' }] }, true],
    ['init container', status, { initContainers: [{ name: 'istio-proxy', image: 'istio/proxyv2:1.31.0' }] }, true],
    [
      'empty annotation',
      { 'sidecar.istio.io/status': '' },
      { containers: [{ name: 'istio-proxy', image: 'x' }] },
      true,
    ],
    ['no annotation', {}, { containers: [{ name: 'istio-proxy', image: 'istio/proxyv2:1.31.0' }] }, false],
    ['placeholder image', status, { containers: [{ name: 'istio-proxy', image: 'auto' }] }, false],
    ['no image', status, { containers: [{ name: 'istio-proxy' }] }, false],
    ['empty image', status, { containers: [{ name: 'istio-proxy', image: '' }] }, false],
    ['ephemeral container', status, { ephemeralContainers: [{ name: 'istio-proxy', image: 'x' }] }, false],
    ['other container', status, { containers: [{ name: 'app', image: 'x' }] }, false],
    ['nothing', status, undefined, false],
  ]
  for (const [what, annotations, spec, yes] of rows)
    t.equal(hasInjectorOutput({ metadata: { annotations }, spec }), yes, `${what}: ${yes}`)
  t.end()
})

t.test('Go booleans', t => {
  for (const yes of ['1', 't', 'T', 'TRUE', 'true', 'True']) t.equal(parseGoBool(yes), true, yes)
  for (const no of ['0', 'f', 'F', 'FALSE', 'false', 'False']) t.equal(parseGoBool(no), false, no)
  for (const odd of ['', 'yes', 'tRUE', ' true', 'on', '2']) t.equal(parseGoBool(odd), undefined, `"${odd}"`)
  t.end()
})

const inject = 'sidecar.istio.io/inject'
const rev = 'istio.io/rev'
const mode = 'istio.io/dataplane-mode'

type Given = {
  /** Labels of the namespace; null where they are not known. */
  ns?: Record<string, string> | null
  labels?: Record<string, string>
  annotations?: Record<string, string>
  rest?: Partial<InjectionInput>
  injector?: Partial<InjectorPolicy>
}

function decide(given: Given): ReturnType<typeof decideInjection> {
  return decideInjection({
    namespace: 'shop',
    namespaceLabels: given.ns === null ? undefined : new Map(Object.entries(given.ns ?? {})),
    labels: new Map(Object.entries(given.labels ?? {})),
    annotations: new Map(Object.entries(given.annotations ?? {})),
    hostNetwork: false,
    revisions: new Set(['1-31', 'prod-stable']),
    defaultTag: true,
    injector: given.injector === undefined ? undefined : { ...defaultInjectorPolicy, ...given.injector },
    enableNamespacesByDefault: false,
    ...given.rest,
  })
}

const enabled = { 'istio-injection': 'enabled' }
const never = [{ matchLabels: { app: 'shop' } }]

const decisions: [Given, outcome: string, because: InjectionReason, where: string, revision?: string][] = [
  // Which webhook is called.
  [{ ns: enabled }, 'injected', 'namespace-enabled', 'namespace istio-injection=enabled', 'default'],
  [
    { ns: { ...enabled, [rev]: 'nope' } },
    'injected',
    'namespace-enabled',
    'namespace istio-injection=enabled',
    'default',
  ],
  [
    { ns: enabled, labels: { [rev]: 'nope' } },
    'injected',
    'namespace-enabled',
    'namespace istio-injection=enabled',
    'default',
  ],
  [{ ns: { 'istio-injection': 'Enabled' } }, 'not-injected', 'namespace-disabled', 'namespace istio-injection=Enabled'],
  [{ ns: { 'istio-injection': '' } }, 'not-injected', 'namespace-disabled', 'namespace istio-injection='],
  [
    { ns: { 'istio-injection': 'disabled', [rev]: '1-31' }, labels: { [inject]: 'true' } },
    'not-injected',
    'namespace-disabled',
    'namespace istio-injection=disabled',
  ],
  [{ ns: { [rev]: '1-31' } }, 'injected', 'namespace-revision', 'namespace istio.io/rev=1-31', '1-31'],
  [{ ns: { [rev]: 'default' } }, 'injected', 'namespace-revision', 'namespace istio.io/rev=default', 'default'],
  [
    { ns: { [rev]: 'default' }, rest: { defaultTag: false } },
    'not-injected',
    'namespace-revision-unserved',
    'namespace istio.io/rev=default',
    'default',
  ],
  [
    { ns: { [rev]: 'default' }, rest: { defaultTag: false, revisions: new Set(['default']) } },
    'injected',
    'namespace-revision',
    'namespace istio.io/rev=default',
    'default',
  ],
  [{ ns: { [rev]: '1-30' } }, 'not-injected', 'namespace-revision-unserved', 'namespace istio.io/rev=1-30', '1-30'],
  [{ ns: { [rev]: '' } }, 'not-injected', 'namespace-revision-unserved', 'namespace istio.io/rev=', ''],
  [
    { ns: { [rev]: '1-31' }, labels: { [rev]: 'nope' } },
    'injected',
    'namespace-revision',
    'namespace istio.io/rev=1-31',
    '1-31',
  ],
  [{ labels: { [rev]: 'prod-stable' } }, 'injected', 'pod-revision', 'label istio.io/rev=prod-stable', 'prod-stable'],
  [
    { labels: { [rev]: 'none', [inject]: 'true' } },
    'not-injected',
    'pod-revision-unserved',
    'label istio.io/rev=none',
    'none',
  ],
  [{ labels: { [rev]: '' } }, 'not-injected', 'pod-revision-unserved', 'label istio.io/rev=', ''],
  [{ labels: { [inject]: 'true' } }, 'injected', 'pod-enabled', 'label sidecar.istio.io/inject=true', 'default'],
  [
    { labels: { [inject]: 'true' }, rest: { defaultTag: false } },
    'not-injected',
    'default-unserved',
    'label sidecar.istio.io/inject=true',
    'default',
  ],
  [
    { ns: enabled, rest: { defaultTag: false } },
    'not-injected',
    'default-unserved',
    'namespace istio-injection=enabled',
    'default',
  ],
  [{ labels: { [inject]: 'True' } }, 'not-injected', 'odd-label', 'label sidecar.istio.io/inject=True'],
  [{ labels: { [inject]: '' } }, 'not-injected', 'odd-label', 'label sidecar.istio.io/inject='],
  [{}, 'not-injected', 'not-asked', 'namespace istio-injection'],
  [{ annotations: { [inject]: 'true' } }, 'not-injected', 'not-asked', 'namespace istio-injection'],
  [
    { rest: { enableNamespacesByDefault: true } },
    'injected',
    'enabled-by-default',
    'injector enableNamespacesByDefault',
    'default',
  ],
  [
    { labels: { [inject]: 'yes' }, rest: { enableNamespacesByDefault: true } },
    'not-injected',
    'odd-label',
    'label sidecar.istio.io/inject=yes',
  ],
  // What the injector makes of the pod.
  [{ ns: enabled, rest: { hostNetwork: true } }, 'not-injected', 'host-network', 'spec hostNetwork=true'],
  [
    { ns: { [mode]: 'ambient' }, labels: { [mode]: 'ambient' }, rest: { hostNetwork: true } },
    'not-injected',
    'host-network',
    'spec hostNetwork=true',
  ],
  ...['kube-system', 'kube-public', 'kube-node-lease', 'local-path-storage'].map(
    (namespace): (typeof decisions)[number] => [
      { ns: enabled, rest: { namespace } },
      'not-injected',
      'reserved-namespace',
      `namespace =${namespace}`,
    ],
  ),
  [
    { ns: enabled, labels: { [inject]: 'false' } },
    'not-injected',
    'label-false',
    'label sidecar.istio.io/inject=false',
  ],
  [
    { ns: enabled, annotations: { [inject]: 'false' } },
    'not-injected',
    'annotation-false',
    'annotation sidecar.istio.io/inject=false',
  ],
  [
    { ns: enabled, labels: { [inject]: 'true' }, annotations: { [inject]: 'false' } },
    'injected',
    'namespace-enabled',
    'namespace istio-injection=enabled',
    'default',
  ],
  [
    { ns: enabled, labels: { [inject]: '' }, annotations: { [inject]: 'false' } },
    'injected',
    'namespace-enabled',
    'namespace istio-injection=enabled',
    'default',
  ],
  [
    { ns: enabled, labels: { [inject]: 'no' }, annotations: { [inject]: 'false' } },
    'injected',
    'namespace-enabled',
    'namespace istio-injection=enabled',
    'default',
  ],
  ...['0', 'f', 'F', 'False', 'FALSE'].map((value): (typeof decisions)[number] => [
    { ns: enabled, labels: { [inject]: value } },
    'injected',
    'cni-skips',
    `label sidecar.istio.io/inject=${value}`,
    'default',
  ]),
  [{ labels: { [inject]: 'F', [rev]: '1-31' } }, 'injected', 'cni-skips', 'label sidecar.istio.io/inject=F', '1-31'],
  [
    { ns: enabled, annotations: { [inject]: 'False' } },
    'injected',
    'cni-skips',
    'annotation sidecar.istio.io/inject=False',
    'default',
  ],
  [
    { ns: enabled, labels: { app: 'shop', [inject]: 'odd' }, injector: { neverInjectSelector: [{}, ...never] } },
    'not-injected',
    'never-selector',
    'injector neverInjectSelector[1]',
    'default',
  ],
  [
    { ns: enabled, labels: { app: 'shop', [inject]: 'true' }, injector: { neverInjectSelector: never } },
    'injected',
    'namespace-enabled',
    'namespace istio-injection=enabled',
    'default',
  ],
  [
    {
      ns: enabled,
      labels: { app: 'shop' },
      annotations: { [inject]: 'true' },
      injector: { neverInjectSelector: never },
    },
    'injected',
    'namespace-enabled',
    'namespace istio-injection=enabled',
    'default',
  ],
  [
    {
      ns: enabled,
      labels: { app: 'shop' },
      injector: { neverInjectSelector: never, alwaysInjectSelector: never, policy: 'disabled' },
    },
    'not-injected',
    'never-selector',
    'injector neverInjectSelector[0]',
    'default',
  ],
  [
    { ns: enabled, labels: { app: 'shop' }, injector: { neverInjectSelector: [null, {}, { matchLabels: 'odd' }] } },
    'injected',
    'namespace-enabled',
    'namespace istio-injection=enabled',
    'default',
  ],
  [
    { ns: enabled, labels: { app: 'shop' }, injector: { alwaysInjectSelector: never, policy: 'disabled' } },
    'injected',
    'always-selector',
    'injector alwaysInjectSelector[0]',
    'default',
  ],
  [
    { ns: enabled, injector: { alwaysInjectSelector: never, policy: 'disabled' } },
    'not-injected',
    'policy-disabled',
    'injector policy=disabled',
    'default',
  ],
  [
    { labels: { [inject]: 'true' }, injector: { policy: 'disabled' } },
    'injected',
    'pod-enabled',
    'label sidecar.istio.io/inject=true',
    'default',
  ],
  [
    { labels: { [inject]: 'true' }, injector: { policy: 'Enabled' } },
    'not-injected',
    'policy-invalid',
    'injector policy=Enabled',
    'default',
  ],
  [{ ns: enabled, injector: { policy: '' } }, 'not-injected', 'policy-invalid', 'injector policy=', 'default'],
  // What is not known.
  [{ ns: null }, 'unknown', 'namespace-unknown', 'namespace '],
  [{ ns: null, labels: { [inject]: 'false' } }, 'not-injected', 'label-false', 'label sidecar.istio.io/inject=false'],
  [
    { ns: null, labels: { [inject]: 'false', [mode]: 'ambient' } },
    'ambient',
    'ambient-pod',
    'label istio.io/dataplane-mode=ambient',
  ],
  [
    { ns: { [rev]: '1-31' }, rest: { revisions: undefined } },
    'unknown',
    'revisions-unknown',
    'namespace istio.io/rev=1-31',
    '1-31',
  ],
  [
    { ns: { [rev]: 'default' }, rest: { revisions: undefined } },
    'injected',
    'namespace-revision',
    'namespace istio.io/rev=default',
    'default',
  ],
  [
    { ns: enabled, rest: { defaultTag: undefined } },
    'unknown',
    'revisions-unknown',
    'namespace istio-injection=enabled',
    'default',
  ],
  // Ambient mode.
  [{ ns: { [mode]: 'ambient' } }, 'ambient', 'ambient-namespace', 'namespace istio.io/dataplane-mode=ambient'],
  [
    { ns: { [mode]: 'ambient' }, labels: { [mode]: 'odd' } },
    'ambient',
    'ambient-namespace',
    'namespace istio.io/dataplane-mode=ambient',
  ],
  [
    { ns: { [mode]: 'ambient' }, labels: { [inject]: 'false' } },
    'ambient',
    'ambient-namespace',
    'namespace istio.io/dataplane-mode=ambient',
  ],
  [{ labels: { [mode]: 'ambient' } }, 'ambient', 'ambient-pod', 'label istio.io/dataplane-mode=ambient'],
  [
    { ns: { [mode]: 'ambient' }, labels: { [mode]: 'none' } },
    'not-injected',
    'ambient-opt-out',
    'label istio.io/dataplane-mode=none',
  ],
  [{ labels: { [mode]: 'none' } }, 'not-injected', 'not-asked', 'namespace istio-injection'],
  [{ ns: { [mode]: 'Ambient' } }, 'not-injected', 'not-asked', 'namespace istio-injection'],
  [
    { ns: { [mode]: 'ambient' }, annotations: { 'sidecar.istio.io/status': '' } },
    'not-injected',
    'ambient-sidecar-status',
    'annotation sidecar.istio.io/status=',
  ],
  [
    { ns: { ...enabled, [mode]: 'ambient' } },
    'injected',
    'namespace-enabled',
    'namespace istio-injection=enabled',
    'default',
  ],
]

t.test('injection decision', t => {
  for (const [given, outcome, because, where, revision] of decisions) {
    const decision = decide(given)
    const { subject, key, value } = decision.where
    t.strictSame(
      [
        decision.outcome,
        decision.because,
        `${subject} ${key ?? ''}${value === undefined ? '' : `=${value}`}`,
        decision.revision,
        decision.templates,
      ],
      [outcome, because, where, revision, outcome === 'injected' ? ['sidecar'] : []],
      `${JSON.stringify(given)}: ${outcome}, ${because}`,
    )
  }
  t.end()
})

t.test('templates', t => {
  const aliases = new Map([
    ['all', ['init', 'proxy']],
    ['init', ['never reached']],
  ])
  const rows: [annotation: string | undefined, defaults: string[], names: string[]][] = [
    [undefined, ['sidecar'], ['sidecar']],
    [undefined, [], ['sidecar']],
    [undefined, ['all'], ['init', 'proxy']],
    ['gateway', ['sidecar'], ['gateway']],
    [' sidecar ,\tcustom\n', ['sidecar'], ['sidecar', 'custom']],
    ['all,sidecar', ['sidecar'], ['init', 'proxy', 'sidecar']],
    ['', ['sidecar'], ['']],
    ['sidecar,', ['sidecar'], ['sidecar', '']],
  ]
  for (const [annotation, defaultTemplates, names] of rows) {
    const annotations = new Map(annotation === undefined ? [] : [['inject.istio.io/templates', annotation]])
    t.strictSame(
      resolveTemplates(annotations, { ...defaultInjectorPolicy, defaultTemplates, aliases }),
      names,
      `${JSON.stringify(annotation)} of ${defaultTemplates}: ${names}`,
    )
  }
  t.strictSame(resolveTemplates(new Map()), ['sidecar'], 'defaults of Istio')
  t.end()
})

// Namespaces of the recorded cluster: two with injection on, one for gateways and one without label.
const recorded: Record<string, Record<string, string>> = {
  shop: enabled,
  payments: enabled,
  'istio-egress': {},
  staging: {},
}

t.test('recorded pods come out as the real injector decided', t => {
  const submitted = readdirSync(pods).filter(file => file.endsWith('.submitted.yaml'))
  t.equal(submitted.length, 8)
  for (const file of submitted) {
    const object = readFixture(file)
    const pod = readFixture(file.replace('.submitted.', '.final.'))
    const found = podTemplateOf(dig(object, 'kind') === 'Job' ? 'Job.batch' : 'Pod', object)
    if (found === undefined) throw new Error(`${file} has no pod template`)
    const namespace = `${dig(object, 'metadata', 'namespace')}`
    const decision = decide({
      ns: recorded[namespace] ?? null,
      labels: Object.fromEntries(labelsOf(found.template)),
      annotations: Object.fromEntries(annotationsOf(found.template)),
      rest: { namespace, hostNetwork: usesHostNetwork(found.template) },
    })
    t.equal(decision.outcome === 'injected', hasInjectorOutput(pod), `${basename(file)}: ${decision.because}`)
    t.equal(hasInjectorOutput(found.template), false, `${basename(file)}: nothing of the injector yet`)
    t.strictSame(decision.templates, file.startsWith('06') ? ['gateway'] : file.startsWith('05') ? [] : ['sidecar'])
  }
  t.end()
})

t.test('a review before the injector and one after it', t => {
  const rows: [file: string, yes: boolean][] = [
    ['01-pod-create-native-before-injector.json', false],
    ['02-pod-create-native-after-injector.json', true],
    ['05-pod-create-classic-validating.json', true],
    ['07-pod-create-cni-validating.json', true],
    ['21-pod-inject-label-false.json', false],
    ['22-pod-own-istio-proxy-before-injector.json', false],
    ['23-pod-own-istio-proxy-validating.json', true],
  ]
  for (const [file, yes] of rows) {
    const review: unknown = JSON.parse(readFileSync(join(pods, '..', 'reviews', file), 'utf8'))
    t.equal(hasInjectorOutput(dig(review, 'request', 'object')), yes, `${file}: ${yes}`)
  }
  t.end()
})
