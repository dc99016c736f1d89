import t from 'tap'
import type { Ending, WatchableCluster, WatchOptions } from '../src/kube/client.ts'
import { backoffOf, type Clock } from '../src/kube/clock.ts'
import type { Reply } from '../src/kube/cluster.ts'
import { startInventory } from '../src/kube/live.ts'
import { watchObjects } from '../src/kube/object.ts'
import { kindsHeld } from '../src/kube/resources.ts'
import { mutations } from '../src/mutations/index.ts'
import { rules } from '../src/rules/index.ts'

// What following costs in a day. Time is simulated, and so is the server: a day of real sockets would take one.

const second = 1_000
const minute = 60 * second
const hour = 60 * minute

/** A clock that goes on as soon as everybody waits. */
class SimulatedClock implements Clock {
  #now = 0
  #seed = 1
  #waiting: { readonly until: number; readonly wake: () => void }[] = []

  now(): number {
    return this.#now
  }

  random(): number {
    // A linear congruential generator, so that a run can be repeated.
    this.#seed = (this.#seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return this.#seed / 2_147_483_648
  }

  async sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push({ until: this.#now + milliseconds, wake: resolve })
    signal?.addEventListener('abort', () => resolve(), { once: true })
    await promise
  }

  async goTo(time: number): Promise<void> {
    for (;;) {
      await new Promise(setImmediate)
      this.#waiting.sort((a, b) => a.until - b.until)
      const [next] = this.#waiting
      if (next === undefined || next.until > time) break
      this.#waiting.shift()
      this.#now = next.until
      next.wake()
    }
    this.#now = time
  }
}

interface Asked {
  readonly path: string
  readonly at: number
  readonly isWatch: boolean
}

/** A server that answers as told, and whose watches last as long as they are asked to. */
function simulated(
  clock: Clock,
  answer: (path: string) => Reply,
  isMute = false,
): { readonly cluster: WatchableCluster; readonly asked: readonly Asked[] } {
  const asked: Asked[] = []
  const cluster: WatchableCluster = {
    send: async (_, path) => {
      asked.push({ path, at: clock.now(), isWatch: false })
      return answer(path)
    },
    watch: async (path: string, { query, signal, silence, opened }: WatchOptions): Promise<Ending> => {
      asked.push({ path, at: clock.now(), isWatch: true })
      const reply = answer(path)
      if (reply.status !== 200) return { how: 'answered', reply }
      opened?.()
      const lasts = Number(query?.['timeoutSeconds']) * second
      const isSilent = isMute && silence < lasts
      await clock.sleep(isSilent ? silence : lasts, signal)
      if (signal?.aborted) return { how: 'stopped' }
      return { how: isSilent ? 'silent' : 'closed' }
    },
  }
  return { cluster, asked }
}

const kinds = kindsHeld(rules, mutations)

/** Says of every group and kind that it is served. */
function everything(path: string, count = 0): Reply {
  if (path !== '/apis') {
    const metadata = { resourceVersion: '1' }
    const items = Array.from({ length: count }, (_, i) => ({ metadata: { name: `n${i}`, resourceVersion: '1' } }))
    return { status: 200, retryAfter: undefined, body: { metadata, items } }
  }
  const items = kinds
    .filter(kind => kind.includes('.'))
    .map(kind => {
      const dot = kind.indexOf('.')
      const resources = [{ responseKind: { kind: kind.slice(0, dot) } }]
      return { metadata: { name: kind.slice(dot + 1) }, versions: [{ version: 'v1', resources }] }
    })
  return { status: 200, retryAfter: undefined, body: { kind: 'APIGroupDiscoveryList', items } }
}

for (const isMute of [false, true]) {
  const bookmarks = isMute ? 'without bookmarks' : 'with bookmarks'
  t.test(`a quiet day costs no kind more than 15 calls an hour, ${bookmarks}`, async t => {
    const clock = new SimulatedClock()
    const { cluster, asked } = simulated(clock, path => everything(path, 3), isMute)
    const inventory = startInventory({
      cluster,
      kinds,
      configMaps: [{ namespace: 'istio-system', name: 'istio' }],
      clock,
    })
    await clock.goTo(24 * hour)
    t.ok(inventory.isSettled())
    for (const [path, calls] of Map.groupBy(asked, ({ path }) => path)) {
      const perHour = calls.length / 24
      t.ok(perHour <= 15, `${path}: ${perHour.toFixed(1)} an hour`)
      if (path !== '/apis') t.ok(perHour > 5, 'and it is watched all the time')
    }
    t.equal(asked.filter(({ path }) => path === '/apis').length, 1, 'nothing is missing, so discovery is asked once')
    for (const { staleness, missed, restarts, kind } of inventory.status()) {
      t.match({ staleness, missed, cut: restarts.cut }, { staleness: 0, missed: 0, cut: 0 }, kind)
    }
    inventory.stop()
  })
}

t.test('kinds that are not installed cost one question in about 20 seconds, all together', async t => {
  const clock = new SimulatedClock()
  const { cluster, asked } = simulated(clock, path =>
    path === '/apis'
      ? { status: 200, retryAfter: undefined, body: { kind: 'APIGroupDiscoveryList' } }
      : everything(path),
  )
  const inventory = startInventory({ cluster, kinds, configMaps: [], clock })
  await clock.goTo(hour)
  const questions = asked.filter(({ path }) => path === '/apis')
  t.ok(questions.length < 200, `${questions.length}`)
  const gaps = questions.slice(1).map(({ at }, i) => at - (questions[i]?.at ?? 0))
  t.ok(Math.max(...gaps) < 50 * second, 'so that a new one is watched within a minute')
  inventory.stop()
})

t.test('what may not be read is asked for ever more rarely, and a server that is away as well', async t => {
  const rows = [
    { status: 403, most: 15 },
    { status: 0, most: 300 },
    { status: 500, most: 300 },
  ]
  for (const { status, most } of rows) {
    const clock = new SimulatedClock()
    const { cluster, asked } = simulated(clock, () => ({ status, retryAfter: undefined, body: 'no' }))
    const inventory = startInventory({ cluster, kinds: ['Pod'], configMaps: [], clock })
    await clock.goTo(10 * hour)
    const last = asked.filter(({ at }) => at > 9 * hour)
    t.ok(last.length <= most, `${status}: ${last.length} in the last hour`)
    t.ok(last.length > 5, 'it never gives up')
    t.ok(asked.filter(({ at }) => at < minute).length > 4, 'at first it is asked soon again')
    t.equal(inventory.isSettled(), status === 403)
    inventory.stop()
  }
})

t.test('waits double, with chance over their whole length, and begin anew when all was well', t => {
  const clock = { now: () => 200_000, random: () => 0.999_999, sleep: async () => undefined }
  const backoff = backoffOf(clock)
  const waits = Array.from({ length: 8 }, () => Math.round(backoff.next()))
  t.strictSame(waits, [800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000])
  backoff.wellSince(100_000)
  t.equal(Math.round(backoff.next()), 30_000, 'a minute is not long')
  backoff.wellSince(80_000)
  t.equal(Math.round(backoff.next()), 800)
  t.equal(backoffOf({ ...clock, random: () => 0 }).next(), 0)
  t.end()
})

t.test('however long the API server was away, the policy is watched again within 4 s', async t => {
  const clock = new SimulatedClock()
  let isAway = true
  const { cluster, asked } = simulated(clock, path =>
    isAway ? { status: 0, retryAfter: undefined, body: 'refused' } : everything(path),
  )
  const policy = { group: '', version: 'v1', plural: 'configmaps', namespace: 'sallyport-system', name: 'policy' }
  const stop = watchObjects(cluster, { clock })(policy, () => undefined)
  // Longer than a watch lasts, so that each round sees the server go.
  for (let back = 15 * minute; back < 2 * hour; back += 15 * minute) {
    isAway = true
    await clock.goTo(back)
    const tries = asked.length
    isAway = false
    await clock.goTo(back + 4 * second)
    t.ok(asked.length > tries, `after ${back / minute} minutes`)
  }
  stop()
})
