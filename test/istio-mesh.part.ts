import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { everything, formatRanges } from '../src/istio/cidr.ts'
import {
  type InstallSetting,
  readInjectorConfig,
  readInjectorConfigMap,
  readInjectorValues,
  readInstallValues,
} from '../src/istio/injector.ts'
import { dig, type Fields } from '../src/istio/json.ts'
import {
  type MeshConfig,
  outboundMode,
  readMeshConfig,
  readMeshConfigValue,
  sidecarOutboundPolicy,
} from '../src/istio/meshconfig.ts'
import { foldNames, jsonName, readProxyConfig, readProxyConfigValue } from '../src/istio/proxyconfig.ts'
import type { Result } from '../src/istio/result.ts'
import { readYaml } from '../src/istio/yaml.ts'

function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.why)
  return result.value
}

// A failure is shown as its clause, so that one table holds both.
function show(result: Result<unknown> | undefined): unknown {
  return result?.ok ? result.value : result?.why
}

function readFixture(file: string): unknown {
  return value(readYaml(readFileSync(join(import.meta.dirname, 'fixtures', 'manifests', file), 'utf8')))
}

t.test('names of fields', t => {
  const rows: [key: string, name: string][] = [
    ['outbound_traffic_policy', 'outboundTrafficPolicy'],
    ['outboundTrafficPolicy', 'outboundTrafficPolicy'],
    ['outboundTraffic_policy', 'outboundTraffic_policy'],
    ['OutboundTrafficPolicy', 'OutboundTrafficPolicy'],
    ['Outbound_Traffic_Policy', 'Outbound_Traffic_Policy'],
    ['_mode', '_mode'],
    ['mode_', 'mode_'],
    ['mode', 'mode'],
    ['sds', 'sds'],
    ['k8s_sa_jwt_path', 'k8sSaJwtPath'],
    ['preserve_http1_header_case', 'preserveHttp1HeaderCase'],
    ['http2_initial_stream_window_size', 'http2InitialStreamWindowSize'],
    ['mesh_mTLS', 'meshMTLS'],
    ['meshMTLS', 'meshMTLS'],
    ['match_labels', 'match_labels'],
    ['matchLabels', 'matchLabels'],
    ['constructor', 'constructor'],
  ]
  for (const [key, name] of rows) t.equal(jsonName(key), name, `${key} is ${name}`)
  t.strictSame(
    value(
      foldNames({
        extension_providers: [{ envoy_ext_authz_http: { include_additional_headers_in_check: { x_y: 'z' } } }],
        discovery_selectors: [{ matchLabels: { a_b: 'c' } }, { match_labels: {} }],
        default_config: { proxy_metadata: { A_B: 'c', a_b: 'd', aB: 'e' } },
        __proto__: undefined,
      }),
    ),
    {
      extensionProviders: [{ envoyExtAuthzHttp: { includeAdditionalHeadersInCheck: { x_y: 'z' } } }],
      discoverySelectors: [{ matchLabels: { a_b: 'c' } }, { match_labels: {} }],
      defaultConfig: { proxyMetadata: { A_B: 'c', a_b: 'd', aB: 'e' } },
    },
    'all the way down, but not the keys of maps',
  )
  t.match(foldNames({ a: [{ b: { c_d: 1, cD: 2 } }] }), { ok: false, why: /has both "c_d" and "cD", two names/ })
  const hostile: Fields = JSON.parse('{"__proto__": {"mode_x": 1}}')
  t.strictSame(
    JSON.stringify(value(foldNames(hostile))),
    '{"__proto__":{"modeX":1}}',
    '__proto__ is a key like any other',
  )
  t.end()
})

t.test('mesh configuration: mode', t => {
  // Each row was given to the code of Istio too.
  const rows: [yaml: string, mode: MeshConfig['outboundMode'] | RegExp][] = [
    ['', undefined],
    ['null', undefined],
    ['{}', undefined],
    ['nonsense: 1', undefined],
    ['outboundTrafficPolicy:', undefined],
    ['outboundTrafficPolicy: {}', 'REGISTRY_ONLY'],
    ['outboundTrafficPolicy: {mode: null}', 'REGISTRY_ONLY'],
    ['outboundTrafficPolicy: {Mode: 1}', 'REGISTRY_ONLY'],
    ['outboundTrafficPolicy: {mode: REGISTRY_ONLY}', 'REGISTRY_ONLY'],
    ['outboundTrafficPolicy: {mode: 0}', 'REGISTRY_ONLY'],
    ['outbound_traffic_policy: {mode: 0}', 'REGISTRY_ONLY'],
    ['{"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}', 'REGISTRY_ONLY'],
    ['outboundTrafficPolicy: {mode: ALLOW_ANY}', 'ALLOW_ANY'],
    ['outboundTrafficPolicy: {mode: 1}', 'ALLOW_ANY'],
    ['outboundTrafficPolicy: {mode: 1.0}', 'ALLOW_ANY'],
    ['outbound_traffic_policy: {mode: 0x1}', 'ALLOW_ANY'],
    ['outboundTrafficPolicy: {mode: ALLOW_ANY_DYNAMIC_DNS}', 'ALLOW_ANY_DYNAMIC_DNS'],
    ['outboundTrafficPolicy: {mode: 3}', 'ALLOW_ANY_DYNAMIC_DNS'],
    ['outboundTrafficPolicy: {mode: 2}', 'UNRECOGNIZED'],
    ['outboundTrafficPolicy: {mode: -1}', 'UNRECOGNIZED'],
    ['a: &m {mode: 0}\noutboundTrafficPolicy: *m', 'REGISTRY_ONLY'],
    ['a: &m {mode: 0}\noutboundTrafficPolicy:\n  <<: *m', 'REGISTRY_ONLY'],
    ['a: &m {mode: 0}\noutboundTrafficPolicy:\n  <<: *m\n  mode: 1', 'ALLOW_ANY'],
    ['outboundTraffic_policy: {mode: 0}', undefined],
    ['OutboundTrafficPolicy: {mode: 0}', undefined],
    ['outboundTrafficPolicy: {mode: "1"}', /mode "1", which is no mode/],
    ['outboundTrafficPolicy: {mode: allow_any}', /mode "allow_any", which is no mode/],
    ['outboundTrafficPolicy: {mode: VIRTUAL_SERVICE_ONLY}', /which is no mode/],
    ['outboundTrafficPolicy: {mode: true}', /mode that is no text, which is no mode/],
    ['outboundTrafficPolicy: {mode: 1.5}', /which is no mode/],
    ['outboundTrafficPolicy: []', /outboundTrafficPolicy that is no map/],
    ['outboundTrafficPolicy: ""', /outboundTrafficPolicy that is no map/],
    ['[]', /is no map of fields/],
    ['ALLOW_ANY', /is no map of fields/],
    ['a: {b', /./],
    // Istio reads these, in one of two ways.
    ['outboundTrafficPolicy: {mode: 0}\noutbound_traffic_policy: {mode: 1}', /has both "outbound_traffic_policy"/],
    ['outboundTrafficPolicy: {mode: 0}\noutboundTrafficPolicy: {mode: 1}', /./],
    ['outboundTrafficPolicy: {mode: 0}\n---\noutboundTrafficPolicy: {mode: 1}', /./],
  ]
  for (const [yaml, mode] of rows) {
    const config = readMeshConfig(yaml)
    const title = `${JSON.stringify(yaml)}: ${mode}`
    if (mode instanceof RegExp) {
      t.match(config, { ok: false, why: mode }, title)
      continue
    }
    t.equal(value(config).outboundMode, mode, title)
    t.equal(outboundMode(value(config)), mode ?? 'ALLOW_ANY', title)
  }
  t.end()
})

t.test('mesh configuration: other fields', t => {
  const config = value(
    readMeshConfig(`
rootNamespace: istio-config
trust_domain: example.org
trustDomainAliases: [old.example.org]
default_service_export_to: ["."]
defaultVirtualServiceExportTo: []
defaultDestinationRuleExportTo: null
discoverySelectors:
- matchLabels: {mesh: "yes"}
proxy_http_port: "15080"
defaultConfig:
  discovery_address: istiod.istio-system.svc:15012
  interceptionMode: 1
extension_providers: []
`),
  )
  t.equal(config.rootNamespace, 'istio-config')
  t.equal(config.trustDomain, 'example.org')
  t.strictSame(config.trustDomainAliases, ['old.example.org'])
  t.strictSame(config.defaultServiceExportTo, ['.'])
  t.strictSame(config.defaultVirtualServiceExportTo, [])
  t.equal(config.defaultDestinationRuleExportTo, undefined)
  t.strictSame(config.discoverySelectors, [{ matchLabels: { mesh: 'yes' } }])
  t.equal(config.proxyHttpPort, 15080)
  t.strictSame(
    config.defaultConfig.map(({ path, value }) => [path.join('.'), value]),
    [
      ['discoveryAddress', 'istiod.istio-system.svc:15012'],
      ['interceptionMode', 'TPROXY'],
    ],
  )
  t.strictSame(config.fields.get('extensionProviders'), [])
  t.equal(config.fields.has('constructor'), false)
  t.strictSame(
    value(readMeshConfig('default_config: {discoveryAddress: "a:1"}')).defaultConfig,
    [],
    'no effect in Istio',
  )
  t.equal(value(readMeshConfig('rootNamespace: ""')).rootNamespace, '')
  t.equal(value(readMeshConfig('proxyHttpPort: -1')).proxyHttpPort, -1)
  t.equal(value(readMeshConfigValue(undefined)).proxyHttpPort, undefined)
  const rows: [yaml: string, why: RegExp][] = [
    ['trustDomain: 5', /has no text in trustDomain/],
    ['defaultServiceExportTo: "*"', /has no list of texts in defaultServiceExportTo/],
    ['defaultServiceExportTo: [5]', /has no list of texts in defaultServiceExportTo/],
    ['discoverySelectors: {}', /has no list of selectors in discoverySelectors/],
    ['discoverySelectors: [null, a]', /has no list of selectors in discoverySelectors/],
    ['proxyHttpPort: 1.5', /has a proxyHttpPort that is no whole number/],
    ['proxyHttpPort: "0x50"', /has a proxyHttpPort that is no whole number/],
    ['defaultConfig: []', /has a defaultConfig that is no map of fields/],
  ]
  for (const [yaml, why] of rows) t.match(readMeshConfig(yaml), { ok: false, why }, `${yaml}: ${why}`)
  t.end()
})

t.test('configuration that is nested too deep', t => {
  let value: unknown = {}
  for (let i = 0; i < 20_000; i++) value = i % 2 === 0 ? [value] : { a: value }
  for (const read of [readMeshConfigValue({ a: value }), readProxyConfigValue({ a: value })]) {
    t.strictSame(read, { ok: false, why: 'is nested deeper than 64 levels' })
  }
  t.end()
})

t.test('proxy configuration', t => {
  const rows: [yaml: string, settings: [path: string, value: unknown][] | RegExp][] = [
    ['', []],
    ['{}', []],
    ['discovery_address: "a:1"', [['discoveryAddress', 'a:1']]],
    ['{"discoveryAddress": "a:1"}', [['discoveryAddress', 'a:1']]],
    ['interceptionMode: 0', [['interceptionMode', 'REDIRECT']]],
    ['interception_mode: 1', [['interceptionMode', 'TPROXY']]],
    ['interceptionMode: 2', [['interceptionMode', 'NONE']]],
    ['interceptionMode: 7', [['interceptionMode', 7]]],
    ['interceptionMode: TPROXY', [['interceptionMode', 'TPROXY']]],
    ['controlPlaneAuthPolicy: 1', [['controlPlaneAuthPolicy', 'MUTUAL_TLS']]],
    ['concurrency: 2', [['concurrency', 2]]],
    ['concurrency: null', []],
    ['tracing: null', []],
    ['tracing: {}', [['tracing', {}]]],
    ['tracing: {zipkin: {address: null}}', []],
    ['tracing:\n  <<: {zipkin: {address: "a:1"}}', [['tracing.zipkin.address', 'a:1']]],
    [
      'tracing: {custom_tags: {a_b: {environment: {default_value: x}}, labels: {literal: {value: z}}}}',
      [
        ['tracing.customTags.a_b.environment.defaultValue', 'x'],
        ['tracing.customTags.labels.literal.value', 'z'],
      ],
    ],
    [
      'proxy_metadata: {ISTIO_META_DNS_CAPTURE: "true", proxy_config: x, EMPTY: null}',
      [
        ['proxyMetadata.ISTIO_META_DNS_CAPTURE', 'true'],
        ['proxyMetadata.proxy_config', 'x'],
        ['proxyMetadata.EMPTY', ''],
      ],
    ],
    [
      'proxyMetadata: {a_b: x, aB: z}',
      [
        ['proxyMetadata.a_b', 'x'],
        ['proxyMetadata.aB', 'z'],
      ],
    ],
    ['extraStatTags: [a, b]', [['extraStatTags', ['a', 'b']]]],
    ['unknown_field: 1', [['unknownField', 1]]],
    ['interceptionMode: none', /has interceptionMode "none", which is none of REDIRECT, TPROXY, NONE/],
    ['interceptionMode: "2"', /has interceptionMode "2"/],
    ['discoveryAddress: a\ndiscovery_address: b', /has both "discovery_address" and "discoveryAddress"/],
    ['[]', /is no map of fields/],
    ['text', /is no map of fields/],
    ['discoveryAddress: a\ndiscoveryAddress: b', /./],
  ]
  for (const [yaml, settings] of rows) {
    const read = readProxyConfig(yaml)
    const title = `${JSON.stringify(yaml)}: ${settings}`
    if (settings instanceof RegExp) t.match(read, { ok: false, why: settings }, title)
    else
      t.strictSame(
        value(read).map(({ path, value }) => [path.join('.'), value]),
        settings,
        title,
      )
  }
  t.strictSame(
    value(readProxyConfigValue({ tracing: { tls_settings: { mode: 'SIMPLE' } } })),
    [{ path: ['tracing', 'tlsSettings', 'mode'], written: ['tracing', 'tls_settings', 'mode'], value: 'SIMPLE' }],
    'the path as it is meant and as it is written',
  )
  t.end()
})

t.test('outbound traffic policy of a Sidecar', t => {
  const rows: [spec: unknown, answer: ReturnType<typeof sidecarOutboundPolicy>][] = [
    [undefined, { absent: true }],
    [{}, { absent: true }],
    [{ outboundTrafficPolicy: null }, { absent: true }],
    [{ outbound_traffic_policy: { mode: 'ALLOW_ANY' } }, { absent: true }],
    [{ outboundTrafficPolicy: {} }, { absent: false, mode: 'REGISTRY_ONLY' }],
    [{ outboundTrafficPolicy: { mode: null } }, { absent: false, mode: 'REGISTRY_ONLY' }],
    [{ outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } }, { absent: false, mode: 'REGISTRY_ONLY' }],
    [{ outboundTrafficPolicy: { mode: 0 } }, { absent: false, mode: 'REGISTRY_ONLY' }],
    [{ outboundTrafficPolicy: { mode: 'ALLOW_ANY' } }, { absent: false, mode: 'ALLOW_ANY' }],
    [{ outboundTrafficPolicy: { mode: 1 } }, { absent: false, mode: 'ALLOW_ANY' }],
    [{ outboundTrafficPolicy: { mode: 'ALLOW_ANY_DYNAMIC_DNS' } }, { absent: false, mode: 'UNRECOGNIZED' }],
    [{ outboundTrafficPolicy: { mode: 'allow_any' } }, { absent: false, mode: 'UNRECOGNIZED' }],
    [{ outboundTrafficPolicy: { mode: 3 } }, { absent: false, mode: 'UNRECOGNIZED' }],
    [{ outboundTrafficPolicy: { mode: '' } }, { absent: false, mode: 'UNRECOGNIZED' }],
    [{ outboundTrafficPolicy: [] }, { absent: false, mode: 'UNRECOGNIZED' }],
    [{ outboundTrafficPolicy: 'ALLOW_ANY' }, { absent: false, mode: 'UNRECOGNIZED' }],
    [
      {
        outboundTrafficPolicy: { mode: 'ALLOW_ANY', egressProxy: { host: 'a/b', subset: 'v1', port: { number: 443 } } },
      },
      { absent: false, mode: 'ALLOW_ANY', egressProxy: { host: 'a/b', port: 443, subset: 'v1' } },
    ],
    [
      { outboundTrafficPolicy: { mode: 'ALLOW_ANY', egressProxy: { host: 5, subset: 6, port: { number: '443' } } } },
      { absent: false, mode: 'ALLOW_ANY', egressProxy: { host: '' } },
    ],
    [{ outboundTrafficPolicy: { egressProxy: null } }, { absent: false, mode: 'REGISTRY_ONLY' }],
    [dig(readFixture('24-sidecar.yaml'), 'spec'), { absent: false, mode: 'REGISTRY_ONLY' }],
    [dig(readFixture('25-sidecar-allow-any.yaml'), 'spec'), { absent: false, mode: 'ALLOW_ANY' }],
  ]
  for (const [spec, answer] of rows)
    t.strictSame(sidecarOutboundPolicy(spec), answer, `${JSON.stringify(spec)}: ${JSON.stringify(answer)}`)
  t.end()
})

t.test('configuration of the injector', t => {
  const none = { neverInjectSelector: [], alwaysInjectSelector: [], defaultTemplates: ['sidecar'], aliases: [] }
  // Each row was given to the code of Istio too.
  const rows: [yaml: string, config: Record<string, unknown> | RegExp][] = [
    ['policy: enabled', { policy: 'enabled' }],
    ['', { policy: '' }],
    ['policy: null', { policy: '' }],
    ['policy: true', { policy: 'true' }],
    ['policy: 1.5', { policy: '1.5' }],
    ['templates: {sidecar: "{{ x }}"}\npolicy: disabled', { policy: 'disabled' }],
    ['defaultTemplates: []', { policy: '', defaultTemplates: ['sidecar'] }],
    ['defaultTemplates: [1, true, null]', { policy: '', defaultTemplates: ['1', 'true', ''] }],
    [
      'aliases: {a: [b, 1], c: null}',
      {
        policy: '',
        aliases: [
          ['a', ['b', '1']],
          ['c', []],
        ],
      },
    ],
    [
      'neverInjectSelector: [{matchLabels: {a: 1, b: null}}]',
      { policy: '', neverInjectSelector: [{ matchLabels: { a: '1', b: '' }, matchExpressions: [] }] },
    ],
    [
      'alwaysInjectSelector: [{matchExpressions: [{key: a, operator: In, values: [1, true]}, {key: b, operator: Exists}, null]}, null]',
      {
        policy: '',
        alwaysInjectSelector: [
          {
            matchLabels: {},
            matchExpressions: [
              { key: 'a', operator: 'In', values: ['1', 'true'] },
              { key: 'b', operator: 'Exists', values: [] },
              { key: '', operator: '', values: [] },
            ],
          },
          { matchLabels: {}, matchExpressions: [] },
        ],
      },
    ],
    ['policy: [a]', /has a policy that is no text/],
    ['neverInjectSelector: {a: b}', /has a neverInjectSelector that is no list/],
    ['neverInjectSelector: [x]', /has a neverInjectSelector that holds an item that is no label selector/],
    ['neverInjectSelector: [{matchLabels: []}]', /matchLabels that are no map/],
    ['neverInjectSelector: [{matchExpressions: [{key: [a], operator: Exists}]}]', /whose key or operator is no text/],
    ['neverInjectSelector: [{matchLabels: {a: []}}]', /has a value for "a" that is no text/],
    ['neverInjectSelector: [{matchExpressions: {}}]', /matchExpressions that are no list/],
    ['alwaysInjectSelector: [{matchExpressions: [{values: x}]}]', /values that are no texts/],
    ['defaultTemplates: sidecar', /has a list defaultTemplates that is no list/],
    ['defaultTemplates: [[]]', /has a list defaultTemplates that holds an item that is no text/],
    ['neverInjectSelector: [{matchExpressions: [x]}]', /has an expression that is no map/],
    ['aliases: []', /has a map aliases that is no map/],
    ['aliases: {a: b}', /has a map aliases that is no list/],
    ['[]', /is no map of fields/],
    ['policy: enabled\npolicy: disabled', /./],
    // Istio reads these, whatever the case.
    ['template\u017f: {}', /has "template\u017f", which the injector takes for "templates"/],
    ['Policy: disabled', /has "Policy", which the injector takes for "policy"/],
    ['neverInjectSelector: [{MatchLabels: {a: b}}]', /takes for "matchLabels"/],
    ['neverInjectSelector: [{matchExpressions: [{Key: a, operator: Exists}]}]', /takes for "key"/],
  ]
  for (const [yaml, config] of rows) {
    const read = readInjectorConfig(yaml)
    const title = `${JSON.stringify(yaml)}: ${config instanceof RegExp ? config : JSON.stringify(config)}`
    if (config instanceof RegExp) t.match(read, { ok: false, why: config }, title)
    else t.strictSame({ ...value(read), aliases: [...value(read).aliases] }, { ...none, ...config }, title)
  }
  t.end()
})

t.test('values of an installation', t => {
  const values = value(
    readInjectorValues(`
global:
  hub: registry.example.org
  tag: 1.31
  proxy_init: {image: init}
  proxy:
    includeIPRanges: 10.0.0.0/8
    excludeIPRanges: ""
    includeOutboundPorts: 8443
    excludeOutboundPorts: "443"
    autoInject: enabled
    privileged: "no"
    image: null
pilot: {cni: {enabled: true}}
cni: {enabled: false}
sidecarInjectorWebhook:
  enableNamespacesByDefault: true
  neverInjectSelector: [{matchLabels: {a: b}}]
  alwaysInjectSelector: []
  defaultTemplates: [sidecar, extra]
revision: 1-31
revisionTags: [prod]
meshConfig: {outboundTrafficPolicy: {mode: ALLOW_ANY}}
`),
  )
  const rows: [setting: InstallSetting<unknown> | undefined, path: string | undefined, is: unknown][] = [
    [values.hub, 'global.hub', 'registry.example.org'],
    [values.tag, 'global.tag', '1.31'],
    [values.proxyInitImage, 'global.proxy_init.image', 'init'],
    [values.proxyImage, undefined, undefined],
    [values.includeOutboundPorts, 'global.proxy.includeOutboundPorts', [8443]],
    [values.excludeOutboundPorts, 'global.proxy.excludeOutboundPorts', [443]],
    [values.autoInject, 'global.proxy.autoInject', 'enabled'],
    [values.privileged, 'global.proxy.privileged', 'is neither true nor false'],
    [values.cniEnabled, 'pilot.cni.enabled', true],
    [values.enableNamespacesByDefault, 'sidecarInjectorWebhook.enableNamespacesByDefault', true],
    [
      values.neverInjectSelector,
      'sidecarInjectorWebhook.neverInjectSelector',
      [{ matchLabels: { a: 'b' }, matchExpressions: [] }],
    ],
    [values.alwaysInjectSelector, 'sidecarInjectorWebhook.alwaysInjectSelector', []],
    [values.defaultTemplates, 'sidecarInjectorWebhook.defaultTemplates', ['sidecar', 'extra']],
    [values.revision, 'revision', '1-31'],
    [values.revisionTags, 'revisionTags', ['prod']],
  ]
  for (const [setting, path, is] of rows) {
    t.equal(setting?.path.join('.'), path)
    t.strictSame(show(setting?.value), is, `${path}: ${JSON.stringify(is)}`)
  }
  t.strictSame(values.includeIPRanges?.value.ok && formatRanges(values.includeIPRanges.value.value), ['10.0.0.0/8'])
  t.strictSame(values.excludeIPRanges?.value.ok && formatRanges(values.excludeIPRanges.value.value), [])
  t.equal(values.meshConfig?.value.ok && values.meshConfig.value.value.outboundMode, 'ALLOW_ANY')
  t.strictSame(
    readInstallValues({ cni: { enabled: true } }).cniEnabled?.path,
    ['cni', 'enabled'],
    'both places are read',
  )
  t.match(readInstallValues({ global: { proxy: { includeIPRanges: [] } } }).includeIPRanges?.value, {
    why: 'is no text',
  })
  t.ok(
    Object.values(readInstallValues(null)).every(setting => setting === undefined),
    'no values, no settings',
  )
  t.match(readInjectorValues('[]'), { ok: false, why: 'is no map of values' })
  t.match(readInjectorValues('{"a": '), { ok: false })
  t.end()
})

t.test('recorded manifests', t => {
  const modes: [file: string, mode: string][] = [
    ['20-mesh-allow-any.yaml', 'ALLOW_ANY'],
    ['20-mesh-registry-only.yaml', 'REGISTRY_ONLY'],
  ]
  for (const [file, mode] of modes) {
    const config = value(readMeshConfig(`${dig(readFixture(file), 'data', 'mesh')}`))
    t.equal(outboundMode(config), mode, `${file}: ${mode}`)
    t.equal(config.rootNamespace, 'istio-system')
    t.strictSame(
      config.defaultConfig.map(({ value }) => value),
      ['istiod.istio-system.svc:15012'],
    )
  }
  const ranges: [file: string, included: string[], excluded: string[]][] = [
    ['21-injector-include-ranges.yaml', ['10.96.0.0/12', '10.244.0.0/16'], []],
    ['22-injector-exclude-ranges.yaml', formatRanges(everything), ['203.0.113.0/24']],
  ]
  for (const [file, included, excluded] of ranges) {
    const { policy, values } = readInjectorConfigMap(readFixture(file))
    t.match(policy, { ok: true, value: { policy: 'enabled', defaultTemplates: ['sidecar'] } }, file)
    if (!values?.ok) throw new Error(`${file} has no values`)
    const { includeIPRanges, excludeIPRanges, cniEnabled } = values.value
    t.strictSame(
      includeIPRanges?.value.ok && formatRanges(includeIPRanges.value.value),
      included,
      `${file}: ${included}`,
    )
    t.strictSame(
      excludeIPRanges?.value.ok && formatRanges(excludeIPRanges.value.value),
      excluded,
      `${file}: ${excluded}`,
    )
    t.strictSame(cniEnabled?.value, { ok: true, value: false })
  }
  const operator = readFixture('23-istiooperator.yaml')
  const install = readInstallValues(dig(operator, 'spec', 'values'))
  t.strictSame(install.includeIPRanges, {
    path: ['global', 'proxy', 'includeIPRanges'],
    value: { ok: true, value: everything },
  })
  t.equal(outboundMode(value(readMeshConfigValue(dig(operator, 'spec', 'meshConfig')))), 'REGISTRY_ONLY')
  t.strictSame(readInjectorConfigMap({ data: { other: '' } }), { policy: undefined, values: undefined })
  t.end()
})
