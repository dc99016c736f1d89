import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { loadInventoryPaths, loadPolicyPaths } from '../src/cli/input.ts'
import { shorten } from '../src/core/text.ts'
import { answerValidate } from '../src/http/answer.ts'
import { iptablesArguments } from '../src/istio/capture.ts'
import { readMeshConfig } from '../src/istio/meshconfig.ts'
import { readOverrides } from '../src/istio/overrides.ts'
import { readProxyConfig } from '../src/istio/proxyconfig.ts'
import { parseJson } from '../src/manifest/parse.ts'
import { warningLines } from '../src/report/warning.ts'
import { entry, gateway, many, numbered, pod, review, route } from './badinput/review.ts'

// What one object may cost: the limits, and what they say.

const now = Date.parse('2026-11-21T12:00:00Z')
const examples = join(import.meta.dirname, '..', 'examples')
const bench = {
  policy: loadPolicyPaths([join(examples, 'policy')], now).policy,
  inventory: loadInventoryPaths([join(examples, 'cluster')]),
}

function evaluated(body: object) {
  const answer = answerValidate(body, bench, now)
  if (answer.outcome !== 'judged') throw new Error(answer.outcome)
  return answer.evaluation
}

/** Returns what is past a limit, once, whoever says it. */
function unread(body: object): readonly string[] {
  const faults = evaluated(body).malformed.filter(fault => fault.unread === true)
  return [...new Set(faults.map(({ path, why }) => `${path.join('.')} ${why}`))]
}

/** A Gateway of the Gateway API. */
function apiGateway(spec: { readonly [key: string]: unknown }): object {
  return review('gateway.networking.k8s.io', 'Gateway', { spec: { gatewayClassName: 'istio', ...spec } })
}

/** An HTTPRoute of the Gateway API. */
function apiRoute(spec: { readonly [key: string]: unknown }): object {
  return review('gateway.networking.k8s.io', 'HTTPRoute', { spec })
}

/** Returns a review that changes one ServiceEntry into another. */
function change(before: object, after: object): object {
  const specOf = (spec: object): object => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name: 'stripe', namespace: 'shop' },
    spec: { exportTo: ['.'], resolution: 'DNS', ports: [{ number: 443, name: 'tls', protocol: 'TLS' }], ...spec },
  })
  return entry({}, { operation: 'UPDATE', object: specOf(after), oldObject: specOf(before) })
}

const slice = (endpoints: readonly object[]): object =>
  review('discovery.k8s.io', 'EndpointSlice', {
    metadata: { name: 'stripe', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints,
  })

const service = (spec: object): object => review('', 'Service', { spec })

const hosts = (count: number): string[] => many(count, i => `a${i}.b.example`)

t.test('lists and maps that rules walk', t => {
  const most = 'has more than 10000 entries, the most that is judged'
  const inside = 'holds more than 100000 values, the most that is judged'
  const ways = 'hosts, ports, exportTo, endpoints make more than 100000 combinations, the most that is judged'
  const ports = many(317, i => ({ number: i + 1, name: `p${i}`, protocol: 'TLS' }))
  const destinations = many(40_000, () => ({ destination: { host: 'reviews' } }))
  const deep = many(8, i => ({ match: many(5000, j => ({ port: j, i, x: [j] })) }))
  const rows: readonly [string, object, readonly string[]][] = [
    ['as many hosts as may be', entry({ hosts: many(10_000, i => `a${i}.s3.example.net`) }), []],
    ['one more', entry({ hosts: many(10_001, i => `a${i}.s3.example.net`) }), [`spec.hosts ${most}`]],
    ['endpoints', entry({ endpoints: many(10_001, () => ({})) }), [`spec.endpoints ${most}`]],
    ['addresses', entry({ addresses: many(10_001, () => '192.0.2.1') }), [`spec.addresses ${most}`]],
    ['hosts by ports', entry({ hosts: hosts(316), ports }), [`spec ${ways}`]],
    ['routes', route({ http: many(10_001, () => ({})) }), [`spec.http ${most}`]],
    ['destinations', route({ http: [{ route: destinations }] }), [`spec.http ${inside}`]],
    ['matches', route({ tls: deep }), [`spec.tls ${inside}`]],
    ['a selector', gateway({ selector: numbered(10_001) }), [`spec.selector ${most}`]],
    ['parents', apiRoute({ parentRefs: many(10_001, () => ({})) }), [`spec.parentRefs ${most}`]],
    ['listeners', apiGateway({ listeners: many(10_001, () => ({})) }), [`spec.listeners ${most}`]],
    ['labels', pod({}, numbered(10_001)), [`metadata.labels ${most}`]],
    ['annotations', pod(numbered(10_001)), [`metadata.annotations ${most}`]],
    ['endpoints of a slice', slice(many(10_001, () => ({}))), [`endpoints ${most}`]],
    [
      'addresses of a slice',
      slice([{ addresses: many(10_001, () => '10.244.0.1') }]),
      [`endpoints.0.addresses ${most}`],
    ],
    [
      'addresses of all endpoints',
      slice(many(11, () => ({ addresses: many(1000, () => '10.244.0.1') }))),
      ['endpoints holds more than 10000 addresses, the most that is judged'],
    ],
    ['addresses of a Service', service({ externalIPs: many(10_001, () => '10.0.0.1') }), [`spec.externalIPs ${most}`]],
    [
      'long annotations',
      pod({ a: 'x'.repeat(256 * 1024) }),
      ['metadata.annotations has more than 262144 characters, the most that Kubernetes stores'],
    ],
  ]
  for (const [what, body, faults] of rows) t.strictSame(unread(body), faults, what)
  t.end()
})

t.test('a rule that has much to say stops', t => {
  const stops = ' require-approved-hosts finds more than 1000 faults and stops there'
  t.strictSame(unread(entry({ hosts: hosts(1000) })), [], 'a thousand are said')
  const { findings, verdict } = evaluated(entry({ hosts: hosts(1001) }))
  t.strictSame([findings.length, verdict], [1000, 'deny'])
  t.strictSame(unread(entry({ hosts: hosts(1001) })), [stops])
  t.strictSame(unread(entry({ hosts: many(1001, () => 'a b') })), [stops], 'faults of shape count too')

  const same = evaluated(change({ hosts: hosts(1000) }, { hosts: hosts(1000), location: 'MESH_EXTERNAL' }))
  t.equal(same.verdict, 'warn', 'what was all there before is a warning')
  const beyond = evaluated(change({ hosts: hosts(1001) }, { hosts: [...hosts(1001), 'evil.example.org'] }))
  t.equal(beyond.verdict, 'deny', 'what nobody looked at cannot be known to have been there before')
  const long = evaluated(change({ hosts: hosts(10_001) }, { hosts: [...hosts(10_001), 'evil.example.org'] }))
  t.equal(long.verdict, 'deny', 'nor can a list past its limit')
  const absent = evaluated(change({ hosts: 'x' }, { hosts: 'x', location: 'MESH_EXTERNAL' }))
  t.equal(absent.verdict, 'warn', 'a field of the wrong shape can')
  t.end()
})

t.test('a long text is shortened without being read through', t => {
  const byRunes = (text: string, limit: number): string => {
    const runes = [...text]
    if (runes.length <= limit) return text
    const head = Math.ceil((limit - 1) / 2)
    return `${runes.slice(0, head).join('')}…${runes.slice(runes.length - (limit - 1 - head)).join('')}`
  }
  const pieces = fc.array(fc.constantFrom('a', 'é', '😀', '𝒳', '\ud83d', '\ude00'), { maxLength: 40 })
  fc.assert(
    fc.property(pieces, fc.integer({ min: 1, max: 20 }), (list, limit) => {
      const text = list.join('')
      return shorten(text, limit) === byRunes(text, limit)
    }),
    { numRuns: 5000 },
  )
  const [fault] = evaluated(entry({ hosts: ['x'.repeat(1_000_000)] })).malformed
  t.match(fault?.why, /^host "x{32}…x{31}" has more than 253 characters$/)
  t.end()
})

t.test('warnings that do not fit are not written out', t => {
  const gap = { rule: 'r', unknown: 'u', fix: 'f', onUnknown: 'warn' } as const
  const notJudged = many(10_000, i => ({ ...gap, path: ['spec', i] }))
  const lines = warningLines({ findings: [], notJudged, ruleErrors: [], malformed: [] })
  t.equal(lines.at(-1), `and ${10_000 - (lines.length - 1)} more`)
  t.end()
})

t.test('YAML inside objects has a limit of tokens', t => {
  const tooMany = (limit: number): RegExp => new RegExp(`more than ${limit} tokens, the most that is read$`)
  const flow = (count: number): string => `a: [${'1,'.repeat(count)}1]`
  t.ok(readMeshConfig(flow(6000)).ok)
  t.match(readMeshConfig(flow(7000)), { ok: false, why: tooMany(20_000) })
  t.ok(readProxyConfig(flow(1200)).ok)
  t.match(readProxyConfig(flow(1400)), { ok: false, why: tooMany(4000) })
  const containers = many(2000, i => ({ name: `c${i}`, image: '\\u0026' }))
  t.match(readOverrides(JSON.stringify({ containers }).replaceAll('\\\\', '\\')), { ok: false, why: tooMany(4000) })
  t.ok(readProxyConfig(`a: |\n${'  x\n'.repeat(50_000)}`).ok, 'a long text is one token')
  t.end()
})

t.test('arguments that no program is started with', t => {
  const run = (...args: readonly string[]): unknown => iptablesArguments(['istio-iptables', ...args])
  t.match(run('-x', '1'.repeat(131_071)), { ok: true })
  t.match(run('-x', '1'.repeat(131_072)), { ok: false, why: 'has an argument longer than Linux takes' })
  t.match(run(...many(9999, () => '-n')), { ok: true })
  t.match(run(...many(10_000, () => '-n')), { ok: false, why: 'has more than 10000 arguments' })
  t.end()
})

t.test('keys with needless escapes are what they spell, and values stay', t => {
  // nodejs/node#63785: JSON.parse takes a key with an escape for one that it saw in that place before.
  t.strictSame(parseJson('{"newToBounds": 1, "a\\\\/": 1}'), { newToBounds: 1, 'a\\/': 1 })
  t.strictSame(parseJson('{"newToBounds": 1, "a\\/b": 1}'), { newToBounds: 1, 'a/b': 1 }, 'a slash')
  t.strictSame(parseJson('{"newToBounds": 1, "\\u0061\\/b": 1}'), { newToBounds: 1, 'a/b': 1 })
  const rows: readonly [string, unknown][] = [
    ['{"a\\"\\u0062": "\\u0063", "d" : [{"\\u0065" : 1}]}', { 'a"b': 'c', d: [{ e: 1 }] }],
    ['{"k": "\\\\u0061", "\\\\u0061": 2}', { k: '\\u0061', '\\u0061': 2 }],
    ['{"\\u0061": 1, "a": 2}', { a: 2 }],
    ['["\\u0061", "x:\\/y"]', ['a', 'x:/y']],
    ['"\\u0061"', 'a'],
    [' {"\\u0061"\n:\t{"\\u0062\\"": 1}} ', { a: { 'b"': 1 } }],
  ]
  for (const [text, value] of rows) t.strictSame(parseJson(text), value, text)
  const odd = parseJson('{"\\u005f_proto__": {"polluted": 1}}') as object
  t.strictSame([Object.keys(odd), 'polluted' in {}], [['__proto__'], false])
  t.end()
})
