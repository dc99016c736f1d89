import fc from 'fast-check'
import t from 'tap'
import {
  covers,
  isClusterHost,
  isPublicSuffix,
  leadsIntoCluster,
  overlaps,
  parseHost,
  registrableDomain,
} from '../src/istio/host.ts'
import { quote, trimSpace } from '../src/istio/text.ts'

const LABEL_63 = 'a'.repeat(63)
const NAME_253 = `${`${LABEL_63}.`.repeat(3)}${'a'.repeat(61)}`

t.test('parseHost reads hosts', t => {
  const rows = [
    ['api.example.com', 'api.example.com', 'name'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example', 'name'],
    ['a--b.c', 'a--b.c', 'name'],
    ['1.example', '1.example', 'name'],
    ['example.1a', 'example.1a', 'name'],
    ['example.0x', 'ends in a number'],
    [`${LABEL_63}.com`, `${LABEL_63}.com`, 'name'],
    [NAME_253, NAME_253, 'name'],
    [`${NAME_253}.`, NAME_253, 'name'],
    ['API.Example.COM.', 'api.example.com', 'name'],
    ['api.example.com.', 'api.example.com', 'name'],
    ['*.example.com', '*.example.com', 'wildcard'],
    ['*.Example.com', '*.example.com', 'wildcard'],
    ['*.com', '*.com', 'wildcard'],
    ['*-x.example.com', '*-x.example.com', 'partial-wildcard'],
    ['*x.example.com', '*x.example.com', 'partial-wildcard'],
    ['*x', '*x', 'partial-wildcard'],
    ['*1', '*1', 'partial-wildcard'],
    ['*-X', '*-x', 'partial-wildcard'],
    ['*', '*', 'any'],
    ['reviews', 'reviews', 'label'],
    ['Reviews.', 'reviews', 'label'],
    ['10.0.0.1', '10.0.0.1', 'ip'],
    ['::1', '::1', 'ip'],
    ['2001:DB8:0::1', '2001:db8::1', 'ip'],
    ['::ffff:10.0.0.1', '10.0.0.1', 'ip'],
    ['::FFFF:0a00:1', '10.0.0.1', 'ip'],

    ['', 'is empty'],
    ['.', 'has an empty label'],
    ['a..b', 'has an empty label'],
    ['.a', 'has an empty label'],
    ['a..', 'has an empty label'],
    ['*..com', 'has an empty label'],
    ['*-.com', 'has an empty label'],
    ['*.', 'has nothing behind its star'],
    ['*-', 'has nothing behind its star'],
    ['**', 'has a star that is not its first character'],
    ['**.x', 'has a star that is not its first character'],
    ['a.*.b', 'has a star that is not its first character'],
    ['a*.b', 'has a star that is not its first character'],
    ['-a.b', 'has a label that begins with a hyphen'],
    ['*--a.b', 'has a label that begins with a hyphen'],
    ['a-.b', 'has a label that ends with a hyphen'],
    ['a.b-', 'has a label that ends with a hyphen'],
    [`a${LABEL_63}.com`, 'has a label of more than 63 characters'],
    [`*${LABEL_63}.com`, 'has a label of more than 63 characters'],
    [`a${NAME_253}`, 'has more than 253 characters'],
    ['a_b.com', 'holds "_", which no DNS name has'],
    ['%61pi.example.com', 'holds "%", which no DNS name has'],
    ['10.0.0.1/8', 'holds "/", which no DNS name has'],
    ['shop/api.example.com', 'holds "/", which no DNS name has'],
    ['a"b', 'holds "\\"", which no DNS name has'],
    [' api.example.com', 'holds white space or a control character (U+0020)'],
    ['api.example.com\n', 'holds white space or a control character (U+000A)'],
    ['api\u0000.example.com', 'holds white space or a control character (U+0000)'],
    ['api\u007f.example.com', 'holds white space or a control character (U+007F)'],
    ['api.example.com:443', 'has a port, which is not part of a host'],
    ['10.0.0.1:443', 'has a port, which is not part of a host'],
    ['[::1]', 'has brackets, which belong to addresses in URLs'],
    ['[::1]:443', 'has brackets, which belong to addresses in URLs'],
    ['fe80::1%eth0', 'has a zone'],
    ['a:b', 'is no IPv6 address'],
    ['::ffff:010.0.0.1', 'is no IPv6 address'],
    ['127.1', 'ends in a number'],
    ['0x7f.1', 'ends in a number'],
    ['010.0.0.1', 'ends in a number'],
    ['10.0.0.1.', 'ends in a number'],
    ['2130706433', 'ends in a number'],
    ['0x7F000001', 'ends in a number'],
    ['1', 'ends in a number'],
    ['*.1', 'ends in a number'],
    ['a.99999999999999999999', 'ends in a number'],
    ['bücher.example', 'is written in Unicode; its ASCII form is "xn--bcher-kva.example"'],
    ['*.BÜCHER.example', 'is written in Unicode; its ASCII form is "*.xn--bcher-kva.example"'],
    ['api．example．com', 'is written in Unicode; its ASCII form is "api.example.com"'],
    ['api。example.com', 'is written in Unicode; its ASCII form is "api.example.com"'],
    ['раypal.com', 'is written in Unicode; its ASCII form is "xn--ypal-43d9g.com"'],
    ['ap\u00adi.example.com', 'is written in Unicode; its ASCII form is "api.example.com"'],
    ['api\ud800.example.com', 'holds U+D800, which no DNS name has'],
    ['api.exa\u2100mple.com', 'holds U+2100, which no DNS name has'],
    ['é/x.example.com', 'holds U+00E9, which no DNS name has'],
    ['\u{1f4a9}..com', 'holds U+1F4A9, which no DNS name has'],
  ] as const
  for (const [text, expected, form] of rows) {
    const host = parseHost(text)
    const title = `${quote(text)}: ${expected}`
    if (form !== undefined)
      t.strictSame(host, { ok: true, value: { text: expected, canonical: text === expected, form } }, title)
    else t.ok(!host.ok && host.why.startsWith(expected), title)
  }
  t.end()
})

t.test('covers and overlaps are relations of sets of names', t => {
  const rows = [
    ['*.a.com', 'x.a.com', true],
    ['*.a.com', 'x.y.a.com', true],
    ['*.a.com', '*.b.a.com', true],
    ['*.a.com', '*-b.a.com', true],
    ['*.a.com', '*b.a.com', true],
    ['*.a.com', 'a.com', false],
    ['*.a.com', 'evila.com', false],
    ['*.a.com', '*.com', false, true],
    ['*.a.com', '*a.com', false, true],
    ['*.a.com', '*', false, true],
    ['*.a.com', '*.a.com', true],
    ['*.a.com', '*.b.com', false],
    ['*', 'a', true],
    ['*', 'a.com', true],
    ['*', '*.com', true],
    ['*', '*', true],
    ['*', '10.0.0.1', true],
    ['*-x.a.com', 'b-x.a.com', true],
    ['*-x.a.com', 'c.b-x.a.com', true],
    ['*-x.a.com', 'bx.a.com', false],
    ['*a.com', 'evila.com', true],
    ['*a.com', 'a.com', true],
    ['*x', 'box', true],
    ['a.com', 'a.com', true],
    ['a.com', 'b.com', false],
    ['a.com', '*.com', false, true],
    ['a.com', '*', false, true],
  ] as const
  for (const [wide, narrow, yes, meet = yes] of rows) {
    t.equal(covers(wide, narrow), yes, `${wide} covers ${narrow}: ${yes}`)
    t.equal(overlaps(wide, narrow), meet, `${wide} overlaps ${narrow}: ${meet}`)
    t.equal(overlaps(narrow, wide), meet, `${narrow} overlaps ${wide}: ${meet}`)
  }
  t.end()
})

// Few and short labels, so that hosts are related often.
const label = fc.constantFrom('a', 'b', 'ba', 'com')
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map(labels => labels.join('.'))
const host = fc.oneof(
  name,
  name.map(tail => `*.${tail}`),
  name.map(tail => `*${tail}`),
  name.map(tail => `*-${tail}`),
  fc.constant('*'),
)

t.test('laws of hosts', t => {
  const laws: Record<string, () => void> = {
    'generated hosts are canonical': () =>
      fc.assert(
        fc.property(host, text => {
          const parsed = parseHost(text)
          return parsed.ok && parsed.value.canonical && parsed.value.text === text
        }),
      ),
    'covers is reflexive': () => fc.assert(fc.property(host, a => covers(a, a))),
    'covers is antisymmetric': () =>
      fc.assert(fc.property(host, host, (a, b) => !(covers(a, b) && covers(b, a)) || a === b)),
    'covers is transitive': () =>
      fc.assert(
        fc.property(host, host, host, (a, b, c) => !(covers(a, b) && covers(b, c)) || covers(a, c)),
        {
          numRuns: 2000,
        },
      ),
    'covers implies overlaps': () => fc.assert(fc.property(host, host, (a, b) => !covers(a, b) || overlaps(a, b))),
    'overlaps is symmetric': () => fc.assert(fc.property(host, host, (a, b) => overlaps(a, b) === overlaps(b, a))),
    'hosts that share a name overlap': () =>
      fc.assert(fc.property(host, host, name, (a, b, c) => !(covers(a, c) && covers(b, c)) || overlaps(a, b))),
    'parsing a canonical text changes nothing, whatever it came from': () =>
      fc.assert(
        fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.domain(), fc.ipV4(), fc.ipV6(), host), text => {
          const first = parseHost(text)
          if (!first.ok) return /^[a-z][^\n]*[^.]$/u.test(first.why)
          const again = parseHost(first.value.text)
          return again.ok && again.value.canonical && again.value.text === first.value.text
        }),
        { numRuns: 2000 },
      ),
  }
  for (const [title, law] of Object.entries(laws)) t.doesNotThrow(law, title)
  t.end()
})

t.test('public suffixes and registrable domains', t => {
  const rows = [
    ['*', true, undefined],
    ['*.com', true, undefined],
    ['*.co.uk', true, undefined],
    ['*.github.io', true, undefined],
    ['*.s3.amazonaws.com', true, undefined],
    ['*-x.co.uk', true, undefined],
    ['*x.com', true, undefined],
    ['*x', true, undefined],
    ['*.internal', true, undefined],
    ['com', true, undefined],
    ['github.io', true, undefined],
    ['reviews', true, undefined],
    ['*.example.com', false, 'example.com'],
    ['*.api.example.co.uk', false, 'example.co.uk'],
    ['*-x.example.com', false, 'example.com'],
    ['api.example.com', false, 'example.com'],
    ['example.github.io', false, 'example.github.io'],
    ['db.corp.internal', false, 'corp.internal'],
    ['10.0.0.1', false, undefined],
    ['2001:db8::1', false, undefined],
  ] as const
  for (const [text, suffix, domain] of rows) {
    t.equal(isPublicSuffix(text), suffix, `${text} is a public suffix: ${suffix}`)
    t.equal(registrableDomain(text), domain, `${text} is below ${domain}`)
  }
  t.end()
})

t.test('leadsIntoCluster', t => {
  const rows = [
    ['a.b.svc.cluster.local', 'k8s.acme', true],
    ['a.b.svc.k8s.acme', 'k8s.acme', true],
    ['a.b.svc.clusterset.local', 'cluster.local', true],
    ['a.b.svc', 'cluster.local', true],
    ['squid.corp.local', 'cluster.local', false],
    ['mycluster.local', 'cluster.local', false],
    ['*.local', 'cluster.local', false],
    ['reviews', 'cluster.local', false],
  ] as const
  for (const [text, domain, yes] of rows) t.equal(leadsIntoCluster(text, domain), yes, `${text}, ${domain}: ${yes}`)
  t.end()
})

t.test('isClusterHost', t => {
  const rows = [
    ['egress.istio-egress.svc.cluster.local', 'cluster.local', true],
    ['egress.istio-egress.svc.k8s.acme', 'k8s.acme', true],
    ['*.istio-egress.svc.k8s.acme', 'k8s.acme', true],
    ['*.k8s.acme', 'k8s.acme', true],
    ['k8s.acme', 'k8s.acme', true],
    ['a.b.svc.cluster.local', 'k8s.acme', true],
    ['a.b.svc.clusterset.local', 'cluster.local', true],
    ['*.local', 'cluster.local', true],
    ['printer.local', 'cluster.local', true],
    ['local', 'cluster.local', true],
    ['a.b.svc', 'cluster.local', true],
    ['*-x.local', 'cluster.local', true],
    ['*.acme', 'k8s.acme', false],
    ['evilk8s.acme', 'k8s.acme', false],
    ['a.b.svc.cluster.local.example.com', 'cluster.local', false],
    ['reviews', 'cluster.local', false],
    ['*', 'cluster.local', false],
  ] as const
  for (const [text, domain, yes] of rows) {
    t.equal(isClusterHost(text, domain), yes, `${text} is a cluster host below ${domain}: ${yes}`)
  }
  t.end()
})

t.test('quote makes text of users fit for messages', t => {
  const rows = [
    ['api.example.com', '"api.example.com"'],
    ['', '""'],
    ['a"b\\c', '"a\\"b\\\\c"'],
    ['a\nb\u001b[31m', '"a\\u{a}b\\u{1b}[31m"'],
    ['\u202etxt', '"\\u{202e}txt"'],
    ['\ud800', '"\\u{d800}"'],
    ['naïve \u{1f600}', '"naïve \u{1f600}"'],
    ['x'.repeat(64), `"${'x'.repeat(64)}"`],
    [`${'x'.repeat(100)}${'y'.repeat(100)}`, `"${'x'.repeat(32)}…${'y'.repeat(31)}"`],
  ] as const
  for (const [text, expected] of rows) t.equal(quote(text), expected, expected)
  t.end()
})

t.test('trimSpace trims what Go trims', t => {
  const rows = [
    ['\t\n\v\f\r a b \r', 'a b'],
    ['\u0085\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000a', 'a'],
    ['\ufeffa', '\ufeffa'],
    ['a\u200b', 'a\u200b'],
    ['\u0008a\u000e', '\u0008a\u000e'],
    [' \u00a0 ', ''],
    ['', ''],
  ] as const
  for (const [text, expected] of rows) t.equal(trimSpace(text), expected, quote(text))
  t.end()
})
