/**
 * Compares `src/istio/meshconfig.ts` and `proxyconfig.ts` with Istio's package `pkg/config/mesh`: a table of texts and
 * random ones, made of fields in all spellings, well and badly typed. Needs Go and its module proxy.
 */
import { field, isFields, list } from '../../src/istio/json.ts'
import {
  defaultRootNamespace,
  defaultTrustDomain,
  type MeshConfig,
  outboundMode,
  readMeshConfig,
} from '../../src/istio/meshconfig.ts'
import { type ProxySetting, readProxyConfig } from '../../src/istio/proxyconfig.ts'
import { readYaml } from '../../src/istio/yaml.ts'
import {
  ask,
  json,
  mutate,
  pick,
  type Question,
  type Random,
  seeded,
  selector,
  type Verdict,
  yamlClass,
} from './questions.ts'

/** A field by its name in JSON, with YAML for its value; `odd` are values that Istio refuses and we do not look at. */
type Field = { readonly name: string; readonly values: readonly string[]; readonly odd?: readonly string[] }

const MODES = [
  ...['REGISTRY_ONLY', 'ALLOW_ANY', 'ALLOW_ANY_DYNAMIC_DNS', 'VIRTUAL_SERVICE_ONLY', 'allow_any', '0', '1', '2', '3'],
  ...[
    '4',
    '-1',
    '"1"',
    '"ALLOW_ANY"',
    '1.0',
    '1.5',
    '1e0',
    '0x1',
    '01',
    'true',
    'no',
    'null',
    '~',
    '',
    '""',
    '[]',
    '{}',
  ],
  ...[
    '!!str 1',
    '!!int "1"',
    '2147483647',
    '2147483648',
    '1e10',
    '-0',
    '+1',
    'ALLOW_ANY ',
    '" ALLOW_ANY"',
    'UNKNOWN',
    '[ALLOW_ANY]',
    '1_0',
  ],
]
const POLICIES = [
  ...['{}', 'null', '', '[]', '""', 'ALLOW_ANY', '1', '{mode: 0, extra: 1}', '{Mode: 1}', '{MODE: ALLOW_ANY}'],
  ...['{mode: 0, egress_proxy: {}}', '{<<: {mode: 1}}', '{mode: 0, <<: {mode: 1}}', '{<<: {mode: 0}, mode: 1}'],
  ...['{mode: 0, mode: 1}', '{"mode": "ALLOW_ANY"}', '[{mode: 1}]', '{mode: {mode: 1}}', '{mode : 1}'],
  ...MODES.map(mode => `{mode: ${mode}}`),
]
const TEXTS = ['a', 'istio-system', 'example.org', '""', 'null', '5', '"5"', 'true', '[a]', '{}', '1.5', 'a.b']
const LISTS = [
  ...[
    '[]',
    'null',
    '["*"]',
    '["."]',
    '[a]',
    '[b, a, b]',
    '["~"]',
    '[null]',
    '[1]',
    '[true]',
    '[[a]]',
    '[{}]',
    'a',
    '{}',
  ],
  ...['""', '["*", "."]', '[ns1, "5"]', '[a, null]', '["a b"]', '[old.example.org]'],
]
const PORTS = [
  ...['15080', '"15080"', 'null', '0', '1', '65535', '65536', '-1', '1.0', '1.5', '"1.0"', '"0x50"', '0x50', '""'],
  ...[
    'true',
    '"1e3"',
    '1e3',
    '" 80"',
    '"-1"',
    '"+80"',
    '"080"',
    '[]',
    '{}',
    '2147483647',
    '2147483648',
    '"-0"',
    '"1.5"',
    'a',
  ],
]
const SELECTORS = [
  ...['[]', 'null', '{}', 'a', '[{}]', '[null]', '[a]', '[[]]', '[{matchLabels: {a: b}}]', '[{match_labels: {a: b}}]'],
  ...['[{matchExpressions: [{key: a, operator: In, values: [x, z]}]}]', '[{matchLabels: {a_b: c, aB: d}}, {}]'],
  ...['[{matchLabels: null}]', '[{matchLabels: {}, matchExpressions: []}]'],
]
const SELECTORS_ODD = [
  '[{matchLabels: {a: 1}}]',
  '[{matchLabels: []}]',
  '[{matchExpressions: [a]}]',
  '[{matchLabels: {a: yes}}]',
]

const PROXY_FIELDS: readonly Field[] = [
  {
    name: 'interceptionMode',
    values: [
      ...[
        'REDIRECT',
        'TPROXY',
        'NONE',
        '0',
        '1',
        '2',
        '3',
        '-1',
        '"1"',
        '""',
        'tproxy',
        'null',
        '1.0',
        '0x1',
        '7',
        '!!str 1',
      ],
    ],
    odd: ['1.5', 'true', '[]', '{}'],
  },
  { name: 'discoveryAddress', values: ['a:1', '"istiod:15012"', 'null', '""', '"5"'], odd: ['5', '[a]', '{}', 'true'] },
  {
    name: 'proxyMetadata',
    values: [
      '{}',
      'null',
      '{A_B: c, a_b: d, aB: e}',
      '{A: ""}',
      '{A: null}',
      '{ISTIO_META_DNS_CAPTURE: "true"}',
      '{1: a}',
    ],
    odd: ['{A: 1}', '[]', 'a', '{A: [b]}'],
  },
  { name: 'concurrency', values: ['0', '2', 'null', '"2"', '-1', '1.0'], odd: ['1.5', 'a', 'true', '{value: 2}'] },
  { name: 'statusPort', values: ['0', '15020', '"15020"', 'null'], odd: ['a', '1.5', '[1]'] },
  { name: 'proxyAdminPort', values: ['0', '15000', 'null'], odd: ['true'] },
  {
    name: 'tracing',
    values: [
      ...['{}', 'null', '{zipkin: {address: "a:1"}}', '{sampling: 1.5}', '{zipkin: null}', '{max_path_tag_length: 5}'],
      ...['{custom_tags: {a_b: {literal: {value: x}}, labels: {environment: {name: V, default_value: d}}}}'],
      ...['{customTags: {to: {header: {name: x, defaultValue: z}}}}', '{enableIstioTags: false}', '{unknown: 1}'],
    ],
    odd: ['[]', 'a', '{zipkin: a}', '{sampling: a}', '{zipkin: {}, lightstep: {}}'],
  },
  { name: 'extraStatTags', values: ['[a, b]', '[]', 'null', '["1"]', '[null]'], odd: ['a', '[1]', '{}'] },
  { name: 'image', values: ['{imageType: distroless}', '{image_type: debug}', 'null', '{}'], odd: ['a', '[]'] },
  { name: 'controlPlaneAuthPolicy', values: ['NONE', 'MUTUAL_TLS', '0', '1', 'null'], odd: ['none', '"1"', 'true'] },
  { name: 'holdApplicationUntilProxyStarts', values: ['true', 'false', 'null', 'yes'], odd: ['"true"', '1', '{}'] },
  { name: 'drainDuration', values: ['5s', '45s', 'null', '1.500s'], odd: ['5', 'x'] },
  { name: 'meshId', values: ['a', '""', 'null'], odd: ['1'] },
  { name: 'serviceCluster', values: ['a', 'null'], odd: ['1'] },
  {
    name: 'proxyHeaders',
    values: ['{}', 'null', '{server: {disabled: true}}', '{attempt_count: {disabled: null}}'],
    odd: ['[]'],
  },
  { name: 'other', values: ['1', 'null', '{a: b}', '{interceptionMode: 1}'] },
  { name: 'interceptionmode', values: ['TPROXY', '2'] },
]

const MESH_FIELDS: readonly Field[] = [
  { name: 'outboundTrafficPolicy', values: POLICIES },
  { name: 'outboundTrafficPolicy', values: POLICIES },
  { name: 'rootNamespace', values: TEXTS },
  { name: 'trustDomain', values: TEXTS },
  { name: 'trustDomainAliases', values: LISTS },
  { name: 'defaultServiceExportTo', values: LISTS },
  { name: 'defaultVirtualServiceExportTo', values: LISTS },
  { name: 'defaultDestinationRuleExportTo', values: LISTS },
  { name: 'discoverySelectors', values: SELECTORS, odd: SELECTORS_ODD },
  { name: 'proxyHttpPort', values: PORTS },
  { name: 'accessLogFile', values: ['/dev/stdout', '""', 'null'], odd: ['5', '[]'] },
  { name: 'enablePrometheusMerge', values: ['true', 'false', 'null'], odd: ['"true"', '1'] },
  { name: 'connectTimeout', values: ['10s', 'null'], odd: ['10', 'x'] },
  { name: 'inboundTrafficPolicy', values: ['{}', '{mode: 1}', '{mode: LOCALHOST}', 'null'], odd: ['[]', '{mode: x}'] },
  {
    name: 'extensionProviders',
    values: ['[]', 'null', '[{name: a, envoyOtelAls: {service: a.b.svc, port: 1}}]'],
    odd: ['{}'],
  },
  { name: 'meshMTLS', values: ['{}', 'null', '{minProtocolVersion: TLSV1_3}'] },
  { name: 'other', values: ['1', 'null', '{outboundTrafficPolicy: {mode: 0}}'] },
  { name: 'OutboundTrafficPolicy', values: POLICIES },
  { name: 'outboundTraffic_policy', values: POLICIES },
]

/** A text, and in which field it has a value that Istio refuses and we do not look at. */
type Sample = { readonly text: string; readonly odd?: string }

/** What Istio finds wrong with a configuration after reading it; ours takes the values as they are. */
const INVALID =
  /trust domain name|empty domain name|discovery address|drain time|lightstep config|(?:proxy admin|status) port/

/** Fields that we do look at, but not at all of their value. */
const CLASSES: ReadonlyMap<string, Verdict> = new Map([
  ['interceptionMode', 'moot: an interceptionMode of another type'],
  ['discoverySelectors', 'moot: a selector of another shape'],
])

function mootClass(odd: string): Verdict {
  return CLASSES.get(odd) ?? 'moot: a field that is not looked at'
}

const snake = (name: string): string => name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)

function refusal(answer: unknown): string | undefined {
  const refused = field(answer, 'refused')
  return typeof refused === 'string' ? refused : undefined
}

const STRICTER: Readonly<Record<string, RegExp>> = {
  'two names of one field': /two names of one field$/,
  'a null in a list of texts': /^has no list of texts in/,
  'blanks in a number': /^has a proxyHttpPort that/,
}

/** Returns the class of a refusal where Istio does not refuse. */
function strictClass(why: string, text: string): Verdict {
  const found = Object.entries(STRICTER).find(([, form]) => form.test(why))?.[0]
  if (found === 'a null in a list of texts' && !/[[, ](?:null)\b/.test(text)) return 'differs'
  if (found === 'blanks in a number' && !text.includes('" 80"')) return 'differs'
  return found === undefined ? yamlClass(why) : `stricter: ${found}`
}

function meshQuestion({ text, odd }: Sample): Question {
  const ours = readMeshConfig(text)
  return {
    op: 'meshConfig',
    args: [text],
    judge: answer => {
      const refused = refusal(answer)
      if (!ours.ok) return refused === undefined ? strictClass(ours.why, text) : 'agrees'
      if (refused === 'judging')
        return INVALID.test(`${field(answer, 'why')}`) ? 'moot: a value that Istio finds invalid' : 'differs'
      if (/^json: cannot unmarshal number \d{10,} into/.test(`${field(answer, 'why')}`))
        return 'moot: a number beyond 32 bits'
      if (refused === 'reading') return odd === undefined ? 'differs' : mootClass(odd)
      return json(describe(ours.value)) === json(inOrder(answer)) ? 'agrees' : 'differs'
    },
  }
}

/** Returns what holds for a mesh of that configuration, Istio's defaults included, as the Go program says it. */
function describe(config: MeshConfig): unknown {
  const set = (name: string): unknown => setting(config.defaultConfig, name)
  return [
    outboundMode(config),
    config.rootNamespace ?? defaultRootNamespace,
    config.trustDomain ?? defaultTrustDomain,
    [...new Set(config.trustDomainAliases)].sort(),
    config.defaultServiceExportTo ?? ['*'],
    config.defaultVirtualServiceExportTo ?? ['*'],
    config.defaultDestinationRuleExportTo ?? ['*'],
    (config.discoverySelectors ?? []).map(selector),
    config.proxyHttpPort ?? 0,
    `${set('interceptionMode') ?? 'REDIRECT'}`,
    set('discoveryAddress') ?? 'istiod.istio-system.svc:15012',
  ]
}

function inOrder(answer: unknown): unknown {
  const mode = `${field(answer, 'outboundMode')}`
  return [
    /^-?[0-9]+$/.test(mode) ? 'UNRECOGNIZED' : mode,
    field(answer, 'rootNamespace'),
    field(answer, 'trustDomain'),
    list(field(answer, 'trustDomainAliases')),
    list(field(answer, 'defaultServiceExportTo')),
    list(field(answer, 'defaultVirtualServiceExportTo')),
    list(field(answer, 'defaultDestinationRuleExportTo')),
    list(field(answer, 'discoverySelectors')).map(selector),
    field(answer, 'proxyHttpPort'),
    field(answer, 'interceptionMode'),
    field(answer, 'discoveryAddress'),
  ]
}

function setting(settings: readonly ProxySetting[], name: string): unknown {
  return settings.find(({ path }) => path.join('.') === name)?.value
}

function proxyQuestion({ text, odd }: Sample): Question {
  const ours = readProxyConfig(text)
  return {
    op: 'proxyConfig',
    args: [text],
    judge: answer => {
      const refused = refusal(answer)
      const nulls = /\[(?:.*, )?null\b/.test(text) && !ours.ok && ours.why.startsWith('has no list of texts')
      if (nulls && refused === undefined) return 'stricter: a null in a list'
      if (!ours.ok) return refused === undefined ? strictClass(ours.why, text) : 'agrees'
      if (refused !== undefined) return odd === undefined ? 'differs' : mootClass(odd)
      const [mode, address] = ['interceptionMode', 'discoveryAddress'].map(name => setting(ours.value, name))
      if (`${mode ?? 'REDIRECT'}` !== field(answer, 'interceptionMode')) return 'differs'
      if ((address ?? 'istiod.istio-system.svc:15012') !== field(answer, 'discoveryAddress')) return 'differs'
      const known = ours.value.filter(({ path }) => KNOWN.has(`${path[0]}`) && !path.includes('unknown'))
      return json(leaves(known)) === json(leaves(flatten(field(answer, 'set'), []))) ? 'agrees' : 'differs'
    },
  }
}

const KNOWN = new Set(
  PROXY_FIELDS.map(({ name }) => name).filter(name => name !== 'other' && name !== 'interceptionmode'),
)

type Leaf = Pick<ProxySetting, 'path' | 'value'>

/** Returns what is set, without what Istio leaves out where it writes a configuration: the defaults of the types. */
function leaves(settings: readonly Leaf[]): readonly string[] {
  const nothing = new Set(['', '0', 'false', '{}', '[]', 'REDIRECT'])
  const shown = settings.map(({ path, value }) => {
    const items = Array.isArray(value) ? value.map(item => item ?? '') : value
    const text = typeof value === 'object' ? json(items) : String(value)
    const none = nothing.has(text) || (path[0] === 'controlPlaneAuthPolicy' && text === 'NONE')
    return none ? '' : `${path.join('/')} = ${text}`
  })
  return shown.filter(line => line !== '').sort()
}

function flatten(value: unknown, path: readonly string[]): Leaf[] {
  if (!isFields(value)) return [{ path, value }]
  return Object.keys(value).flatMap(key => flatten(field(value, key), [...path, key]))
}

/** Returns random fields in one of the ways in which YAML may hold them. */
function randomSample(random: Random, fields: readonly Field[]): Sample {
  let odd: string | undefined
  const entries = Array.from({ length: 1 + random(4) }, (): [string, string] => {
    const { name, values, odd: others = [] } = fields[random(fields.length)] ?? { name: 'other', values: [] }
    const strange = others.length > 0 && random(8) === 0
    if (strange && !CLASSES.has(odd ?? '')) odd = name
    if (name === 'meshMTLS' || random(2) > 0) return [name, pick(random, strange ? others : values)]
    const key = random(12) === 0 ? mutate(random, [name, snake(name)], '_aePT') : snake(name)
    return [key, pick(random, strange ? others : values)]
  })
  const text = write(random, entries)
  return odd === undefined ? { text } : { text, odd }
}

function write(random: Random, entries: readonly (readonly [string, string])[]): string {
  const lines = entries.map(([key, value]) => `${key}: ${value}`)
  const [first = '', ...rest] = lines
  switch (random(8)) {
    case 0:
      return `{${lines.join(', ')}}`
    case 1: {
      const read = readYaml(lines.join('\n'))
      return read.ok ? JSON.stringify(read.value) : lines.join('\n')
    }
    case 2:
      return `x-base: &base {${first}}\n<<: *base\n${rest.join('\n')}`
    case 3:
      return `${rest.join('\n')}\n<<: {${first}}\n`
    case 4:
      return entries.map(([key, value], index) => `x-${index}: &v${index} ${value}\n${key}: *v${index}`).join('\n')
    case 5:
      return `---\n# a comment\n${lines.map(line => `"${line.replace(':', '":')}`).join('\n')}\n...\n`
    default:
      return lines.join('\n')
  }
}

const TABLE = [
  ...['', 'null', '{}', '[]', 'text', '5', 'a: {b', 'true', '""', '---', '# a', 'a: b: c', '{"a": 1}', '{"a": 1,}'],
  ...['a: 1\n---\nb: 2', 'outboundTrafficPolicy: {mode: 0}\n---\noutboundTrafficPolicy: {mode: 1}'],
  'outboundTrafficPolicy: {mode: 0}\noutbound_traffic_policy: {mode: 1}',
  'outbound_traffic_policy: {mode: 0}\noutboundTrafficPolicy: {mode: 1}',
  'outboundTrafficPolicy: {mode: 0}\noutboundTrafficPolicy: {mode: 1}',
  'a: &m {mode: 0}\noutboundTrafficPolicy: *m',
  'a: &m {mode: 0}\noutboundTrafficPolicy:\n  <<: *m\n  mode: 1',
  'a: &m {mode: 0}\noutboundTrafficPolicy:\n  mode: 1\n  <<: *m',
  'a: &m {mode: 0}\nb: &n {mode: 1}\noutboundTrafficPolicy:\n  <<: [*m, *n]',
  'default_config: {interceptionMode: TPROXY, discoveryAddress: "a:1"}',
  'defaultConfig: {interception_mode: TPROXY}\ndefault_config: {interceptionMode: NONE}',
  'defaultConfig: {interception_mode: TPROXY, discovery_address: "a:1", proxy_metadata: {A: b}}',
  'interceptionMode: 1\ninterception_mode: 2',
  'interception_mode: 1\nproxy_metadata: {interceptionMode: "2"}',
]

function* questions(random: Random): Generator<Question> {
  for (const text of TABLE) {
    yield meshQuestion({ text })
    yield proxyQuestion({ text })
  }
  for (const [fields, question] of [
    [MESH_FIELDS, meshQuestion],
    [PROXY_FIELDS, proxyQuestion],
    [PROXY_FIELDS.map(field => ({ ...field, inside: true })), meshQuestion],
  ] as const) {
    for (const { name, values, odd = [], ...rest } of fields) {
      for (const key of new Set(name === 'meshMTLS' ? [name] : [name, snake(name)])) {
        for (const value of [...values, ...odd]) {
          const text = 'inside' in rest ? `defaultConfig: {${key}: ${value}}` : `${key}: ${value}`
          yield question(odd.includes(value) ? { text, odd: name } : { text })
        }
      }
    }
  }
  for (let round = 0; round < 12_000; round++) {
    yield meshQuestion(randomSample(random, MESH_FIELDS))
    const proxy = randomSample(random, PROXY_FIELDS)
    yield proxyQuestion(proxy)
    const read = readYaml(proxy.text)
    if (random(3) === 0 && read.ok) {
      yield meshQuestion({ ...proxy, text: json({ defaultConfig: read.value }) })
    }
  }
}

/** Asks everything, prints what differs and how many answers agree, and returns the counts. */
export async function run(seed = 1): Promise<{ passed: number; failed: number }> {
  return ask(`mesh configuration, seed ${seed}`, questions(seeded(seed)))
}

if (import.meta.main) {
  const { failed } = await run(Number(process.argv[2] ?? 1))
  process.exitCode = failed === 0 ? 0 : 1
}
