import { gzipSync } from 'node:zlib'
import { route } from './review.ts'
import { allowed, type Case, no, type Row, request } from './row.ts'

const good = JSON.stringify(route())

function typed(type: string, status: 200 | 415): Case {
  const outcome = status === 200 ? allowed : no(status)
  return {
    what: JSON.stringify(type),
    bytes: request(good, { headers: [`content-type: ${type}`] }),
    outcomes: [outcome],
  }
}

/** Rows 57 to 63: what the headers say the body is. */
export const mediaRows: readonly Row[] = [
  {
    number: 57,
    title: 'no Content-Type',
    cases: [{ what: 'none', bytes: request(good, { headers: [] }), outcomes: [no(415)] }, typed('', 415)],
  },
  { number: 58, title: '`text/plain`', cases: [typed('text/plain', 415)] },
  {
    number: 59,
    title: '`application/yaml`, protobuf, CBOR',
    cases: ['application/yaml', 'application/vnd.kubernetes.protobuf', 'application/cbor', 'application/json+x'].map(
      type => typed(type, 415),
    ),
  },
  {
    number: 60,
    title: '`APPLICATION/JSON`, `  application/json`, `application/json;charset=utf-8`',
    cases: [
      'APPLICATION/JSON',
      '  application/json',
      'application/json;charset=utf-8',
      'application/json ; charset="UTF-8"',
    ].map(type => typed(type, 200)),
  },
  {
    number: 61,
    title: '`application/json<TAB>foo`, `application/json garbage`, `application/json, text/plain`',
    cases: [
      'application/json\tfoo',
      'application/json garbage',
      'application/json, text/plain',
      'application/json; a=b',
      'application/json;',
    ].map(type => typed(type, 415)),
  },
  {
    number: 62,
    title: '`Content-Encoding: gzip` (declared)',
    cases: ['gzip', 'identity', ''].map(encoding => ({
      what: encoding,
      bytes: request(gzipSync(good), { headers: ['content-type: application/json', `content-encoding: ${encoding}`] }),
      outcomes: [no(415)],
    })),
  },
  {
    number: 63,
    title: 'gzip bytes undeclared',
    cases: [{ what: 'gzip', bytes: request(gzipSync(good)), outcomes: [no(400)] }],
  },
]
