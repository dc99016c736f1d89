/**
 * Compares `src/istio/` with Istio's own functions: builds the Go program in `istio/`, asks it the questions of the
 * tables and thousands of random ones, and counts the answers that agree. Needs Go and its module proxy.
 */
import { canonicalAddress, equal, formatRanges, parseCidrList, parseSubnet, rangesOf } from '../../src/istio/cidr.ts'
import { covers, overlaps, parseHost } from '../../src/istio/host.ts'
import { stringMap } from '../../src/istio/json.ts'
import { parseGatewayRef, parseServerHost, parseSidecarHost, resolveHost } from '../../src/istio/name.ts'
import { parsePortList, portNumber } from '../../src/istio/port.ts'
import { parseProtocol, protocolClass, servicePortProtocol } from '../../src/istio/protocol.ts'
import { mapSelects, matchesLabels, parseSelector } from '../../src/istio/selector.ts'
import { trimSpace } from '../../src/istio/text.ts'
import { readExportTo } from '../../src/istio/visibility.ts'
import { ask, mutate, pick, type Question, type Random, same, seeded } from './questions.ts'

/** What is refused here and taken by Istio, on purpose; everything else must agree. */
const STRICTER = ['ends in a number', 'has more than 253 characters', 'has nothing behind its star', 'has a zone']

/** Asks whether Istio takes a text that `outcome` took or refused. */
function taken(op: string, text: string, outcome: { ok: true } | { ok: false; why: string }): Question {
  return {
    op,
    args: [text],
    judge: answer => {
      if (answer === outcome.ok) return 'agrees'
      const why = outcome.ok ? undefined : STRICTER.find(why => outcome.why.startsWith(why))
      return why === undefined ? 'differs' : `stricter: ${why}`
    },
  }
}

/** Asks whether Istio takes a text, where only a text that it takes must be taken here. */
function takenToo(op: string, text: string, ok: boolean): Question {
  return { op, args: [text], judge: answer => (answer === true && !ok ? 'differs' : 'agrees') }
}

const L63 = 'a'.repeat(63)

const HOSTS = [
  ...[
    'api.example.com',
    'API.Example.com.',
    '*.example.com',
    '*-x.example.com',
    '*x.example.com',
    '*x',
    '*',
    '*.',
    '*-',
  ],
  ...[
    '**',
    '**.x',
    'a.*.b',
    'a*.b',
    'reviews',
    'reviews.',
    '1',
    'a.1',
    'a.1.',
    '10.0.0.1',
    '10.0.0.1.',
    '127.1',
    '0x7f.1',
  ],
  ...[
    'a.0x7f',
    '010.0.0.1',
    '::1',
    '::ffff:10.0.0.1',
    '::ffff:0a00:1',
    '[::1]',
    'fe80::1%eth0',
    '2001:DB8::1',
    '10.0.0.1/8',
  ],
  ...[
    'a_b.com',
    'a b.com',
    'a..b',
    '.a',
    '.',
    '',
    'a.',
    '-a.b',
    'a-.b',
    'a--b.c',
    'xn--bcher-kva.example',
    'bücher.example',
  ],
  ...[
    `${L63}.com`,
    `a${L63}.com`,
    `*${L63}.com`,
    `*.${L63}.com`,
    'a.99999999999999999999',
    'api.example.com:443',
    '*.1',
    '*1',
  ],
  ...[
    'api．example．com',
    'a\u0000.com',
    'a\n',
    `${`${L63}.`.repeat(3)}${'a'.repeat(61)}`,
    `${`${L63}.`.repeat(3)}${'a'.repeat(63)}`,
  ],
]
const HOST_ALPHABET = 'abzAZ019..**--_:/% \u0130é'

const ADDRESSES = [
  ...[
    '10.0.0.0/8',
    '1.2.3.4/0',
    '10.0.0.1',
    '255.255.255.255/32',
    '256.0.0.1',
    '01.2.3.4',
    '1.2.3',
    '1.2.3.4.5',
    '10.0.0.0/33',
  ],
  ...[
    '10.0.0.0/08',
    '10.0.0.0/+8',
    '10.0.0.0/-0',
    '10.0.0.0/',
    '/8',
    '',
    '*',
    '::/0',
    '::',
    '::1/128',
    '2000::/3',
    '1::2::3/64',
  ],
  ...[
    '2001:db8::/32',
    '2001:DB8:0:0:1::1',
    '1:2:3:4:5:6:7:8/64',
    '1:2:3:4:5:6:7::',
    '::2:3:4:5:6:7:8',
    '1:2:3:4::5:6:7:8',
    '::/129',
  ],
  ...[
    '::ffff:10.0.0.1',
    '::ffff:10.0.0.0/104',
    '::ffff:0:0/96',
    '::ffff:0:0/95',
    '64:ff9b::10.0.0.1',
    '1:2:3:4:5:6:1.2.3.4',
    '::1.2.3',
  ],
  ...[
    '1:2:3:4:5:6:7:1.2.3.4',
    '1.2.3.4::',
    'fe80::1%eth0',
    'fe80::%/64',
    'fe80::1%eth0/64',
    '1:0:0:2:0:0:0:3',
    '1:0:0:2:3:0:0:4',
    ':::',
    ':',
  ],
  ...['0:0:0:0:0:0:0:0', '1:0:2:0:3:0:4:0', '12345::', 'g::', '[::]', '0x1.2.3.4', '10.0.0.0/8/8', ' 10.0.0.0/8'],
]
const ADDRESS_ALPHABET = '0123456789abcfF..::::/% +-x,'

const CIDR_LISTS = [
  '',
  ' ',
  '*',
  '*,',
  '10.0.0.0/8,11.0.0.0/8',
  '10.0.0.0/8, 11.0.0.0/8',
  '10.0.0.0/8,',
  ',',
  '::/0,0.0.0.0/0',
  '10.0.0.1',
]
const PORT_LISTS = [
  ...[
    '',
    ' ',
    '*',
    ' * ',
    '443',
    ' 80 , 0443\t',
    '80,,90',
    '80,',
    '0',
    '65535',
    '65536',
    '+80',
    '-1',
    '8_0',
    '0x50',
    '80-90',
    '1e2',
  ],
  ...[
    '\u008580',
    '\ufeff80',
    '80\u00a0,\u200080',
    '８０',
    '99999999999999999999',
    '000000000000000000080',
    '80\n90',
    '80;90',
  ],
]

const PROTOCOLS = [
  ...[
    'HTTP',
    'http2',
    'HTTP_PROXY',
    'grpc',
    'GRPC-Web',
    'https',
    'TLS',
    'tcp',
    'Mongo',
    'REDIS',
    'RED\u0130S',
    'MySQL',
    'udp',
    'HBONE',
  ],
  ...[
    'DoubleHBONE',
    'UnsupportedProtocol',
    '',
    'http-web',
    ' http',
    'HTTP3',
    'auto',
    'http\u0000',
    'ht\u212a',
    'httpſ',
    'constructor',
  ],
]
const PORT_NAMES = [
  ...PROTOCOLS,
  ...[
    'http-web',
    'grpc-web',
    'grpc-web-x',
    'gRPC-Webx',
    'grpcweb-x',
    'grpc-we',
    'tls-',
    '-http',
    'web-http',
    'kubernetes.io/h2c',
  ],
  ...[
    'kubernetes.io/ws',
    'kubernetes.io/wss',
    'Kubernetes.io/h2c',
    'kubernetes.io/h2c-x',
    'example.com/own',
    'mysql-a',
    'mongo-b',
  ],
]

const GATEWAYS = [
  'egress',
  'istio-egress/egress',
  './egress',
  './mesh',
  'egress.prod',
  'egress.prod.svc.cluster.local',
  'a/b/c',
  'a.b/c',
  '.x',
  'x.',
  '',
  '/',
]
const SCOPED = [
  ...[
    'shop/*.example.com',
    './*',
    '*/*',
    '*/api.example.com',
    '~/*',
    '~shop/a.example.com',
    '~./a.b',
    '~*/a.b',
    '~~/a.b',
    '/a.b',
    'a/',
    'a.b',
  ],
  ...['a/b/c', 'shop/reviews', 'shop/10.0.0.1', '10.0.0.1', '*', 'shop/*-x.a.com', 'Shop/a.b', 'sh.op/a.b', '*/'],
]
const EXPORTS = ['.', '*', '~', 'shop', 'Shop', ' shop', '', 'a.b', '-a', 'istio-system']

const LABEL_KEYS = [
  'a',
  'b',
  'app.kubernetes.io/name',
  'A',
  '-a',
  'a/b/c',
  '/a',
  'a/',
  'A.io/a',
  'constructor',
  '',
  'x'.repeat(64),
  'a_b.c',
]
const LABEL_VALUES = ['', 'x', 'y', 'no spaces', 'x'.repeat(63), 'x'.repeat(64), 'x.y_z', '-x', 'é']
const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist', 'in', '']

function hostQuestions(text: string): Question[] {
  const host = parseHost(text)
  const address = canonicalAddress(text)
  const taking = host.ok && host.value.form === 'ip' ? ({ ok: false, why: 'is an address' } as const) : host
  const starred = host.ok && text.startsWith('*')
  return [
    taken('wildcardDomain', text, taking),
    taken('fqdn', text, starred ? { ok: false, why: 'is a wildcard' } : taking),
    same('address', [text], address.ok ? address.value : null),
    // Where a host is an address, both say the same about it.
    same('address', [text], host.ok && host.value.form === 'ip' ? host.value.text : address.ok ? 'never' : null),
  ]
}

function addressQuestions(text: string): Question[] {
  const list = parseCidrList(text)
  const shown = list.ok ? formatRanges(list.value) : []
  const prefix: Question = {
    op: 'prefix',
    args: [text],
    judge: answer => {
      if (typeof answer !== 'string') return list.ok && text !== '' && !text.includes(',') ? 'differs' : 'agrees'
      // Go writes the last 32 bits of an IPv4-mapped prefix with dots.
      if (answer.startsWith('::ffff:')) return list.ok && equal(list.value, rangesOf(answer)) ? 'agrees' : 'differs'
      return shown.length === 1 && shown[0] === answer ? 'agrees' : 'differs'
    },
  }
  const address = canonicalAddress(text)
  return [
    prefix,
    taken('subnet', text, parseSubnet(text)),
    same('address', [text], address.ok ? address.value : null),
    taken('includeIPRanges', text, text === '*' ? { ok: true } : list),
    taken('excludeIPRanges', text, list),
  ]
}

function portQuestions(text: string): Question[] {
  const ports = parsePortList(text)
  return [
    same('ports', [text], ports.ok ? ports.value : null),
    taken('includeInboundPorts', text, text === '*' ? { ok: true } : ports),
    taken('excludeInboundPorts', text, ports),
    taken('excludeOutboundPorts', text, ports),
    same('trim', [text], trimSpace(text)),
  ]
}

function gatewayRefQuestion(text: string): Question {
  const ref = parseGatewayRef(text, 'own')
  return same('gatewayRef', [text, 'own'], ref.mesh ? 'own/mesh' : `${ref.namespace}/${ref.name}`)
}

function selectorQuestion(selector: unknown, labels: Record<string, string>): Question {
  const parsed = parseSelector(selector)
  const ours = parsed.ok ? matchesLabels(parsed.value, stringMap(labels)) : null
  return same('selector', [JSON.stringify(selector), JSON.stringify(labels)], ours)
}

function labelsFrom(random: Random, keys: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(Array.from({ length: random(3) }, () => [pick(random, keys), pick(random, values)]))
}

function* questions(random: Random): Generator<Question> {
  for (const text of HOSTS) yield* hostQuestions(text)
  for (const text of ADDRESSES) yield* addressQuestions(text)
  for (const text of CIDR_LISTS) yield* addressQuestions(text)
  for (const text of PORT_LISTS) yield* portQuestions(text)
  for (const text of GATEWAYS) yield gatewayRefQuestion(text)
  for (const text of PROTOCOLS) {
    yield same('protocol', [text], wireName(parseProtocol(text)))
    yield same('protocolClass', [text], protocolClass(parseProtocol(text)))
  }
  for (const name of PORT_NAMES) {
    for (const number of [80, 25, 53, 3306, 27017]) {
      for (const protocol of ['TCP', 'UDP', 'SCTP', '']) {
        const plain = servicePortProtocol({ number, name, protocol })
        yield same('servicePort', [`${number}`, name, protocol], wireName(plain))
        const applied = servicePortProtocol({ number, name: 'http-x', protocol, appProtocol: name })
        yield same('servicePort', [`${number}`, 'http-x', protocol, name], wireName(applied))
      }
    }
  }
  for (const text of SCOPED) {
    yield takenToo('gatewayHost', text, parseServerHost(text).ok)
    yield takenToo('sidecarHost', text, parseSidecarHost(text).ok)
  }
  for (const text of EXPORTS) {
    yield takenToo('visibility', text, readExportTo([text], 'VirtualService', undefined) !== 'refused')
    yield takenToo('visibility', text, readExportTo([text], 'DestinationRule', undefined) !== 'refused')
  }
  for (const number of [-1, 0, 1, 80, 65535, 65536]) yield same('port', [`${number}`], portNumber(number).ok)
  for (const text of HOSTS) yield same('resolveHost', [text, 'own', 'k8s.acme'], resolveHost(text, 'own', 'k8s.acme'))

  for (let round = 0; round < 4000; round++) {
    const [a, b] = [relatedHost(random), relatedHost(random)]
    yield same('covers', [a, b], covers(a, b))
    yield same('overlaps', [a, b], overlaps(a, b))
    yield* hostQuestions(mutate(random, HOSTS, HOST_ALPHABET))
    const address = mutate(random, ADDRESSES, ADDRESS_ALPHABET)
    yield* addressQuestions(address)
    const list = Array.from({ length: 1 + random(3) }, () => mutate(random, ADDRESSES, ADDRESS_ALPHABET)).join(',')
    yield taken('excludeIPRanges', list, parseCidrList(list))
    yield* portQuestions(mutate(random, PORT_LISTS, '0123456789,,  \u00a0\t+-_x*'))
    yield gatewayRefQuestion(mutate(random, GATEWAYS, 'ab../'))
    const short = mutate(random, [...HOSTS, ...ADDRESSES], HOST_ALPHABET)
    yield same('resolveHost', [short, 'own', 'k8s.acme'], resolveHost(short, 'own', 'k8s.acme'))
    const name = mutate(random, PORT_NAMES, 'hHtTpPsScClLgGrRwWeEbBiI\u0130-_2/.')
    yield same('protocol', [name], wireName(parseProtocol(name)))
    yield same('servicePort', ['80', name, 'TCP'], wireName(servicePortProtocol({ number: 80, name, protocol: 'TCP' })))
    const scoped = mutate(random, SCOPED, 'ab..//~*-')
    yield takenToo('gatewayHost', scoped, parseServerHost(scoped).ok)
    yield takenToo('sidecarHost', scoped, parseSidecarHost(scoped).ok)
    const few = ['x', 'y', '']
    yield selectorQuestion(
      {
        matchLabels:
          random(8) === 0 ? labelsFrom(random, LABEL_KEYS, LABEL_VALUES) : labelsFrom(random, ['a', 'b'], few),
        matchExpressions: Array.from({ length: random(3) }, () => ({
          key: random(8) === 0 ? pick(random, LABEL_KEYS) : pick(random, ['a', 'b']),
          operator: pick(random, OPERATORS.slice(0, random(8) === 0 ? 6 : 4)),
          values: Array.from({ length: random(3) }, () => pick(random, random(8) === 0 ? LABEL_VALUES : few)),
        })),
      },
      labelsFrom(random, ['a', 'b', 'c'], few),
    )
    const [selector, labels] = [labelsFrom(random, ['a', 'b'], few), labelsFrom(random, ['a', 'b', 'c'], few)]
    yield same(
      'mapSelects',
      [JSON.stringify(selector), JSON.stringify(labels)],
      mapSelects(stringMap(selector), stringMap(labels)),
    )
  }
}

/** Returns a host of few and short labels, so that two of them are related often; also texts that are no host. */
function relatedHost(random: Random): string {
  const labels = Array.from({ length: random(4) }, () => pick(random, ['a', 'b', 'ba', 'com', '']))
  return pick(random, ['', '', '*', '*.', '*-', '**']) + labels.join('.')
}

function wireName(protocol: string): string {
  return protocol === 'Unsupported' ? 'UnsupportedProtocol' : protocol
}

/** Asks everything, prints what differs and how many answers agree, and returns the counts. */
export async function run(seed = 1): Promise<{ passed: number; failed: number }> {
  return ask(`hosts and the rest, seed ${seed}`, questions(seeded(seed)))
}

if (import.meta.main) {
  const { failed } = await run(Number(process.argv[2] ?? 1))
  process.exitCode = failed === 0 ? 0 : 1
}
