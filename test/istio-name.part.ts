import t from 'tap'
import { parseGatewayRef, parseServerHost, parseSidecarHost, resolveHost } from '../src/istio/name.ts'
import {
  type Protocol,
  type ProtocolClass,
  parseProtocol,
  protocolClass,
  servicePortProtocol,
} from '../src/istio/protocol.ts'
import { type Labels, mapSelects, matchesLabels, parseSelector } from '../src/istio/selector.ts'
import { quote } from '../src/istio/text.ts'
import { type ExportingKind, exportToAnnotation, readExportTo, visibleIn } from '../src/istio/visibility.ts'

t.test('resolveHost', t => {
  const rows = [
    ['reviews', 'reviews.shop.svc.cluster.local'],
    ['reviews.prod', 'reviews.prod'],
    ['reviews.prod.svc.cluster.local', 'reviews.prod.svc.cluster.local'],
    ['reviews.', 'reviews.'],
    ['*.example.com', '*.example.com'],
    ['*', '*'],
    ['*x', '*x.shop.svc.cluster.local'],
    ['10.0.0.1', '10.0.0.1'],
    ['2001:db8::1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['fe80::1%', 'fe80::1%.shop.svc.cluster.local'],
    ['reviews:80', 'reviews:80.shop.svc.cluster.local'],
    ['', ''],
  ] as const
  for (const [host, full] of rows)
    t.equal(resolveHost(host, 'shop', 'cluster.local'), full, `${quote(host)} means ${quote(full)}`)
  t.equal(resolveHost('reviews', 'shop', 'k8s.acme'), 'reviews.shop.svc.k8s.acme', 'with the cluster domain given')
  t.end()
})

t.test('parseGatewayRef', t => {
  const rows = [
    ['egress', 'shop', 'egress'],
    ['istio-egress/egress', 'istio-egress', 'egress'],
    ['./egress', 'shop', 'egress'],
    ['./mesh', 'shop', 'mesh'],
    ['shop/mesh', 'shop', 'mesh'],
    ['egress.istio-egress', 'istio-egress', 'egress'],
    ['egress.prod.svc.cluster.local', 'prod', 'egress'],
    ['egress.', '', 'egress'],
    ['.egress', 'egress', ''],
    ['a/b/c', 'a', 'b/c'],
    ['a.b/c', 'a.b', 'c'],
    ['Mesh', 'shop', 'Mesh'],
    ['', 'shop', ''],
  ] as const
  for (const [entry, namespace, name] of rows)
    t.strictSame(
      parseGatewayRef(entry, 'shop'),
      { mesh: false, namespace, name },
      `${quote(entry)} is Gateway ${namespace}/${name}`,
    )
  t.strictSame(parseGatewayRef('mesh', 'shop'), { mesh: true }, '"mesh" is the sidecars')
  t.end()
})

t.test('parseServerHost', t => {
  const rows = [
    ['api.example.com', '*', 'api.example.com'],
    ['*', '*', '*'],
    ['shop/api.example.com', 'shop', 'api.example.com'],
    ['./*.example.com', '.', '*.example.com'],
    ['*/*', '*', '*'],
  ] as const
  for (const [entry, namespace, host] of rows)
    t.strictSame(
      parseServerHost(entry),
      { ok: true, value: { namespace, host } },
      `${entry} is ${host} from ${namespace}`,
    )
  t.strictSame(parseServerHost('/a.com'), { ok: false, why: 'has no namespace before the slash' })
  t.strictSame(parseServerHost('shop/'), { ok: false, why: 'has no host behind the slash' })
  t.strictSame(parseServerHost('*/shop/a.com'), { ok: false, why: 'has more than one slash' })
  t.end()
})

t.test('parseSidecarHost', t => {
  const rows = [
    ['shop/*.example.com', 'shop', '*.example.com', false],
    ['./*', '.', '*', false],
    ['*/api.example.com', '*', 'api.example.com', false],
    ['~/*', '*', '*', true],
    ['~shop/a.example.com', 'shop', 'a.example.com', true],
    ['~./a.example.com', '.', 'a.example.com', true],
    ['~*/a.example.com', '*', 'a.example.com', true],
  ] as const
  for (const [entry, namespace, host, excluded] of rows)
    t.strictSame(
      parseSidecarHost(entry),
      { ok: true, value: { namespace, host, excluded } },
      `${entry} excluded: ${excluded}`,
    )
  t.strictSame(parseSidecarHost('a.com'), { ok: false, why: 'has no namespace; the form is namespace/host' })
  t.strictSame(parseSidecarHost('/a.com'), { ok: false, why: 'has no namespace before the slash' })
  t.strictSame(parseSidecarHost('a/b/c'), { ok: false, why: 'has more than one slash' })
  t.end()
})

t.test('protocols by name', t => {
  const rows: [string, Protocol, ProtocolClass][] = [
    ['HTTP', 'HTTP', 'http'],
    ['http', 'HTTP', 'http'],
    ['Http2', 'HTTP2', 'http'],
    ['GRPC', 'GRPC', 'http'],
    ['grpc-web', 'GRPC-Web', 'http'],
    ['HTTP_PROXY', 'HTTP_PROXY', 'http'],
    ['HTTPS', 'HTTPS', 'tls'],
    ['tls', 'TLS', 'tls'],
    ['TCP', 'TCP', 'tcp'],
    ['MONGO', 'Mongo', 'tcp'],
    ['REDIS', 'Redis', 'tcp'],
    ['RED\u0130S', 'Redis', 'tcp'],
    ['MySQL', 'MySQL', 'tcp'],
    ['UDP', 'UDP', 'udp'],
    ['', 'Unsupported', 'sniffed'],
    ['HBONE', 'Unsupported', 'sniffed'],
    ['DoubleHBONE', 'Unsupported', 'sniffed'],
    ['http-web', 'Unsupported', 'sniffed'],
    [' http', 'Unsupported', 'sniffed'],
    ['constructor', 'Unsupported', 'sniffed'],
  ]
  for (const [name, protocol, group] of rows) {
    t.equal(parseProtocol(name), protocol, `${quote(name)} is ${protocol}`)
    t.equal(protocolClass(protocol), group, `${protocol} is ${group}`)
  }
  t.end()
})

t.test('protocols of Service ports', t => {
  const rows = [
    [{ number: 80, name: 'http-web' }, 'HTTP'],
    [{ number: 80, name: 'http' }, 'HTTP'],
    [{ number: 80, name: 'httpx' }, 'Unsupported'],
    [{ number: 80, name: 'web-http' }, 'Unsupported'],
    [{ number: 80, name: 'http-web', appProtocol: 'https' }, 'HTTPS'],
    [{ number: 80, name: 'web', appProtocol: 'TLS-x' }, 'TLS'],
    [{ number: 80, name: 'http', appProtocol: '' }, 'Unsupported'],
    [{ number: 80, name: 'http', appProtocol: 'example.com/own' }, 'Unsupported'],
    [{ number: 80, appProtocol: 'kubernetes.io/h2c' }, 'HTTP2'],
    [{ number: 80, appProtocol: 'kubernetes.io/ws' }, 'HTTP'],
    [{ number: 80, appProtocol: 'kubernetes.io/wss' }, 'HTTPS'],
    [{ number: 80, appProtocol: 'Kubernetes.io/h2c' }, 'Unsupported'],
    [{ number: 80, name: 'kubernetes.io/h2c' }, 'Unsupported'],
    [{ number: 80, name: 'grpc-web' }, 'GRPC-Web'],
    [{ number: 80, name: 'gRPC-Webx' }, 'GRPC-Web'],
    [{ number: 80, name: 'grpc-we' }, 'GRPC'],
    [{ number: 80, name: 'grpcweb-x' }, 'Unsupported'],
    [{ number: 80 }, 'Unsupported'],
    [{ number: 25 }, 'TCP'],
    [{ number: 53, protocol: 'TCP' }, 'TCP'],
    [{ number: 3306, name: 'database' }, 'TCP'],
    [{ number: 27017 }, 'TCP'],
    [{ number: 3306, name: 'mysql' }, 'MySQL'],
    [{ number: 53, name: 'http', protocol: 'UDP' }, 'UDP'],
    [{ number: 80, name: 'http', protocol: 'SCTP' }, 'HTTP'],
  ] as const
  for (const [port, protocol] of rows)
    t.equal(servicePortProtocol(port), protocol, `${JSON.stringify(port)} is ${protocol}`)
  t.end()
})

t.test('exportTo', t => {
  // The object is in "own"; asked are its own namespace, "shop" and "other".
  const asked = ['own', 'shop', 'other']
  const rows: [readonly string[] | undefined, readonly string[] | undefined, ExportingKind, string][] = [
    [undefined, undefined, 'ServiceEntry', 'own shop other'],
    [[], [], 'ServiceEntry', 'own shop other'],
    [['*'], undefined, 'ServiceEntry', 'own shop other'],
    [['.'], undefined, 'ServiceEntry', 'own'],
    [['own'], undefined, 'ServiceEntry', 'own'],
    [['shop'], undefined, 'ServiceEntry', 'shop'],
    [['.', 'shop'], undefined, 'ServiceEntry', 'own shop'],
    [['own', 'shop'], undefined, 'ServiceEntry', 'own shop'],
    [['shop', '*'], undefined, 'ServiceEntry', 'own shop other'],
    [['~'], undefined, 'ServiceEntry', ''],
    [['~', 'shop'], undefined, 'ServiceEntry', ''],
    [['~', '*'], undefined, 'ServiceEntry', 'own shop other'],
    [['~'], undefined, 'Service', ''],
    [['~'], undefined, 'VirtualService', ''],
    [['~'], undefined, 'DestinationRule', ''],
    [['*', '~'], undefined, 'VirtualService', ''],
    [['shop'], undefined, 'DestinationRule', 'shop'],
    [[' shop'], undefined, 'VirtualService', ''],
    [['Shop'], undefined, 'VirtualService', ''],
    [[''], undefined, 'VirtualService', ''],
    [undefined, ['.'], 'ServiceEntry', 'own'],
    [undefined, ['shop'], 'VirtualService', 'shop'],
    [undefined, ['~'], 'Service', ''],
    [undefined, ['~'], 'VirtualService', ''],
    [['*'], ['.'], 'Service', 'own shop other'],
    [undefined, ['.'], 'DestinationRule', 'own'],
    [undefined, ['.', '*'], 'DestinationRule', 'own'],
    [undefined, ['shop'], 'DestinationRule', 'own shop other'],
    [undefined, ['~'], 'DestinationRule', 'own shop other'],
  ]
  for (const [exportTo, meshDefault, kind, expected] of rows) {
    const visibility = readExportTo(exportTo, kind, meshDefault)
    const seen = asked.filter(namespace => visibleIn(visibility, 'own', namespace)).join(' ')
    const title = `${kind} with ${JSON.stringify(exportTo)}, mesh default ${JSON.stringify(meshDefault)}: ${expected || 'nobody'}`
    t.equal(seen, expected, title)
  }
  t.equal(readExportTo(['~'], 'VirtualService', undefined), 'refused', 'a VirtualService for nobody is refused')
  t.equal(readExportTo(['~'], 'DestinationRule', undefined), 'refused', 'a DestinationRule for nobody is refused')
  t.equal(readExportTo(['~'], 'ServiceEntry', undefined), 'nobody', 'a ServiceEntry for nobody is not refused')
  t.strictSame(
    readExportTo(['.', 'shop'], 'ServiceEntry', undefined),
    { own: true, namespaces: new Set(['shop']) },
    'own and named namespaces are told apart',
  )
  t.end()
})

t.test('exportToAnnotation', t => {
  const rows = [
    [undefined, undefined],
    ['', undefined],
    ['*', ['*']],
    [' . , shop\t', ['.', 'shop']],
    [' ', ['']],
    ['shop,', ['shop', '']],
  ] as const
  for (const [annotation, list] of rows)
    t.strictSame(exportToAnnotation(annotation), list, `${JSON.stringify(annotation)} is ${JSON.stringify(list)}`)
  t.end()
})

const labelled = (labels: Record<string, string>): Labels => new Map(Object.entries(labels))

t.test('label selectors that match', t => {
  const none = {}
  const x = { a: 'x' }
  const y = { a: 'y' }
  const both = { a: 'x', b: 'z' }
  const asked = { none, x, y, both }
  const rows = [
    [{}, 'none x y both'],
    [{ matchLabels: null, matchExpressions: null }, 'none x y both'],
    [{ matchLabels: {}, matchExpressions: [] }, 'none x y both'],
    [{ matchLabels: { a: 'x' } }, 'x both'],
    [{ matchLabels: { a: 'x', b: 'z' } }, 'both'],
    [{ matchLabels: { a: '' } }, ''],
    [{ matchExpressions: [{ key: 'a', operator: 'In', values: ['x', 'y'] }] }, 'x y both'],
    [{ matchExpressions: [{ key: 'a', operator: 'NotIn', values: ['x'] }] }, 'none y'],
    [{ matchExpressions: [{ key: 'a', operator: 'Exists' }] }, 'x y both'],
    [{ matchExpressions: [{ key: 'b', operator: 'DoesNotExist', values: [] }] }, 'none x y'],
    [{ matchLabels: { a: 'x' }, matchExpressions: [{ key: 'b', operator: 'Exists' }] }, 'both'],
    [{ matchLabels: { constructor: 'x' } }, ''],
    [{ matchExpressions: [{ key: 'toString', operator: 'Exists' }] }, ''],
    [{ matchLabels: { 'app.kubernetes.io/name': 'x' } }, ''],
  ] as const
  for (const [value, expected] of rows) {
    const selector = parseSelector(value)
    const found = Object.entries(asked).filter(
      ([, labels]) => selector.ok && matchesLabels(selector.value, labelled(labels)),
    )
    t.ok(selector.ok, `${JSON.stringify(value)} is a selector`)
    t.equal(found.map(([name]) => name).join(' '), expected, `${JSON.stringify(value)}: ${expected || 'none'}`)
  }
  t.end()
})

t.test('label selectors that the API server refuses', t => {
  const expression = (key: unknown, operator: unknown, values?: unknown): unknown => ({
    matchExpressions: [{ key, operator, values }],
  })
  const rows: [unknown, string][] = [
    [undefined, 'is no label selector'],
    [null, 'is no label selector'],
    [[], 'is no label selector'],
    ['a=b', 'is no label selector'],
    [{ matchLabels: ['a'] }, 'has matchLabels that are no map'],
    [{ matchLabels: { a: 1 } }, 'has a value for "a" that is no text'],
    [{ matchLabels: { a: 'no spaces' } }, 'has "no spaces" for "a", which is no label value'],
    [{ matchLabels: { a: 'x'.repeat(64) } }, `has "${'x'.repeat(64)}" for "a", which is no label value`],
    [{ matchLabels: { '': 'x' } }, 'names "", which is no label key'],
    [{ matchLabels: { '-a': 'x' } }, 'names "-a", which is no label key'],
    [{ matchLabels: { 'a/b/c': 'x' } }, 'names "a/b/c", which is no label key'],
    [{ matchLabels: { '/a': 'x' } }, 'names "/a", which is no label key'],
    [{ matchLabels: { 'A.io/a': 'x' } }, 'names "A.io/a", which is no label key'],
    [{ matchLabels: { 'a.io/': 'x' } }, 'names "a.io/", which is no label key'],
    [{ matchExpressions: {} }, 'has matchExpressions that are no list'],
    [{ matchExpressions: ['a'] }, 'has an expression without a key'],
    [expression(undefined, 'In', ['x']), 'has an expression without a key'],
    [expression('a', 'In'), 'has In without values for "a"'],
    [expression('a', 'NotIn', []), 'has NotIn without values for "a"'],
    [expression('a', 'Exists', ['x']), 'has Exists with values for "a"'],
    [expression('a', 'DoesNotExist', ['x']), 'has DoesNotExist with values for "a"'],
    [expression('a', 'in', ['x']), 'has no operator In, NotIn, Exists or DoesNotExist for "a"'],
    [expression('a', undefined, ['x']), 'has no operator In, NotIn, Exists or DoesNotExist for "a"'],
  ]
  for (const [value, why] of rows)
    t.strictSame(parseSelector(value), { ok: false, why }, `${JSON.stringify(value)} ${why}`)
  const long = `${'a'.repeat(254)}/b`
  t.notOk(parseSelector({ matchLabels: { [long]: 'x' } }).ok, 'a key has a prefix of at most 253 characters')
  t.end()
})

t.test('mapSelects', t => {
  const rows = [
    [{}, {}, true],
    [{}, { a: 'x' }, true],
    [{ a: 'x' }, { a: 'x', b: 'y' }, true],
    [{ a: 'x' }, { a: 'y' }, false],
    [{ a: 'x' }, {}, false],
    [{ a: 'x', b: 'y' }, { a: 'x' }, false],
  ] as const
  for (const [selector, labels, yes] of rows)
    t.equal(
      mapSelects(labelled(selector), labelled(labels)),
      yes,
      `${JSON.stringify(selector)} selects ${JSON.stringify(labels)}: ${yes}`,
    )
  t.end()
})
