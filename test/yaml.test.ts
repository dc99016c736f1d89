import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { quote } from '../src/istio/text.ts'
import { loadYaml, locate, readYaml } from '../src/istio/yaml.ts'
import { type Answer, compare, parseExactly } from './conformance/yaml/compare.ts'
import { handwritten } from './conformance/yaml/corpus.ts'
import { markOf, recorded } from './conformance/yaml.ts'

t.test('the hand-written texts mean to us what they mean to Go', t => {
  const recording = parseExactly(readFileSync(recorded, 'utf8')) as { texts: string; answers: Answer[] }
  const samples = handwritten()
  t.equal(recording.texts, markOf(samples), 'the recording is of these texts: node test/conformance/yaml.ts --record')
  const { counts, differences } = compare(samples, recording.answers)
  t.strictSame(differences, [])
  t.ok((counts.get('one text: same value') ?? 0) > 4000, 'most texts are accepted')
  t.ok((counts.get('manifests: same value') ?? 0) > 3000, 'most manifests are accepted')
  t.end()
})

t.test('what Go reads', t => {
  const rows: [text: string, value: unknown][] = [
    ['', null],
    ['# nothing', null],
    ['---\n', null],
    ['a: b', { a: 'b' }],
    ['\ufeffa: b\r\nc: d\r\n', { a: 'b', c: 'd' }],
    ['[y, NO, on, Off, ~, null]', [true, false, true, false, null, null]],
    ['[014, -012, 0o14, 0b11, 0x1F, 1_000, 08]', [12, -10, 12, 3, 31, 1000, 8]],
    ['[2024-01-01, 12:30, 1e400, .1_5, 1.5, .5, .x]', ['2024-01-01', '12:30', '1e400', 0.15, 1.5, 0.5, '.x']],
    ['[18446744073709551616, 0b-1, -0.0]', [18446744073709552000, -1, 0]],
    ['[!!str 1, !!int "1", !!float 1, !!bool "y", !!null ~, !!binary aGk=]', ['1', 1, 1, true, null, 'hi']],
    ['y: 1\n1: 2\n1.5: 3\nx: 4', { true: 1, 1: 2, 1.5: 3, x: 4 }],
    ['a: |\n  b\n', { a: 'b\n' }],
    ['a: |\n  b', { a: 'b' }],
    ['a: |-\n  b', { a: 'b' }],
    // As the generator of Istio's CRDs writes descriptions: what follows is indented, which is no line of blanks.
    ['x:\n  a: |2-\n\n\n    b\n  c: d\n', { x: { a: '\n\nb', c: 'd' } }],
    ['a: &x b\nc: *x\n? d\n'.replace('? d\n', ''), { a: 'b', c: 'b' }],
    ['a: &x {b: 1}\nc: {<<: *x, b: 2}\nd: {b: 2, <<: *x}', { a: { b: 1 }, c: { b: 2 }, d: { b: 1 } }],
    ['a: {<<: [{b: 1}, {b: 2, c: 3}]}', { a: { b: 1, c: 3 } }],
    ['&k a: 1\nb: {*k : 2}', { a: 1, b: { a: 2 } }],
    ['a: &x !!seq [!!map {}]\nb:', { a: [{}], b: null }],
  ]
  for (const [text, value] of rows) t.strictSame(readYaml(text), { ok: true, value }, quote(text))
  t.end()
})

t.test('what is refused, and where', t => {
  const rows: [text: string, why: string][] = [
    ['a: 1\nb: 2\na: 3', 'line 3, column 1: key "a" is given twice in one map'],
    ['1: a\n"1": b', 'line 2, column 1: key "1" is given twice in one map'],
    ['a: {<<: {}, <<: {}}', 'line 1, column 13: key "<<" is given twice in one map'],
    ['a: &x {1: b}\nc: {<<: *x, "1": d}', 'line 2, column 13: key "1" is merged with a key of another type'],
    ['a: {<<: b}', 'line 1, column 5: "<<" takes a map or a list of maps'],
    ['a: {<<: }', 'line 1, column 5: "<<" takes a map or a list of maps'],
    ['a: 9007199254740993', 'line 1, column 4: integer 9007199254740993 is larger than a double can hold exactly'],
    [
      'a: 18446744073709551615',
      'line 1, column 4: integer 18446744073709551615 is larger than a double can hold exactly',
    ],
    ['a: .inf', 'line 1, column 4: ".inf" cannot be stored as JSON'],
    ['.inf: a', 'line 1, column 1: a key is no text, boolean or plain number'],
    ['-0.0: a', 'line 1, column 1: a key is no text, boolean or plain number'],
    ['~: a', 'line 1, column 1: a key is no text, boolean or plain number'],
    ['[a]: b', 'line 1, column 1: a key is no text, boolean or plain number'],
    ['a: !!int b', 'line 1, column 10: a value does not fit its tag'],
    ['a: !!binary ////', 'line 1, column 13: a value does not fit its tag'],
    ['a: !!binary x', 'line 1, column 13: a value does not fit its tag'],
    ['a: !!str [b]', 'line 1, column 10: a tag for scalars stands before a collection'],
    ['a: !x b', 'line 1, column 4: a tag is not one of the plain ones'],
    ['a: *b', 'line 1, column 4: no anchor is named "b" before this alias'],
    ['a: &b [*b]', 'line 1, column 8: an alias stands inside its own anchor'],
    ['a: b\n---\nc: d', 'line 2, column 1: a second document starts here, and only the first would be read'],
    ['a: [b] c', 'line 1, column 8: more text stands after the end of a value'],
    ['...', 'line 1, column 1: the end marker "..." ends nothing'],
    ['%YAML 1.1\n---\na: b', 'line 1, column 1: a directive ("%") is used'],
    ['a:\n\t- b', 'line 2, column 1: a tab stands where only spaces may'],
    ['\t# a', 'line 1, column 1: a tab stands where only spaces may'],
    ['a: b\n\tc', 'line 1, column 4: a tab stands where only spaces may'],
    ['a: b\n  \tc', 'line 1, column 4: a tab stands where only spaces may'],
    ['? a\n: b', 'line 1, column 1: a key is marked with "?"'],
    [': b', 'line 1, column 1: a ":" has no key before it'],
    [`${'k'.repeat(1025)}: a`, 'line 1, column 1: a key is long or spans lines'],
    ['{a:[b]}', 'line 1, column 3: no space follows the ":" of a key inside brackets'],
    ['[:a]', 'line 1, column 2: inside brackets, plain text starts with ":" or has a "?"'],
    ['a: &b.c d', 'line 1, column 4: an anchor has an odd name'],
    ['a: *b.c', 'line 1, column 4: an alias has an odd name'],
    ['[&a, b]', 'line 1, column 2: a tag or an anchor is misplaced'],
    ['!!str !!str a', 'line 1, column 7: a tag or an anchor is misplaced'],
    ['[!!int"1"]', 'line 1, column 2: a tag or an anchor is misplaced'],
    ['a: "\\/"', 'line 1, column 4: an escape is read differently by YAML 1.1'],
    ["'a\n''", 'line 1, column 1: invalid YAML: a closing quote is missing'],
    ['"a \\"', 'line 1, column 1: invalid YAML: a closing quote is missing'],
    ['a: |\n  \tb', 'line 1, column 4: the indentation of a block text is ambiguous'],
    ['{a:', 'line 1, column 4: invalid YAML: flow map must end with a }'],
    ['a:\n#>\n c\n- b', 'line 3, column 2: a line of a text is indented too little'],
    ['a: |1\n  \nb: c', 'line 1, column 4: the indentation of a block text is ambiguous'],
    ['a: "b\\q"', 'line 1, column 6: invalid YAML: invalid escape sequence \\q'],
    [']', 'line 1, column 1: invalid YAML: unexpected flow-seq-end token in YAML document'],
    ['a: b #\u2028c', 'line 1, column 7: character U+2028 may not stand in YAML text'],
    ['a: b\rc: d', 'line 1, column 5: character U+000D may not stand in YAML text'],
  ]
  for (const [text, why] of rows) t.strictSame(readYaml(text), { ok: false, why }, quote(text))
  t.end()
})

t.test('nothing is exhausted', t => {
  const deep = (depth: number, open: string, close: string) => readYaml(`${open.repeat(depth)}a${close.repeat(depth)}`)
  t.ok(deep(500, '[', ']').ok, '500 levels are read')
  for (const depth of [501, 100_000]) {
    for (const [open, close] of [
      ['[', ']'],
      ['{a: ', '}'],
      ['- ', ''],
    ] as const) {
      t.match(deep(depth, open, close), { ok: false, why: /nested deeper than 500 levels$/ }, `${depth} times ${open}`)
    }
  }
  const nest = (times: number, width: number) =>
    `a0: &a0 x\n${Array.from({ length: times }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(width).fill(`*a${i} `)}]`).join('\n')}`
  t.match(
    readYaml(nest(12, 10)),
    { ok: false, why: /aliases make far more of this document than is written$/ },
    'a bomb',
  )
  t.ok(readYaml(nest(3, 5)).ok, 'a few aliases are fine')
  const long = (times: number) => {
    const layers = Array.from(
      { length: times },
      (_, i) => `a${i + 1}: &a${i + 1} ${'['.repeat(400)}*a${i} ${']'.repeat(400)}`,
    )
    return readYaml(`a0: &a0 x\n${layers.join('\n')}`)
  }
  t.match(long(3), { ok: false, why: /nested deeper than 500 levels$/ }, 'depth made of aliases')
  t.end()
})

t.test('keys named like parts of Object are data', t => {
  const { value } = loadYaml('__proto__: {polluted: 1}\nconstructor: {prototype: 2}\n')
  t.strictSame(JSON.stringify(value), '{"__proto__":{"polluted":1},"constructor":{"prototype":2}}')
  t.equal(Object.getPrototypeOf(value), Object.prototype)
  t.equal(({} as { polluted?: unknown }).polluted, undefined)
  const merged = loadYaml('a: &b {__proto__: {c: d}}\ne: {<<: *b}').value
  t.strictSame(JSON.stringify(merged), '{"a":{"__proto__":{"c":"d"}},"e":{"__proto__":{"c":"d"}}}')
  t.end()
})

t.test('locate finds the key or item at a path', t => {
  const text = [
    'metadata:', // line 1
    '  name: web',
    '  labels: &l {app: web, yes: 1}',
    'spec:',
    '- a',
    '- b: *l',
    '  c:',
    'merged: {<<: [*l , {x: 1, app: other}], z: 2}',
    'own: {app: 1, <<: *l}',
    'blank: ',
  ].join('\n')
  const { tree } = loadYaml(text)
  const rows: [path: (string | number)[], place: string][] = [
    [[], 'metadata:'],
    [['metadata'], 'metadata:'],
    [['metadata', 'name'], 'name: web'],
    [['metadata', 'gone', 'far'], 'metadata:'],
    [['metadata', 'name', 'deeper'], 'name: web'],
    [['metadata', 0], 'metadata:'],
    [['metadata', 'labels', 'true'], 'yes: 1}'],
    [['spec', 1], 'b: *l'],
    [['spec', 1, 'b'], 'b: *l'],
    [['spec', 1, 'b', 'app'], 'app: web'],
    [['spec', 1, 'c'], 'c:'],
    [['spec', 1, 'c', 'd'], 'c:'],
    [['spec', 7], 'spec:'],
    [['spec', 'x'], 'spec:'],
    [['merged', 'app'], 'app: web'],
    [['merged', 'x'], 'x: 1, app'],
    [['merged', 'z'], 'z: 2}'],
    [['own', 'app'], 'app: web'],
    [['blank'], 'blank:'],
  ]
  for (const [path, place] of rows) {
    t.equal(text.slice(locate(tree, path)).slice(0, place.length), place, path.join('.') || 'the document')
  }
  t.equal(locate(loadYaml('').tree, ['a']), 0, 'of nothing, the start')
  const odd = loadYaml('&k a: 1\nb: {*k : 2}\nc: {<<: x}').tree
  t.equal(locate(odd, ['b', 'a']), 12, 'a key may be an alias')
  t.equal(locate(odd, ['c', 'd']), 20, 'a merge key that merges nothing is passed over')
  t.equal(locate(loadYaml('{[a]: b, !!int c: d, e: f}').tree, ['x']), 0, 'keys that mean nothing are passed over')
  t.end()
})

t.test('laws', t => {
  const json = fc.jsonValue({ depthSize: 'small', noUnicodeString: false })
  fc.assert(
    fc.property(json, value => {
      const text = JSON.stringify(value)
      const read = readYaml(text)
      // JSON escapes and characters that YAML 1.1 does not know are refused, never misread.
      return !read.ok || JSON.stringify(read.value) === text
    }),
    { numRuns: 500 },
  )
  t.pass('JSON that is accepted means what it means as JSON')
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...' \n\t:-?[]{},#&*!|>\'"%ab1.~<\\') }), text => {
      const read = readYaml(text)
      if (!read.ok) return /^line \d+, column \d+: \S/.test(read.why)
      return JSON.stringify(readYaml(`${text}\n`)).length > 0
    }),
    { numRuns: 2000 },
  )
  t.pass('any text is read or refused with a place, and nothing throws')
  t.end()
})
