import { X509Certificate } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Inventory, inventoryOf } from '../src/core/inventory.ts'
import type { Policy } from '../src/core/policy.ts'
import { defineRule } from '../src/core/rule.ts'
import { readReview, writeRefusal } from '../src/http/admission.ts'
import { developmentCredentials, developmentFolder } from '../src/http/development.ts'
import { createDecisionLog, createLog } from '../src/http/log.ts'
import { createMetrics } from '../src/http/metrics.ts'
import { probesApp } from '../src/http/probes.ts'
import { type AdmissionApp, admissionApp, type ServerOptions } from '../src/http/server.ts'
import { dig, list } from '../src/istio/json.ts'
import { loadPolicy } from '../src/policy/load.ts'
import { type Credentials, checkPair } from '../src/tls/certificate.ts'

const now = Date.parse('2026-11-21T12:00:00Z')
const noInventory: Inventory = inventoryOf([])

/** One rule with all it takes: what a host contains decides what becomes of it. */
const rule = defineRule({
  id: 'no-bad-host',
  summary: 'Disallow bad hosts',
  risk: 'Made up.',
  team: 'Made up.',
  judges: ['ServiceEntry.networking.istio.io'],
  reads: [],
  facts: [],
  operations: ['CREATE', 'UPDATE', 'DELETE', 'CONNECT'],
  phases: ['final'],
  classes: ['governed'],
  outsideLaw: false,
  params: {},
  messages: {
    bad: {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'host "{value}" is bad',
      fix: 'name a good host instead of "{value}"',
      threats: [],
    },
    meh: {
      severity: 'low',
      enforcementAction: 'warn',
      why: 'host "{value}" is not good',
      fix: 'name a good host instead of "{value}"',
      threats: [],
    },
    hm: {
      severity: 'low',
      enforcementAction: 'dryrun',
      why: 'host "{value}" is odd',
      fix: 'name a good host instead of "{value}"',
      threats: [],
    },
  },
  check: (subject, tools) => {
    for (const [i, host] of list(dig(subject.object, 'spec', 'hosts')).entries()) {
      const path = ['spec', 'hosts', i]
      if (typeof host !== 'string') tools.malformed(path, 'must be text')
      else if (host.includes('throw')) throw new TypeError(`cannot read ${host}`)
      else if (host.includes('unknown')) tools.notJudged(path, 'nobody knows this host', 'tell us')
      else if (host.includes('bad')) tools.report('bad', { path, value: host })
      else if (host.includes('meh')) tools.report('meh', { path, value: host })
      else if (host.includes('hm')) tools.report('hm', { path, value: host })
    }
  },
})

const baseline = loadPolicy([], { rules: [], now: 0 })
if (!baseline.ok) throw new Error('no policy is a policy')

const policy: Policy = {
  name: 'acme',
  revision: '0123456789ab',
  facts: { ...baseline.policy.facts, approvedHosts: { size: 3, covering: () => [], below: () => [] } },
  rules: [],
  mutations: [],
  rulesFor: kind => (rule.judges.includes(kind) ? [chosen] : []),
  findExemption: (_finding, review) =>
    review.ref.name === 'exempt'
      ? { name: 'old-friend', owner: 'shop', reason: 'because', expires: '2027-06-30' }
      : undefined,
}
const chosen: ReturnType<Policy['rulesFor']>[number] = {
  rule,
  params: {},
  onUnknown: 'warn',
  actionOf: message => rule.messages[message]?.enforcementAction ?? 'off',
  strongestIn: () => 'deny',
}

interface Harness {
  readonly app: AdmissionApp
  readonly options: ServerOptions
  /** Log lines so far, parsed. */
  readonly lines: () => readonly Record<string, unknown>[]
  readonly text: () => string
}

let credentials: Credentials

t.before(async () => {
  credentials = await developmentCredentials(join(t.testdir(), 'development'), Date.now())
})

function harness(
  t: Tap,
  changes: Partial<ServerOptions> & { readonly allowSample?: number } = {},
  draining = false,
): Harness {
  const written: string[] = []
  const log = createLog({ write: line => written.push(line) })
  const options: ServerOptions = {
    key: credentials.key,
    cert: credentials.cert,
    bench: () => ({ policy, inventory: noInventory }),
    ready: () => true,
    now: () => now,
    log,
    decisions: createDecisionLog(log, changes.allowSample ?? 0),
    metrics: createMetrics('1.2.3'),
    ...changes,
  }
  const app = admissionApp(options, () => draining)
  t.teardown(() => app.close())
  return { app, options, text: () => written.join(''), lines: () => written.map(line => JSON.parse(line)) }
}

type Tap = { teardown(close: () => unknown): void }

/** A review of a ServiceEntry with the given hosts, as an API server sends it. */
function review(hosts: readonly unknown[], request: object = {}, object: object = {}): Record<string, unknown> {
  const serviceEntry = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name: 'stripe', namespace: 'shop' },
    spec: { hosts },
    ...object,
  }
  return {
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid: 'f9ce76e9-4001-4fa2-a71f-3decae6456ca',
      kind: { group: 'networking.istio.io', version: 'v1', kind: 'ServiceEntry' },
      name: 'stripe',
      namespace: 'shop',
      operation: 'CREATE',
      userInfo: { username: 'dana@example.com', groups: ['system:authenticated'] },
      object: serviceEntry,
      oldObject: null,
      dryRun: false,
      ...request,
    },
  }
}

async function post(app: AdmissionApp, payload: unknown, headers: Record<string, string> = {}) {
  return app.inject({
    method: 'POST',
    url: '/validate?timeout=3s',
    headers: { 'content-type': 'application/json', ...headers },
    payload: typeof payload === 'string' || Buffer.isBuffer(payload) ? payload : JSON.stringify(payload),
  })
}

t.test('what no API server sends is refused with a constant body', async t => {
  const { app, text } = harness(t)
  const good = review(['api.example.com'])
  const { request: _, ...withoutRequest } = good
  const json = JSON.stringify(good)
  const bodies: readonly [string, unknown][] = [
    ['an empty body', ''],
    ['hello', 'hello'],
    ['truncated JSON', json.slice(0, -1)],
    ['JSON and more', `${json}}}`],
    ['two documents', `${json}${json}`],
    ['null', 'null'],
    ['a list', '[]'],
    ['a number', '42'],
    ['a text', '"x"'],
    ['no request', withoutRequest],
    ['no uid', review([], { uid: undefined })],
    ['an empty uid', review([], { uid: '' })],
    ['a uid that is a number', review([], { uid: 7 })],
    ['a long uid', review([], { uid: 'x'.repeat(129) })],
    ['a uid with a newline', review([], { uid: 'a\nb' })],
    ['v1beta1', { ...good, apiVersion: 'admission.k8s.io/v1beta1' }],
    ['another kind', { ...good, kind: 'ConversionReview' }],
    ['a byte order mark', `\ufeff${json}`],
    ['UTF-16', Buffer.from(json, 'utf16le')],
    ['broken UTF-8 in a text', Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')])],
    ['NaN', '{"a":NaN}'],
    ['a trailing comma', '{"a":1,}'],
    ['a comment', '{"a":1}//'],
    ['a raw newline in a text', '{"a":"\n"}'],
    ['only brackets', '['.repeat(400_000)],
    ['gzip that is not declared', Buffer.from([0x1f, 0x8b, 8, 0, 0, 0])],
  ]
  for (const [title, body] of bodies) {
    const reply = await post(app, body)
    t.equal(reply.statusCode, 400, title)
    t.equal(reply.body, 'not an AdmissionReview\n', 'nothing of it comes back')
  }
  const types: readonly [string, number][] = [
    ['application/json; charset=utf-16', 415],
    ['application/json; charset=latin1', 415],
    ['application/json; boundary=x', 415],
    ['application/json garbage', 415],
    ['application/json\tfoo', 415],
    ['application/json, text/plain', 415],
    ['text/plain', 415],
    ['application/yaml', 415],
    ['application/vnd.kubernetes.protobuf', 415],
    ['APPLICATION/JSON', 200],
    ['application/json;charset=utf-8', 200],
    ['application/json; charset="UTF-8"', 200],
  ]
  for (const [type, status] of types) {
    t.equal((await post(app, good, { 'content-type': type })).statusCode, status, type)
  }
  const bare = await app.inject({ method: 'POST', url: '/validate', payload: json, headers: { 'content-type': '' } })
  t.equal(bare.statusCode, 415, 'no content type')
  t.equal((await app.inject({ method: 'POST', url: '/validate' })).statusCode, 400, 'no body at all')
  t.equal((await post(app, good, { 'content-encoding': 'gzip' })).statusCode, 415, 'a content encoding')
  const routes: readonly [string, string][] = [
    ['GET', '/validate'],
    ['HEAD', '/validate'],
    ['PUT', '/validate'],
    ['OPTIONS', '/validate'],
    ['POST', '/'],
    ['POST', '/validate/'],
    ['POST', '//validate'],
    ['POST', '/VALIDATE'],
    ['GET', '/metrics'],
  ]
  for (const [method, url] of routes) {
    const reply = await app.inject({ method: method as 'GET', url, ...(method === 'POST' ? { payload: json } : {}) })
    t.equal(reply.statusCode, 404, `${method} ${url}`)
  }
  const badUrl = await app.inject({ method: 'POST', url: '/%zz' })
  t.strictSame([badUrl.statusCode, badUrl.body], [400, 'not an AdmissionReview\n'], 'a URL that cannot be decoded')
  t.equal(text(), '', 'and none of it is logged')
})

t.test('a genuine review with a broken object is refused in an AdmissionReview with its uid', async t => {
  const { app, lines, options } = harness(t)
  const base = review(['api.example.com'])
  const kind = (group: string, name: string): object => ({ group, version: 'v1', kind: name })
  const rows: readonly [string, Record<string, unknown>, string][] = [
    [
      'an unknown operation',
      review([], { operation: 'PATCH' }),
      'request.operation is none of CREATE, UPDATE, DELETE and CONNECT',
    ],
    [
      'an operation in lower case',
      review([], { operation: 'create' }),
      'request.operation is none of CREATE, UPDATE, DELETE and CONNECT',
    ],
    ['no kind', review([], { kind: undefined }), 'request.kind has no group and kind'],
    ['a kind without a name', review([], { kind: kind('x', '') }), 'request.kind has no group and kind'],
    ['CREATE of null', review([], { object: null }), 'CREATE without request.object'],
    ['CONNECT of nothing', review([], { operation: 'CONNECT', object: null }), 'CONNECT without request.object'],
    ['DELETE of nothing', review([], { operation: 'DELETE', object: null }), 'DELETE without request.oldObject'],
    ['CREATE of a text', review([], { object: 'x' }), 'request.object is no object'],
    ['UPDATE of a list', review([], { operation: 'UPDATE', oldObject: [] }), 'request.oldObject is no object'],
    [
      'UPDATE without metadata',
      review([], { operation: 'UPDATE' }, { metadata: undefined }),
      'request.object.metadata is no object',
    ],
    ['metadata that is a text', review([], {}, { metadata: 'x' }), 'request.object.metadata is no object'],
    [
      'UPDATE without kind',
      review([], { operation: 'UPDATE' }, { kind: undefined }),
      'request.object is of kind ".networking.istio.io", request.kind says "ServiceEntry.networking.istio.io"',
    ],
    [
      'another kind',
      review([], { kind: kind('', 'Pod') }),
      'request.object is of kind "ServiceEntry.networking.istio.io", request.kind says "Pod"',
    ],
    [
      'another group',
      review([], {}, { apiVersion: 'gateway.networking.k8s.io/v1\u001b' }),
      'request.object is of kind "ServiceEntry.gateway.networking.k8s.io", request.kind says "ServiceEntry.networking.istio.io"',
    ],
    [
      'another namespace',
      review([], { namespace: 'istio-system' }),
      'request.object.metadata.namespace is not request.namespace, "istio-system"',
    ],
    [
      'no namespace in the object',
      review([], {}, { metadata: { name: 'stripe' } }),
      'request.object.metadata.namespace is not request.namespace, "shop"',
    ],
    ['another name', review([], { name: 'exempt' }), 'request.object.metadata.name is not request.name, "exempt"'],
    ['a name that is a number', review([], { name: 7 }), 'request.name is no text'],
    ['a namespace that is a list', review([], { namespace: [] }), 'request.namespace is no text'],
    ['a subresource that is an object', review([], { subResource: {} }), 'request.subResource is no text'],
  ]
  const { uid } = base['request'] as { uid: string }
  for (const [title, body, why] of rows) {
    const reply = await post(app, body)
    t.equal(reply.statusCode, 200, title)
    t.strictSame(reply.json(), writeRefusal(uid, 400, why))
  }
  t.equal(lines().length, rows.length, 'each has its decision line')
  t.strictSame(
    { ...lines()[0], time: '', duration: 0 },
    {
      level: 'info',
      time: '',
      semantic: true,
      uid,
      verdict: 'deny',
      why: rows[0]?.[2],
      duration: 0,
      msg: 'decision',
    },
  )
  t.match(
    (await options.metrics.expose()).body,
    `sallyport_reviews_total{verdict="deny",operation="unknown"} ${rows.length}`,
  )
})

t.test('what is read of a review', async t => {
  const read = (body: unknown) => {
    const outcome = readReview(body)
    if (!outcome.ok) throw new Error(JSON.stringify(outcome))
    return outcome.review
  }
  t.match(read(review([], { name: undefined })).ref, { name: 'stripe' }, 'the name falls back to the object')
  const generated = review([], { name: undefined }, { metadata: { generateName: 'x-', namespace: 'shop' } })
  t.match(read(generated).ref, { name: '' }, 'a name that is not generated yet is empty')
  const old = (review(['a']).request as { object: unknown }).object
  t.match(
    read(review([], { operation: 'DELETE', name: undefined, object: null, oldObject: old })),
    { operation: 'DELETE', ref: { name: 'stripe' }, object: undefined, oldObject: { spec: { hosts: ['a'] } } },
    'DELETE has only an old object',
  )
  t.strictSame(read(review([], { userInfo: undefined })).requester, { username: '', groups: [] }, 'nobody is somebody')
  t.strictSame(read(review([], { userInfo: { username: 7, groups: ['a', 7, null] } })).requester, {
    username: '',
    groups: ['a'],
  })
  t.equal(read(review([], { dryRun: true })).dryRun, true)
  t.equal(read(review([], { dryRun: 'true' })).dryRun, false)
  t.equal(read(review([])).phase, 'final')
  const submitted = readReview(review([]), 'submitted')
  t.equal(submitted.ok && submitted.review.phase, 'submitted')
  const namespace = {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'shop' },
  }
  t.match(
    read(review([], { kind: { group: '', version: 'v1', kind: 'Namespace' }, name: 'shop', object: namespace })),
    { kind: 'Namespace', ref: { namespace: '', name: 'shop' } },
    'a Namespace is in no namespace, whatever the request says',
  )
  const virtual = { kind: { group: '', version: 'v1', kind: 'Binding' }, object: { apiVersion: 'v1', kind: 'Binding' } }
  t.match(read(review([], virtual)), { kind: 'Binding', ref: { name: 'stripe' } }, 'an object without metadata')
  const part = { subResource: 'scale', name: 'other' }
  t.match(read(review([], part, { metadata: {} })), { subresource: 'scale', ref: { name: 'other', namespace: 'shop' } })
})

t.test('every recorded review is read', async t => {
  const folder = new URL('fixtures/reviews/', import.meta.url)
  const files = readdirSync(folder).filter(file => file.endsWith('.json'))
  t.ok(files.length >= 49)
  const { app } = harness(t)
  for (const file of files) {
    const body = readFileSync(new URL(file, folder))
    const reply = await post(app, body)
    const sent = JSON.parse(body.toString()).request
    t.equal(reply.json().response.uid, sent.uid, file)
    t.equal(reply.json().response.allowed, true)
    const outcome = readReview(JSON.parse(body.toString()))
    const name = sent.name ?? sent.object?.metadata?.name ?? sent.oldObject?.metadata?.name ?? ''
    t.equal(outcome.ok && outcome.review.ref.name, name)
  }
})

t.test('golden pairs', async t => {
  const folder = new URL('golden/', import.meta.url)
  const names = readdirSync(folder).flatMap(file => file.match(/^(.+)\.request\.json$/)?.[1] ?? [])
  t.ok(names.length >= 6)
  const { app } = harness(t)
  for (const name of names) {
    const reply = await post(app, readFileSync(new URL(`${name}.request.json`, folder)))
    t.equal(reply.statusCode, 200)
    t.equal(reply.headers['content-type'], 'application/json; charset=utf-8')
    const expected = JSON.parse(readFileSync(new URL(`${name}.response.json`, folder), 'utf8'))
    t.strictSame(reply.json(), expected, name)
  }
})

t.test('hostile but genuine reviews get a verdict', async t => {
  const { app } = harness(t)
  const verdict = async (body: unknown): Promise<unknown> => (await post(app, body)).json().response.allowed
  const json = JSON.stringify(review(['api.example.com']))
  t.equal(await verdict(json.replace('{', '{"__proto__":{"request":null},')), true, '__proto__ in the envelope')
  // V8 may read a key with escapes as the one that an earlier text had in its place (nodejs/node#63785).
  const withKey = (key: string): string => json.replace(/"hosts":\[[^\]]*\]/, `"newToHttp":1,"${key}":["bad"]`)
  t.equal(await verdict(withKey('h\\\\u00')), true, 'another key')
  t.equal(await verdict(` ${withKey('h\\u006fsts')}\n`), false, 'a key with escapes is the key that it spells')
  t.equal(await verdict(json.replace('"spec":{', '"spec":{"__proto__":{"hosts":["bad"]},')), true, '__proto__ in spec')
  t.equal(await verdict(json.replace('"spec":{', '"spec":{"\\u005f_proto__":1,"constructor":{"prototype":{}},')), true)
  t.equal(Object.hasOwn(Object.prototype, 'request'), false, 'nothing is polluted')
  t.equal(await verdict(json.replace('"spec":{', '"spec":{"hosts":["good"],')), true, 'the last of two keys counts')
  t.equal(await verdict(json.replace('"hosts":[', '"hosts":["good"],"hosts":["bad.example.com",')), false)
  t.equal(await verdict(json.replace('"uid":"', '"uid":"first","uid":"')), true)
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  t.equal(await verdict(json.replace('"spec":{', `"spec":{"deep":${deep},`)), true, 'deep nesting elsewhere')
  t.equal(await verdict(review(['\u0000bad\u001b[2J'])), false)
  const big = review(['api.example.com'], {}, { spec: { hosts: ['a'], pad: 'x'.repeat(6 * 1024 * 1024) } })
  t.equal(await verdict(big), true, 'six mebibytes')
  const tooBig = await post(app, 'x'.repeat(7 * 1024 * 1024 + 1))
  t.strictSame([tooBig.statusCode, tooBig.body, tooBig.headers['connection']], [413, 'body too large\n', 'close'])
})

t.test('try again', async t => {
  const { app } = harness(t, { ready: () => false })
  const reply = await post(app, review([]))
  t.strictSame([reply.statusCode, reply.body, reply.headers['retry-after']], [503, 'not ready\n', '1'], 'not ready')
})

t.test('draining ends connections, not requests', async t => {
  const { app } = harness(t, {}, true)
  const reply = await post(app, review([]))
  t.strictSame([reply.statusCode, reply.headers['connection']], [200, 'close'])
})

t.test('our own fault is ours', async t => {
  const { app, lines } = harness(t, {
    bench: () => {
      throw new RangeError('secret detail')
    },
  })
  const reply = await post(app, review([]))
  t.strictSame([reply.statusCode, reply.body], [500, 'internal error\n'])
  t.match(lines(), [{ level: 'error', err: { type: 'RangeError', message: 'secret detail', stack: /http\.test/ } }])
})

t.test('decision lines', async t => {
  const { app, lines, options } = harness(t)
  await post(app, review(['api.example.com']))
  await post(app, review(['hm.example.com']))
  t.equal(lines().length, 0, 'what passes is only counted')
  await post(app, review(['bad.example.com'], { dryRun: true }))
  const [line] = lines()
  t.type(line?.['duration'], 'number')
  t.match(line?.['time'], /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  t.strictSame(
    { ...line, time: '', duration: 0 },
    {
      level: 'info',
      time: '',
      semantic: true,
      uid: 'f9ce76e9-4001-4fa2-a71f-3decae6456ca',
      operation: 'CREATE',
      group: 'networking.istio.io',
      kind: 'ServiceEntry',
      namespace: 'shop',
      name: 'stripe',
      user: 'dana@example.com',
      verdict: 'deny',
      rules: [{ id: 'no-bad-host', enforcementAction: 'deny' }],
      dryRun: true,
      duration: 0,
      msg: 'decision',
    },
  )
  await post(app, review(['throw.example.com'], { subResource: 'status', userInfo: { username: 'x\u001b' } }))
  t.match(lines().slice(1), [
    { level: 'error', uid: String, rule: 'no-bad-host', err: { type: 'TypeError', stack: String } },
    { level: 'info', verdict: 'deny', subresource: 'status', user: 'x\\u001b' },
  ])
  await post(app, review(['meh.example.com', 'unknown.example.com']))
  t.match(lines().at(-1), { verdict: 'warn', rules: [{ id: 'no-bad-host', enforcementAction: 'warn' }] })
  const exempt = review(['bad.example.com'], { name: 'exempt' }, { metadata: { name: 'exempt', namespace: 'shop' } })
  await post(app, exempt)
  t.equal(lines().length, 4, 'an exempt finding is only counted')

  const { body } = await options.metrics.expose()
  for (const sample of [
    'sallyport_reviews_total{verdict="allow",operation="CREATE"} 3',
    'sallyport_reviews_total{verdict="deny",operation="CREATE"} 2',
    'sallyport_reviews_total{verdict="warn",operation="CREATE"} 1',
    'sallyport_review_duration_seconds_count 6',
    'sallyport_findings_total{rule="no-bad-host",enforcement_action="deny"} 1',
    'sallyport_findings_total{rule="no-bad-host",enforcement_action="warn"} 1',
    'sallyport_findings_total{rule="no-bad-host",enforcement_action="dryrun"} 1',
    'sallyport_findings_total{rule="no-bad-host",enforcement_action="exempt"} 1',
    'sallyport_rule_errors_total{rule="no-bad-host"} 1',
    'sallyport_not_judged_total{rule="no-bad-host"} 1',
    'sallyport_build_info{version="1.2.3"} 1',
  ]) {
    t.ok(body.includes(`${sample}\n`), sample)
  }
  t.notMatch(body, /example\.com|shop|stripe/, 'no names in metrics')

  const sampling = harness(t, { allowSample: 0.5 })
  for (let i = 0; i < 4; i++) await post(sampling.app, exempt)
  t.match(sampling.lines(), [
    { verdict: 'allow', exemption: 'old-friend', rules: [{ enforcementAction: 'exempt' }] },
    { verdict: 'allow' },
  ])
  t.equal(sampling.lines().length, 2, 'every second one')
})

t.test('a thrown thing that is no error is logged too', async t => {
  const written: string[] = []
  const log = createLog({ write: line => written.push(line) })
  log.error({ err: Object.create(null) }, 'odd')
  t.match(JSON.parse(written.join('')), { err: { type: 'object', message: 'a mapping' } })
})

t.test('probes', async t => {
  const metrics = createMetrics('1.2.3')
  metrics.policy(policy)
  metrics.policy({ ...policy, revision: 'next' })
  metrics.certificate(now, now)
  const nothing = { kind: 'Pod', state: 'synced', objects: 0, relists: 0, missed: 0, restarts: { cut: 0 } }
  metrics.cluster({ kinds: () => [nothing], staleness: () => 0, leads: () => false })
  let ready = true
  const app = probesApp(metrics, () => ready)
  t.teardown(() => app.close())
  t.match(await app.inject('/livez'), { statusCode: 200, body: 'ok\n' })
  t.match(await app.inject('/readyz'), { statusCode: 200, body: 'ok\n' })
  ready = false
  t.match(await app.inject('/livez'), { statusCode: 200 })
  t.match(await app.inject('/readyz'), { statusCode: 503, body: 'not ready\n' })
  t.match(await app.inject('/validate'), { statusCode: 404, body: 'not found\n' })
  const reply = await app.inject('/metrics')
  t.match(reply.headers['content-type'], /^text\/plain; version=/)
  t.match(reply.body, 'sallyport_policy_info{revision="next"} 1')
  t.notMatch(reply.body, '0123456789ab', 'the revision before is gone')
  t.match(reply.body, 'sallyport_approved_hosts 3')
  t.match(reply.body, `sallyport_certificate_expiry_seconds ${now / 1000}`)

  const exposed = [...reply.body.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name ?? '').sort()
  const page = readFileSync(new URL('../docs/operations.md', import.meta.url), 'utf8')
  const table = page.slice(page.indexOf('## Metrics'), page.indexOf('Worth an alert'))
  const documented = [...table.matchAll(/`((?:sallyport|process|nodejs)_\w+)`/g)].map(([, name]) => name ?? '').sort()
  t.strictSame(documented, exposed, 'every metric is documented, and no other')
})

t.test('development certificate', async t => {
  const home = t.testdir({ file: 'no folder' })
  t.equal(developmentFolder({ XDG_CACHE_HOME: '/var/cache' }), '/var/cache/sallyport')
  t.match(developmentFolder({ XDG_CACHE_HOME: 'relative' }), /sallyport-\d+$/)
  t.match(developmentFolder({}), /sallyport-\d+$/)

  const folder = join(home, 'kept')
  const first = await developmentCredentials(folder, now)
  const ca = new X509Certificate(readFileSync(first.caPath))
  const leaf = new X509Certificate(first.cert)
  t.ok(leaf.verify(ca.publicKey) && leaf.checkIssued(ca) && ca.ca && !leaf.ca)
  t.equal(leaf.subjectAltName, 'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1')
  t.equal(leaf.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1')
  t.same(readdirSync(join(folder, 'development')).sort(), ['ca.crt', 'tls.crt', 'tls.key'], 'no key of the CA is kept')

  const day = 24 * 60 * 60 * 1000
  t.equal((await developmentCredentials(folder, now + day)).cert, first.cert, 'reused while it holds')
  const later = await developmentCredentials(folder, now + 29.5 * day)
  t.not(later.cert, first.cert, 'renewed on its last day')
  writeFileSync(join(folder, 'development', 'ca.crt'), readFileSync(first.caPath, 'utf8').slice(0, 100))
  t.not((await developmentCredentials(folder, now + 29.5 * day)).cert, later.cert, 'renewed where the CA is broken')

  const [a, b] = await Promise.all([1, 2].map(() => developmentCredentials(join(home, 'both'), now)))
  t.equal(a?.cert, b?.cert, 'of two at a time one wins')
  t.same(readdirSync(join(home, 'both')), ['development'])

  mkdirSync(join(home, 'open'))
  chmodSync(join(home, 'open'), 0o755)
  await t.rejects(developmentCredentials(join(home, 'open'), now), /only you may read/)
  await t.rejects(developmentCredentials(join(home, 'file'), now))

  const other = await developmentCredentials(join(home, 'other'), now)
  t.match(checkPair(first.cert, first.key, now), { ok: true, value: { notAfter: now + 30 * day } })
  const rows: readonly [string, string, number, RegExp][] = [
    ['x', first.key, now, /certificate is not readable/],
    [first.cert, 'x', now, /key is not a readable/],
    [first.cert, other.key, now, /does not belong/],
    [first.cert, first.key, now + 31 * day, /expired on 2026-12-21/],
    [first.cert, first.key, now - 2 * day, /not valid yet/],
  ]
  for (const [cert, key, at, why] of rows) t.match(checkPair(cert, key, at), { ok: false, why }, String(why))
})
