import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { dig } from '../src/istio/json.ts'
import type { Cluster, Reply } from '../src/kube/cluster.ts'
import { type Candidate, lead, type WhileLeader } from '../src/kube/lease.ts'
import { pass, reply, type Sent, Store, status, TestClock } from './store.ts'

const second = 1000
const collection = '/apis/coordination.k8s.io/v1/namespaces/sallyport-system/leases'
const url = `${collection}/sallyport`

/** A replica of a test, and what its election told. */
interface Replica extends Candidate {
  readonly clock: TestClock
  readonly told: string[]
  /** What the leader was given last. */
  readonly term: () => { readonly signal: AbortSignal; readonly cluster: Cluster }
}

const untilOver: WhileLeader = signal =>
  new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))

function replica(store: Cluster, name: string, work: WhileLeader = untilOver): Replica {
  const clock = new TestClock()
  const told: string[] = []
  let term: ReturnType<Replica['term']> | undefined
  const candidate = lead(
    {
      cluster: store,
      namespace: 'sallyport-system',
      name: 'sallyport',
      identity: name,
      clock,
      date: clock.date,
      events: {
        elected: () => told.push('elected'),
        ended: why => told.push(`ended: ${why}`),
        failed: why => told.push(`failed: ${why}`),
        recovered: () => told.push('recovered'),
        crashed: cause => told.push(`crashed: ${cause}`),
      },
    },
    (signal, cluster) => {
      term = { signal, cluster }
      return work(signal, cluster)
    },
  )
  return {
    ...{
      holder: candidate.holder,
      isLeader: () => candidate.isLeader(),
      ledLast: () => candidate.ledLast(),
      stop: () => candidate.stop(),
    },
    clock,
    told,
    term: () => {
      if (term === undefined) throw new Error(`${name} never led`)
      return term
    },
  }
}

const holder = (store: Store): unknown => dig(store.read(url), 'spec', 'holderIdentity')

/** Of two replicas: never both lead. */
const notBoth = (...replicas: readonly Replica[]): void => {
  const leaders = replicas.filter(one => one.isLeader())
  if (leaders.length > 1) throw new Error(`${leaders.map(one => one.holder)} lead together`)
}

t.test('the first leads at once, the second waits, and the lease says who', async t => {
  const store = new Store()
  const a = replica(store, 'a')
  await setImmediate()
  const b = replica(store, 'b')
  await pass(60 * second, [a.clock, b.clock], () => notBoth(a, b))
  t.ok(a.isLeader())
  t.notOk(b.isLeader())
  t.strictSame([a.told, b.told], [['elected'], []])
  t.match(a.holder, /^a_[0-9a-f]{8}$/, 'a pod that starts anew is another')
  t.match(store.read(url), {
    spec: {
      holderIdentity: a.holder,
      leaseDurationSeconds: 15,
      leaseTransitions: 0,
      acquireTime: '2026-11-21T00:00:00.000000Z',
      renewTime: /^2026-11-21T00:0[01]:[05]\d\.\d{6}Z$/,
    },
  })
  const perReplica = store.sent.length / 2 / 60
  t.ok(perReplica <= 0.6, `${perReplica} requests a second`)
  await Promise.all([a.stop(), b.stop()])
})

t.test('two that begin together: one is created, one leads', async t => {
  const store = new Store()
  const [a, b] = [replica(store, 'a'), replica(store, 'b')]
  await pass(10 * second, [a.clock, b.clock], () => notBoth(a, b))
  t.equal([a, b].filter(one => one.isLeader()).length, 1)
  t.equal(store.sent.filter(({ method }) => method === 'POST').length, 2, 'both tried')
  t.strictSame([...a.told, ...b.told], ['elected'], 'to be slower is no failure')
  await Promise.all([a.stop(), b.stop()])
})

t.test('a leader that is gone is followed within 20 seconds, and not before its lease is over', async t => {
  const store = new Store()
  const a = replica(store, 'a')
  await setImmediate()
  const b = replica(store, 'b')
  await pass(30 * second, [a.clock, b.clock])
  const renewals = store.writes.length
  a.clock.stopped = true
  let after = 0
  await pass(30 * second, [b.clock], passed => {
    after = passed
    return b.isLeader()
  })
  t.ok(after <= 20 * second, `after ${after} ms`)
  t.ok(after >= 13 * second, `after ${after} ms`)
  t.equal(store.writes.length, renewals + 1)
  t.match(store.read(url), { spec: { holderIdentity: b.holder, leaseTransitions: 1 } })
  await b.stop()
})

t.test('clocks that differ by an hour change nothing', async t => {
  for (const skew of [3_600_000, -3_600_000]) {
    const store = new Store()
    const a = replica(store, 'a')
    await setImmediate()
    const b = replica(store, 'b')
    b.clock.skew = skew
    await pass(60 * second, [a.clock, b.clock], () => notBoth(a, b))
    t.ok(a.isLeader(), `${skew}`)
    await Promise.all([a.stop(), b.stop()])
  }
})

t.test('a leader that was stopped for a minute writes nothing when it goes on', async t => {
  const store = new Store()
  const a = replica(store, 'a')
  await setImmediate()
  const b = replica(store, 'b')
  await pass(5 * second, [a.clock, b.clock])
  const { signal, cluster } = a.term()
  t.equal((await cluster.send('POST', '/api/v1/x', { body: { metadata: { name: 'one' } } })).status, 201)
  a.clock.stopped = true
  await pass(60 * second, [a.clock, b.clock], () => notBoth(a, b))
  t.ok(b.isLeader())
  const before = store.sent.length
  // What goes on first is what the leader was about to do; nothing told it yet that time has passed.
  t.notOk(signal.aborted)
  t.notOk(a.isLeader(), 'by its own clock')
  const refused = await cluster.send('POST', '/api/v1/x', { body: { metadata: { name: 'two' } } })
  t.match(refused, { status: 0, body: /leads no more/ })
  t.equal(store.sent.length, before, 'not even sent')
  a.clock.stopped = false
  await pass(10 * second, [a.clock, b.clock], () => notBoth(a, b))
  t.ok(signal.aborted)
  t.ok(b.isLeader())
  t.strictSame(a.told, ['elected', 'ended: the lease could not be renewed in time'])
  t.equal(holder(store), b.holder)
  await Promise.all([a.stop(), b.stop()])
})

t.test('an answer that comes too late begins no term', async t => {
  const store = new Store()
  const { promise: delayed, resolve: answer } = Promise.withResolvers<undefined>()
  store.fault = async ({ method }) => (method === 'POST' ? delayed : undefined)
  const a = replica(store, 'a')
  await pass(11 * second, [a.clock])
  store.fault = () => undefined
  answer(undefined)
  await setImmediate()
  t.equal(holder(store), a.holder, 'the lease was made')
  t.notOk(a.isLeader())
  await pass(3 * second, [a.clock])
  t.ok(a.isLeader(), 'the next try renews it')
  await a.stop()
})

t.test('an API server in trouble', async t => {
  const ended = ['ended: the lease could not be renewed in time', 'recovered', 'elected']
  const rows: readonly (readonly [string, Reply, number, readonly string[]])[] = [
    [
      '5 s of errors',
      status(500, 'InternalError'),
      5,
      ['failed: HTTP 500: InternalError: said by the store', 'recovered'],
    ],
    ['5 s unreachable', reply(0, 'connect ECONNREFUSED'), 5, ['failed: connect ECONNREFUSED', 'recovered']],
    ['20 s unreachable', reply(0, ''), 20, ['failed: no reason given', ...ended]],
    ['20 s of answers that are no lease', reply(200, 'hello'), 20, ['failed: HTTP 200: hello', ...ended]],
  ]
  for (const [name, answer, seconds, expected] of rows) {
    const store = new Store()
    const a = replica(store, 'a')
    await pass(5 * second, [a.clock])
    store.fault = () => answer
    let led = 0
    await pass(seconds * second, [a.clock], passed => {
      if (a.isLeader()) led = passed
    })
    t.ok(led <= 10 * second, `${name}: led ${led} ms more`)
    store.fault = () => undefined
    await pass(5 * second, [a.clock])
    t.ok(a.isLeader(), name)
    t.strictSame(a.told, ['elected', ...expected], name)
    await a.stop()
  }
})

t.test('a lease that somebody else touched is read anew', async t => {
  const store = new Store()
  const a = replica(store, 'a')
  await pass(5 * second, [a.clock])
  const touched = store.read(url)
  store.put(url, { ...touched, metadata: { ...(touched?.['metadata'] as object), labels: { touched: 'yes' } } })
  await pass(5 * second, [a.clock])
  t.match(store.read(url), { metadata: { labels: { touched: 'yes' } }, spec: { holderIdentity: a.holder } })
  store.put(url, undefined)
  await pass(5 * second, [a.clock])
  t.equal(holder(store), a.holder, 'one that was deleted is made again')
  store.put(url, { ...store.read(url), spec: { holderIdentity: 'intruder', leaseDurationSeconds: 15 } })
  await pass(5 * second, [a.clock])
  t.notOk(a.isLeader(), 'one that names another ends the term')
  t.strictSame(a.told, ['elected', 'ended: another replica holds the lease'])
  await pass(20 * second, [a.clock])
  t.ok(a.isLeader(), 'until that one does not renew it')
  await a.stop()
})

t.test('who stops frees the lease, after its work is done', async t => {
  const store = new Store()
  const order: string[] = []
  const { promise: finish, resolve: finished } = Promise.withResolvers<void>()
  const a = replica(store, 'a', async signal => {
    await untilOver(signal, store)
    order.push(`lease of ${holder(store) === a.holder ? 'a' : 'nobody'}`)
    await finish
    order.push('done')
  })
  await setImmediate()
  const b = replica(store, 'b')
  await pass(5 * second, [a.clock, b.clock])
  const stopped = a.stop().then(() => order.push(`lease of ${holder(store) || 'nobody'}`))
  t.notOk(a.isLeader(), 'at once')
  await setImmediate()
  finished()
  await stopped
  t.strictSame(order, ['lease of a', 'done', 'lease of nobody'])
  let after = 0
  await pass(10 * second, [b.clock], passed => {
    after = passed
    return b.isLeader()
  })
  t.ok(after <= 2.5 * second, `the next leads after ${after} ms`)
  await b.stop()
})

t.test('who stops as another leads, or in the middle of a request, leaves the lease as it should be', async t => {
  const store = new Store()
  const a = replica(store, 'a')
  await setImmediate()
  const b = replica(store, 'b')
  await pass(5 * second, [a.clock, b.clock])
  await b.stop()
  t.equal(holder(store), a.holder)
  await a.stop()
  const hanging = Promise.withResolvers<undefined>()
  const c = replica(store, 'c')
  store.fault = async (sent: Sent) => (sent.method === 'PUT' ? hanging.promise : undefined)
  await setImmediate()
  const stopped = c.stop()
  store.fault = () => undefined
  hanging.resolve(undefined)
  await stopped
  t.notOk(c.isLeader())
  t.equal(holder(store), '', 'what was won in the last moment is freed')
  t.strictSame(c.told, [])
})

t.test('a leader whose work fails gives way', async t => {
  const store = new Store()
  const a = replica(store, 'a', async () => {
    throw new Error('no')
  })
  await setImmediate()
  const b = replica(store, 'b')
  await pass(15 * second, [a.clock, b.clock], () => notBoth(a, b))
  t.strictSame(a.told, ['elected', 'crashed: Error: no', 'ended: what the leader does failed'], 'and lets others try')
  t.ok(b.isLeader())
  await Promise.all([a.stop(), b.stop()])
})

t.test('work that is done early leaves the term alone, and work that does not end keeps from the next', async t => {
  const store = new Store()
  const a = replica(store, 'a', async () => {})
  await pass(60 * second, [a.clock])
  t.ok(a.isLeader())
  t.strictSame(a.told, ['elected'])
  await a.stop()
  const endless = Promise.withResolvers<void>()
  const b = replica(store, 'b', () => endless.promise)
  await pass(5 * second, [b.clock])
  t.ok(b.isLeader())
  store.put(url, { ...store.read(url), spec: { holderIdentity: 'intruder' } })
  await pass(30 * second, [b.clock])
  t.equal(holder(store), 'intruder')
  endless.resolve()
  await pass(30 * second, [b.clock])
  t.ok(b.isLeader())
  await b.stop()
})

/** What befalls one replica, or the way to the API server of all, for so many steps. */
const trouble = fc.record({
  at: fc.nat(600),
  lasts: fc.integer({ min: 1, max: 400 }),
  who: fc.nat(2),
  what: fc.constantFrom('stopped', 'refused', 'unheard', 'restarted'),
})

t.test('whatever happens, no two lead at once, and one does when it is over', async t => {
  const law = fc.assert(
    fc.asyncProperty(fc.array(trouble, { maxLength: 12 }), async troubles => {
      const store = new Store()
      const names = ['a', 'b', 'c']
      let now = 0
      const befalls = (who: number, what: string): boolean =>
        troubles.some(one => one.who === who && one.what === what && one.at <= now && now < one.at + one.lasts)
      const start = (who: number): Replica => replica(wayOf(who), names[who] ?? '')
      const wayOf = (who: number): Cluster => ({
        send: async (method, path, options) => {
          if (befalls(who, 'refused')) return reply(0, 'connect ECONNREFUSED')
          const answer = await store.send(method, path, options)
          // It was done, and the answer got lost.
          return befalls(who, 'unheard') ? reply(0, 'socket hang up') : answer
        },
      })
      const replicas = names.map((_, who) => start(who))
      for (; now < 1500; now++) {
        for (const [who, one] of replicas.entries()) {
          one.clock.stopped = befalls(who, 'stopped')
          // Killed, not asked to stop: its timers never run again, and what it has sent may still arrive.
          if (troubles.some(({ at, what, who: whom }) => at === now && what === 'restarted' && whom === who)) {
            one.clock.stopped = true
            replicas[who] = start(who)
          } else one.clock.pass(100 + who)
        }
        await setImmediate()
        notBoth(...replicas)
      }
      const leaders = replicas.filter(one => one.isLeader())
      if (leaders.length !== 1 || leaders[0]?.holder !== holder(store)) throw new Error(`${leaders.length} lead`)
      for (const one of replicas) one.clock.stopped = false
      await Promise.all(replicas.map(one => one.stop()))
      if (holder(store) !== '') throw new Error(`${holder(store)} keeps the lease`)
    }),
    { numRuns: 25 },
  )
  await t.resolves(law)
})
