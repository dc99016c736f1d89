import { entry, gateway, literally, pod, review, route, uid } from './review.ts'
import { allowed, broken, denied, no, post, type Row, warned } from './row.ts'

const good = JSON.stringify(route())
const operations = 'request.operation is none of CREATE, UPDATE, DELETE and CONNECT'

/** Returns a good review whose envelope has other parts. */
function envelope(changes: object): object {
  return { ...route(), ...changes }
}

/** Rows 1, 11 to 20 and 25 to 31: what envelope and object say of themselves, and odd keys. */
export const envelopeRows: readonly Row[] = [
  {
    number: 1,
    title: 'valid review',
    cases: [
      post('one that passes', route(), allowed),
      post('one that warns', entry(), warned),
      post('one that is refused', entry({ hosts: ['evil.example.org'] }), denied('"evil.example.org" is not approved')),
    ],
  },
  {
    number: 11,
    title: 'review without `request`',
    cases: [
      post('absent', envelope({ request: undefined }), no(400)),
      post('null', envelope({ request: null }), no(400)),
      post('a list', envelope({ request: [] }), no(400)),
    ],
  },
  {
    number: 12,
    title: 'empty or missing uid',
    cases: [
      post('missing', route({}, { uid: undefined }), no(400)),
      post('empty', route({}, { uid: '' }), no(400)),
      post('a number', route({}, { uid: 7 }), no(400)),
    ],
  },
  {
    number: 13,
    title: 'uid of 10 kB / with control characters',
    choice: 'uid of 1 to 128 printable ASCII characters',
    cases: [
      post('10 kB', route({}, { uid: 'u'.repeat(10_000) }), no(400)),
      post('129 characters', route({}, { uid: 'u'.repeat(129) }), no(400)),
      post('a line break', route({}, { uid: 'a\nb' }), no(400)),
      post('an escape sequence', route({}, { uid: '\u001b[31m' }), no(400)),
      post('half a character', literally(route({}, { uid: 'HERE' }), '"\\ud800"'), no(400)),
    ],
  },
  {
    number: 14,
    title: 'wrong `apiVersion` (v1beta1, v2) or `kind`',
    cases: [
      post('v1beta1', envelope({ apiVersion: 'admission.k8s.io/v1beta1' }), no(400)),
      post('v2', envelope({ apiVersion: 'admission.k8s.io/v2' }), no(400)),
      post('another kind', envelope({ kind: 'ConversionReview' }), no(400)),
      post('no kind', envelope({ kind: undefined }), no(400)),
    ],
  },
  {
    number: 15,
    title: '`operation` unknown / lower case',
    cases: [
      post('PATCH', route({}, { operation: 'PATCH' }), broken(operations)),
      post('create', route({}, { operation: 'create' }), broken(operations)),
      post('absent', route({}, { operation: undefined }), broken(operations)),
      post('a list', route({}, { operation: ['CREATE'] }), broken(operations)),
    ],
  },
  {
    number: 16,
    title: 'CREATE with `object: null`',
    cases: [post('null', route({}, { object: null }), broken('CREATE without request.object'))],
  },
  {
    number: 17,
    title: 'DELETE with only `oldObject`',
    cases: [
      post('a way out that goes', deletion('networking.istio.io', 'ServiceEntry', 'stripe'), allowed),
      post('a door that is left open', removal(), denied('no other NetworkPolicy holds back')),
    ],
  },
  {
    number: 18,
    title: 'UPDATE where `object` lacks kind or metadata',
    cases: [
      post(
        'no kind',
        update({ kind: undefined }),
        broken(
          'request.object is of kind ".networking.istio.io", request.kind says "VirtualService.networking.istio.io"',
        ),
      ),
      post('no metadata', update({ metadata: undefined }), broken('request.object.metadata is no object')),
      post('metadata null', update({ metadata: null }), broken('request.object.metadata is no object')),
    ],
  },
  {
    number: 19,
    title: '`request.kind` differs from `object.kind`',
    cases: [
      post(
        'a ServiceEntry called a Pod',
        entry({}, { kind: { group: '', version: 'v1', kind: 'Pod' } }),
        broken('request.object is of kind "ServiceEntry.networking.istio.io", request.kind says "Pod"'),
      ),
      post(
        'the Gateway of the other group',
        review(
          'gateway.networking.k8s.io',
          'Gateway',
          {},
          { kind: { group: 'networking.istio.io', version: 'v1', kind: 'Gateway' } },
        ),
        broken(
          'request.object is of kind "Gateway.gateway.networking.k8s.io", request.kind says "Gateway.networking.istio.io"',
        ),
      ),
    ],
  },
  {
    number: 20,
    title: 'namespace in request ≠ in metadata',
    cases: [
      post(
        'another namespace',
        route({}, { namespace: 'istio-system' }),
        broken('request.object.metadata.namespace is not request.namespace, "istio-system"'),
      ),
      post(
        'none in the object',
        review('networking.istio.io', 'VirtualService', { metadata: { name: 'stripe' } }),
        broken('request.object.metadata.namespace is not request.namespace, "shop"'),
      ),
      post(
        'a Namespace, which is in none',
        review(
          '',
          'Namespace',
          { metadata: { name: 'shop', labels: { 'istio-injection': 'enabled' } } },
          { name: 'shop', namespace: 'shop' },
        ),
        allowed,
      ),
      post('options of CONNECT, which have no metadata', connection(), allowed),
    ],
  },
  {
    number: 25,
    title: 'duplicate `uid` keys (last wins)',
    cases: [
      post('the last is echoed', good.replace('"uid":"', '"uid":"first","uid":"'), allowed),
      post('though it is odd', good.replace(`"uid":"${uid}"`, `"uid":"${uid}","uid":"last"`), {
        class: 'verdict',
        verdict: 'allow',
        uid: 'last',
      }),
    ],
  },
  {
    number: 26,
    title: 'duplicate `hosts` keys in spec',
    choice: 'the last, as JSON.parse and the API server read it',
    cases: [
      post(
        'the last is bad',
        twice('["api.stripe.com"]', '["evil.example.org"]'),
        denied('"evil.example.org" is not approved'),
      ),
      post('the first is bad', twice('["evil.example.org"]', '["api.stripe.com"]'), warned),
    ],
  },
  {
    number: 27,
    title: '`__proto__` at top level',
    cases: [
      post('beside the request', good.replace('{', '{"__proto__":{"request":null,"polluted":1},'), allowed, {
        also: isClean,
      }),
      post('inside the request', good.replace('"uid"', '"__proto__":{"operation":"DELETE"},"uid"'), allowed, {
        also: isClean,
      }),
      post('in place of the request', good.replace('"request"', '"__proto__"'), no(400), { also: isClean }),
    ],
  },
  {
    number: 28,
    title: '`__proto__` as a VirtualService header-match key',
    cases: [
      post('data', headerNamed('"__proto__"'), allowed, { also: isClean }),
      post(
        'and what stands beside it is judged',
        headerNamed('"__proto__"').replace('"host":"reviews"', '"host":"evil.example.org"'),
        denied('"evil.example.org"'),
        { also: isClean },
      ),
      post(
        'it lends no hosts',
        literally(entry({ hosts: [], x: 'HERE' }), '1,"__proto__":{"hosts":["evil.example.org"]}'),
        allowed,
      ),
    ],
  },
  {
    number: 29,
    title: '`constructor.prototype` inside object',
    cases: [
      post('in the spec', literally(route({ x: 'HERE' }), '1,"constructor":{"prototype":{"polluted":1}}'), allowed, {
        also: isClean,
      }),
    ],
  },
  {
    number: 30,
    title: 'key `constructor`, `toString`, `hasOwnProperty`, `length` in maps',
    cases: ['constructor', 'toString', 'hasOwnProperty', 'length', 'valueOf'].flatMap(key => [
      post(`${key} as a label of a pod`, pod({}, { [key]: 'x' }), allowed),
      post(`${key} as an annotation of a pod`, pod({ [key]: 'x' }), allowed),
      post(`${key} as a header`, headerNamed(`"${key}"`), allowed),
      post(`${key} as a label of a gateway`, gateway({ selector: { [key]: 'x' } }), allowed),
      post(`${key} as the name of a port`, withPort(key), denied('port 443 is port 8443 in reality')),
      post(`${key} as the kind`, review('', key, {}), allowed),
      post(`${key} as the group`, review(key, 'Pod', {}), allowed),
    ]),
  },
  {
    number: 31,
    title: 'escaped `\\u005f_proto__`',
    cases: [
      post('as a header', headerNamed('"\\u005f_proto__"'), allowed, { also: isClean }),
      post('at the top', good.replace('{', '{"\\u005f_proto__":{"request":null},'), allowed, { also: isClean }),
      post(
        'a field with escapes is that field',
        entryWithKey('h\\u006fsts'),
        denied('"evil.example.org" is not approved'),
      ),
      post('a slash may be escaped, too', slashed(), denied('connections to every public IPv4 address')),
    ],
  },
]

function update(changes: object): object {
  const old = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'stripe', namespace: 'shop' },
  }
  return route({}, { operation: 'UPDATE', oldObject: old, object: { ...old, ...changes } })
}

function deletion(group: string, kind: string, name: string, spec: object = {}): object {
  const old = { apiVersion: `${group}/v1`, kind, metadata: { name, namespace: 'shop' }, spec }
  return review(group, kind, {}, { operation: 'DELETE', name, object: null, oldObject: old })
}

function removal(): object {
  const spec = { podSelector: {}, policyTypes: ['Egress'] }
  return deletion('networking.k8s.io', 'NetworkPolicy', 'default-deny-egress', spec)
}

function connection(): object {
  const object = { apiVersion: 'v1', kind: 'PodExecOptions', container: 'app', command: ['sh'] }
  const kind = { group: '', version: 'v1', kind: 'PodExecOptions' }
  return review('', 'PodExecOptions', {}, { operation: 'CONNECT', subResource: 'exec', kind, object, name: 'web' })
}

function twice(first: string, last: string): string {
  return literally(entry({ hosts: 'HERE' }), `${first},"hosts":${last}`)
}

function headerNamed(key: string): string {
  const http = [{ match: [{ headers: 'HERE' }], route: [{ destination: { host: 'reviews' } }] }]
  return literally(route({ http }), `{${key}:{"exact":"x","polluted":1}}`)
}

function withPort(name: string): object {
  const ports = [{ number: 443, name, protocol: 'TLS' }]
  return entry({ ports, endpoints: [{ address: 'api.stripe.com', ports: { [name]: 8443 } }] })
}

function entryWithKey(key: string): string {
  return JSON.stringify(entry({ hosts: undefined, x: 1 })).replace('"x":1', `"${key}":["evil.example.org"]`)
}

/** A key that V8 knows from before in the place of one with an escaped slash, which it could be taken for. */
function slashed(): string {
  const key = 'traffic.sidecar.istio.io/excludeOutboundIPRanges'
  const written = JSON.stringify(pod({ [key]: '0.0.0.0/0' }))
  return written.replace(`"${key}"`, `"${key.replace('/', '\\/')}"`)
}

function isClean(): void {
  const { polluted, request: asked } = {} as { polluted?: unknown; request?: unknown }
  if (polluted !== undefined || asked !== undefined) throw new Error('Object.prototype is polluted')
}
