import { literally, route } from './review.ts'
import { no, post, type Row, request } from './row.ts'

const good = JSON.stringify(route())
const bytes = Buffer.from(good)

/** Rows 2 to 10, 21 to 24, 40 and 43: bytes that are no JSON document in UTF-8, or one that is no object. */
export const bodyRows: readonly Row[] = [
  { number: 2, title: 'empty body', cases: [post('Content-Length: 0', '', no(400))] },
  {
    number: 3,
    title: 'no Content-Length, no body',
    cases: [
      {
        what: 'headers alone',
        bytes: 'POST /validate HTTP/1.1\r\nhost: guard\r\ncontent-type: application/json\r\n\r\n',
        outcomes: [no(400)],
      },
    ],
  },
  { number: 4, title: '`hello`', cases: [post('a word', 'hello', no(400))] },
  { number: 5, title: 'truncated JSON', cases: [post('all but the last byte', good.slice(0, -1), no(400))] },
  { number: 6, title: 'valid JSON + `}}`', cases: [post('two braces more', `${good}}}`, no(400))] },
  { number: 7, title: 'two documents', cases: [post('twice the same', `${good}${good}`, no(400))] },
  { number: 8, title: '`null`', cases: [post('null', 'null', no(400))] },
  { number: 9, title: '`[]`', cases: [post('an empty list', '[]', no(400)), post('in a list', `[${good}]`, no(400))] },
  { number: 10, title: '`42` / `"x"`', cases: [post('a number', '42', no(400)), post('a text', '"x"', no(400))] },
  { number: 21, title: 'UTF-8 BOM before JSON', cases: [post('a mark', `\ufeff${good}`, no(400))] },
  {
    number: 22,
    title: 'UTF-16LE body',
    cases: [
      post('without a mark', Buffer.from(good, 'utf16le'), no(400)),
      post('with a mark', Buffer.from(`\ufeff${good}`, 'utf16le'), no(400)),
    ],
  },
  {
    number: 23,
    title: 'invalid UTF-8 inside a string',
    cases: [
      post('a lone continuation byte', withBytes([0x80]), no(400)),
      post('an overlong slash', withBytes([0xc0, 0xaf]), no(400)),
      post('half a character as CESU-8', withBytes([0xed, 0xa0, 0x80]), no(400)),
      post('beyond Unicode', withBytes([0xf5, 0x80, 0x80, 0x80]), no(400)),
    ],
  },
  {
    number: 24,
    title: '`charset=utf-16` on JSON',
    cases: [
      {
        what: 'utf-16',
        bytes: request(bytes, { headers: ['content-type: application/json; charset=utf-16'] }),
        outcomes: [no(415)],
      },
    ],
  },
  {
    number: 40,
    title: '`NaN`, comments, trailing comma',
    cases: ['NaN', '1,}', '1/**/', '1//\n', '01', '.5', "'x'", 'Infinity', 'undefined', '0x1'].map(literal =>
      post(literal, literally(route({ x: 'HERE' }), literal), no(400)),
    ),
  },
  {
    number: 43,
    title: 'raw newline in a string',
    cases: ['\n', '\t', '\u0000'].map(raw =>
      post(JSON.stringify(raw), good.replace('reviews', `re${raw}views`), no(400)),
    ),
  },
]

function withBytes(odd: readonly number[]): Buffer {
  const at = bytes.indexOf('reviews') + 2
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(odd), bytes.subarray(at)])
}
