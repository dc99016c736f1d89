import { entry, gateway, literally, many, numbered, pod, route } from './review.ts'
import { allowed, denied, malformed, no, post, type Row, warned } from './row.ts'

const stripe = 'ServiceEntry shop/stripe'
const parseTime = 150
const tooMany = 'has more than 10000 entries, the most that is judged'
const tooMuch = 'holds more than 100000 values, the most that is judged'

const nested = (levels: number, open = '[', close = ']'): string => `${open.repeat(levels)}1${close.repeat(levels)}`
const chain = (levels: number): string => nested(levels, '{"a":', '}')
const hosts = (count: number): string[] => many(count, i => `a${i}.b.example`)
const ports = (count: number): object[] => many(count, i => ({ number: i + 1, name: `p${i}`, protocol: 'TLS' }))

const mebibyte = 1024 * 1024

/** Returns a review of just so many bytes that passes. */
export function padded(bytes: number): string {
  const empty = JSON.stringify(route({ pad: '' }))
  return JSON.stringify(route({ pad: 'x'.repeat(bytes - empty.length) }))
}

const longName = `spec.hosts[0]: host "${'x'.repeat(32)}…${'x'.repeat(31)}" has more than 253 characters`

/** Rows 32 to 36 and 50: depth and size. */
export const sizeRows: readonly Row[] = [
  {
    number: 32,
    title: 'nesting 65 – 10,000',
    choice: 'a field that a rule reads has a fixed shape, so that any nesting in it is refused, not only beyond 64',
    cases: [1, 65, 10_000].flatMap(levels => [
      post(
        `${levels} in a host`,
        literally(entry({ hosts: ['HERE'] }), nested(levels)),
        malformed(stripe, 'spec.hosts[0]: must be a text'),
      ),
      post(
        `${levels} in a destination`,
        literally(route({ http: [{ route: [{ destination: { host: 'HERE' } }] }] }), nested(levels)),
        malformed('VirtualService shop/stripe', 'spec.http[0].route[0].destination.host: must be a text'),
      ),
      post(
        `${levels} in an annotation`,
        literally(pod({ deep: 'HERE' }), nested(levels)),
        malformed('Pod shop/checkout-dry', 'metadata.annotations.deep: must be a text'),
      ),
      post(`${levels} where no rule reads`, literally(route({ deep: 'HERE' }), nested(levels)), allowed),
    ]),
  },
  {
    number: 33,
    title: 'nesting 400,000',
    cases: [
      post('nothing but opening brackets', '['.repeat(400_000), no(400), { within: parseTime }),
      post('nothing but brackets', nested(400_000), no(400), { within: parseTime }),
      post(
        'in a host',
        literally(entry({ hosts: ['HERE'] }), nested(400_000)),
        malformed(stripe, `spec.hosts: ${tooMuch}`),
        {
          within: parseTime,
        },
      ),
      post('where no rule reads', literally(route({ deep: 'HERE' }), nested(400_000)), allowed, { within: parseTime }),
    ],
  },
  {
    number: 34,
    title: '100,000 nested objects',
    cases: [
      post('nothing else', chain(100_000), no(400), { within: parseTime }),
      post(
        'as the hosts',
        literally(entry({ hosts: 'HERE' }), chain(100_001)),
        malformed(stripe, 'spec.hosts: must be a list', `spec.hosts: ${tooMuch}`),
        {
          within: parseTime,
        },
      ),
      post('where no rule reads', literally(route({ deep: 'HERE' }), chain(100_000)), allowed, { within: parseTime }),
      post('in both objects of an UPDATE', updated(chain(100_000)), allowed, { within: parseTime }),
    ],
  },
  {
    number: 35,
    title: '200,000 integer-like keys (3.3 MB)',
    choice: '10,000 entries of a map that rules walk, 100,000 values in lists within lists; more are refused unread',
    cases: [
      post(
        'as labels of a pod',
        pod({}, numbered(200_000, 'x'.repeat(6))),
        malformed('Pod shop/checkout-dry', `metadata.labels: ${tooMany}`),
        {
          within: parseTime,
        },
      ),
      post(
        'as its annotations',
        pod(numbered(200_000)),
        malformed('Pod shop/checkout-dry', `metadata.annotations: ${tooMany}`),
        {
          within: parseTime,
        },
      ),
      post(
        'as a selector',
        gateway({ selector: numbered(200_000) }),
        malformed('Gateway.networking.istio.io shop/stripe', `spec.selector: ${tooMany}`),
        {
          within: parseTime,
        },
      ),
      post(
        'as headers',
        route({ http: [{ match: [{ headers: numbered(200_000, {}) }] }] }),
        malformed('VirtualService shop/stripe', `spec.http: ${tooMuch}`),
        { within: parseTime },
      ),
      post('where no rule reads', route({ x: numbered(200_000) }), allowed, { within: parseTime }),
      post('in the envelope', { ...route(), ...numbered(200_000) }, allowed, { within: parseTime }),
    ],
  },
  {
    number: 36,
    title: 'array of 40,000 / 100,000 hosts',
    choice:
      '10,000 entries of a list; 100,000 combinations of hosts, ports, exportTo and endpoints; 1,000 faults of one rule',
    cases: [
      ...[40_000, 100_000].map(count =>
        post(`${count}`, entry({ hosts: hosts(count) }), malformed(stripe, `spec.hosts: ${tooMany}`), { within: 100 }),
      ),
      post('1,000', entry({ hosts: hosts(1000) }), denied('1000 findings'), { within: 100 }),
      post('10,000 that are approved', entry({ hosts: many(10_000, i => `a${i}.s3.example.net`) }), warned, {
        within: 200,
      }),
      post(
        '1,000, each on 1,000 ports',
        entry({ hosts: hosts(1000), ports: ports(1000) }),
        malformed(
          stripe,
          'spec: hosts, ports, exportTo, endpoints make more than 100000 combinations, the most that is judged',
        ),
        { within: 100 },
      ),
      post(
        '10,000 addresses',
        entry({ addresses: many(10_001, () => '192.0.2.1') }),
        malformed(stripe, `spec.addresses: ${tooMany}`),
        { within: 100 },
      ),
      post('a name of 6 MB', entry({ hosts: ['x'.repeat(6 * mebibyte)] }), malformed(stripe, longName), {
        within: 150,
      }),
    ],
  },
  {
    number: 50,
    title: 'body 1 MiB + 1',
    cases: [post('1 MiB + 1', padded(mebibyte + 1), allowed), post('7 MiB, the limit', padded(7 * mebibyte), allowed)],
  },
]

function updated(deep: string): string {
  const object = (label: string): object => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'stripe', namespace: 'shop', labels: { label } },
    spec: { deep: 'HERE' },
  })
  const request = { operation: 'UPDATE', object: object('new'), oldObject: object('old') }
  return literally(route({}, request), deep).replace('"HERE"', deep)
}
