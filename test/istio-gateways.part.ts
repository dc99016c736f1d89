import t from 'tap'
import { isDiscovered } from '../src/istio/discovery.ts'
import { entryVisibility } from '../src/istio/entryvisibility.ts'
import {
  gatewayServices,
  hostnameAddresses,
  isAutoPassthrough,
  parentsOf,
  readReference,
  registersNetwork,
} from '../src/istio/gatewayapi.ts'
import { gatewayApiKind } from '../src/istio/kinds.ts'
import { providerTargets } from '../src/istio/provider.ts'
import {
  allowsAttachment,
  canaryWeight,
  chosenCanary,
  chosenWaypoint,
  passesForWaypoint,
  waypointFor,
} from '../src/istio/waypoint.ts'

t.test('readReference', t => {
  const rows = [
    [{ name: 'web' }, gatewayApiKind, gatewayApiKind],
    [{ kind: 'Service', name: 'web' }, gatewayApiKind, 'Service.gateway.networking.k8s.io'],
    [{ group: '', kind: 'Service', name: 'web' }, gatewayApiKind, 'Service'],
    [{ group: '', name: 'web' }, gatewayApiKind, 'Gateway'],
    [{ name: 'web' }, 'Service', 'Service'],
    [{ kind: 'Hostname', name: 'web' }, 'Service', 'Hostname'],
    [{ group: 'networking.istio.io', kind: 'Hostname', name: 'web' }, 'Service', 'Hostname.networking.istio.io'],
  ] as const
  for (const [given, kind, meant] of rows) {
    const defaults = { kind, namespace: 'shop' }
    t.strictSame(readReference(given, defaults), { kind: meant, namespace: 'shop', name: 'web' }, JSON.stringify(given))
  }
  t.strictSame(readReference(null, { kind: 'Service', namespace: 'shop' }), {
    kind: 'Service',
    namespace: 'shop',
    name: '',
  })
  t.strictSame(
    parentsOf({ spec: { parentRefs: [7] } }, 'shop').map(({ ref }) => ref.name),
    [''],
    'a parent without a name',
  )
  t.end()
})

t.test('gatewayServices', t => {
  const gateway = (spec: unknown, annotations: unknown = {}): unknown => ({
    metadata: { name: 'web', namespace: 'shop', annotations },
    spec,
  })
  const override = { 'gateway.istio.io/name-override': 'door' }
  const rows = [
    ['the class comes behind the name', gateway({ gatewayClassName: 'istio' }), ['web-istio.shop.svc.cluster.local']],
    ['not of a waypoint', gateway({ gatewayClassName: 'istio-waypoint' }), ['web.shop.svc.cluster.local']],
    ['another name', gateway({ gatewayClassName: 'istio' }, override), ['door.shop.svc.cluster.local']],
    [
      'an address is that of the Service istiod makes',
      gateway({ gatewayClassName: 'istio', addresses: [{ value: '10.0.0.1' }] }),
      ['web-istio.shop.svc.cluster.local'],
    ],
    [
      'a name is that of a Service that is there',
      gateway({ addresses: [{ type: 'Hostname', value: 'door' }] }),
      ['door.shop.svc.cluster.local'],
    ],
    [
      'several',
      gateway({ addresses: [{ value: 'a.b.svc.cluster.local' }, { type: 'IPAddress', value: '10.0.0.1' }, {}] }),
      ['a.b.svc.cluster.local'],
    ],
    ['nothing at all', {}, ['-..svc.cluster.local']],
  ] as const
  for (const [name, given, services] of rows) t.strictSame(gatewayServices(given, 'cluster.local'), services, name)
  t.strictSame(hostnameAddresses({ spec: { addresses: 'x' } }), [], 'no list')
  t.end()
})

t.test('waypoints that labels choose', t => {
  const rows = [
    [{}, undefined, undefined],
    [{ 'istio.io/use-waypoint': 'none' }, 'none', undefined],
    [{ 'istio.io/use-waypoint': 'None' }, { name: 'None', namespace: 'shop' }, undefined],
    [{ 'istio.io/use-waypoint': '' }, { name: '', namespace: 'shop' }, undefined],
    [
      { 'istio.io/use-waypoint': 'wp', 'istio.io/use-waypoint-namespace': 'infra' },
      { name: 'wp', namespace: 'infra' },
      undefined,
    ],
    [{ 'istio.io/use-waypoint-canary': 'wp' }, undefined, { name: 'wp', namespace: 'shop' }],
    [
      { 'istio.io/use-waypoint-canary': 'wp', 'istio.io/use-waypoint-canary-namespace': 'infra' },
      undefined,
      { name: 'wp', namespace: 'infra' },
    ],
    [{ 'istio.io/use-waypoint-canary': 'none' }, undefined, undefined],
    [{ 'istio.io/use-waypoint-canary': '' }, undefined, undefined],
  ] as const
  for (const [given, waypoint, canary] of rows) {
    const labels = new Map(Object.entries(given))
    t.strictSame(chosenWaypoint(labels, 'shop'), waypoint, `use-waypoint of ${JSON.stringify(given)}`)
    t.strictSame(chosenCanary(labels, 'shop'), canary, `canary of ${JSON.stringify(given)}`)
  }
  for (const [text, weight] of [
    [undefined, 0],
    ['10', 10],
    ['+5', 5],
    ['100', 100],
    ['101', 0],
    ['-1', 0],
    ['1e1', 0],
    [' 5', 0],
  ] as const) {
    t.equal(canaryWeight(text), weight, `weight ${text}`)
  }
  t.end()
})

t.test('what a waypoint takes, and from whom', t => {
  const labelled = (value: string): unknown => ({ metadata: { labels: { 'istio.io/waypoint-for': value } } })
  t.equal(waypointFor({}, undefined), 'service')
  t.equal(waypointFor({}, labelled('workload')), 'workload')
  t.equal(waypointFor(labelled('all'), labelled('workload')), 'all')
  const waypoint = (namespaces: unknown, port = 15008): unknown => ({
    metadata: { namespace: 'infra' },
    spec: { listeners: [{ protocol: 'HBONE', port, allowedRoutes: { namespaces } }] },
  })
  const selector = { matchLabels: { team: 'shop' } }
  const rows = [
    ['nothing said', waypoint(undefined), false],
    ['All', waypoint({ from: 'All' }), true],
    ['All on another port', waypoint({ from: 'All' }, 80), false],
    ['Selector', waypoint({ from: 'Selector', selector }), true],
    ['Selector of others', waypoint({ from: 'Selector', selector: { matchLabels: { team: 'pay' } } }), false],
    ['Selector without one', waypoint({ from: 'Selector' }), false],
  ] as const
  const labels = new Map([['team', 'shop']])
  for (const [name, given, allowed] of rows) t.equal(allowsAttachment(given, 'shop', labels), allowed, name)
  t.equal(allowsAttachment(waypoint({ from: 'Same' }), 'infra', labels), true, 'its own namespace')
  t.equal(allowsAttachment(waypoint({ from: 'Selector', selector }), 'shop', undefined), undefined, 'labels unknown')
  t.end()
})

t.test('whose listener counts of a waypoint with a binding', t => {
  const bound = (binding: string): unknown => ({
    metadata: { annotations: { 'ambient.istio.io/waypoint-inbound-binding': binding } },
  })
  const listeners = [
    { protocol: 'HBONE', port: 15008 },
    { protocol: 'istio.io/PROXY', port: 15088, allowedRoutes: { namespaces: { from: 'All' } } },
  ]
  const rows = [
    ['', false],
    ['NONE', false],
    ['NONE/15088', true],
    ['PROXY', true],
    ['PROXY/', true],
    ['PROXY/x', true],
    ['PROXY/15088', true],
    ['PROXY/15008', false],
    ['PROXY/15088/1', false],
    ['HBONE/15088', false],
  ] as const
  for (const [binding, allowed] of rows) {
    t.equal(allowsAttachment({ spec: { listeners } }, 'shop', undefined, bound(binding)), allowed, `binding ${binding}`)
  }
  t.end()
})

t.test('passesForWaypoint', t => {
  const of = (managed: string) => passesForWaypoint(new Map([['gateway.istio.io/managed', managed]]))
  t.equal(of('istio.io-mesh-controller'), 'istio.io-mesh-controller')
  t.equal(of('istio.io-eastwest-controller'), 'istio.io-eastwest-controller')
  t.equal(of('istio.io-gateway-controller'), undefined)
  t.equal(passesForWaypoint(new Map()), undefined)
  t.end()
})

t.test('isAutoPassthrough and registersNetwork', t => {
  const network = new Map([['topology.istio.io/network', 'n2']])
  const port = new Map([...network, ['networking.istio.io/gatewayPort', '444']])
  const option = { 'gateway.istio.io/listener-protocol': 'auto-passthrough' }
  const rows = [
    [new Map(), { port: 15443, tls: { options: option } }, true],
    [new Map(), { port: 15443, tls: { mode: 'Passthrough' } }, false],
    [network, { port: 15443, tls: {} }, true],
    [network, { port: 443, tls: {} }, false],
    [network, { port: 15443 }, false],
    [port, { port: 444, tls: {} }, true],
    [port, { port: 15443, tls: {} }, false],
  ] as const
  for (const [labels, listener, answer] of rows) {
    t.equal(isAutoPassthrough(labels, listener), answer, JSON.stringify([[...labels], listener]))
  }
  const gateway = (type: unknown, listener: unknown): unknown => ({
    spec: { addresses: [{ type, value: '203.0.113.7' }], listeners: [listener] },
  })
  const mesh = { protocol: 'HBONE', port: 15008 }
  t.ok(registersNetwork(gateway('IPAddress', mesh), network))
  t.ok(registersNetwork(gateway('Hostname', { port: 15443, tls: {} }), network))
  t.notOk(registersNetwork(gateway(undefined, mesh), network), 'an address without a type is passed over')
  t.notOk(registersNetwork(gateway('NamedAddress', mesh), network))
  t.notOk(registersNetwork(gateway('IPAddress', { protocol: 'HTTP', port: 80 }), network))
  t.notOk(registersNetwork(gateway('IPAddress', mesh), new Map([['topology.istio.io/network', '']])))
  t.notOk(registersNetwork(gateway('IPAddress', mesh), new Map()))
  t.end()
})

t.test('entryVisibility', t => {
  const own = [{ visibility: 'NAMESPACE', matchingRules: [{ namespaceSelector: { matchLabels: { team: 'a' } } }] }]
  const rows = [
    [undefined, 'PUBLIC', 'PUBLIC'],
    [{}, 'PUBLIC', 'PUBLIC'],
    [{ defaultVisibility: 'NONE' }, 'NONE', 'NONE'],
    [{ defaultVisibility: 2 }, 'NAMESPACE', 'NAMESPACE'],
    [{ defaultVisibility: 9 }, 'PUBLIC', 'PUBLIC'],
    [{ policies: own }, 'NAMESPACE', 'PUBLIC'],
    [{ defaultVisibility: 'NAMESPACE', policies: [{ visibility: 'PUBLIC' }] }, 'PUBLIC', 'PUBLIC'],
    [
      { defaultVisibility: 'NAMESPACE', policies: [{ visibility: 'PUBLIC', matchingRules: [{}] }] },
      'NAMESPACE',
      'NAMESPACE',
    ],
  ] as const
  for (const [given, ofTeam, ofOthers] of rows) {
    t.equal(entryVisibility(given, new Map([['team', 'a']])), ofTeam, `${JSON.stringify(given)} for team a`)
    t.equal(entryVisibility(given, new Map()), ofOthers, `${JSON.stringify(given)} for others`)
  }
  t.end()
})

t.test('isDiscovered', t => {
  const on = { matchLabels: { mesh: 'on' } }
  const rows = [
    [undefined, true],
    [[], true],
    [[on], false],
    [[on, { matchLabels: { team: 'a' } }], true],
    [[{}], true],
    [[null, { matchLabels: 7 }], false],
  ] as const
  for (const [selectors, found] of rows)
    t.equal(isDiscovered(selectors, new Map([['team', 'a']])), found, JSON.stringify(selectors))
  t.end()
})

t.test('providerTargets', t => {
  const targets = (provider: unknown): unknown => [...providerTargets([provider])].map(({ host }) => host)
  const rows = [
    [{ name: 'a', zipkin: { service: 'z.example' } }, ['z.example']],
    [{ zipkin: { service: 'ns/z.example' } }, ['z.example']],
    [{ zipkin: { service: 'a/b/z.example' } }, ['a/b/z.example']],
    [{ zipkin: { service: '' } }, []],
    [{ zipkin: null }, []],
    [{ prometheus: {} }, []],
    [{ stackdriver: {} }, [undefined]],
    [{ other: {} }, [undefined]],
    ['x', []],
  ] as const
  for (const [given, hosts] of rows) t.strictSame(targets(given), hosts, JSON.stringify(given))
  t.strictSame([...providerTargets('x')], [], 'no list')
  t.end()
})
