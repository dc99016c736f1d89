import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { connect, createServer } from 'node:tls'
import t from 'tap'
import { dig, type Fields } from '../src/istio/json.ts'
import {
  type AuthorityOptions,
  ensureSecret,
  keepSecret,
  serveFromSecret,
  serviceNames,
  throwawayPair,
} from '../src/kube/authority.ts'
import { planSecret, readServingPair, type ServingPair } from '../src/kube/secret.ts'
import { issueLeaf, makeAuthority, type Pair } from '../src/tls/issue.ts'
import { pass, reply, Store, status, TestClock } from './store.ts'
import { until } from './until.ts'

const day = 86_400_000
const now = new TestClock().date()
const collection = '/api/v1/namespaces/sallyport-system/secrets'
const url = `${collection}/sallyport-tls`
const names = serviceNames('sallyport', 'sallyport-system')
const managed = { labels: { 'sallyport.dev/managed': 'true' } }

const optionsFor = (store: Store, clock = new TestClock()): AuthorityOptions => ({
  namespace: 'sallyport-system',
  service: 'sallyport',
  secret: 'sallyport-tls',
  watch: store.watch,
  clock,
  date: clock.date,
})
const live = new AbortController().signal
const ensure = (store: Store, clock?: TestClock) => ensureSecret(optionsFor(store, clock), store, live)

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const value = (secret: Fields | undefined, key: string): string =>
  Buffer.from(String(dig(secret, 'data', key)), 'base64').toString()
const secretOf = (ca: Partial<Pair>, leaf: Partial<Pair>, metadata: Fields = managed): Fields => ({
  metadata,
  data: {
    'ca.crt': base64(ca.cert ?? ''),
    'ca.key': base64(ca.key ?? ''),
    'tls.crt': base64(leaf.cert ?? ''),
    'tls.key': base64(leaf.key ?? ''),
  },
})

const validFor = (days: number) => ({ notBefore: now - day, notAfter: now + days * day })
const authorityFor = (days = 3650): Promise<Pair> => makeAuthority('a CA', validFor(days))
const leafFor = (ca: Pair, days = 365, covered: readonly string[] = names): Promise<Pair> =>
  issueLeaf(ca, { names: covered, ...validFor(days) })

t.test('a Secret that is not there is made, for the names of the Service', async t => {
  const store = new Store()
  t.strictSame(await ensure(store), { state: 'wrote', what: 'created', why: 'there is none' })
  const secret = store.read(url)
  t.match(secret, { kind: 'Secret', type: 'Opaque', metadata: { name: 'sallyport-tls', ...managed } })
  t.strictSame(Object.keys(Object(secret?.['data'])), ['ca.crt', 'ca.key', 'tls.crt', 'tls.key'])
  const [ca, leaf] = [value(secret, 'ca.crt'), value(secret, 'tls.crt')].map(pem => new X509Certificate(pem))
  t.equal(
    leaf?.subjectAltName,
    'DNS:sallyport.sallyport-system.svc, DNS:sallyport.sallyport-system.svc.cluster.local, DNS:sallyport.sallyport-system',
  )
  const dates = (certificate?: X509Certificate) => [
    (now - Date.parse(certificate?.validFrom ?? '')) / 3_600_000,
    Math.round((Date.parse(certificate?.validTo ?? '') - now) / day),
  ]
  t.strictSame(
    [dates(ca), dates(leaf)],
    [
      [1, 3650],
      [1, 365],
    ].map(([hours, days]) => [hours, days]),
  )
  t.equal(leaf?.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1')
  t.match(store.writes, [{ method: 'POST', path: collection, options: { query: { fieldManager: 'sallyport' } } }])
  t.strictSame(await ensure(store), { state: 'right' })
  t.equal(store.writes.length, 1)
})

t.test('what the guard made serves TLS to one who knows the CA', async t => {
  const store = new Store()
  const clock = new TestClock()
  clock.skew = Date.now() - now
  await ensure(store, clock)
  const read = readServingPair(store.read(url), names[0], Date.now())
  if (!read.ok) return t.fail(read.why)
  const throwaway = await throwawayPair(names, Date.now())
  const server = createServer({ cert: throwaway.cert, key: throwaway.key }, socket => socket.end())
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const call = async (servername: string): Promise<string> => {
    const socket = connect({ port, host: '127.0.0.1', servername, ca: read.value.authorities })
    const outcome = await once(socket, 'secureConnect').then(
      () => 'trusted',
      cause => String(cause.code),
    )
    socket.destroy()
    return outcome
  }
  t.equal(await call(names[0]), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'nobody trusts what it listens with at first')
  server.setSecureContext({ cert: read.value.cert, key: read.value.key })
  for (const name of names) t.equal(await call(name), 'trusted', name)
  t.equal(await call('other.sallyport-system.svc'), 'ERR_TLS_CERT_ALTNAME_INVALID')
})

t.test('what is done with a Secret', async t => {
  const [ca, other, oldCa] = await Promise.all([authorityFor(), authorityFor(), authorityFor(89)])
  const leaf = await leafFor(ca)
  const rows: readonly (readonly [string, Fields | undefined, string, RegExp | undefined])[] = [
    ['none', undefined, 'create', undefined],
    ['a right one', secretOf(ca, leaf), 'nothing', undefined],
    ['91 days left', secretOf(ca, await leafFor(ca, 91)), 'nothing', undefined],
    ['89 days left', secretOf(ca, await leafFor(ca, 89)), 'issue', /ends soon/],
    ['expired', secretOf(ca, await leafFor(ca, -0.5)), 'issue', /expired/],
    ['of another Service', secretOf(ca, await leafFor(ca, 365, ['x.y.svc'])), 'issue', /does not cover sallyport/],
    ['of one name only', secretOf(ca, await leafFor(ca, 365, names.slice(0, 1))), 'issue', /cluster\.local/],
    ['of another CA', secretOf(ca, await leafFor(other)), 'issue', /not signed/],
    ['without leaf', secretOf(ca, {}), 'issue', /tls\.crt: the certificate is not readable/],
    ['with the key of another leaf', secretOf(ca, { ...leaf, key: ca.key }), 'issue', /does not belong/],
    ['without the key of its CA', secretOf({ cert: ca.cert }, leaf), 'replace', /ca\.crt: the key is not/],
    ['with the key of another CA', secretOf({ ...ca, key: other.key }, leaf), 'replace', /does not belong/],
    ['a CA that is due', secretOf(oldCa, await leafFor(oldCa)), 'replace', /ends soon/],
    ['empty', { metadata: managed }, 'replace', /not readable/],
    ['no texts', { metadata: managed, data: { 'ca.crt': 7, 'tls.crt': [] } }, 'replace', /not readable/],
    ['of somebody else, right', secretOf(ca, leaf, {}), 'leave', /no label sallyport\.dev\/managed/],
    ['of somebody else, broken', secretOf({}, {}, { labels: { 'sallyport.dev/managed': 'no' } }), 'leave', /no label/],
    ['being deleted', secretOf({}, {}, { ...managed, deletionTimestamp: 'x' }), 'leave', /being deleted/],
  ]
  for (const [name, secret, todo, why] of rows) {
    const plan = planSecret(secret, names, now)
    t.equal(plan.todo, todo, name)
    if (why !== undefined) t.match('why' in plan ? plan.why : '', why, name)
  }
  t.equal(
    planSecret(secretOf(ca, leaf), names, now - 30 * day).todo,
    'nothing',
    'a clock that is behind changes nothing',
  )
})

t.test('a leaf that is due is replaced, and its CA stays', async t => {
  const store = new Store()
  const clock = new TestClock()
  await ensure(store, clock)
  const before = store.read(url)
  store.put(url, { ...before, metadata: { ...Object(before?.['metadata']), annotations: { mine: 'kept' } } })
  clock.skew = 276 * day
  t.match(await ensure(store, clock), { state: 'wrote', what: 'issued', why: /ends soon/ })
  const after = store.read(url)
  t.equal(value(after, 'ca.crt'), value(before, 'ca.crt'))
  t.not(value(after, 'tls.crt'), value(before, 'tls.crt'))
  t.match(after, { metadata: { annotations: { mine: 'kept' } } })
  t.ok(readServingPair(after, names[0], clock.date()).ok)
  store.put(url, { ...after, data: {} })
  t.match(await ensure(store, clock), { state: 'wrote', what: 'replaced' })
  t.not(value(store.read(url), 'ca.crt'), value(before, 'ca.crt'))
})

t.test('two leaders at once: one writes, the other reads what is there', async t => {
  const store = new Store()
  const both = await Promise.all([ensure(store), ensure(store)])
  t.strictSame(both.map(({ state }) => state).sort(), ['overtaken', 'wrote'])
  const made = store.read(url)
  t.strictSame(await ensure(store), { state: 'right' })
  store.put(url, { ...made, data: {} })
  const repairs = await Promise.all([ensure(store), ensure(store)])
  t.strictSame(repairs.map(({ state }) => state).sort(), ['overtaken', 'wrote'])
  t.strictSame(await ensure(store), { state: 'right' })
})

t.test('a Secret of somebody else is served from, and never written', async t => {
  const store = new Store()
  const ca = await authorityFor()
  store.put(url, secretOf(ca, await leafFor(ca), {}))
  t.strictSame(await ensure(store), { state: 'right' })
  store.put(url, secretOf(ca, await leafFor(ca, -0.5), {}))
  t.match(await ensure(store), { state: 'foreign', why: /has expired on .*, and it is not the guard's own/ })
  t.strictSame(store.writes, [])
})

t.test('an API server that refuses', async t => {
  const store = new Store()
  store.fault = ({ method }) => (method === 'POST' ? { ...status(403, 'Forbidden'), retryAfter: 7 } : undefined)
  const failed = { state: 'failed', why: 'HTTP 403: Forbidden: said by the store', retryAfter: 7 }
  t.strictSame(await ensure(store), failed)
  store.fault = () => reply(0, 'connect ECONNREFUSED\u001b[31m')
  t.match(await ensure(store), { state: 'failed', why: 'connect ECONNREFUSED\\u001b[31m' })
  store.fault = () => reply(200, 'no Secret')
  t.match(await ensure(store), { state: 'failed' }, 'an answer that is none makes no new CA')
  t.equal(store.writes.length, 1)
})

t.test('the leader keeps the Secret: deleted, spoilt, refused', async t => {
  const store = new Store()
  const clock = new TestClock()
  const told: string[] = []
  const term = new AbortController()
  const kept = keepSecret(optionsFor(store, clock), {
    cluster: store,
    signal: term.signal,
    events: {
      wrote: (what, why) => told.push(`${what}: ${why}`),
      failed: why => told.push(why),
      right: () => told.push('right'),
    },
  })
  await until('it is told', () => told.length === 2)
  t.strictSame(told.splice(0), ['created: there is none', 'right'])
  await pass(10_000, [clock])
  t.equal(store.writes.length, 1, 'its own write leads to no other')

  store.put(url, undefined)
  await pass(1000, [clock])
  await until('it is told', () => told.length === 1)
  t.strictSame(told.splice(0), ['created: there is none'])

  store.fault = ({ method }) => (method === 'PUT' ? status(500, 'InternalError') : undefined)
  store.put(url, { ...store.read(url), data: {} })
  const before = store.sent.length
  for (let i = 0; i < 40; i++) {
    await pass(3000, [clock])
    // Keys are made meanwhile, which takes as long as it takes.
    await until('it waits', () => clock.timers > 0)
  }
  t.strictSame(told.splice(0), ['HTTP 500: InternalError: said by the store'], 'told once')
  const tries = (store.sent.length - before) / 2
  t.ok(tries >= 5 && tries <= 12, `${tries} tries in two minutes`)
  store.fault = () => undefined
  await pass(31_000, [clock])
  await until('it is told', () => told.length === 2)
  t.match(told.splice(0), [/^replaced: ca\.crt/, 'right'])

  clock.skew = 276 * day
  await pass(3_610_000, [clock])
  await until('it is told', () => told.length > 0)
  t.match(told.splice(0), [/^issued: .*ends soon/], 'time alone makes it due')
  term.abort()
  await kept
  t.equal(store.watchers, 0)
  t.equal(clock.timers, 0)
})

t.test('each replica serves what may be served', async t => {
  const store = new Store()
  const clock = new TestClock()
  const told: string[] = []
  const pairs: ServingPair[] = []
  const stop = serveFromSecret(optionsFor(store, clock), {
    served: pair => {
      pairs.push(pair)
      told.push('served')
    },
    refused: why => told.push(why),
    restored: () => told.push('restored'),
  })
  const see = async (secret: Fields | undefined): Promise<readonly string[]> => {
    store.put(url, secret)
    await setImmediate()
    return told.splice(0)
  }
  await setImmediate()
  t.strictSame(told.splice(0), ['the Secret does not exist'])
  const [ca, other] = await Promise.all([authorityFor(), authorityFor()])
  const leaf = await leafFor(ca)
  t.strictSame(await see(secretOf(ca, leaf)), ['served'])
  t.match(pairs[0], { cert: leaf.cert, key: leaf.key, authorities: ca.cert })
  t.strictSame(await see(secretOf(ca, leaf, { labels: { touched: 'yes' } })), [], 'the same is not served again')
  t.strictSame(await see(secretOf({ cert: ca.cert }, leaf)), [], 'the key of the CA is nothing to those who serve')
  for (const [secret, why] of [
    [secretOf(ca, { ...leaf, key: other.key }), 'tls.crt: the key does not belong to the certificate'],
    [secretOf(ca, { cert: leaf.cert.slice(0, 300), key: leaf.key }), 'tls.crt: the certificate is not readable PEM'],
    [secretOf(other, leaf), 'tls.crt is not signed by ca.crt'],
    [secretOf({}, leaf), 'ca.crt: no certificate in PEM'],
    [undefined, 'the Secret does not exist'],
  ] as const) {
    t.strictSame(await see(secret), [why])
    t.strictSame(await see(secret), [], 'told once')
  }
  t.strictSame(await see(secretOf(ca, leaf)), ['restored'])
  t.equal(pairs.length, 1)

  const later = await issueLeaf(ca, { names, notBefore: clock.date() + 90_000, notAfter: now + 365 * day })
  t.strictSame(await see(secretOf(ca, later)), ['tls.crt: the certificate is not valid yet'])
  await pass(130_000, [clock])
  t.strictSame(told.splice(0), ['served'], 'it had only to wait')
  stop()
  t.equal(clock.timers, 0)
  t.equal(store.watchers, 0)
})
