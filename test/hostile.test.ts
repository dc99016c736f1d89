import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { evaluate } from '../src/core/evaluate.ts'
import { inventoryOf } from '../src/core/inventory.ts'
import { kindOf, refOf } from '../src/core/kind.ts'
import type { Review } from '../src/core/review.ts'
import { writeReply } from '../src/http/admission.ts'
import { type Fields, isFields } from '../src/istio/json.ts'
import { readManifests } from '../src/manifest/read.ts'
import { readCases } from '../src/policy/cases.ts'
import { loadPolicy } from '../src/policy/load.ts'
import { checkJson, checkText } from '../src/report/check.ts'
import { rules } from '../src/rules/index.ts'

const root = join(import.meta.dirname, '..')
const now = Date.parse('2026-11-21T12:00:00Z')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

const loaded = loadPolicy([{ file: 'acme.yaml', text: read('examples/policy/acme.yaml') }], { rules, now })
if (!loaded.ok) throw new Error('the example policy does not load')
const { policy } = loaded

/** Objects of every judged kind, from the cases of all rules. */
const objects: readonly Fields[] = rules
  .flatMap(rule => readCases(read(`src/rules/${rule.id}/cases.yaml`)))
  .map(entry => entry.object)
  .filter(isFields)

const inventory = inventoryOf(
  ['namespaces', 'istio', 'network', 'egress-gateway'].flatMap(name =>
    readManifests(read(`examples/cluster/${name}.yaml`), name).documents.map(document => document.object as Fields),
  ),
)

/** Replaces the value at a place that `pick` chooses by walking down, so that every depth of an object is reached. */
function damage(value: unknown, pick: (choices: number) => number, replacement: unknown): unknown {
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : []
  if (keys.length === 0 || pick(6) === 0) return replacement
  const key = keys[pick(keys.length)] ?? ''
  if (Array.isArray(value)) return value.map((item, i) => (String(i) === key ? damage(item, pick, replacement) : item))
  if (!isFields(value)) return replacement
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, name === key ? damage(inner, pick, replacement) : inner]),
  )
}

function deep(levels: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value }
  return value
}

/** What hostile or broken clients put in the place of anything. */
const odd = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom(
    null,
    '',
    '*',
    '~',
    '.',
    '\u0000',
    '\ud800',
    'a\nb',
    -0,
    80.5,
    1e308,
    2 ** 53,
    [],
    {},
    [null],
    ['*', 7],
    JSON.parse('{"__proto__": {"hosts": ["a.example.com"]}}'),
    { constructor: 1, toString: 2, hasOwnProperty: 3, length: 4 },
    deep(20_000),
    'x'.repeat(100_000),
  ),
)

function reviewOf(object: Fields, operation: Review['operation'], oldObject: Fields, kindFrom: Fields): Review {
  // The kind comes from the request, so a damaged object still meets the rules of its kind.
  const { group, kind } = refOf(kindFrom)
  return {
    uid: 'u',
    operation,
    kind: kindOf(group, kind),
    ref: refOf(kindFrom),
    subresource: '',
    object: operation === 'DELETE' ? undefined : object,
    oldObject: operation === 'CREATE' ? undefined : oldObject,
    requester: { username: 'dana', groups: [] },
    dryRun: false,
    phase: 'final',
  }
}

t.test('no object, however broken, makes a rule throw, and every answer can be written', t => {
  let judged = 0
  fc.assert(
    fc.property(
      fc.constantFrom(...objects),
      fc.infiniteStream(fc.nat()),
      odd,
      fc.constantFrom('CREATE' as const, 'UPDATE' as const, 'DELETE' as const),
      fc.constantFrom('submitted' as const, 'final' as const),
      (object, choices, replacement, operation, phase) => {
        const pick = (limit: number): number => Number(choices.next().value) % limit
        const broken = damage(object, pick, replacement)
        const hostile = isFields(broken) ? broken : { spec: broken }
        const review = { ...reviewOf(hostile, operation, pick(2) === 0 ? hostile : object, object), phase }
        const evaluation = evaluate(review, policy, inventory, now)
        const place = { file: 'f', line: 1, review, evaluation, position: () => ({ line: 1, column: 1 }) }
        JSON.stringify(writeReply(evaluation, review, policy))
        checkText([place])
        checkJson([place])
        judged++
        const [error] = evaluation.ruleErrors
        if (error !== undefined) throw new Error(`rule ${error.rule} threw`, { cause: error.cause })
      },
    ),
    { numRuns: 8_000 },
  )
  t.ok(judged >= 8_000, `${judged} broken objects judged`)
  t.end()
})

/** Yields every place inside an object. */
function* placesIn(value: unknown, at: readonly string[] = []): Generator<readonly string[]> {
  if (at.length > 0) yield at
  if (typeof value !== 'object' || value === null) return
  for (const [key, inner] of Object.entries(value)) yield* placesIn(inner, [...at, key])
}

function replace(value: unknown, [key, ...rest]: readonly string[], replacement: unknown): unknown {
  if (key === undefined) return replacement
  if (Array.isArray(value)) return value.map((item, i) => (String(i) === key ? replace(item, rest, replacement) : item))
  if (!isFields(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, name === key ? replace(inner, rest, replacement) : inner]),
  )
}

t.test('nesting without end exhausts nothing, wherever it stands', t => {
  const nested = deep(20_000)
  const failures = new Set<string>()
  let judged = 0
  // The same place of the same kind meets the same rules.
  const seen = new Set<string>()
  for (const object of objects) {
    for (const place of placesIn(object)) {
      const key = [object['apiVersion'], object['kind'], ...place.map(name => (/^\d+$/.test(name) ? '*' : name))].join(
        ' ',
      )
      if (seen.has(key)) continue
      seen.add(key)
      const hostile = replace(object, place, nested)
      if (!isFields(hostile)) continue
      const evaluation = evaluate(reviewOf(hostile, 'CREATE', hostile, object), policy, inventory, now)
      for (const { rule } of evaluation.ruleErrors) failures.add(`${rule} at ${place.join('.')}`)
      judged++
    }
  }
  t.strictSame([...failures], [], `${judged} objects judged`)
  t.end()
})
