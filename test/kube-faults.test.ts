import t, { type Test } from 'tap'
import { type LiveInventory, type LiveOptions, startInventory } from '../src/kube/live.ts'
import { watchObjects } from '../src/kube/object.ts'
import type { ReflectorStatus, Transition } from '../src/kube/status.ts'
import { defaultTiming, type Timing } from '../src/kube/timing.ts'
import { fail, type Scripted, type Stored, startScripted } from './scripted.ts'
import { until } from './until.ts'

// What an API server does wrong, F1 to F9, against real sockets. Times are shorter than in a cluster, by one factor each.

const services = { path: '/api/v1/services', apiVersion: 'v1', kind: 'Service' }
const namespaces = { path: '/api/v1/namespaces', apiVersion: 'v1', kind: 'Namespace' }
const entries = {
  path: '/apis/networking.istio.io/v1/serviceentries',
  apiVersion: 'networking.istio.io/v1',
  kind: 'ServiceEntry',
}
const entryKind = 'ServiceEntry.networking.istio.io'

const timing: Timing = {
  ...defaultTiming,
  pageSize: 10,
  silence: [400, 500],
  reconnect: [0, 100],
  check: [60_000, 60_000],
  checkCall: 1,
  lag: 50,
  absent: [100, 150],
  forbidden: [300, 400],
  refusal: 200,
  again: [10, 20],
}

function service(name: string, type = 'ClusterIP'): Stored {
  return {
    metadata: { namespace: 'shop', name, managedFields: ['noise'] },
    spec: { type },
    status: { loadBalancer: {} },
  }
}

function many(count: number): readonly Stored[] {
  return Array.from({ length: count }, (_, i) => service(`s${String(i).padStart(3, '0')}`))
}

/** A scripted API server with Services, and an inventory that follows it. */
interface Scene {
  readonly server: Scripted
  readonly inventory: LiveInventory
  readonly transitions: readonly Transition[]
  names(): readonly unknown[]
  status(kind?: string): ReflectorStatus
}

async function stage(
  t: Test,
  objects: readonly Stored[],
  { prepare, ...options }: Partial<LiveOptions> & { readonly prepare?: (server: Scripted) => unknown } = {},
): Promise<Scene> {
  const server = await startScripted(t)
  server.serve(namespaces, [{ metadata: { name: 'shop' } }])
  server.serve(services, objects)
  await prepare?.(server)
  const transitions: Transition[] = []
  const inventory = startInventory({
    cluster: server.cluster,
    kinds: ['Service', 'Namespace'],
    configMaps: [],
    timing,
    moved: transition => transitions.push(transition),
    ...options,
  })
  t.teardown(() => inventory.stop())
  const status = (kind = 'Service'): ReflectorStatus => {
    const found = inventory.status().find(one => one.kind === kind)
    if (found === undefined) throw new Error(`no reflector of ${kind}`)
    return found
  }
  const names = (): readonly unknown[] =>
    inventory
      .current()
      .list('Service')
      .map(object => (object as Stored).metadata.name)
  return { server, inventory, transitions, names, status }
}

/** Waits until the watch of Services is open, and knows of an object that is made now. */
async function follows({ server, inventory }: Scene, name: string): Promise<void> {
  server.put(services.path, service(name))
  await until(`${name} is seen`, () => inventory.current().find('Service', 'shop', name) !== undefined)
}

// Most of their time they wait, each for a server of its own.
t.jobs = 6
const parallel = { buffered: true }

t.test('all is well: a list, what is watched after it, and nothing that no rule reads', parallel, async t => {
  const scene = await stage(t, [service('a'), service('b')])
  const { server, inventory, transitions, names } = scene
  await inventory.settled()
  t.strictSame(names(), ['a', 'b'])
  t.strictSame(inventory.current().find('Service', 'shop', 'a'), {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'a', namespace: 'shop' },
    spec: { type: 'ClusterIP' },
  })
  t.strictSame(transitions.map(({ kind, from, to }) => `${kind}: ${from} → ${to}`).sort(), [
    'Namespace: waiting → synced',
    'Service: waiting → synced',
  ])
  t.equal(inventory.current().knows('Service'), true)
  t.equal(inventory.current().knows('Pod'), false)
  const before = inventory.current()
  t.equal(before, inventory.current(), 'the same while nothing changes')
  const changed = inventory.changed(['Service'], 10_000)
  await follows(scene, 'c')
  t.equal(await changed, true)
  t.strictSame(before.list('Service').length, 2, 'what somebody judges by does not change')
  server.put(services.path, service('a', 'ExternalName'))
  server.remove(services.path, 'shop', 'b')
  await until('b is gone', () => names().length === 2)
  t.match(inventory.current().find('Service', 'shop', 'a'), { spec: { type: 'ExternalName' } })
  t.equal(await inventory.changed(['Namespace'], 1), false, 'nothing of that kind changes')
  t.equal(await inventory.changed(['Service'], 10_000, AbortSignal.abort()), false)
  const { query } = server.asked.find(({ what, path }) => what === 'watch' && path === services.path) ?? {}
  t.equal(query?.get('allowWatchBookmarks'), 'true')
  const seconds = Number(query?.get('timeoutSeconds'))
  t.ok(seconds >= 300 && seconds <= 600, `${seconds} s`)
})

t.test('F1: the API server cannot be reached at the start', parallel, async t => {
  const scene = await stage(t, [service('a')], { prepare: server => server.goAway() })
  const { server, inventory, status, transitions } = scene
  await until('it has tried twice', () => status().restarts.unreachable >= 2)
  t.equal(inventory.isSettled(), false)
  t.equal(inventory.current().knows('Service'), false, 'nothing is taken for absent')
  t.equal(transitions.length, 0)
  t.match(status(), { state: 'waiting', why: /ECONNREFUSED/ })
  t.ok(status().staleness > 0)
  await server.comeBack()
  await inventory.settled(AbortSignal.timeout(20_000))
  t.equal(inventory.isSettled(), true)
  await until('it is fresh', () => status().staleness === 0)
  t.equal(status().why, undefined)
})

t.test('F2: the API server restarts, and every connection breaks', parallel, async t => {
  const scene = await stage(t, many(25))
  const { server, inventory, names, status } = scene
  await inventory.settled()
  await follows(scene, 'before')
  await server.goAway()
  await until('it is stale', () => status().staleness > 0)
  t.equal(names().length, 26, 'the last state is still there to judge by')
  t.equal(inventory.isSettled(), true)
  server.putSilently(services.path, service('lost'))
  await server.comeBack()
  const lists = server.count('list')
  await follows(scene, 'after')
  await until('it is fresh', () => status().staleness === 0 && status('Namespace').staleness === 0)
  t.equal(server.count('list'), lists, 'it went on from where it was, without a list')
  t.ok(status().restarts.cut + status().restarts.unreachable > 0)
})

t.test('F2: forty watches that are cut together do not come back together', parallel, async t => {
  const spread: Timing = { ...timing, silence: [60_000, 60_000], reconnect: [0, 2_000] }
  const names = Array.from({ length: 40 }, (_, i) => ({ namespace: 'istio-system', name: `c${i}` }))
  const scene = await stage(t, [], {
    timing: spread,
    configMaps: names,
    prepare: server => server.serve({ path: '/api/v1/configmaps', apiVersion: 'v1', kind: 'ConfigMap' }),
  })
  const { server, inventory } = scene
  const watches = (): number => server.openWatches('/api/v1/configmaps')
  await inventory.settled()
  await until('all watches are open', () => watches() === 40)
  const before = server.asked.length
  server.cut()
  await until('all are back', () => server.count('watch') >= 82 && watches() === 40, 60_000)
  const came = server.asked.slice(before).map(({ at }) => at)
  const first = Math.min(...came)
  const inOneTenth = came.filter(at => at - first < 200).length
  t.ok(inOneTenth < 20, `${inOneTenth} of ${came.length} in the first tenth of the time`)
})

t.test('F3: a watch is silently dead', parallel, async t => {
  const scene = await stage(t, [service('a')])
  const { server, inventory, names, status } = scene
  await inventory.settled()
  await until('the watch is open', () => server.openWatches(services.path) === 1)
  server.mute()
  server.put(services.path, service('b'))
  await until('it is noticed', () => status().restarts.silent > 0)
  t.strictSame(names(), ['a'])
  server.mute(false)
  await until('what was missed is there', () => names().length === 2)
  t.equal(status().relists, 0, 'from where it was')
})

t.test(
  'F3: a quiet watch with bookmarks is not taken for dead, and goes on from the last of them',
  parallel,
  async t => {
    const scene = await stage(t, [service('a')])
    const { server, inventory, status } = scene
    await inventory.settled()
    await until('the watch is open', () => server.openWatches(services.path) === 1)
    server.put(namespaces.path, { metadata: { name: 'other' } })
    const from = (): string | null | undefined =>
      server.asked
        .findLast(({ what, path }) => what === 'watch' && path === services.path)
        ?.query.get('resourceVersion')
    const first = from()
    const began = performance.now()
    // Three times as long as silence is borne.
    await until('the time has passed', () => {
      server.bookmark(services.path)
      return performance.now() - began > 1500
    })
    t.strictSame(status().restarts.silent, 0)
    server.close(services.path)
    await until('it is open again', () => server.count('watch', services.path) === 2)
    t.not(from(), first)
    await follows(scene, 'b')
  },
)

t.test('F4: a watch is answered that its state is gone, and what was deleted meanwhile goes', parallel, async t => {
  for (const how of ['as an event', 'as a status'] as const) {
    await t.test(how, async t => {
      const scene = await stage(t, many(25))
      const { server, inventory, names, status } = scene
      await inventory.settled()
      await until('the watch is open', () => server.openWatches(services.path) === 1)
      const kept = inventory.current().find('Service', 'shop', 's001')
      server.mute()
      server.remove(services.path, 'shop', 's000')
      server.put(services.path, service('new'))
      server.mute(false)
      server.compact(services.path)
      if (how === 'as a status') {
        server.next(({ what, path }) => what === 'watch' && path === services.path, fail(410, 'too old'))
      }
      server.close(services.path)
      await until('the new one is there', () => names().includes('new'))
      t.notOk(names().includes('s000'))
      t.equal(names().length, 25)
      t.equal(inventory.current().find('Service', 'shop', 's001'), kept, 'what is the same is the same object')
      t.match(status(), { relists: 1, restarts: { expired: 1 } })
      await follows(scene, 'later')
    })
  }
})

t.test('F5: a list is answered with 429 and Retry-After', parallel, async t => {
  const scene = await stage(t, [service('a')])
  const { server, inventory, status, names } = scene
  await inventory.settled()
  await until('the watch is open', () => server.openWatches(services.path) === 1)
  server.compact(services.path)
  const isList = ({ what, path }: { what: string; path: string }): boolean => what === 'list' && path === services.path
  server.next(isList, fail(429, 'too many requests', { 'Retry-After': '1' }), 2)
  const lists = server.count('list', services.path)
  server.close(services.path)
  await until('it was told to wait', () => status().restarts.refused === 2)
  t.equal(inventory.isSettled(), true, 'no less ready than before')
  t.strictSame(names(), ['a'])
  await until('the list is there', () => status().relists === 1)
  const times = server.asked
    .filter(isList)
    .map(({ at }) => at)
    .slice(lists)
  t.equal(times.length, 3, 'no storm')
  for (const [i, at] of times.slice(1).entries()) t.ok(at - (times[i] ?? at) >= 990, 'no sooner than asked')
})

t.test('F5: a page that the server is too busy for is asked for again, not the whole list', parallel, async t => {
  const scene = await stage(t, many(35), {
    prepare: server =>
      server.next(
        ({ query }) => query.get('continue')?.includes('.20.') === true,
        fail(429, 'busy', { 'Retry-After': '1' }),
      ),
  })
  await scene.inventory.settled(AbortSignal.timeout(10_000))
  t.equal(scene.names().length, 35)
  t.equal(scene.server.count('list', services.path), 5)
})

t.test('F6: a page in the middle of a list fails', parallel, async t => {
  for (const code of [410, 500]) {
    await t.test(`with ${code}`, async t => {
      const scene = await stage(t, many(95))
      const { server, inventory, names, status } = scene
      await inventory.settled()
      await until('the watch is open', () => server.openWatches(services.path) === 1)
      for (let i = 0; i < 95; i += 2)
        server.putSilently(services.path, service(`s${String(i).padStart(3, '0')}`, 'NodePort'))
      server.putSilently(services.path, service('new'))
      server.compact(services.path)
      server.next(({ query }) => query.get('continue')?.includes('.20.') === true, fail(code, 'gone'))
      const seen = new Set<number>()
      const watching = setInterval(() => seen.add(inventory.current().list('Service').filter(isNodePort).length), 1)
      server.close(services.path)
      await until('the list is there', () => names().includes('new'))
      clearInterval(watching)
      t.equal(names().length, 96)
      t.strictSame(
        [...seen].filter(count => count !== 0 && count !== 48),
        [],
        'the old state or the new, never half of one',
      )
      t.equal(status().restarts.refused, 1)
      t.equal(status().relists, 1)
    })
  }
})

function isNodePort(object: unknown): boolean {
  return (object as { spec: { type: string } }).spec.type === 'NodePort'
}

t.test('F7: a line that cannot be read', parallel, async t => {
  const rows = [
    ['invalid JSON', '{"type":"ADDED","object":{\n', 'malformed'],
    [
      'a type that is not known',
      '{"type":"RENAMED","object":{"metadata":{"name":"x","resourceVersion":"1"}}}\n',
      'unknown',
    ],
    ['no object', '{"type":"ADDED"}\n', 'malformed'],
    ['an object without a name', '{"type":"ADDED","object":{"metadata":{"resourceVersion":"7"}}}\n', 'malformed'],
    ['an error of the server', '{"type":"ERROR","object":{"kind":"Status","code":500}}\n', 'error'],
  ] as const
  for (const [what, line, cause] of rows) {
    await t.test(what, async t => {
      const scene = await stage(t, [service('a')])
      const { server, inventory, names, status } = scene
      await inventory.settled()
      await until('the watch is open', () => server.openWatches(services.path) === 1)
      server.write(services.path, line)
      server.put(services.path, service('b'))
      await until('b is seen', () => names().length === 2)
      t.equal(status().restarts[cause], 1)
      t.equal(status().relists, 0, 'from where it was')
    })
  }
  await t.test('a line that is cut off', async t => {
    const scene = await stage(t, [service('a')])
    const { server, inventory, names, status } = scene
    await inventory.settled()
    await until('the watch is open', () => server.openWatches(services.path) === 1)
    server.write(services.path, '{"type":"ADDED","obj')
    server.close(services.path)
    server.put(services.path, service('b'))
    await until('b is seen', () => names().length === 2)
    t.equal(status().restarts.cut, 1)
  })
  await t.test('a line that comes again and again', async t => {
    const scene = await stage(t, [service('a')])
    const { server, inventory, names, status } = scene
    await inventory.settled()
    await until('the watch is open', () => server.openWatches(services.path) === 1)
    server.putSilently(services.path, service('b'))
    const isWatch = ({ what, path }: { what: string; path: string }): boolean =>
      what === 'watch' && path === services.path
    server.next(isWatch, response => response.writeHead(200).end('not JSON\n'), 2)
    server.write(services.path, 'not JSON\n')
    await until('a list helps', () => names().length === 2)
    t.match(status(), { relists: 1, restarts: { malformed: 3 } })
  })
})

t.test('F8: a kind that is not installed, then is, then is not', parallel, async t => {
  const scene = await stage(t, [], { kinds: ['Namespace', entryKind] })
  const { server, inventory, status, transitions } = scene
  await inventory.settled()
  t.match(status(entryKind), { state: 'absent', staleness: 0 })
  t.equal(inventory.current().knows(entryKind), true, 'known to be empty')
  server.serve(entries, [{ metadata: { namespace: 'shop', name: 'stripe' }, spec: { hosts: ['api.stripe.com'] } }])
  await until('it is there', () => inventory.current().find(entryKind, 'shop', 'stripe') !== undefined)
  t.equal(status(entryKind).state, 'synced')
  await until('the watch is open', () => server.openWatches(entries.path) === 1)
  server.unserve(entries.path)
  await until('it is gone', () => status(entryKind).state === 'absent')
  t.strictSame(inventory.current().list(entryKind), [])
  t.equal(inventory.current().knows(entryKind), true)
  t.strictSame(
    transitions.filter(({ kind }) => kind === entryKind).map(({ to }) => to),
    ['absent', 'synced', 'absent'],
  )
})

t.test('F8: the version to be preferred, on servers that name only groups, too', parallel, async t => {
  for (const isAggregated of [true, false]) {
    const scene = await stage(t, [], {
      kinds: [entryKind],
      prepare: server => {
        server.isAggregated = isAggregated
        server.serve({
          ...entries,
          path: entries.path.replace('/v1/', '/v1beta1/'),
          apiVersion: 'networking.istio.io/v1beta1',
        })
        server.serve(entries, [{ metadata: { namespace: 'shop', name: 'stripe' } }])
      },
    })
    await scene.inventory.settled()
    t.match(scene.inventory.current().find(entryKind, 'shop', 'stripe'), { apiVersion: 'networking.istio.io/v1' })
  }
})

t.test('F9: the right to read a kind is taken away, and given back', parallel, async t => {
  const scene = await stage(t, [service('a')])
  const { server, inventory, status, transitions } = scene
  await inventory.settled()
  await until('the watch is open', () => server.openWatches(services.path) === 1)
  const ofServices = ({ path }: { path: string }): boolean => path === services.path
  server.next(ofServices, fail(403, 'services is forbidden: User "guard" cannot list'), 1)
  server.close(services.path)
  await follows(scene, 'b')
  t.equal(status().state, 'synced', 'a server that has just started may refuse for a moment')
  server.next(ofServices, fail(403, 'services is forbidden: User "guard" cannot list'), Number.POSITIVE_INFINITY)
  server.close(services.path)
  await until('it is known', () => status().state === 'forbidden')
  t.equal(inventory.current().knows('Service'), false)
  t.equal(inventory.current().knows('Namespace'), true)
  t.strictSame(inventory.current().list('Service'), [], 'what is not known to be true is not judged by')
  t.equal(inventory.isSettled(), true)
  t.match(transitions.at(-1), {
    kind: 'Service',
    from: 'synced',
    to: 'forbidden',
    why: /^HTTP 403: services is forbidden/,
  })
  server.calm()
  await until('it is known again', () => status().state === 'synced')
  t.equal(inventory.current().list('Service').length, 2)
})

t.test('ConfigMaps are followed by name, known when all of them are, and other ones when wanted', parallel, async t => {
  const configMaps = { path: '/api/v1/configmaps', apiVersion: 'v1', kind: 'ConfigMap' }
  const configMap = (namespace: string, name: string): Stored => ({ metadata: { namespace, name }, data: { mesh: '' } })
  const scene = await stage(t, [], {
    kinds: ['ConfigMap'],
    configMaps: [
      { namespace: 'istio-system', name: 'istio' },
      { namespace: 'kube-system', name: 'istio-cni-config' },
    ],
    prepare: server => {
      server.serve(configMaps, [configMap('istio-system', 'istio'), configMap('istio-system', 'secret-plans')])
      server.next(({ path }) => path.includes('kube-system'), fail(403, 'not yet'), 1)
    },
  })
  const { server, inventory } = scene
  const held = (): readonly string[] =>
    inventory
      .current()
      .list('ConfigMap')
      .map(object => (object as Stored).metadata.name)
  await until('one is held', () => held().length === 1)
  await inventory.settled()
  t.strictSame(held(), ['istio'])
  await until('all are known', () => inventory.current().knows('ConfigMap'))
  server.put(configMaps.path, configMap('kube-system', 'istio-cni-config'))
  await until('both are held', () => held().length === 2)
  inventory.followConfigMaps([
    { namespace: 'istio-system', name: 'istio' },
    { namespace: 'istio-system', name: 'istio-canary' },
  ])
  t.strictSame(held(), ['istio'], 'what is followed no longer is not held')
  t.equal(inventory.current().knows('ConfigMap'), false)
  await until('all are known', () => inventory.current().knows('ConfigMap'))
})

t.test('a check finds what a watch has missed', parallel, async t => {
  const scene = await stage(t, [service('a'), service('b')], { timing: { ...timing, check: [300, 400] } })
  const { server, inventory, names, status } = scene
  await inventory.settled()
  await until('the watch is open', () => server.openWatches(services.path) === 1)
  server.putSilently(services.path, service('missed'))
  await until('a list brings it', () => names().includes('missed'))
  t.match(status(), { missed: 1, relists: 1, restarts: { missed: 1 } })
})

t.test('one object by its name, whole, and that there is none', parallel, async t => {
  const secrets = { path: '/api/v1/secrets', apiVersion: 'v1', kind: 'Secret' }
  const server = await startScripted(t)
  server.serve(secrets, [{ metadata: { namespace: 'guard', name: 'other' } }])
  const seen: unknown[] = []
  const path = { group: '', version: 'v1', plural: 'secrets', namespace: 'guard', name: 'tls' }
  const stop = watchObjects(server.cluster, { timing })(path, object => seen.push(object))
  t.teardown(stop)
  await until('there is none', () => seen.length === 1)
  server.put(secrets.path, { metadata: { namespace: 'guard', name: 'other' }, data: {} })
  server.put(secrets.path, { metadata: { namespace: 'guard', name: 'tls' }, data: { key: 'a' } })
  await until('it is there', () => seen.length === 2)
  server.cut()
  server.put(secrets.path, { metadata: { namespace: 'guard', name: 'tls' }, data: { key: 'b' } })
  await until('it has changed', () => seen.length === 3)
  server.remove(secrets.path, 'guard', 'tls')
  await until('it is gone', () => seen.length === 4)
  t.match(seen, [undefined, { data: { key: 'a' } }, { data: { key: 'b' } }, undefined])
  stop()
  await until('nobody watches', () => server.openWatches(secrets.path) === 0)
})
