import fc from 'fast-check'
import t from 'tap'
import { quote } from '../src/istio/text.ts'
import { decodeUtf8 } from '../src/manifest/decode.ts'
import { parseJson } from '../src/manifest/parse.ts'
import { checkObjects, readManifests } from '../src/manifest/read.ts'

function objects(text: string): unknown[] {
  return readManifests(text, 'f.yaml').documents.map(document => document.object)
}

function problems(text: string): string[] {
  return readManifests(text, 'f.yaml').problems.map(({ line, column, what }) => `${line}:${column} ${what}`)
}

t.test('documents, as kubectl tells them apart', t => {
  const [a, b] = [{ a: 1 }, { b: 2 }]
  const rows: [text: string, documents: unknown[]][] = [
    ['', []],
    ['# nothing\n', []],
    ['---\n---\n# c\n---\nnull\n', []],
    ['a: 1', [a]],
    ['a: 1\n---\nb: 2\n', [a, b]],
    ['---\na: 1\n---\n\n---\nb: 2\n---\n', [a, b]],
    ['a: 1\n--- # c\nb: 2', [a, b]],
    ['a: 1\r\n---\t\r\nb: 2\r\n', [a, b]],
    ['\ufeffa: 1\n---\nb: 2', [a, b]],
    ['\ufeff{"a": 1}', [a]],
    ['a: 1\n...\n---\nb: 2', [a, b]],
    ['a: |\n  ---\n  x\n', [{ a: '---\nx\n' }]],
    ['{"a": 1}', [a]],
    [' \n{"a": 1}{"b": 2}\n{"a": 1} ', [a, b, a]],
    ['{"a": 1}\n---\nb: 2', [a, b]],
    ['{"a": 1} b: 2', [a, b]],
    ['{"a": 1,}', [a]],
    ['{a: 1}\n---\n{"b": 2}', [a, b]],
    ['{"a": [{}, [], {"b": [true, false, null, -1.5e3, "\\u00e9\\n\u2028"]}]}', [
      { a: [{}, [], { b: [true, false, null, -1500, 'é\n\u2028'] }] },
    ]],
    ['{"a": 12345678901234567890123, "b": 9007199254740992}', [{ a: 1.2345678901234568e22, b: 9007199254740992 }]],
  ] // biome-ignore format: rows
  for (const [text, documents] of rows) {
    t.strictSame(objects(text), documents, quote(text))
    t.strictSame(problems(text), [], `${quote(text)} has no problems`)
  }
  t.end()
})

t.test('problems have a place, and the other documents are read', t => {
  const rows: [text: string, problems: string[], documents: number][] = [
    ['a: 1\na: 2\n---\nb: {c: 1, c: 2}\n---\nd: 1', [
      '2:1 key "a" is given twice in one map',
      '4:11 key "c" is given twice in one map',
    ], 1],
    ['a: 1\n---x\nb: 2', ['2:1 a line that starts with "---" holds more'], 1],
    ['a: "x\n---\ny"', ['1:4 invalid YAML: a closing quote is missing', '3:1 the document is not an object'], 0],
    ['a\n---\n[a]\n---\nb: 2', ['1:1 the document is not an object', '3:1 the document is not an object'], 1],
    ['a: 1\n...\nb: 2', ['3:1 a second document starts here, and only the first would be read'], 0],
    ['a:\n  b: 9007199254740993', ['2:6 integer 9007199254740993 is larger than a double can hold exactly'], 0],
    ['{"a": 1, "a": 2}\n{"b": 1}', ['1:10 key "a" is given twice in one map'], 1],
    ['{"a": {"\\u0061": 1, "a": 2}}', ['1:21 key "a" is given twice in one map'], 0],
    ['{"a": 9007199254740993, "b": 1e400}', [
      '1:7 integer 9007199254740993 is larger than a double can hold exactly',
      '1:30 number 1e400 is too large',
    ], 0],
    ['{"a": "\\ud800"}', ['1:7 a text has half of a surrogate pair'], 0],
    ['{"a": 1} 2', ['1:10 the document is not an object'], 1],
    ['{"a": 1} [1] {"b": 1} null', ['1:10 the document is not an object'], 2],
    ['{"a": 1}\n{"b": 2}\n{"c": 3', ['3:8 invalid JSON: "," or "}" is missing'], 2],
    ['{}{}{"a": 1,}', ['1:13 invalid JSON: a key in double quotes is missing'], 2],
    ['{"a": [1, 2}', ['1:12 invalid JSON: "," or "]" is missing'], 0],
    ['{}{}{"a": [1,]}', ['1:14 invalid JSON: a value is missing after ","'], 2],
    ['{"a": [}', ['1:8 invalid JSON: a value is missing'], 0],
    ['{}{}{"a": }', ['1:11 invalid JSON: a value is missing'], 2],
    ['{"a" 1}', ['1:6 invalid JSON: ":" is missing after a key'], 0],
    ['{"a": 1.}\n{', ['1:8 invalid JSON: a number is not complete'], 0],
    ['{"a": 1.0e}\n{', ['1:10 invalid JSON: a number is not complete'], 0],
    ['{}1e6.', ['1:3 the document is not an object', '1:6 invalid JSON: no value starts here'], 1],
    ['{"a": tru}x', ['1:7 invalid JSON: no value starts here'], 0],
    ['{"a": "\\q"}', ['1:8 invalid JSON: a "\\" starts no escape'], 0],
    ['{"a": "b', ['1:7 invalid JSON: a closing quote is missing'], 0],
    ['{"a": "b\nc"', ['1:9 invalid JSON: a control character or line break stands in a text'], 0],
    ['{"a', ['1:2 invalid JSON: a closing quote is missing'], 0],
    ['{"a": 1}\n#c', ['2:1 invalid JSON: no value starts here'], 1],
    ['{a: 1, a: 2}', ['1:8 key "a" is given twice in one map'], 0],
    ['{"a": 1}\n---\nb: [', ['4:1 invalid YAML: flow sequence in block collection must be sufficiently indented and end with a ]'], 1],
  ] // biome-ignore format: rows
  for (const [text, expected, documents] of rows) {
    t.strictSame(problems(text), expected, quote(text))
    t.equal(objects(text).length, documents, `${quote(text)}: ${documents} documents`)
  }
  const [problem] = readManifests('a: 1\na: 2', 'f.yaml').problems
  t.strictSame(problem, {
    file: 'f.yaml',
    line: 2,
    column: 1,
    what: 'key "a" is given twice in one map',
    fix: 'remove one of the two',
  })
  t.end()
})

t.test('lists are unwrapped', t => {
  const yaml = [
    'apiVersion: v1',
    'kind: List',
    'items:',
    '- kind: A',
    '  v: 1',
    '- kind: BList',
    '  items: [{kind: B, v: 2}, {kind: B, v: {x: y}}]',
    '- kind: C',
    '  v: 3',
  ].join('\n')
  const json = JSON.stringify(
    {
      kind: 'List',
      items: [
        { kind: 'A', v: 1 },
        { kind: 'BList', items: [{ v: 2 }] },
      ],
    },
    null,
    1,
  )
  for (const [text, kinds, places] of [
    [yaml, ['A', 'B', 'B', 'C'], ['4:3 5:3', '7:11 7:21', '7:28 7:38', '8:3 9:3']],
    [json, ['A', undefined], ['4:3 6:4', '11:5 12:6']],
  ] as const) {
    const { documents, problems } = readManifests(text, 'f')
    const show = ({ line, column }: { line: number; column: number }) => `${line}:${column}`
    t.strictSame(
      documents.map(document => (document.object as { kind?: string }).kind),
      kinds,
    )
    t.strictSame(
      documents.map(document => `${show(document.position([]))} ${show(document.position(['v']))}`),
      places,
    )
    t.strictSame(
      documents.map(document => document.line),
      documents.map(document => document.position([]).line),
    )
    t.strictSame(problems, [])
  }
  const rows: [text: string, documents: unknown[], problems: string[]][] = [
    ['kind: List\nitems: []', [], []],
    ['kind: List\nitems:', [], []],
    ['kind: ConfigMap\nitems: [{kind: A}]', [{ kind: 'A' }], []],
    ['kind: List\nitems: {}', [], ['2:1 items of a list must be a list']],
    ['kind: List\nitems: [1, {a: b}, ~]', [{ a: 'b' }], ['2:9 an item of a list is not an object', '2:20 an item of a list is not an object']],
    ['items: [{kind: A}]', [{ items: [{ kind: 'A' }] }], []],
    ['kind: A\nspec: {items: [{kind: A}]}', [{ kind: 'A', spec: { items: [{ kind: 'A' }] } }], []],
  ] // biome-ignore format: rows
  for (const [text, documents, expected] of rows) {
    t.strictSame(objects(text), documents, quote(text))
    t.strictSame(problems(text), expected, `problems of ${quote(text)}`)
  }
  t.end()
})

t.test('checkObjects', t => {
  const rows = [
    ['apiVersion: v1\nkind: A', []],
    ['apiVersion: v1', ['1:1 no kind']],
    ['# c\n\nkind: A', ['3:1 no apiVersion']],
    ['a: b\n---\n{}', ['1:1 no apiVersion and no kind', '3:1 no apiVersion and no kind']],
    ['apiVersion: 1\nkind: ""', ['1:1 no apiVersion and no kind']],
    ['kind: List\nitems:\n- kind: A', ['3:3 no apiVersion']],
  ] as const
  for (const [text, expected] of rows) {
    const found = checkObjects(readManifests(text, 'f').documents)
    t.strictSame(
      found.map(({ line, column, what }) => `${line}:${column} ${what}`),
      expected,
      quote(text),
    )
  }
  t.end()
})

t.test('positions', t => {
  const yaml = '\ufeff# c\r\nmetadata:\r\n  name: a\r\n---\n# d\n\nmetadata: {name: b}\nspec:\n- x\n- "é😀": {x: z}\n'
  const [first, second] = readManifests(yaml, 'f').documents
  t.equal(first?.line, 2)
  t.strictSame(first?.position(['metadata', 'name']), { line: 3, column: 3 })
  t.equal(second?.line, 7)
  t.strictSame(second?.position(['metadata', 'name']), { line: 7, column: 12 })
  t.strictSame(second?.position(['spec', 1, 'é😀', 'x']), { line: 10, column: 11 })
  t.strictSame(second?.position(['spec', 5]), { line: 8, column: 1 }, 'the list that has no such item')
  const json = '{"a": {"b\\n": [1, {"c\\"": "}"}, "x"], "d" : 2}}\n {"e":\n[ ]}{"f": 1} g: {h: i}\n'
  const places = readManifests(json, 'f').documents.map(document => document.position)
  const rows: [document: number, path: (string | number)[], place: string][] = [
    [0, [], '1:1'],
    [0, ['a'], '1:2'],
    [0, ['a', 'b\n'], '1:8'],
    [0, ['a', 'b\n', 1, 'c"'], '1:20'],
    [0, ['a', 'b\n', 2], '1:33'],
    [0, ['a', 'd'], '1:39'],
    [0, ['a', 'z', 'y'], '1:2'],
    [0, ['a', 0], '1:2'],
    [0, ['a', 'b\n', 'x'], '1:8'],
    [0, ['a', 'b\n', 9], '1:8'],
    [1, [], '2:2'],
    [1, ['e', 0], '2:3'],
    [2, ['f'], '3:6'],
  ]
  for (const [document, path, place] of rows) {
    const found = places[document]?.(path)
    t.equal(`${found?.line}:${found?.column}`, place, `${document} ${JSON.stringify(path)}`)
  }
  const [, mixed] = readManifests('{"f": 1} g: {h: i}\nj: k\n', 'f').documents
  t.strictSame(mixed?.position(['g', 'h']), { line: 1, column: 14 }, 'YAML in the line where JSON ended')
  t.strictSame(mixed?.position(['j']), { line: 2, column: 1 })
  t.end()
})

t.test('laws', t => {
  const object = fc.dictionary(fc.string(), fc.jsonValue())
  fc.assert(
    fc.property(fc.array(object, { maxLength: 4 }), fc.constantFrom(undefined, 1, '\t'), (values, indent) => {
      const text = values.map(value => JSON.stringify(value, null, indent)).join('\n')
      const found = readManifests(text, 'f')
      const lossy = /is larger than a double|surrogate/
      if (found.problems.some(problem => !lossy.test(problem.what))) return false
      return (
        found.problems.length > 0 ||
        JSON.stringify(found.documents.map(document => document.object)) === JSON.stringify(values)
      )
    }),
    { numRuns: 500 },
  )
  t.pass('a stream of JSON objects is read as it was written')
  fc.assert(
    fc.property(object, value => {
      const text = JSON.stringify(value, null, 2)
      const [document] = readManifests(text, 'f').documents
      const lines = text.split('\n')
      return Object.keys(value).every(key => {
        const { line, column } = document?.position([key]) ?? { line: 0, column: 0 }
        return document === undefined || lines[line - 1]?.slice(column - 1).startsWith(JSON.stringify(key)) === true
      })
    }),
    { numRuns: 500 },
  )
  t.pass('positions point at the first character of the key')
  t.end()
})

t.test('nothing is exhausted', t => {
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
    ['{a: ', '}'],
    ['- ', ''],
  ] as const) {
    const text = `{"a": ${open.repeat(100_000)}1${close.repeat(100_000)}}`
    for (const deep of [text, text.slice(6, -1), `a: ${text.slice(6, -1)}`]) {
      const { documents, problems } = readManifests(deep, 'f')
      t.equal(documents.length, 0)
      t.equal(problems.length, 1, `one problem: ${problems[0]?.what}`)
    }
  }
  const items = Array.from({ length: 4000 }, (_, index) => ({ kind: 'A', n: index, text: 'x'.repeat(2000) }))
  const start = performance.now()
  const { documents } = readManifests(JSON.stringify({ kind: 'List', items }, null, 1), 'f')
  t.equal(documents.length, 4000)
  t.equal(documents[3999]?.line, 3999 * 5 + 4)
  t.ok(
    documents.every((document, index) => document.line === index * 5 + 4),
    'every item of 8 MB has its line',
  )
  t.ok(performance.now() - start < 10_000, 'in no more than seconds')
  t.end()
})

t.test('keys named like parts of Object are data', t => {
  for (const text of ['{"__proto__": {"polluted": 1}, "constructor": 2}', '__proto__: {polluted: 1}\nconstructor: 2']) {
    const [object] = objects(text)
    t.equal(JSON.stringify(object), '{"__proto__":{"polluted":1},"constructor":2}')
    t.equal(Object.getPrototypeOf(object), Object.prototype)
  }
  t.equal(({} as { polluted?: unknown }).polluted, undefined)
  const [document] = readManifests('{"__proto__": {"a": 1}}', 'f').documents
  t.strictSame(document?.position(['__proto__', 'a']), { line: 1, column: 16 })
  t.end()
})

t.test('parseJson is not misled by an earlier text', t => {
  // nodejs/node#63785: behind a key that is new to the process, JSON.parse itself slips.
  t.strictSame(parseJson('{"newToParseJson": 1, "h\\\\u00": 1}'), { newToParseJson: 1, 'h\\u00': 1 })
  t.strictSame(parseJson('{"newToParseJson": 1, "h\\u006fsts": 1}'), { newToParseJson: 1, hosts: 1 })
  for (const broken of ['{"\\u0061": 1} x', '{"\\u0061": }', '\\u0061', '']) {
    t.throws(() => parseJson(broken), SyntaxError)
  }
  t.strictSame(parseJson('[{"\\u0061": [{}, [], {"b": []}]}, 1]'), [{ a: [{}, [], { b: [] }] }, 1])
  t.strictSame(parseJson('{"a": "\\u0061"}'), { a: 'a' })
  t.end()
})

t.test('keys with escapes are not taken for those of an earlier text', t => {
  // nodejs/node#63785: after the first text, JSON.parse reads the second as if it had the first one's key.
  const rows = [
    ['{"kind": "A", "h\\\\u00": 1}', 'h\\u00'],
    ['{"kind": "A", "h\\u006fsts": 1}', 'hosts'],
    ['{"kind": "A", "\\\\": [{}, [], "x\\"]", {"a": [null, -1.5, true]}]}', '\\'],
    ['{"kind": "A", "\\"": {"b": "c" , "d":[ ]} }', '"'],
  ] as const
  for (const [text, key] of rows) {
    const [object] = objects(text) as [object]
    t.strictSame(Object.keys(object), ['kind', key], text)
  }
  const [last] = objects('{"\\u0061": [1, {"b": [ ] , "c": "\\u0064"}, "e", false]}')
  t.strictSame(last, { a: [1, { b: [], c: 'd' }, 'e', false] })
  t.end()
})

t.test('decodeUtf8', t => {
  t.strictSame(decodeUtf8(Buffer.from('\ufeffé')), { ok: true, value: '\ufeffé' })
  t.strictSame(decodeUtf8(Uint8Array.of(0xff, 0xfe, 0x61, 0)), { ok: false, why: 'not UTF-8 text' })
  t.end()
})
