import { entry, many, route } from './review.ts'
import { allowed, type Case, no, type Row, request } from './row.ts'
import type { Wire } from './wire.ts'

const good = JSON.stringify(route())
const limit = 7 * 1024 * 1024

/** Returns a good review with another uid, so that answers can be told apart. */
function named(uid: string): string {
  return JSON.stringify(route({}, { uid }))
}

function at(line: string, outcome: Case['outcomes'][number], more: Partial<Case> = {}): Case {
  return { what: line, bytes: request(good, { line: `${line} HTTP/1.1` }), outcomes: [outcome], ...more }
}

/** Returns a request whose head is given to the letter; what HTTP forbids must end the connection. */
function forbidden(what: string, head: string, body: string = good): Case {
  return { what, bytes: `${head}\r\n\r\n${body}`, outcomes: [no(400)], closes: true }
}

const start = 'POST /validate HTTP/1.1\r\nhost: guard\r\ncontent-type: application/json'
const length = `content-length: ${good.length}`

/** Rows 51 and 64 to 77: what stands around the body. */
export const httpRows: readonly Row[] = [
  {
    number: 51,
    title: 'body 7 MiB + 1',
    cases: [
      {
        what: 'announced',
        bytes: `${start}\r\ncontent-length: ${limit + 1}\r\n\r\n`,
        outcomes: [no(413)],
        closes: true,
      },
      { what: 'sent in full', bytes: request('x'.repeat(limit + 1)), outcomes: [no(413)], closes: true },
      { what: 'in chunks', bytes: inChunks('x'.repeat(limit + 1)), outcomes: [no(413)], closes: true },
      {
        what: 'announced as 10^30',
        bytes: `${start}\r\ncontent-length: 1${'0'.repeat(30)}\r\n\r\n`,
        outcomes: [no(400)],
        closes: true,
      },
    ],
  },
  {
    number: 64,
    title: 'GET, PUT, HEAD, TRACE / OPTIONS on admission paths',
    choice: '404',
    cases: ['GET', 'PUT', 'HEAD', 'TRACE', 'OPTIONS', 'DELETE', 'PATCH'].map(method =>
      at(`${method} /validate`, no(404), { method }),
    ),
  },
  {
    number: 65,
    title: 'unknown path, `//validate`, `/validate/`, `/validate/../x`, upper case',
    cases: [
      '/',
      '/metrics',
      '//validate',
      '/validate/',
      '/validate/../x',
      '/x/../validate',
      '/VALIDATE',
      '/validate;x',
      '/validatex',
      '/validate%00',
      '/validate%2f',
    ].map(path => at(`POST ${path}`, no(404))),
  },
  {
    number: 66,
    title: '`/%76alidate`',
    choice: 'the same path, so the same checks and a verdict',
    cases: [
      at('POST /%76alidate', allowed),
      { what: 'the same checks', bytes: request('[]', { line: 'POST /%76alidate HTTP/1.1' }), outcomes: [no(400)] },
      at('POST /%zzalidate', no(400)),
    ],
  },
  {
    number: 67,
    title: 'Content-Length + Transfer-Encoding',
    cases: [
      forbidden('length first', `${start}\r\n${length}\r\ntransfer-encoding: chunked`, '0\r\n\r\n'),
      forbidden('encoding first', `${start}\r\ntransfer-encoding: chunked\r\n${length}`, '0\r\n\r\n'),
    ],
  },
  {
    number: 68,
    title: 'two Content-Lengths; `+2`; `xchunked`; obs-fold; bare LF',
    cases: [
      forbidden('two lengths', `${start}\r\n${length}\r\ncontent-length: 2`),
      forbidden('two equal lengths', `${start}\r\n${length}\r\n${length}`),
      forbidden('+2', `${start}\r\ncontent-length: +2`, '{}'),
      forbidden('0x2', `${start}\r\ncontent-length: 0x2`, '{}'),
      forbidden('-1', `${start}\r\ncontent-length: -1`, '{}'),
      forbidden('xchunked', `${start}\r\ntransfer-encoding: xchunked`),
      forbidden('chunked twice', `${start}\r\ntransfer-encoding: chunked, chunked`, '0\r\n\r\n'),
      forbidden('a folded line', `${start}\r\nx: a\r\n b\r\n${length}`),
      forbidden('a bare line feed', `${start}\nx: a\r\n${length}`),
      forbidden('a space before the colon', `${start}\r\ncontent-length : ${good.length}`),
      forbidden('NUL in a header', `${start}\r\nx: a\u0000b\r\n${length}`),
      forbidden('a chunk of no size', `${start}\r\ntransfer-encoding: chunked`, 'x\r\n'),
    ],
  },
  {
    number: 69,
    title: 'bytes after the declared body (second request smuggled)',
    choice: 'a second request has its own answer; junk in one go with the first costs both theirs',
    cases: [
      {
        what: 'a request',
        bytes: Buffer.concat([
          request(good),
          Buffer.from('POST /admin HTTP/1.1\r\nhost: guard\r\ncontent-length: 0\r\n\r\n'),
        ]),
        outcomes: [allowed, no(404)],
      },
      {
        what: 'junk',
        bytes: Buffer.concat([request(good), Buffer.from('junk\r\n\r\n')]),
        outcomes: [no(400)],
        closes: true,
      },
      {
        what: 'behind a review of another uid',
        bytes: Buffer.concat([request(named('first')), request('{"request":{"uid":"second"}}')]),
        outcomes: [{ class: 'verdict', verdict: 'allow', uid: 'first' }, no(400)],
      },
    ],
  },
  {
    number: 70,
    title: 'pipelined two reviews',
    cases: [
      {
        what: 'in order',
        bytes: Buffer.concat(['one', 'two', 'three'].map(uid => request(named(uid)))),
        outcomes: ['one', 'two', 'three'].map(uid => ({ class: 'verdict', verdict: 'allow', uid }) as const),
      },
      {
        what: 'an answer does not overtake a slower one',
        bytes: Buffer.concat([
          request(JSON.stringify(entry({ hosts: many(500, i => `a${i}.b`) }))),
          request(named('small')),
        ]),
        outcomes: [
          { class: 'verdict', verdict: 'deny' },
          { class: 'verdict', verdict: 'allow', uid: 'small' },
        ],
      },
    ],
  },
  {
    number: 71,
    title: 'missing Host',
    choice: 'Node answers by itself, without any body',
    cases: [
      {
        what: 'none',
        bytes: `POST /validate HTTP/1.1\r\ncontent-type: application/json\r\n${length}\r\n\r\n${good}`,
        outcomes: [{ class: 'N', status: 400, body: '' }],
        closes: true,
      },
    ],
  },
  {
    number: 72,
    title: '20 KiB header / 2,500 headers / 200 headers',
    cases: [
      {
        what: '20 KiB',
        bytes: request(good, { headers: ['content-type: application/json', `x: ${'x'.repeat(20 * 1024)}`] }),
        outcomes: [no(431)],
        closes: true,
      },
      { what: '2,500', bytes: headered(2500), outcomes: [no(431)], closes: true },
      { what: '200', bytes: headered(200), outcomes: [allowed] },
      {
        what: 'a path of 20 KiB',
        bytes: request(good, { line: `POST /validate?${'x'.repeat(20 * 1024)} HTTP/1.1` }),
        outcomes: [no(431)],
        closes: true,
      },
    ],
  },
  {
    number: 73,
    title: 'HTTP/1.0',
    cases: [
      { what: '1.0', bytes: request(good, { line: 'POST /validate HTTP/1.0' }), outcomes: [allowed], closes: true },
    ],
  },
  {
    number: 74,
    title: 'HTTP/2 preface',
    cases: [{ what: 'preface', bytes: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', outcomes: [no(400)], closes: true }],
  },
  {
    number: 75,
    title: '`Expect: 100-continue` / junk',
    cases: [
      { what: '100-continue', bytes: expecting('100-continue'), outcomes: [{ class: 'status', status: 100 }, allowed] },
      { what: 'junk', bytes: expecting('junk'), outcomes: [{ class: 'status', status: 417 }] },
    ],
  },
  {
    number: 76,
    title: '`Upgrade: websocket`',
    cases: [
      {
        what: 'websocket',
        bytes: request(good, {
          headers: ['content-type: application/json', 'connection: upgrade', 'upgrade: websocket'],
        }),
        outcomes: [allowed],
        also: noBody,
      },
    ],
  },
  {
    number: 77,
    title: '`?timeout=%zz`, `timeout=0s`, `timeout=99999h`, missing',
    choice: 'what is no duration counts as not given; the others are clamped, so that nobody is turned away for it',
    cases: [
      '?timeout=%zz',
      '?timeout=0s',
      '?timeout=99999h',
      '',
      '?',
      '?timeout=',
      '?timeout=-1s',
      '?timeout=1s&timeout=2s',
      '?timeout[]=1',
      '?__proto__=1&timeout=3s',
    ].map(query => at(`POST /validate${query}`, allowed)),
  },
]

function inChunks(body: string): Buffer {
  const size = 1024 * 1024
  const chunks = many(Math.ceil(body.length / size), i => body.slice(i * size, (i + 1) * size))
  const parts = chunks.map(chunk => `${chunk.length.toString(16)}\r\n${chunk}\r\n`)
  return Buffer.from(`${start}\r\ntransfer-encoding: chunked\r\n\r\n${parts.join('')}0\r\n\r\n`, 'latin1')
}

function headered(count: number): Buffer {
  const more = many(count, i => `x-${i}: ${i}`)
  return request(good, { headers: ['content-type: application/json', ...more] })
}

function expecting(what: string): Buffer {
  return request(good, { headers: ['content-type: application/json', `expect: ${what}`] })
}

function noBody(wire: Wire): void {
  if (wire.left !== '') throw new Error(`more came: ${wire.left.slice(0, 100)}`)
}
