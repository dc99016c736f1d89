import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { dig, type Fields, list } from '../src/istio/json.ts'
import { planRegistration, type Serving } from '../src/kube/entries.ts'
import { createRegistration, type Registration } from '../src/kube/registration.ts'
import { pass, reply, Store, status, TestClock } from './store.ts'

const root = '/apis/admissionregistration.k8s.io/v1'
const url = `${root}/validatingwebhookconfigurations/sallyport`
const mutatingUrl = `${root}/mutatingwebhookconfigurations/a-sallyport`
const authorities = '-----BEGIN CERTIFICATE-----\nnew\n-----END CERTIFICATE-----\n'
const caBundle = Buffer.from(authorities).toString('base64')

const rule = (resources: readonly string[], more: Fields = {}): Fields => ({
  apiGroups: ['networking.istio.io'],
  apiVersions: ['*'],
  operations: ['CREATE', 'UPDATE', 'DELETE'],
  resources,
  ...more,
})
const pods: Fields = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }
const entry = (name: string, more: Fields = {}): Fields => ({
  name,
  clientConfig: { service: { name: 'sallyport', namespace: 'sallyport-system', path: '/validate', port: 443 } },
  failurePolicy: 'Fail',
  sideEffects: 'None',
  ...more,
})
const wanted = { 'pods.sallyport.dev': [pods], 'routes.sallyport.dev': [rule(['serviceentries', 'sidecars'])] }
const configuration = (annotations: Fields | undefined, webhooks: readonly Fields[]): Fields => ({
  metadata: { ...(annotations && { annotations }) },
  webhooks,
})
const installed = (annotations: Fields = { 'sallyport.dev/rules': JSON.stringify(wanted) }): Fields =>
  configuration(annotations, [entry('pods.sallyport.dev'), entry('routes.sallyport.dev'), entry('other.example.com')])

const entries = (store: Store, at = url): readonly Fields[] => list(store.read(at)?.['webhooks']) as readonly Fields[]

/** What the entries of a stored configuration have been given. */
const given = (store: Store, at = url): readonly unknown[] =>
  entries(store, at).map(one => [
    one['name'],
    dig(one, 'clientConfig', 'caBundle') === caBundle,
    (one['rules'] as readonly Fields[] | undefined)?.length ?? 0,
  ])

interface Run {
  readonly store: Store
  readonly clock: TestClock
  readonly told: string[]
  readonly registration: Registration
  serve(serving: Serving | undefined): void
  stop(): Promise<void>
}

/** Keeps the validating configuration registered; the mutating one is not there and says so once. */
async function running(first?: Fields, ready: Serving | 'not yet' = { authorities }): Promise<Run> {
  const [store, clock, told, term] = [new Store(), new TestClock(), [] as string[], new AbortController()]
  let serving = ready === 'not yet' ? undefined : ready
  if (first !== undefined) store.put(url, first)
  const registration = createRegistration({
    names: { validating: 'sallyport', mutating: 'a-sallyport' },
    watch: store.watch,
    clock,
    serving: () => serving,
  })
  const kept = registration.keep({
    cluster: store,
    signal: term.signal,
    events: {
      state: (kind, state, why) => told.push([kind, state, why].filter(Boolean).join(' ')),
      wrote: (kind, entries) => told.push(`${kind} wrote ${entries.join(' ')}`),
    },
  })
  await pass(3000, [clock])
  return {
    ...{ store, clock, told, registration },
    serve: next => {
      serving = next
      registration.wake()
    },
    stop: async () => {
      term.abort()
      await kept
      t.equal(store.watchers, 0)
      t.equal(clock.timers, 0)
    },
  }
}

t.test('nothing is written before this replica may be asked; then rules and CAs are, once', async t => {
  const run = await running(installed(), 'not yet')
  const { store, clock, told } = run
  store.put(
    mutatingUrl,
    configuration({ 'sallyport.dev/rules': JSON.stringify({ 'pods.sallyport.dev': [pods] }) }, [
      entry('pods.sallyport.dev'),
    ]),
  )
  await pass(60_000, [clock])
  t.strictSame(store.writes, [])
  t.ok(told.includes('validating pending this replica may not be asked yet'))
  told.splice(0)
  run.serve({ authorities })
  await pass(2000, [clock])
  const written = [
    ['pods.sallyport.dev', true, 1],
    ['routes.sallyport.dev', true, 1],
    ['other.example.com', false, 0],
  ]
  t.strictSame(given(store), written)
  t.strictSame(given(store, mutatingUrl), [['pods.sallyport.dev', true, 1]])
  t.strictSame(told.splice(0).sort(), [
    'mutating registered',
    'mutating wrote pods.sallyport.dev',
    'validating registered',
    'validating wrote pods.sallyport.dev routes.sallyport.dev',
  ])
  t.match(store.writes[0]?.options, {
    query: { fieldManager: 'sallyport' },
    contentType: 'application/json-patch+json',
  })
  await pass(8 * 3_600_000, [clock])
  t.equal(store.writes.length, 2, 'idle is no write at all')
  t.strictSame(told, [])
  await run.stop()
})

t.test('what somebody changes is put right, and nothing else is touched', async t => {
  const run = await running(installed())
  const { store, clock, told } = run
  const edit = async (change: (webhooks: readonly Fields[]) => readonly Fields[]): Promise<readonly string[]> => {
    told.splice(0)
    const before = store.read(url)
    store.put(url, { ...before, webhooks: change(entries(store)) })
    await pass(3000, [clock])
    return told
  }
  const right = given(store)
  t.strictSame(await edit(all => all.map(one => ({ ...one, rules: [] }))), [
    'validating wrote pods.sallyport.dev routes.sallyport.dev',
  ])
  t.strictSame(given(store), right)
  const swapped = await edit(all => all.toReversed().map(({ rules: _, ...one }) => one))
  t.strictSame(swapped, ['validating wrote pods.sallyport.dev routes.sallyport.dev'])
  t.strictSame(given(store), right.toReversed(), 'in whatever order the entries are')
  const clients = await edit(all => all.map(one => ({ ...one, clientConfig: { service: { name: 'sallyport' } } })))
  t.strictSame(clients, ['validating wrote pods.sallyport.dev routes.sallyport.dev'])
  t.strictSame(await edit(all => all.map(one => ({ ...one, failurePolicy: 'Ignore', timeoutSeconds: 1 }))), [])
  t.match(store.read(url), { webhooks: [{ failurePolicy: 'Ignore', timeoutSeconds: 1 }] })
  t.match(await edit(all => all.filter(one => one['name'] !== 'pods.sallyport.dev')), [
    'validating failed it has no entry pods.sallyport.dev',
  ])
  run.serve({ authorities: 'another CA' })
  await pass(2000, [clock])
  t.equal(told.at(-1), 'validating wrote routes.sallyport.dev', 'the other entries are kept right')
  await run.stop()
})

t.test('whoever undoes it all the time does not make the guard write all the time', async t => {
  const run = await running(installed())
  const { store, clock } = run
  store.fault = ({ method }) => {
    if (method === 'PATCH') queueMicrotask(() => store.put(url, installed()))
    return undefined
  }
  store.put(url, installed())
  const before = store.writes.length
  await pass(20_000, [clock])
  t.ok(store.writes.length - before <= 40, `${store.writes.length - before} writes in 20 s`)
  await run.stop()
})

t.test('a configuration that is gone is never made again', async t => {
  const run = await running()
  const { store, clock, told } = run
  t.strictSame(told.splice(0).sort(), [
    'mutating absent',
    'mutating pending it has not been read yet',
    'validating absent',
    'validating pending it has not been read yet',
  ])
  store.put(url, installed())
  await pass(2000, [clock])
  t.equal(told.splice(0).at(-1), 'validating registered')
  store.put(url, undefined)
  await pass(4 * 3_600_000, [clock])
  t.strictSame(told, ['validating absent'])
  t.strictSame(
    store.writes.map(({ method }) => method),
    ['PATCH'],
  )
  // It may also go between the look and the write.
  store.fault = ({ method }) => (method === 'PATCH' ? status(404, 'NotFound') : undefined)
  store.put(url, installed())
  await pass(2000, [clock])
  t.equal(told.at(-1), 'validating absent')
  await run.stop()
})

t.test('an annotation that cannot be read changes nothing', async t => {
  const bad: readonly (readonly [unknown, RegExp])[] = [
    [undefined, /no annotation sallyport\.dev\/rules/],
    ['', /no JSON object/],
    ['{"pods.sallyport.dev": [', /no JSON object/],
    ['[]', /no JSON object/],
    [{ 'pods.sallyport.dev': {} }, /pods\.sallyport\.dev is no list/],
    [{ 'pods.sallyport.dev': [pods, null] }, /is no list of webhook rules/],
    [{ 'pods.sallyport.dev': [{ ...pods, resources: [] }] }, /is no list of webhook rules/],
    [{ 'pods.sallyport.dev': [{ ...pods, resources: [''] }] }, /is no list of webhook rules/],
    [{ 'pods.sallyport.dev': [{ ...pods, apiGroups: undefined }] }, /is no list of webhook rules/],
    [{ 'pods.sallyport.dev': [{ ...pods, scope: 'namespaced' }] }, /is no list of webhook rules/],
    [{ 'pods.sallyport.dev': [{ ...pods, resource: ['pods'] }] }, /is no list of webhook rules/],
  ]
  for (const [annotation, why] of bad) {
    const text = typeof annotation === 'object' ? JSON.stringify(annotation) : annotation
    const run = await running(installed(text === undefined ? {} : { 'sallyport.dev/rules': text }))
    t.match(run.told.filter(line => line.startsWith('validating')).at(-1), why, `${text}`)
    t.match(run.told.join(), /validating failed/)
    await pass(60_000, [run.clock])
    t.strictSame(run.store.writes, [])
    await run.stop()
  }
})

t.test('rules that mean the same are the same', async t => {
  const live = (rules: readonly unknown[] | undefined): Fields => ({
    ...configuration({ 'sallyport.dev/rules': JSON.stringify({ a: [rule(['sidecars', 'gateways']), pods] }) }, [
      { ...entry('a'), clientConfig: { caBundle }, ...(rules && { rules }) },
    ]),
  })
  const rows: readonly (readonly [string, readonly unknown[] | undefined, number])[] = [
    ['written out', [rule(['sidecars', 'gateways'], { scope: '*' }), { ...pods, scope: '*' }], 0],
    ['in another order', [pods, rule(['gateways', 'sidecars'])], 0],
    ['one twice', [pods, pods, rule(['gateways', 'sidecars'])], 0],
    ['none at all', undefined, 1],
    ['one less', [pods], 1],
    ['another scope', [{ ...pods, scope: 'Namespaced' }, rule(['gateways', 'sidecars'])], 1],
    ['another list', [{ ...pods, operations: ['CREATE', 'UPDATE'] }, rule(['gateways', 'sidecars'])], 1],
    ['what is no rule', [7, 'x'], 1],
  ]
  for (const [name, rules, writes] of rows) {
    const plan = planRegistration(live(rules), { authorities })
    t.equal(plan.ok && plan.value.entries.length, writes, name)
    t.equal(plan.ok && plan.value.patch.length, writes * 3, name)
  }
})

t.test('a patch that comes too late is made anew', async t => {
  const run = await running(installed(), 'not yet')
  const { store, clock, told } = run
  let late = 0
  store.fault = ({ method }) => {
    // Somebody turns the entries round while the patch is on its way.
    if (method === 'PATCH' && late++ === 0) {
      const before = store.read(url)
      store.put(url, { ...before, webhooks: entries(store).toReversed() })
    }
    return undefined
  }
  run.serve({ authorities })
  await pass(5000, [clock])
  t.equal(store.writes.length, 2)
  t.strictSame(given(store), [
    ['other.example.com', false, 0],
    ['routes.sallyport.dev', true, 1],
    ['pods.sallyport.dev', true, 1],
  ])
  t.equal(told.at(-1), 'validating registered')
  await run.stop()
})

t.test('an API server that refuses is asked again, by and by', async t => {
  for (const [answer, why] of [
    [status(403, 'Forbidden'), 'validating failed HTTP 403: Forbidden: said by the store'],
    [status(409, 'Conflict'), 'validating pending it is being changed'],
    [reply(0, 'socket hang up'), 'validating failed socket hang up'],
    [{ ...status(429, 'TooManyRequests'), retryAfter: 20_000 }, /HTTP 429/],
  ] as const) {
    const run = await running(installed(), 'not yet')
    const { store, clock, told } = run
    store.fault = ({ method }) => (method === 'PATCH' ? answer : undefined)
    run.serve({ authorities })
    await pass(120_000, [clock])
    t.match(told.at(-1), why)
    const tries = store.writes.length
    t.ok(tries >= 5 && tries <= 12, `${tries} tries in two minutes`)
    store.fault = () => undefined
    await pass(31_000, [clock])
    t.equal(told.at(-1), 'validating registered')
    await run.stop()
  }
})

t.test('a CA that another party writes is left to it', async t => {
  const annotations = {
    'sallyport.dev/rules': JSON.stringify({ 'pods.sallyport.dev': [pods] }),
    'cert-manager.io/inject-ca-from': 'sallyport-system/sallyport',
  }
  const run = await running(installed(annotations))
  const { store, clock, told } = run
  t.equal(
    told.filter(line => line.startsWith('validating')).at(-1),
    'validating pending cert-manager has not written the CA of pods.sallyport.dev',
  )
  t.strictSame(store.writes, [], 'an entry with rules would be asked')
  const before = store.read(url)
  const clientConfig = { caBundle: 'dGhlaXJz' }
  store.put(url, { ...before, webhooks: entries(store).map(one => ({ ...one, clientConfig })) })
  await pass(2000, [clock])
  t.match(store.read(url), { webhooks: [{ clientConfig, rules: [pods] }, { clientConfig }] })
  t.equal(told.at(-1), 'validating registered')
  await run.stop()

  const provided = await running(installed(), { authorities: undefined })
  t.strictSame(given(provided.store), [
    ['pods.sallyport.dev', false, 1],
    ['routes.sallyport.dev', false, 1],
    ['other.example.com', false, 0],
  ])
  await provided.stop()
})

t.test('where there is no mutating configuration nothing is said of it', async t => {
  const [store, clock, told, term] = [new Store(), new TestClock(), [] as string[], new AbortController()]
  store.put(url, installed())
  const kept = createRegistration({
    names: { validating: 'sallyport', mutating: undefined },
    watch: store.watch,
    clock,
    serving: () => ({ authorities }),
  }).keep({
    cluster: store,
    signal: term.signal,
    events: { state: kind => told.push(kind), wrote: kind => told.push(kind) },
  })
  await pass(3000, [clock])
  t.equal(store.watchers, 1)
  t.strictSame([...new Set(told)], ['validating'])
  term.abort()
  await kept
})

t.test('one who stops in the middle says nothing more', async t => {
  const run = await running(installed(), 'not yet')
  const hanging = Promise.withResolvers<undefined>()
  run.store.fault = () => hanging.promise
  run.serve({ authorities })
  await setImmediate()
  const told = run.told.length
  const stopped = run.stop()
  hanging.resolve(undefined)
  await stopped
  t.equal(run.told.length, told)
})
