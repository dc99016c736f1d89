import fc from 'fast-check'
import t from 'tap'
import { type Change, type Inventory, inventoryOf } from '../src/core/inventory.ts'
import { refOf } from '../src/core/kind.ts'
import { servedHosts } from '../src/core/registry.ts'
import type { Fields } from '../src/istio/json.ts'
import { LiveState } from '../src/kube/state.ts'

const entryKind = 'ServiceEntry.networking.istio.io'
const kinds = ['Service', entryKind] as const
const namespaces = ['pay', 'shop', 'web'] as const
const names = ['a', 'b', 'c', 'd'] as const
const hosts = ['x.example', 'y.example', '*.example'] as const

function object(kind: (typeof kinds)[number], namespace: string, name: string, host: string, port = 1): Fields {
  const [apiVersion, bare] = kind === 'Service' ? ['v1', 'Service'] : ['networking.istio.io/v1', 'ServiceEntry']
  return { apiVersion, kind: bare, metadata: { namespace, name }, spec: { hosts: [host], port } }
}

function stored(object: Fields): Change {
  return { ref: refOf(object), object }
}

function gone(object: Fields): Change {
  return { ref: refOf(object), object: undefined }
}

/** Everything that rules can find out about the objects. */
function told(inventory: Inventory): object {
  return {
    known: kinds.map(kind => inventory.knows(kind)),
    lists: kinds.flatMap(kind => [
      inventory.list(kind),
      ...namespaces.map(namespace => inventory.list(kind, namespace)),
    ]),
    found: kinds.flatMap(kind => namespaces.flatMap(space => names.map(name => inventory.find(kind, space, name)))),
    served: hosts.map(host => servedHosts(inventory)(host)),
  }
}

const event = fc.record({
  kind: fc.constantFrom(...kinds),
  namespace: fc.constantFrom(...namespaces),
  name: fc.constantFrom(...names),
  host: fc.constantFrom(...hosts),
  port: fc.nat(3),
  isGone: fc.boolean(),
  /** Whether somebody looks afterwards, and at what. */
  look: fc.constantFrom('not', 'all', 'some'),
})

t.test('after any events the state is that of the objects that are left, and views from before are as they were', t => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 120 }), fc.integer({ min: 1, max: 7 }), (events, batch) => {
      const live = new LiveState(() => new Set(kinds))
      const left = new Map<string, Fields>()
      const before: { readonly view: Inventory; readonly told: object }[] = []
      for (let i = 0; i < events.length; i += batch) {
        const some = events.slice(i, i + batch)
        const changes = some.map(({ kind, namespace, name, host, port, isGone }) => {
          const one = object(kind, namespace, name, host, port)
          const key = `${kind} ${namespace}/${name}`
          if (isGone) left.delete(key)
          else left.set(key, one)
          return isGone ? gone(one) : stored(one)
        })
        live.apply(changes)
        const { look } = some.at(-1) ?? {}
        if (look === 'some') live.current().list(entryKind, 'shop')
        if (look === 'all') before.push({ view: live.current(), told: told(live.current()) })
      }
      const fresh = inventoryOf([...left.values()], kinds)
      t.strictSame(told(live.current()), told(fresh))
      for (const { view, told: then } of before) t.strictSame(told(view), then)
      const more = object(entryKind, 'shop', 'e', 'x.example')
      t.strictSame(told(live.current().with(refOf(more), more)), told(fresh.with(refOf(more), more)), 'one more')
      for (const one of [...left.values()].slice(0, 3)) {
        t.strictSame(told(live.current().without(refOf(one))), told(fresh.without(refOf(one))), 'one less')
      }
    }),
    { numRuns: 150 },
  )
  t.end()
})

t.test('one change among 10,000 leaves the stored list and its index as they are', t => {
  const live = new LiveState(() => new Set())
  const entry = (i: number, host = `h${i}.example`): Fields =>
    object(entryKind, 'shop', `e${String(i).padStart(5, '0')}`, host)
  const services = object('Service', 'shop', 'a', '')
  live.apply(Array.from({ length: 10_000 }, (_, i) => stored(entry(i))))
  live.apply([stored(services)])
  const first = live.current()
  const list = first.list(entryKind)
  const layer = first.layers(entryKind)
  t.match(layer, { objects: list, below: undefined }, 'it is stored')
  t.equal(first, live.current())

  live.apply([stored(entry(5_000, 'new.example'))])
  const second = live.current()
  t.not(second, first)
  t.equal(second.list(entryKind), second.list(entryKind), 'the same list whoever asks')
  t.equal(second.layers(entryKind), second.layers(entryKind), 'and the same layer')
  t.match(second.layers(entryKind), {
    objects: [{ spec: { hosts: ['new.example'] } }],
    hidden: new Set(['shop/e05000']),
  })
  t.equal(second.layers(entryKind).below, layer, 'over the one that is stored, whose index lasts')
  t.equal(second.list('Service'), first.list('Service'), 'the list of another kind is the same')
  t.equal(servedHosts(second)('new.example').length, 1)
  t.equal(servedHosts(second)('h5000.example').length, 0)
  t.equal(servedHosts(first)('h5000.example').length, 1)

  live.learn()
  t.equal(live.current().list(entryKind), second.list(entryKind), 'that a kind has become known changes no list')
  for (let i = 0; i < 141; i++) {
    live.apply([stored(entry(i, 'more.example'))])
    live.current().list(entryKind)
  }
  const last = live.current().list(entryKind)
  const top = live.current().layers(entryKind)
  t.match(
    top,
    { objects: { length: 10_000 }, below: undefined },
    'many changes are stored, too, and lie over it no longer',
  )
  t.not(top, layer)
  t.equal(last.length, 10_000)
  t.end()
})

t.test('a namespace in which nothing has changed keeps its list', t => {
  const live = new LiveState(() => new Set())
  const [a, b] = [object(entryKind, 'shop', 'a', 'x.example'), object(entryKind, 'pay', 'b', 'x.example')]
  live.apply([stored(a)])
  const shop = live.current().list(entryKind, 'shop')
  live.apply([stored(b)])
  t.equal(live.current().list(entryKind, 'shop'), shop)
  t.strictSame(live.current().list(entryKind), [b, a])
  t.equal(live.current().list('Pod'), live.current().list('Pod'), 'of a kind without objects, too')
  t.equal(live.current().find('Pod', 'shop', 'a'), undefined)
  t.end()
})
