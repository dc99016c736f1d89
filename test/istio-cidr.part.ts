import { containsCidr, excludeCidr, mergeCidr, overlapCidr } from 'cidr-tools'
import fc from 'fast-check'
import t from 'tap'
import {
  canonicalAddress,
  complement,
  equal,
  everything,
  formatRanges,
  includes,
  intersect,
  meets,
  nothing,
  parseAddress,
  parseCidrList,
  parsePrefix,
  parseSubnet,
  privateRanges,
  type Ranges,
  rangesOf,
  seeThrough,
  subtract,
  union,
} from '../src/istio/cidr.ts'
import { parsePortList, portNumber } from '../src/istio/port.ts'
import type { Result } from '../src/istio/result.ts'
import { quote } from '../src/istio/text.ts'

/** Returns the prefixes of a set, or the reason why there is none. */
function shown(result: Result<Ranges>): string {
  return result.ok ? formatRanges(result.value).join(' ') : result.why
}

const NO_LENGTH_4 = 'has a prefix length that is no number from 0 to 32'
const NO_LENGTH_6 = 'has a prefix length that is no number from 0 to 128'

t.test('parsePrefix', t => {
  const rows = [
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['1.2.3.4/0', '0.0.0.0/0'],
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['255.255.255.255/32', '255.255.255.255/32'],
    ['::/0', '::/0'],
    ['2000::/3', '2000::/3'],
    ['2001:db8::1/32', '2001:db8::/32'],
    ['::1/128', '::1/128'],
    ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
    ['::ffff:0:0/96', '0.0.0.0/0'],
    ['::ffff:0:0/95', '::fffe:0:0/95'],
    ['1:2:3:4:5:6:7:8/128', '1:2:3:4:5:6:7:8/128'],
    ['1:2:3:4:5:6:7::/112', '1:2:3:4:5:6:7:0/112'],
    ['1:0:0:2:0:0:0:3/128', '1:0:0:2::3/128'],
    ['1:0:0:2:3:0:0:4/128', '1::2:3:0:0:4/128'],
    ['0:0:1::/48', '0:0:1::/48'],
    ['64:ff9b::1.2.3.4/128', '64:ff9b::102:304/128'],
    ['', 'has no prefix length'],
    ['10.0.0.1', 'has no prefix length'],
    ['10.0.0.0/33', NO_LENGTH_4],
    ['10.0.0.0/', NO_LENGTH_4],
    ['10.0.0.0/08', NO_LENGTH_4],
    ['10.0.0.0/+8', NO_LENGTH_4],
    ['10.0.0.0/-1', NO_LENGTH_4],
    ['10.0.0.0/8 ', NO_LENGTH_4],
    ['10.0.0.0/255.0.0.0', NO_LENGTH_4],
    ['::/129', NO_LENGTH_6],
    ['::ffff:10.0.0.0/', NO_LENGTH_6],
    ['10.0.0.0/8/8', 'is no IPv4 address'],
    [' 10.0.0.0/8', 'is no IPv4 address'],
    ['10.0.0/8', 'is no IPv4 address'],
    ['10.0.0.0.0/8', 'is no IPv4 address'],
    ['010.0.0.0/8', 'is no IPv4 address'],
    ['10.0.0.256/8', 'is no IPv4 address'],
    ['10..0.0/8', 'is no IPv4 address'],
    ['0x0a.0.0.0/8', 'is no IPv4 address'],
    ['1000.1000.1000.1000/8', 'is no IPv4 address'],
    ['*/8', 'is no IPv4 address'],
    ['/8', 'is no IPv4 address'],
    ['fe80::%eth0/64', 'has a zone'],
    [':/0', 'is no IPv6 address'],
    [':::/0', 'is no IPv6 address'],
    ['1::2::3/64', 'is no IPv6 address'],
    ['1:2:3:4:5:6:7/64', 'is no IPv6 address'],
    ['1:2:3:4:5:6:7:8:9/64', 'is no IPv6 address'],
    ['1:2:3:4::5:6:7:8/64', 'is no IPv6 address'],
    ['12345::/64', 'is no IPv6 address'],
    ['g::/64', 'is no IPv6 address'],
    ['1.2.3.4::/64', 'is no IPv6 address'],
    ['::1.2.3.4:5/64', 'is no IPv6 address'],
    ['::1.2.3/64', 'is no IPv6 address'],
    ['::ffff:010.0.0.1/128', 'is no IPv6 address'],
    ['[::]/0', 'is no IPv6 address'],
    [`${'0'.repeat(60)}::/0`, 'is no IPv6 address'],
  ] as const
  for (const [text, expected] of rows) t.equal(shown(parsePrefix(text)), expected, `${quote(text)}: ${expected}`)
  t.end()
})

t.test('parseSubnet, parseAddress and canonicalAddress', t => {
  const rows = [
    ['10.0.0.1', '10.0.0.1/32', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1/32', '10.0.0.1'],
    ['::FFFF:a00:1', '10.0.0.1/32', '10.0.0.1'],
    ['2001:DB8:0:0::1', '2001:db8::1/128', '2001:db8::1'],
    ['::', '::/128', '::'],
    ['::1', '::1/128', '::1'],
    ['::10.0.0.1', '::a00:1/128', '::a00:1'],
    ['127.1', 'is no IPv4 address'],
    ['2130706433', 'is no IPv4 address'],
    ['fe80::1%eth0', 'has a zone'],
  ] as const
  for (const [text, ranges, canonical] of rows) {
    t.equal(shown(parseAddress(text)), ranges, `${text}: ${ranges}`)
    t.equal(shown(parseSubnet(text)), ranges, `${text} as a subnet: ${ranges}`)
    const address = canonicalAddress(text)
    t.equal(address.ok ? address.value : address.why, canonical ?? ranges, `${text} is ${canonical ?? 'no address'}`)
  }
  t.equal(shown(parseSubnet('10.1.0.0/8')), '10.0.0.0/8', 'a subnet may be a prefix')
  t.equal(shown(parseAddress('10.0.0.0/8')), 'is no IPv4 address', 'an address may not be a prefix')
  t.end()
})

t.test('parseCidrList', t => {
  const rows = [
    ['', ''],
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['1.2.3.4/0', '0.0.0.0/0'],
    ['0.0.0.0/1,128.0.0.0/1', '0.0.0.0/0'],
    ['::/1,8000::/1', '::/0'],
    ['128.0.0.0/1,0.0.0.0/1,10.0.0.0/8', '0.0.0.0/0'],
    ['10.0.0.0/8,::1/128,10.0.0.0/9', '10.0.0.0/8 ::1/128'],
    ['::ffff:0:0/96', '::ffff:0:0/96'],
    ['*', 'holds "*", which has no prefix length'],
    ['10.0.0.0/8, 11.0.0.0/8', 'holds " 11.0.0.0/8", which is no IPv4 address'],
    ['10.0.0.0/8,', 'holds "", which has no prefix length'],
    [' ', 'holds " ", which has no prefix length'],
    ['10.0.0.1', 'holds "10.0.0.1", which has no prefix length'],
    ['10.0.0.0/33', `holds "10.0.0.0/33", which ${NO_LENGTH_4}`],
  ] as const
  for (const [text, expected] of rows) t.equal(shown(parseCidrList(text)), expected, `${quote(text)}: ${expected}`)
  t.notOk(
    includes(rangesOf('::ffff:0:0/96'), rangesOf('10.0.0.0/8')),
    'an IPv4-mapped prefix in a capture list captures no IPv4',
  )
  t.end()
})

t.test('includes, meets and equal', t => {
  const rows = [
    ['10.0.0.0/8', '10.1.0.0/16', true, true],
    ['10.0.0.0/8', '10.0.0.0/8', true, true],
    ['10.0.0.0/8', '10.0.0.0/7', false, true],
    ['10.0.0.0/9', '10.128.0.0/9', false, false],
    ['0.0.0.0/0', '::/0', false, false],
    ['0.0.0.0/0,::/0', '::1/128', true, true],
    ['10.0.0.0/8,12.0.0.0/8', '10.0.0.0/8,12.0.0.0/9', true, true],
    ['10.0.0.0/8,12.0.0.0/8', '10.0.0.0/7', false, true],
    ['10.0.0.0/8', '10.0.0.0/8,12.0.0.0/8', false, true],
    ['12.0.0.0/8', '10.0.0.0/8,13.0.0.0/8', false, false],
    ['10.0.0.0/8', '', true, false],
    ['', '', true, false],
    ['', '10.0.0.0/8', false, false],
  ] as const
  for (const [a, b, contains, share] of rows) {
    const wide = set(a)
    const narrow = set(b)
    t.equal(includes(wide, narrow), contains, `${quote(a)} includes ${quote(b)}: ${contains}`)
    t.equal(meets(wide, narrow), share, `${quote(a)} meets ${quote(b)}: ${share}`)
    t.equal(meets(narrow, wide), share, `${quote(b)} meets ${quote(a)}: ${share}`)
    t.equal(equal(wide, narrow), a === b, `${quote(a)} equals ${quote(b)}: ${a === b}`)
  }
  t.ok(equal(set('0.0.0.0/1,128.0.0.0/1'), set('0.0.0.0/0')), 'two halves equal the whole')
  t.ok(equal(complement(everything), nothing), 'outside everything is nothing')
  t.strictSame(formatRanges(complement(set('0.0.0.0/0'))), ['::/0'], 'IPv6 is outside all of IPv4')
  t.throws(() => rangesOf('10.0.0.0'), { message: '"10.0.0.0" has no prefix length' })
  t.end()
})

t.test('private ranges and embedded IPv4 addresses', t => {
  for (const text of ['10.1.2.3', '100.64.0.1', '127.0.0.1', '169.254.169.254', '172.31.0.1', '192.168.1.1'])
    t.ok(includes(privateRanges, rangesOf(`${text}/32`)), `${text} is private`)
  for (const text of ['::1', 'fd00::1', 'fe80::1'])
    t.ok(includes(privateRanges, rangesOf(`${text}/128`)), `${text} is private`)
  for (const text of ['8.8.8.8', '172.32.0.1', '100.128.0.1'])
    t.notOk(meets(privateRanges, rangesOf(`${text}/32`)), `${text} is public`)
  t.notOk(meets(privateRanges, rangesOf('2000::/3')), 'global IPv6 addresses are public')

  const rows = [
    ['64:ff9b::10.0.0.1/128', '10.0.0.1/32'],
    ['64:ff9b::a00:0/104', '10.0.0.0/8'],
    ['::ffff:10.0.0.1/128', '10.0.0.1/32'],
    ['2002:a00:1::/48', '10.0.0.1/32'],
    ['2002:a00:1::5/128', '10.0.0.1/32'],
    ['2002:a00::/24', '10.0.0.0/8'],
    ['2001:db8::/32,10.0.0.0/8', '10.0.0.0/8 2001:db8::/32'],
    ['64:ff9a::/32,64:ff9b::1.2.3.4/128', '1.2.3.4/32 64:ff9a::/32'],
    ['', ''],
  ] as const
  for (const [text, expected] of rows)
    t.equal(formatRanges(seeThrough(set(text))).join(' '), expected, `${text} ends at ${expected}`)
  t.ok(includes(seeThrough(everything), set('0.0.0.0/0')), 'all of IPv6 reaches all of IPv4')
  t.notOk(meets(seeThrough(everything), set('2002::/16')), 'what is seen through is gone')
  t.end()
})

function set(list: string): Ranges {
  return list === '' ? nothing : rangesOf(...list.split(','))
}

// Short prefixes near the ends of the space and long ones in one corner, so that sets are related often.
const prefix = fc.oneof(
  fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 8 })).map(([a, bits]) => `${a}.0.0.0/${bits}`),
  fc
    .tuple(fc.integer({ min: 0, max: 31 }), fc.integer({ min: 27, max: 32 }))
    .map(([a, bits]) => `255.255.255.${255 - a}/${bits}`),
  fc
    .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 16 }))
    .map(([a, bits]) => `${(a * 256).toString(16)}::/${bits}`),
  fc
    .tuple(fc.integer({ min: 0, max: 31 }), fc.integer({ min: 123, max: 128 }))
    .map(([a, bits]) => `2001:db8::${a.toString(16)}/${bits}`),
)
const prefixes = fc.array(prefix, { minLength: 1, maxLength: 6 })
const ranges = fc.array(prefix, { maxLength: 6 }).map(list => rangesOf(...list))

/** Prefixes of the oracle in our order and spelling. */
function spelled(list: readonly string[]): string[] {
  return formatRanges(
    rangesOf(...list.map(text => (text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`))),
  )
}

t.test('laws of ranges', t => {
  const laws: Record<string, () => void> = {
    'union is what cidr-tools merges, and as short': () =>
      fc.assert(
        fc.property(prefixes, prefixes, (a, b) => {
          const ours = formatRanges(union(rangesOf(...a), rangesOf(...b)))
          const theirs = mergeCidr([...a, ...b])
          t.strictSame(ours, spelled(theirs))
          return ours.length === theirs.length
        }),
      ),
    'subtract is what cidr-tools excludes': () =>
      fc.assert(
        fc.property(prefixes, prefixes, (a, b) => {
          t.strictSame(formatRanges(subtract(rangesOf(...a), rangesOf(...b))), spelled(excludeCidr(a, b)))
        }),
      ),
    'includes is what cidr-tools contains': () =>
      fc.assert(
        // Without merging, cidr-tools finds a range in one prefix only, not in two that lie side by side.
        fc.property(
          prefixes,
          prefixes,
          (a, b) => includes(rangesOf(...a), rangesOf(...b)) === containsCidr(mergeCidr(a), b),
        ),
      ),
    'meets is what cidr-tools overlaps': () =>
      fc.assert(fc.property(prefixes, prefixes, (a, b) => meets(rangesOf(...a), rangesOf(...b)) === overlapCidr(a, b))),
    'complement twice is identity': () => fc.assert(fc.property(ranges, a => equal(complement(complement(a)), a))),
    'a set and its complement are everything and share nothing': () =>
      fc.assert(fc.property(ranges, a => equal(union(a, complement(a)), everything) && !meets(a, complement(a)))),
    'subtracting and adding gives back': () =>
      fc.assert(fc.property(ranges, ranges, (a, b) => equal(union(subtract(a, b), intersect(a, b)), a))),
    'subtracting then adding the same is the union': () =>
      fc.assert(fc.property(ranges, ranges, (a, b) => equal(union(subtract(a, b), b), union(a, b)))),
    'union and intersect commute': () =>
      fc.assert(
        fc.property(
          ranges,
          ranges,
          (a, b) => equal(union(a, b), union(b, a)) && equal(intersect(a, b), intersect(b, a)),
        ),
      ),
    'includes is an empty difference': () =>
      fc.assert(fc.property(ranges, ranges, (a, b) => includes(a, b) === equal(subtract(b, a), nothing))),
    'meets is an intersection': () =>
      fc.assert(fc.property(ranges, ranges, (a, b) => meets(a, b) === !equal(intersect(a, b), nothing))),
    'what is formatted parses to the same set': () =>
      fc.assert(
        fc.property(ranges, a => {
          const parsed = parseCidrList(formatRanges(a).join(','))
          return parsed.ok && equal(parsed.value, a)
        }),
      ),
    'seeing through twice is seeing through once': () =>
      fc.assert(fc.property(ranges, a => equal(seeThrough(seeThrough(a)), seeThrough(a)))),
    'addresses keep their meaning in canonical text': () =>
      fc.assert(
        fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), text => {
          const canonical = canonicalAddress(text)
          const first = parseAddress(text)
          const again = parseAddress(canonical.ok ? canonical.value : '')
          return first.ok && again.ok && equal(first.value, again.value)
        }),
      ),
  }
  for (const [title, law] of Object.entries(laws)) t.doesNotThrow(law, title)
  t.end()
})

t.test('parsePortList', t => {
  const rows = [
    ['', []],
    ['  ', []],
    ['443', [443]],
    [' 80 , 0443\t', [80, 443]],
    ['0', [0]],
    ['65535', [65535]],
    ['000000000000000000443', [443]],
    ['80,80', [80, 80]],
    ['\u008580', [80]],
    ['65536', 'holds "65536", which is no port number from 0 to 65535'],
    ['*', 'holds "*", which is no port number from 0 to 65535'],
    ['80-90', 'holds "80-90", which is no port number from 0 to 65535'],
    ['80,', 'holds "", which is no port number from 0 to 65535'],
    ['80,,90', 'holds "", which is no port number from 0 to 65535'],
    ['+80', 'holds "+80", which is no port number from 0 to 65535'],
    ['-1', 'holds "-1", which is no port number from 0 to 65535'],
    ['8_0', 'holds "8_0", which is no port number from 0 to 65535'],
    ['0x50', 'holds "0x50", which is no port number from 0 to 65535'],
    ['1e2', 'holds "1e2", which is no port number from 0 to 65535'],
    ['８０', 'holds "８０", which is no port number from 0 to 65535'],
    ['9'.repeat(400), `holds "${'9'.repeat(32)}…${'9'.repeat(31)}", which is no port number from 0 to 65535`],
  ] as const
  for (const [text, expected] of rows) {
    const ports = parsePortList(text)
    t.strictSame(ports.ok ? ports.value : ports.why, expected, `${quote(text)}: ${expected}`)
  }
  t.end()
})

t.test('portNumber', t => {
  for (const value of [1, 80, 65535, 1e2]) t.strictSame(portNumber(value), { ok: true, value }, `${value} is a port`)
  const others = [
    0,
    -0,
    65536,
    -1,
    80.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 53,
    '443',
    443n,
    true,
    null,
    undefined,
    [80],
    {},
  ]
  for (const value of others)
    t.strictSame(
      portNumber(value),
      { ok: false, why: 'is no port number from 1 to 65535' },
      `${typeof value} ${String(value)} is none`,
    )
  t.end()
})
