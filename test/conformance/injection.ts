/**
 * Compares `src/istio/injection.ts`, `injector.ts` and `capture.ts` with Istio: which webhook of the chart is called, what
 * the injector makes of the pod, which annotations it takes, and which flags `istio-iptables` has. Needs Go.
 */
import { type Capture, captureAnnotations, iptablesArguments, readCapture } from '../../src/istio/capture.ts'
import {
  decideInjection,
  defaultInjectorPolicy,
  type InjectionInput,
  type InjectionReason,
  type InjectorPolicy,
  injectionLabel,
  injectKey,
  reservedNamespaces,
  resolveTemplates,
  revisionLabel,
  templatesAnnotation,
} from '../../src/istio/injection.ts'
import { readInjectorConfig } from '../../src/istio/injector.ts'
import { field, isFields, list } from '../../src/istio/json.ts'
import {
  ask,
  entries,
  json,
  mutate,
  pick,
  type Question,
  type Random,
  same,
  seeded,
  selector,
  type Verdict,
  yamlClass,
} from './questions.ts'

type Labels = Readonly<Record<string, string>>

/** Returns the one label with that value, or none for undefined. */
function labelled(key: string, value: string | undefined): Labels {
  return value === undefined ? {} : { [key]: value }
}

const mapOf = (labels: Labels): ReadonlyMap<string, string> => new Map(Object.entries(labels))

const SWITCHES = [undefined, '', 'true', 'false', 'True', '0', 'f', 'yes']
const NAMESPACES = ['shop', 'kube-systems', ...reservedNamespaces]
const POLICIES = ['enabled', 'disabled', 'Enabled', '']

// The pods have the label app: shop. Each list is written as the ConfigMap holds it.
const SELECTORS = [
  '[]',
  '[{matchLabels: {app: shop}}]',
  '[{matchExpressions: [{key: app, operator: NotIn, values: [shop]}]}, {matchLabels: {other: "1"}}]',
  '[{matchExpressions: [{key: app, operator: Exist}]}, {matchLabels: {-app: shop}}, {matchExpressions: [{key: app, operator: In}]}]',
  '[{}, null, {matchLabels: {}, matchExpressions: []}]',
  '[{matchExpressions: [{key: app, operator: Exists, values: [shop]}]}, {}, {matchExpressions: [{key: sidecar.istio.io/inject, operator: DoesNotExist}]}]',
]

/** Returns the policy that we read in a text that Istio reads too; the texts in question are those we take. */
function policyOf(config: string): InjectorPolicy {
  const known = policies.get(config)
  if (known !== undefined) return known
  const read = readInjectorConfig(config)
  if (!read.ok) throw new Error(`${config}: ${read.why}`)
  policies.set(config, read.value)
  return read.value
}

const policies = new Map<string, InjectorPolicy>()

type Pod = {
  readonly namespace: string
  readonly hostNetwork: boolean
  readonly labels: Labels
  readonly annotations: Labels
}

function inputOf(pod: Pod, rest: Partial<InjectionInput>): InjectionInput {
  return {
    namespace: pod.namespace,
    hostNetwork: pod.hostNetwork,
    labels: mapOf(pod.labels),
    annotations: mapOf(pod.annotations),
    namespaceLabels: new Map([[injectionLabel, 'enabled']]),
    revisions: new Set(),
    defaultTag: true,
    injector: defaultInjectorPolicy,
    enableNamespacesByDefault: false,
    ...rest,
  }
}

/** What the injector makes of a pod for which it is called: where the webhook would not be, it says no too. */
function* injectorQuestions(): Generator<Question> {
  for (const policy of POLICIES) {
    for (const never of SELECTORS) {
      for (const always of SELECTORS) {
        const config = `{policy: "${policy}", neverInjectSelector: ${never}, alwaysInjectSelector: ${always}}`
        for (const pod of pods()) {
          const { outcome } = decideInjection(inputOf(pod, { injector: policyOf(config) }))
          const args = [config, pod.namespace, `${pod.hostNetwork}`, ...[pod.labels, pod.annotations].map(json)]
          yield same('injectRequired', args, outcome === 'injected')
        }
      }
    }
  }
}

function* pods(): Generator<Pod> {
  for (const label of SWITCHES) {
    for (const annotation of SWITCHES) {
      for (const namespace of NAMESPACES) {
        for (const hostNetwork of [false, true]) {
          const labels = { app: 'shop', ...labelled(injectKey, label) }
          yield { namespace, hostNetwork, labels, annotations: labelled(injectKey, annotation) }
        }
      }
    }
  }
}

const TEMPLATES = [
  ...[undefined, '', ' ', ',', 'sidecar', 'gateway', 'sidecar,gateway', ' sidecar , gateway\t', 'both', 'both,both'],
  ...['Both', 'none', 'none,sidecar', 'nested', 'sidecar,,', '\u00a0sidecar', '\ufeffsidecar', 'constructor', 'a b'],
]
const TEMPLATE_CONFIGS = [
  '{}',
  '{defaultTemplates: []}',
  '{defaultTemplates: null, aliases: null}',
  '{defaultTemplates: [both, extra], aliases: {both: [sidecar, gateway], none: [], nested: [both]}}',
  '{defaultTemplates: [" sidecar"], aliases: {sidecar: [own], "": [empty], none: null}}',
  '{defaultTemplates: [none], aliases: {none: [], constructor: [x]}}',
]

function templateQuestion(config: string, value: string | undefined): Question {
  const annotations = labelled(templatesAnnotation, value)
  return same('templates', [config, json(annotations)], resolveTemplates(mapOf(annotations), policyOf(config)))
}

/** One release of the chart: `revision` is empty for the default one. */
type Installation = { readonly revision: string; readonly tags: readonly string[]; readonly byDefault: boolean }

const INSTALLATIONS: readonly (readonly Installation[])[] = [false, true].flatMap(byDefault => [
  [{ revision: '', tags: [], byDefault }],
  [{ revision: '', tags: ['default', 'prod'], byDefault }],
  [{ revision: 'canary', tags: [], byDefault }],
  [{ revision: 'canary', tags: ['default'], byDefault }],
  [{ revision: 'default', tags: [], byDefault }],
  [
    { revision: 'stable', tags: ['default', 'prod'], byDefault },
    { revision: 'canary', tags: ['next'], byDefault },
  ],
])

function inputOfInstallations(installations: readonly Installation[]): Partial<InjectionInput> {
  return {
    revisions: new Set(
      installations.flatMap(({ revision, tags }) => [...tags, ...(revision === '' ? [] : [revision])]),
    ),
    defaultTag: installations.some(({ revision, tags }) => revision === '' || tags.includes('default')),
    enableNamespacesByDefault: installations.some(({ byDefault }) => byDefault),
  }
}

/** Prefix of the webhook's name in the chart, by the reason for which we say it is called. */
const PREFIXES: Partial<Record<InjectionReason, string>> = {
  'namespace-enabled': 'namespace.',
  'namespace-revision': 'rev.namespace.',
  'pod-revision': 'rev.object.',
  'pod-enabled': 'object.',
  'enabled-by-default': 'auto.',
}

function webhookQuestion(installations: readonly Installation[], namespace: Labels, pod: Labels): Question {
  const input = { ...inputOfInstallations(installations), namespaceLabels: mapOf(namespace) }
  const labels = { namespace: 'shop', hostNetwork: false, labels: pod, annotations: {} }
  const { outcome, because, revision } = decideInjection(inputOf(labels, input))
  const args = [json(installations), json({ 'kubernetes.io/metadata.name': 'shop', ...namespace }), json(pod)]
  // An odd value of the label hides the reason, not the revision.
  if (because === 'cni-skips') {
    return { op: 'webhooks', args, judge: answer => (servedBy(answer) === `${revision}` ? 'agrees' : 'differs') }
  }
  return same('webhooks', args, outcome === 'injected' ? [`${revision}/${PREFIXES[because]}`] : [])
}

/** Returns what serves the only webhook of an answer. */
function servedBy(answer: unknown): string | undefined {
  const [only, ...more] = list(answer)
  return typeof only === 'string' && more.length === 0 ? only.split('/', 1)[0] : undefined
}

function* webhookQuestions(): Generator<Question> {
  const revisions = [undefined, 'default', 'canary', 'prod', 'unknown', '']
  for (const installations of INSTALLATIONS) {
    for (const injection of [undefined, 'enabled', 'disabled', 'Enabled', '']) {
      for (const ofNamespace of revisions) {
        const namespace = { ...labelled(injectionLabel, injection), ...labelled(revisionLabel, ofNamespace) }
        for (const inject of [...SWITCHES, 'False']) {
          for (const ofPod of revisions) {
            const pod = { ...labelled(injectKey, inject), ...labelled(revisionLabel, ofPod) }
            yield webhookQuestion(installations, namespace, pod)
          }
        }
      }
    }
  }
}

/** Both steps at once, over random pods. */
function injectedQuestion(random: Random): Question {
  const any = (values: readonly (string | undefined)[]): string | undefined => values[random(values.length)]
  const installations = INSTALLATIONS[random(INSTALLATIONS.length)] ?? []
  const revisions = [undefined, undefined, 'default', 'canary', 'next', 'unknown']
  const namespaceLabels = {
    ...labelled(injectionLabel, any([undefined, 'enabled', 'enabled', 'disabled'])),
    ...labelled(revisionLabel, any(revisions)),
  }
  const config = `{policy: "${pick(random, POLICIES)}", neverInjectSelector: ${pick(random, SELECTORS)}, alwaysInjectSelector: ${pick(random, SELECTORS)}}`
  const pod = {
    namespace: pick(random, NAMESPACES),
    hostNetwork: random(8) === 0,
    labels: { app: 'shop', ...labelled(injectKey, any(SWITCHES)), ...labelled(revisionLabel, any(revisions)) },
    annotations: labelled(injectKey, any(SWITCHES)),
  }
  const rest = { ...inputOfInstallations(installations), namespaceLabels: mapOf(namespaceLabels) }
  const { outcome } = decideInjection(inputOf(pod, { ...rest, injector: policyOf(config) }))
  const shown = { 'kubernetes.io/metadata.name': pod.namespace, ...namespaceLabels }
  const args = [json(installations), json(shown), config, pod.namespace, `${pod.hostNetwork}`]
  return same('injected', [...args, json(pod.labels), json(pod.annotations)], outcome === 'injected')
}

/** Values for each annotation that says what is captured, some of them fit for several. */
const CAPTURE_VALUES = [
  ...['', ' ', '*', ' *', '*,', ',', '0', '443', ' 443 , 80', '443,', '65536', '80-90', '+80', '15020\t', '\u0085443'],
  ...[
    '10.0.0.0/8',
    '10.0.0.0/8,::/0',
    '10.0.0.0/8, ::/0',
    '10.0.0.1',
    'fe80::/10',
    '10.0.0.0/33',
    '::ffff:10.0.0.0/104',
  ],
  ...['eth0', 'eth0,net1', ' eth0 , net1 ', 'eth0\n', 'eth0\nx', '1eth', 'a23456789012345', 'a234567890123456', 'é0'],
  ...['a.b_c-d', '-a', 'k6t-*', 'eth0,,net1', 'REDIRECT', 'TPROXY', 'NONE', 'redirect', ' NONE', '2', 'TPROXY\n'],
]

function captureQuestions(name: keyof Capture, value: string): Question[] {
  const annotation = captureAnnotations[name]
  const read = readCapture(new Map([[annotation, value]]))[name]
  const ok = read?.ok === true
  // The injector does not look at this one, the CNI plugin does.
  if (name === 'includeOutboundPorts') {
    const star = value === '*' ? 'stricter: iptables refuses the rule' : undefined
    return [{ op: 'cniAnnotation', args: [annotation, value], judge: answer => (ok === answer ? 'agrees' : (star ?? 'differs')) }] // biome-ignore format: one line
  }
  const interfaces = annotation.toLowerCase().includes('interfaces')
  return [
    same('annotation', [annotation, value], ok),
    ...(interfaces ? [same('interfaceNames', [value], ok), same('cniAnnotation', [annotation, value], ok)] : []),
  ]
}

const CAPTURE_NAMES = Object.keys(captureAnnotations) as (keyof Capture)[]

function severalAnnotationsQuestion(random: Random): Question {
  const some = Array.from({ length: 1 + random(4) }, () => CAPTURE_NAMES[random(CAPTURE_NAMES.length)])
  const names = some.filter(name => name !== undefined && name !== 'includeOutboundPorts')
  const annotations = Object.fromEntries(
    names.map(name => [name && captureAnnotations[name], pick(random, CAPTURE_VALUES)]),
  )
  const ok = Object.values(readCapture(mapOf(annotations))).every(read => read === undefined || read.ok)
  return same('annotations', [json(annotations)], ok)
}

/** Flags whose value the program reads as a number or a length of time, so that it refuses most texts. */
const NUMBER_FLAGS = ['iptables-probe-port', 'probe-timeout']

/** Texts that are different and mean the same: the program shows how it read them. */
const normalForms: ReadonlyMap<string, string> = new Map([
  ['1m', '1m0s'],
  ['1h', '1h0m0s'],
  ['0', '0s'],
  ['0x10', '16'],
])

const FLAG_VALUES = ['*', '', '10.0.0.0/8', '443,80', 'eth0', '-x', '--', 'true', 'TPROXY', '=', 'a=b', '-', '15006']
const LONG_FLAGS = [
  ...['envoy-port', 'inbound-capture-port', 'inbound-tunnel-port', 'proxy-uid', 'proxy-gid', 'istio-inbound-ports'],
  ...['istio-inbound-interception-mode', 'istio-local-exclude-ports', 'istio-exclude-interfaces'],
  ...['istio-service-cidr', 'istio-service-exclude-cidr', 'istio-outbound-ports', 'kube-virt-interfaces'],
  ...['istio-local-outbound-ports-exclude', 'istio-inbound-tproxy-mark', 'istio-inbound-tproxy-route-table'],
  ...['network-namespace', 'force-iptables-binary', 'log_target', 'log_output_level', 'log_stacktrace_level'],
  ...['log_caller', 'dry-run', 'skip-rule-apply', 'run-validation', 'redirect-dns', 'drop-invalid', 'dual-stack'],
  ...['capture-all-dns', 'cni-mode', 'reconcile', 'cleanup-only', 'force-apply', 'native-nftables', 'log_as_json'],
]
const ODD_FLAGS = [
  'help',
  'iptables-trace-logging',
  'restore-format',
  'version',
  'istio-service',
  '',
  'i',
  'no-dry-run',
]
const SWITCH_VALUES = ['true', 'false', '1', '0', 'T', 'yes', '', 'False', 'tRUE']
const SHORT_FLAGS = [...'pzeugmbdcixqoktrnhvlw=']
const VARIABLES = [
  'ISTIO_META_DNS_CAPTURE',
  'INVALID_DROP',
  'ISTIO_DUAL_STACK',
  'ENVOY_PORT',
  'LOG_TARGET',
  'LOG_AS_JSON',
]

function iptablesQuestion(args: readonly string[], environment: Labels): Question {
  const ours = iptablesArguments(args, mapOf(environment))
  return { op: 'iptables', args: [json(args), json(environment)], judge: answer => judgeFlags(ours, answer, args) }
}

function judgeFlags(ours: ReturnType<typeof iptablesArguments>, answer: unknown, args: readonly string[]): Verdict {
  if (!ours.ok) {
    if (answer === null) return 'agrees'
    if (/^has "-(?:-help|[a-z]*h)/.test(ours.why)) return 'stricter: help, even if not wanted'
    if (args[0] !== 'istio-iptables' && args.includes('istio-iptables')) return 'stricter: flags before the command'
    return 'differs'
  }
  const { flags } = ours.value
  if (!isFields(answer)) {
    return NUMBER_FLAGS.some(name => flags.has(name)) ? 'moot: a number or time that is none' : 'differs'
  }
  // What nothing sets is as it is without arguments; the first question asks for that.
  const byDefault = defaults
  const right = Object.keys(answer).every(name => {
    const value = flags.get(name) ?? field(byDefault, name)
    const shown = field(answer, name)
    if (name === 'log_target') return flags.has(name) ? `${shown}`.includes(`${value}`) : shown === value
    return shown === value || (NUMBER_FLAGS.includes(name) && [value, normalForms.get(`${value}`)].includes(shown))
  })
  return right && [...flags.keys()].every(name => Object.hasOwn(answer, name)) ? 'agrees' : 'differs'
}

let defaults: unknown

function* iptablesQuestions(random: Random): Generator<Question> {
  const command = 'istio-iptables'
  yield {
    op: 'iptables',
    args: [json([command]), '{}'],
    judge: answer => {
      defaults = answer
      return isFields(answer) && field(answer, 'istio-service-cidr') === '' ? 'agrees' : 'differs'
    },
  }
  for (const flag of [...LONG_FLAGS, ...ODD_FLAGS]) {
    for (const value of [...FLAG_VALUES, ...SWITCH_VALUES]) {
      yield iptablesQuestion([command, `--${flag}=${value}`], {})
      yield iptablesQuestion([command, `--${flag}`, value], {})
      if (flag !== '') yield iptablesQuestion([command], { [flag.toUpperCase().replaceAll('-', '_')]: value })
    }
    yield iptablesQuestion([command, `--${flag}`], {})
    yield iptablesQuestion([`--${flag}`, command], {})
  }
  for (const flag of SHORT_FLAGS) {
    for (const value of [...FLAG_VALUES, ...SWITCH_VALUES]) {
      for (const form of [[`-${flag}${value}`], [`-${flag}=${value}`], [`-${flag}`, value], [`-n${flag}${value}`]]) {
        yield iptablesQuestion([command, ...form], {})
      }
    }
    yield iptablesQuestion([command, `-${flag}`], {})
  }
  for (const name of NUMBER_FLAGS) {
    for (const value of ['15002', '0', '0x10', '65536', '-1', 'x', '', '5s', '1m', '1m0s', '5', '1h']) {
      yield iptablesQuestion([command, `--${name}=${value}`], {})
    }
  }
  for (const variable of VARIABLES) {
    for (const value of SWITCH_VALUES) yield iptablesQuestion([command], { [variable]: value, DUAL_STACK: 'true' })
  }
  for (let round = 0; round < 6000; round++) {
    const args = Array.from({ length: random(5) }, () => randomArgument(random)).flat()
    const environment = Object.fromEntries(
      Array.from({ length: random(8) === 0 ? 2 : 0 }, () => [
        random(3) === 0 ? pick(random, VARIABLES) : pick(random, LONG_FLAGS).toUpperCase().replaceAll('-', '_'),
        pick(random, random(2) === 0 ? SWITCH_VALUES : FLAG_VALUES),
      ]),
    )
    yield iptablesQuestion([command, ...args], environment)
  }
}

function randomArgument(random: Random): string[] {
  const value = pick(random, random(4) === 0 ? SWITCH_VALUES : FLAG_VALUES)
  const long = random(24) === 0 ? pick(random, ODD_FLAGS) : pick(random, LONG_FLAGS)
  const short = pick(random, SHORT_FLAGS.slice(0, 17))
  const forms = [
    [`--${long}=${value}`],
    [`--${long}`, value],
    [`--${long}`],
    [`-${short}`, value],
    [`-${short}${value}`],
    [`-${short}=${value}`],
    [`-n${short}`, value],
    [value],
    [mutate(random, [`--${long}=${value}`, `-${short}${value}`], '-=inx*')],
  ]
  return forms[random(random(6) === 0 ? forms.length : 6)] ?? []
}

/** Texts of the injector's configuration; the random ones are made of their parts. */
const CONFIG_VALUES = [
  ...['enabled', 'disabled', 'true', '1', '1.5', 'null', '""', '[]', '{}', '[sidecar]', '[1, null, true]', '[[]]'],
  ...['{a: [b, c]}', '{a: b}', '{a: null, 1: [2]}', '[{}]', '[null]', '[x]', ...SELECTORS],
  ...['[{matchLabels: {a: 1}}]', '[{matchLabels: {a: null}}]', '[{matchLabels: [a]}]', '[{MatchLabels: {a: b}}]'],
  ...[
    '[{matchExpressions: [{key: a, operator: exists}]}]',
    '[{matchExpressions: [{key: 1, operator: Exists}]}]',
    '[{matchExpressions: [{key: [a], operator: Exists}]}]',
    '[{matchExpressions: [{key: a, operator: In, values: x}]}]',
  ],
  ...['[{matchExpressions: [null, {key: null, operator: true, values: [1, null]}]}]', '[{extra: 1}]', '0x10', 'yes'],
]
const CONFIG_KEYS = [
  ...['policy', 'defaultTemplates', 'templates', 'aliases', 'neverInjectSelector', 'alwaysInjectSelector'],
  ...['injectedAnnotations', 'Policy', 'policy ', 'ALIASES', 'other', 'neverinjectselector'],
]

function configQuestion(text: string): Question {
  const ours = readInjectorConfig(text)
  return {
    op: 'injectorConfig',
    args: [text],
    judge: answer => {
      if (!ours.ok) return answer === null ? 'agrees' : strictClass(ours.why)
      // The templates and annotations of the configuration are not looked at.
      if (answer === null)
        return /templates: |injectedAnnotations: /.test(text) ? 'moot: templates or annotations' : 'differs'
      const { policy, defaultTemplates, aliases, neverInjectSelector, alwaysInjectSelector } = ours.value
      const shown = { policy, defaultTemplates, aliases: entries([...aliases]) }
      const theirs = {
        policy: field(answer, 'policy'),
        defaultTemplates: field(answer, 'defaultTemplates'),
        aliases: entries(Object.entries(field(answer, 'aliases') ?? {}).map(([name, names]) => [name, names ?? []])),
      }
      const same =
        json(shown) === json(theirs) &&
        json(neverInjectSelector.map(selector)) === json(list(field(answer, 'neverInjectSelector')).map(selector)) &&
        json(alwaysInjectSelector.map(selector)) === json(list(field(answer, 'alwaysInjectSelector')).map(selector))
      return same ? 'agrees' : 'differs'
    },
  }
}

function strictClass(why: string): Verdict {
  return why.includes('which the injector takes for') ? 'stricter: a field in another case' : yamlClass(why)
}

function* questions(random: Random): Generator<Question> {
  yield* injectorQuestions()
  for (const config of TEMPLATE_CONFIGS) for (const value of TEMPLATES) yield templateQuestion(config, value)
  yield* webhookQuestions()
  for (const name of CAPTURE_NAMES) for (const value of CAPTURE_VALUES) yield* captureQuestions(name, value)
  for (const key of CONFIG_KEYS) for (const value of CONFIG_VALUES) yield configQuestion(`${key}: ${value}`)
  for (const value of ['', 'null', '[]', 'text', '{}', 'policy: enabled\npolicy: disabled', 'a: b: c'])
    yield configQuestion(value)
  yield* iptablesQuestions(random)
  const written = TEMPLATES.filter(value => value !== undefined)
  for (let round = 0; round < 4000; round++) {
    yield injectedQuestion(random)
    const name = CAPTURE_NAMES[random(CAPTURE_NAMES.length)] ?? 'statusPort'
    yield* captureQuestions(name, mutate(random, CAPTURE_VALUES, '0123456789.:/, *aeEZ-_\t\n\u00a0'))
    yield severalAnnotationsQuestion(random)
    yield templateQuestion(pick(random, TEMPLATE_CONFIGS), mutate(random, written, ', \tabo\u00a0\u200b'))
    const lines = Array.from(
      { length: 1 + random(4) },
      () => `${pick(random, CONFIG_KEYS)}: ${pick(random, CONFIG_VALUES)}`,
    )
    yield configQuestion(lines.join('\n'))
  }
}

/** Asks everything, prints what differs and how many answers agree, and returns the counts. */
export async function run(seed = 1): Promise<{ passed: number; failed: number }> {
  return ask(`injection, seed ${seed}`, questions(seeded(seed)))
}

if (import.meta.main) {
  const { failed } = await run(Number(process.argv[2] ?? 1))
  process.exitCode = failed === 0 ? 0 : 1
}
