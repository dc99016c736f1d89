import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { Fields } from '../src/istio/json.ts'
import { createIntake, type Gathered, gatherFiles, type Loading, watchPolicy } from '../src/kube/policysource.ts'
import { mutations } from '../src/mutations/index.ts'
import { loadPolicy } from '../src/policy/load.ts'
import { formatProblem } from '../src/policy/problem.ts'
import type { PolicySource } from '../src/policy/read.ts'
import { rules } from '../src/rules/index.ts'
import { pass, Store, TestClock } from './store.ts'

const url = (name: string): string => `/api/v1/namespaces/sallyport-system/configmaps/${name}`
const map = (data: unknown, more: Fields = {}): Fields => ({ kind: 'ConfigMap', data, ...more })

const policy = (action: string): string => `apiVersion: sallyport.dev/v1alpha1
kind: EgressPolicy
metadata: {name: acme}
spec:
  rules:
    no-host-network: {enforcementAction: ${action}}
`

/** Loads as the guard does; what comes out is the revision. */
const load = (files: readonly PolicySource[]): Loading<string> => {
  const outcome = loadPolicy(files, { rules, mutations, now: Date.UTC(2026, 10, 21) })
  return outcome.ok
    ? { ok: true, policy: outcome.policy.revision }
    : { ok: false, problems: outcome.problems.map(formatProblem) }
}

t.test('files are those of all ConfigMaps, in their order, sorted by key', t => {
  const rows: readonly (readonly [string, readonly (readonly [string, Fields | undefined])[], Gathered])[] = [
    [
      'two',
      [
        ['first', map({ 'b.yaml': '2', 'a.yaml': '1' })],
        ['second', map({ 'a.yaml': '3' })],
      ],
      {
        state: 'files',
        files: [
          { file: 'configmap second/a.yaml', text: '3' },
          { file: 'configmap first/a.yaml', text: '1' },
          { file: 'configmap first/b.yaml', text: '2' },
        ],
      },
    ],
    [
      'one that is empty, and one without data',
      [
        ['first', map(undefined)],
        ['second', map({})],
      ],
      { state: 'files', files: [] },
    ],
    ['one that was not looked for yet', [['first', map({ a: '1' })]], { state: 'waiting' }],
    [
      'one that is not there',
      [
        ['second', map({ a: '1' })],
        ['first', undefined],
      ],
      { state: 'broken', problems: ['policy ConfigMap first is not there'] },
    ],
    [
      'all that is missing is said at once',
      [
        ['second', map({ a: '1' }, { binaryData: { 'b.yaml': '/w==' } })],
        ['first', undefined],
      ],
      {
        state: 'broken',
        problems: ['configmap second/b.yaml: is no UTF-8 text', 'policy ConfigMap first is not there'],
      },
    ],
  ]
  for (const [name, seen, expected] of rows) {
    t.strictSame(gatherFiles(['second', 'first'], new Map(seen)), expected, name)
  }
  t.end()
})

t.test('what is taken in', t => {
  const files = (text: string): Gathered => ({ state: 'files', files: [{ file: 'configmap p/a', text }] })
  const broken: Gathered = { state: 'broken', problems: ['policy ConfigMap p is not there'] }
  const told: string[] = []
  let loads = 0
  const take = createIntake(
    ([file]) => {
      loads++
      if (file?.text === 'throws') throw new Error('stack')
      return file?.text.startsWith('bad')
        ? { ok: false, problems: [file.text] }
        : { ok: true, policy: file?.text ?? '' }
    },
    {
      loaded: text => told.push(`loaded ${text}`),
      refused: problems => told.push(`refused ${problems.join()}`),
      restored: () => told.push('restored'),
    },
  )
  const rows: readonly (readonly [Gathered, readonly string[], number])[] = [
    [{ state: 'waiting' }, [], 0],
    [broken, ['refused policy ConfigMap p is not there'], 0],
    [broken, [], 0],
    [files('one'), ['loaded one'], 1],
    [files('one'), [], 0],
    [files('bad'), ['refused bad'], 1],
    [files('bad'), [], 0],
    [files('bad too'), ['refused bad too'], 1],
    [files('one'), ['restored'], 0],
    [files('one'), [], 0],
    [files('bad too'), ['refused bad too'], 1],
    [files('throws'), ['refused the policy cannot be loaded: stack'], 1],
    [broken, ['refused policy ConfigMap p is not there'], 0],
    [files('two'), ['loaded two'], 1],
    [files('one'), ['loaded one'], 1],
  ]
  for (const [gathered, expected, expectedLoads] of rows) {
    take(gathered)
    t.strictSame([told.splice(0), loads], [expected, expectedLoads])
    loads = 0
  }
  t.end()
})

t.test('a policy in two ConfigMaps of an API server', async t => {
  const [store, clock, told] = [new Store(), new TestClock(), [] as string[]]
  let loads = 0
  const hosts = map({
    'hosts.yaml': `apiVersion: sallyport.dev/v1alpha1
kind: ApprovedHosts
metadata: {name: payments}
spec:
  defaults: {owner: payments, ticket: SEC-12, expires: 2027-06-30}
  hosts:
  - {host: api.stripe.com, ports: [{number: 443, protocol: TLS}], namespaces: [shop]}
`,
  })
  store.put(url('hosts'), hosts)
  const stop = watchPolicy(
    {
      namespace: 'sallyport-system',
      names: ['policy', 'hosts'],
      watch: store.watch,
      clock,
      load: files => {
        loads++
        return load(files)
      },
    },
    {
      loaded: revision => told.push(`loaded ${revision}`),
      refused: problems => told.push(...problems),
      restored: () => told.push('restored'),
    },
  )
  await setImmediate()
  await pass(200, [clock])
  t.strictSame(
    told.splice(0),
    ['policy ConfigMap policy is not there'],
    'nothing is in force, and it says what is missing',
  )
  t.equal(loads, 0)

  const data = (action: string): Fields => map({ 'policy.yaml': policy(action) })
  store.put(url('policy'), data('warn'))
  await setImmediate()
  await pass(100, [clock])
  t.match(told, [/^loaded [0-9a-f]{12}$/])
  const [first] = told.splice(0)

  for (const action of ['deny', 'dryrun', 'off', 'deny']) store.put(url('policy'), data(action))
  store.put(url('hosts'), { ...hosts, metadata: { labels: { touched: 'yes' } } })
  await setImmediate()
  loads = 0
  await pass(1000, [clock])
  t.equal(loads, 1, 'what changes together is loaded together')
  t.match(told, [/^loaded/])
  t.not(told.splice(0)[0], first)

  store.put(url('policy'), data('sometimes'))
  await setImmediate()
  await pass(1000, [clock])
  t.match(told, [/^configmap policy\/policy\.yaml:6:\d+ spec\.rules\.no-host-network\.enforcementAction: /])
  told.splice(0)
  store.put(url('policy'), data('deny'))
  await setImmediate()
  await pass(1000, [clock])
  t.strictSame(told.splice(0), ['restored'])

  store.put(url('hosts'), undefined)
  await setImmediate()
  await pass(1000, [clock])
  t.strictSame(told.splice(0), ['policy ConfigMap hosts is not there'])

  store.put(url('policy'), data('warn'))
  await setImmediate()
  t.equal(clock.timers, 1)
  stop()
  t.equal(clock.timers, 0)
  t.equal(store.watchers, 0)
})

t.test('a ConfigMap that never comes to rest is loaded all the same', async t => {
  const [store, clock] = [new Store(), new TestClock()]
  let loaded = 0
  const watch = { namespace: 'sallyport-system', names: ['policy'], watch: store.watch, clock, load }
  const stop = watchPolicy(watch, {
    loaded: () => loaded++,
    refused: problems => t.fail(problems.join()),
    restored: () => t.fail('nothing was refused'),
  })
  for (let i = 0; i < 100; i++) {
    store.put(url('policy'), map({ 'policy.yaml': `# ${i}\n${policy('warn')}` }))
    await setImmediate()
    clock.pass(20)
  }
  t.ok(loaded >= 20 && loaded <= 50, `${loaded} times in two seconds`)
  stop()
})
