import type { Outcome } from './outcome.ts'
import { entry, literally, many, pod, route } from './review.ts'
import { allowed, type Case, denied, malformed, post, type Row, warned } from './row.ts'

const stripe = 'ServiceEntry shop/stripe'
const noPort = 'is no port number from 1 to 65535'

const withPort = (literal: string): string =>
  literally(entry({ ports: [{ number: 'HERE', name: 'tls', protocol: 'TLS' }] }), literal)
const withTarget = (literal: string): string =>
  literally(entry({ ports: [{ number: 443, name: 'tls', protocol: 'TLS', targetPort: 'HERE' }] }), literal)
const withMapping = (literal: string): string =>
  literally(entry({ endpoints: [{ address: 'api.stripe.com', ports: { tls: 'HERE' } }] }), literal)

const badPort = malformed(stripe, `spec.ports[0].number: ${noPort}`)
const badTarget = malformed(stripe, `spec.ports[0].targetPort: ${noPort}`)
const badMapping = malformed(stripe, `spec.endpoints[0].ports.tls: ${noPort}`)

const withHost = (host: string): object => entry({ hosts: [host] })
const routeTo = (host: string): object => route({ http: [{ route: [{ destination: { host } }] }] })
const noHost = (shown: string, why: string): Outcome => malformed(stripe, `spec.hosts[0]: host ${shown} ${why}`)
const noDestination = (shown: string, why: string): Outcome =>
  malformed('VirtualService shop/stripe', `spec.http[0].route[0].destination.host: host ${shown} ${why}`)

/** Both kinds that name a host of the outside: the entry that makes it known, the route that sends traffic there. */
function hostless(what: string, host: string, shown: string, why: string): readonly Case[] {
  return [
    post(what, withHost(host), noHost(shown, why)),
    post(`${what}, routed to`, routeTo(host), noDestination(shown, why)),
  ]
}

const excluded = 'traffic.sidecar.istio.io/excludeOutboundIPRanges'
const unreadable = denied('Istio cannot read')

/** Rows 37 to 49, without 40 and 43: values that rules judge. */
export const valueRows: readonly Row[] = [
  {
    number: 37,
    title: '`1e400`',
    cases: [
      post('as a port', withPort('1e400'), badPort),
      post('as a target port', withTarget('1e400'), badTarget),
      post('as a mapped port', withMapping('1e400'), badMapping),
      post('where no rule reads', literally(route({ x: 'HERE' }), '1e400'), allowed),
    ],
  },
  {
    number: 38,
    title: 'integer above 2^53 in a port / in a label-like field',
    cases: [
      post('as a port', withPort('9007199254740993'), badPort),
      post('as a target port', withTarget('9007199254740993'), badTarget),
      post('2^64 + 443', withPort('18446744073709552059'), badPort),
      post('where no rule reads', literally(route({ x: 'HERE' }), '9007199254740993'), allowed),
    ],
  },
  {
    number: 39,
    title: 'port `-0`, `80.5`, `"443"`, `1e2`',
    choice: '`1e2` is the exact integer 100, as it is to Go; so is `443.0` the port 443',
    cases: [
      ...['-0', '0', '-443', '80.5', '"443"', '65536', 'true', '[443]', '{}', '""'].map(literal =>
        post(literal, withPort(literal), badPort),
      ),
      ...['80.5', '"443"', '-1', '65536', 'true', '[443]'].map(literal =>
        post(`${literal} as a target port`, withTarget(literal), badTarget),
      ),
      ...['-0', '80.5', '"443"', 'null', '65536'].map(literal =>
        post(`${literal} as a mapped port`, withMapping(literal), badMapping),
      ),
      post('1e2', withPort('1e2'), denied('not on 100 TLS')),
      post('443.0', withPort('443.0'), warned),
      post('4.43e2', withPort('4.43e2'), warned),
    ],
  },
  {
    number: 41,
    title: 'lone surrogate in a host',
    cases: [
      ...hostless(
        'a high half',
        '\ud800.example.com',
        '"\\u{d800}.example.com"',
        'holds U+D800, which no DNS name has',
      ),
      ...hostless('a low half', 'a.\udc00', '"a.\\u{dc00}"', 'holds U+DC00, which no DNS name has'),
    ],
  },
  {
    number: 42,
    title: 'NUL (`\\u0000`) in a host',
    cases: [
      ...hostless(
        'at the end',
        'api.stripe.com\u0000',
        '"api.stripe.com\\u{0}"',
        'holds white space or a control character (U+0000)',
      ),
      ...hostless(
        'before another ending',
        'api.stripe.com\u0000.evil.example.org',
        '"api.stripe.com\\u{0}.evil.example.org"',
        'holds white space or a control character (U+0000)',
      ),
    ],
  },
  {
    number: 44,
    title: 'host `API.Example.COM.`, `api.example.com:443`, `*.`, `*`, `**.x`, `a.*.b`, empty',
    cases: [
      post('API.Stripe.COM.', withHost('API.Stripe.COM.'), denied('write "api.stripe.com"')),
      post('api.stripe.com.', withHost('api.stripe.com.'), denied('write "api.stripe.com"')),
      post('API.Stripe.COM. of a destination', routeTo('API.Stripe.COM.'), denied('write "api.stripe.com"')),
      post('*', withHost('*'), denied('admits every name with that ending')),
      ...hostless('a port', 'api.example.com:443', '"api.example.com:443"', 'has a port, which is not part of a host'),
      ...hostless('*.', '*.', '"*."', 'has nothing behind its star'),
      ...hostless('**.x', '**.x', '"**.x"', 'has a star that is not its first character'),
      ...hostless('a.*.b', 'a.*.b', '"a.*.b"', 'has a star that is not its first character'),
      ...hostless('empty', '', '""', 'is empty'),
      ...hostless('a dot', '.', '"."', 'has an empty label'),
      ...hostless('two dots', 'api..stripe.com', '"api..stripe.com"', 'has an empty label'),
    ],
  },
  {
    number: 45,
    title: 'host with IDN, mixed script, fullwidth dot, percent-encoding',
    choice: 'all are refused as malformed; where there is an ASCII form, the sentence names it',
    cases: [
      ...hostless(
        'IDN',
        'bücher.example',
        '"bücher.example"',
        'is written in Unicode; its ASCII form is "xn--bcher-kva.example"',
      ),
      ...hostless(
        'Cyrillic а',
        'аpi.stripe.com',
        '"аpi.stripe.com"',
        'is written in Unicode; its ASCII form is "xn--pi-6kc.stripe.com"',
      ),
      ...hostless(
        'fullwidth dots',
        'api．stripe．com',
        '"api．stripe．com"',
        'is written in Unicode; its ASCII form is "api.stripe.com"',
      ),
      ...hostless(
        'fullwidth letters',
        'ａpi.stripe.com',
        '"ａpi.stripe.com"',
        'is written in Unicode; its ASCII form is "api.stripe.com"',
      ),
      ...hostless(
        'soft hyphen',
        'api\u00ad.stripe.com',
        '"api\\u{ad}.stripe.com"',
        'is written in Unicode; its ASCII form is "api.stripe.com"',
      ),
      ...hostless('percent-encoding', 'api%2estripe.com', '"api%2estripe.com"', 'holds "%", which no DNS name has'),
      ...hostless(
        'Kelvin sign',
        'api.stri\u212ae.com',
        '"api.stri\u212ae.com"',
        'is written in Unicode; its ASCII form is "api.strike.com"',
      ),
    ],
  },
  {
    number: 46,
    title: 'IP as host: `0x7f.1`, `127.1`, `::ffff:10.0.0.1`, `[::1]`, `010.0.0.1`, `10.0.0.1/8`',
    choice: 'an address in another than its shortest form is a spelling, with the canonical form as the fix',
    cases: [
      ...hostless('0x7f.1', '0x7f.1', '"0x7f.1"', 'ends in a number, so that some clients read it as an IPv4 address'),
      ...hostless('127.1', '127.1', '"127.1"', 'ends in a number, so that some clients read it as an IPv4 address'),
      ...hostless(
        '010.0.0.1',
        '010.0.0.1',
        '"010.0.0.1"',
        'ends in a number, so that some clients read it as an IPv4 address',
      ),
      ...hostless(
        '2130706433',
        '2130706433',
        '"2130706433"',
        'ends in a number, so that some clients read it as an IPv4 address',
      ),
      ...hostless('[::1]', '[::1]', '"[::1]"', 'has brackets, which belong to addresses in URLs'),
      ...hostless('10.0.0.1/8', '10.0.0.1/8', '"10.0.0.1/8"', 'holds "/", which no DNS name has'),
      post('::ffff:10.0.0.1', withHost('::ffff:10.0.0.1'), denied('write "10.0.0.1"')),
      post('2001:DB8:0::1', withHost('2001:DB8:0::1'), denied('write "2001:db8::1"')),
      post('10.0.0.1', withHost('10.0.0.1'), denied('host "10.0.0.1" is not approved')),
    ],
  },
  {
    number: 47,
    title: 'CIDR with host bits, `/33`, IPv6 zone id',
    cases: [
      post('host bits', entry({ addresses: ['10.96.3.7/12'] }), denied('10.96.3.7/12')),
      post('host bits outside', entry({ addresses: ['203.0.113.7/24'] }), denied('203.0.113.7/24')),
      ...(
        [
          ['10.0.0.0/33', 'has a prefix length that is no number from 0 to 32'],
          ['fe80::/129', 'has a prefix length that is no number from 0 to 128'],
          ['fe80::1%eth0', 'has a zone'],
          ['fe80::%eth0/64', 'has a zone'],
          ['10.0.0.0/08', 'has a prefix length that is no number from 0 to 32'],
          ['10.0.0.0/-1', 'has a prefix length that is no number from 0 to 32'],
          ['10.0.0/8', 'is no IPv4 address'],
          ['', 'is no IPv4 address'],
        ] as const
      ).map(([text, why]) =>
        post(
          `"${text}"`,
          entry({ addresses: [text] }),
          malformed(stripe, `spec.addresses[0]: address "${text}" ${why}`),
        ),
      ),
    ],
  },
  {
    number: 48,
    title: 'regular expression in `uri.regex` that backtracks',
    cases: ['(a+)+$', '(.*a){25}', '^(([a-z])+.)+[A-Z]([a-z])+$', '(', 'x'.repeat(100_000)].map(regex =>
      post(
        regex.slice(0, 30),
        route({ http: [{ match: [{ uri: { regex } }], route: [{ destination: { host: 'reviews' } }] }] }),
        allowed,
        { within: 100 },
      ),
    ),
  },
  {
    number: 49,
    title: 'annotation `excludeOutboundIPRanges: "*"`, spaces, 200 kB value, invalid list',
    choice: 'annotations of more than 256 KiB together are refused unread: Kubernetes stores no more',
    cases: [
      post('*', pod({ [excluded]: '*' }), unreadable),
      post('a space', pod({ [excluded]: ' ' }), unreadable),
      post('a space behind a comma', pod({ [excluded]: '10.96.0.0/16, 10.97.0.0/16' }), unreadable),
      post('a comma too many', pod({ [excluded]: '10.96.0.0/16,' }), unreadable),
      post('no prefixes', pod({ [excluded]: 'all' }), unreadable),
      post('/33', pod({ [excluded]: '10.0.0.0/33' }), unreadable),
      post('a bare address', pod({ [excluded]: '10.0.0.1' }), unreadable),
      post('host bits', pod({ [excluded]: '203.0.113.7/24' }), denied('connections to 203.0.113.0/24 leave')),
      post('200 kB of junk', pod({ [excluded]: 'x'.repeat(200_000) }), unreadable, { within: 150 }),
      post('200 kB of commas', pod({ [excluded]: ','.repeat(200_000) }), unreadable, { within: 150 }),
      post('200 kB of ranges', pod({ [excluded]: ranges(16_000) }), denied('leave without passing the proxy'), {
        within: 150,
      }),
      post(
        '300 kB',
        pod({ [excluded]: ranges(24_000) }),
        malformed(
          'Pod shop/checkout-dry',
          'metadata.annotations: has more than 262144 characters, the most that Kubernetes stores',
        ),
        { within: 150 },
      ),
    ],
  },
]

function ranges(count: number): string {
  return many(count, i => `1.${i >> 8}.${i & 255}.0/25`).join(',')
}
