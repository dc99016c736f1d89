import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { dig, field, list } from '../../src/istio/json.ts'
import { quote } from '../../src/istio/text.ts'
import { build, folderOf } from './go.ts'
import { refusals } from './yaml/compare.ts'

/**
 * Whether an answer of Istio agrees with ours. Differences that are meant have a class each: `stricter` is what is refused
 * here and taken by Istio, `moot` what Istio refuses as a whole for something that is not looked at here.
 */
export type Verdict = 'agrees' | 'differs' | `stricter: ${string}` | `moot: ${string}`

/** A question to Istio, and what its answer is worth. */
export type Question = {
  readonly op: string
  readonly args: readonly string[]
  readonly judge: (answer: unknown) => Verdict
}

/** Asks what must be answered as we answer it. */
export function same(op: string, args: readonly string[], ours: unknown): Question {
  const expected = JSON.stringify(ours)
  return { op, args, judge: answer => (JSON.stringify(answer) === expected ? 'agrees' : 'differs') }
}

export type Random = (below: number) => number

/** Returns a small generator of numbers that are the same for the same seed (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

export function pick(random: Random, values: readonly string[]): string {
  return values[random(values.length)] ?? ''
}

/** Returns a text from the list with up to three characters put in, taken out or replaced. */
export function mutate(random: Random, seeds: readonly string[], alphabet: string): string {
  const characters = [...pick(random, seeds)]
  const letters = [...alphabet]
  for (let edits = random(4); edits > 0; edits--) {
    const at = random(characters.length + 1)
    const put = random(3) > 0 ? [pick(random, letters)] : []
    characters.splice(at, random(2), ...put)
  }
  return characters.join('')
}

export const json = (value: unknown): string => JSON.stringify(value)

export const entries = (of: readonly (readonly [string, unknown])[]): unknown =>
  [...of].sort(([a], [b]) => (a < b ? -1 : 1))

/** Returns a selector with nothing left out, so that two of one meaning are equal. */
export function selector(value: unknown): unknown {
  return [
    entries(Object.entries(dig(value, 'matchLabels') ?? {})),
    list(dig(value, 'matchExpressions')).map(item => [
      field(item, 'key') ?? '',
      // What is no operator makes the selector malformed, whatever it is.
      ['In', 'NotIn', 'Exists', 'DoesNotExist'].find(name => name === field(item, 'operator')) ?? '',
      list(field(item, 'values')),
    ]),
  ]
}

/** Returns the class of a refusal of YAML that Go reads, or that it is none of those meant. */
export function yamlClass(why: string): Verdict {
  const clause = why.replace(/^(?:line \d+, column \d+: )/, '')
  const found = Object.entries(refusals).find(([, forms]) => forms.some((form: RegExp) => form.test(clause)))
  return found === undefined ? 'differs' : `stricter: YAML, ${found[0]}`
}

const program = join(import.meta.dirname, 'istio')

/** Files of Go with nothing but declarations of Istio's, and the files of the module in which these stand. */
const transcriptions: Readonly<Record<string, readonly string[]>> = {
  'transcribed.go': [
    'pkg/kube/inject/initializer.go',
    'pkg/kube/inject/inject.go',
    'pkg/kube/inject/validate.go',
    'pilot/pkg/model/config.go',
  ],
  'cni/transcribed.go': ['cni/pkg/plugin/plugin.go', 'cni/pkg/plugin/sidecar_redirect.go'],
  'model/transcribed.go': ['pilot/pkg/model/context.go'],
}

// A declaration is its first line, all that is indented after it, and the bracket that closes it.
const declaration = /^(?:func|type|var|const)\b.*(?:\n\t.*|\n(?=\n*\t))*(?:\n[})])?/gm

/** Returns the transcribed declarations that are not, word for word, in the module's source. */
function outdated(module: string): string[] {
  return Object.entries(transcriptions).flatMap(([file, paths]) => {
    const sources = paths.map(path => readFileSync(join(module, path), 'utf8').match(declaration) ?? [])
    const known = new Set(sources.flat())
    const transcribed = readFileSync(join(program, file), 'utf8').match(declaration) ?? []
    if (transcribed.length === 0) throw new Error(`${file} transcribes nothing`)
    return transcribed.filter(text => !known.has(text)).map(text => `${file}: ${text.split('\n', 2).join(' ')}`)
  })
}

/** Asks everything, prints what differs and how many answers agree, and returns the counts. */
export function ask(title: string, questions: Iterable<Question>): { passed: number; failed: number } {
  const module = folderOf('istio.io/istio', 'istio')
  const stale = outdated(module)
  if (stale.length > 0) throw new Error(`what is transcribed differs from Istio's source:\n${stale.join('\n')}`)
  const asked = [...questions]
  const input = asked.map(({ op, args }) => JSON.stringify({ op, args })).join('\n')
  const reply = spawnSync(build('istio'), [module], { input: `${input}\n`, encoding: 'utf8', maxBuffer: 1 << 28 })
  if (reply.status !== 0) throw new Error(`the Go program failed: ${reply.stderr}`)
  const answers = reply.stdout.trimEnd().split('\n')
  if (answers.length !== asked.length) throw new Error(`${asked.length} questions, ${answers.length} answers`)

  const counts = new Map<string, Map<Verdict, number>>()
  let failed = 0
  for (const [index, { op, args, judge }] of asked.entries()) {
    const answer: unknown = JSON.parse(answers[index] ?? '')
    const verdict = judge(answer)
    const count = counts.get(op) ?? new Map<Verdict, number>()
    const number = (count.get(verdict) ?? 0) + 1
    counts.set(op, count.set(verdict, number))
    if (verdict !== 'differs') continue
    failed++
    if (number <= 5)
      console.log(`${op}(${args.map(quote).join(', ')}): Istio says ${JSON.stringify(answer)}, we do not`)
  }
  for (const [op, count] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const allowed = [...count].filter(([verdict]) => verdict !== 'agrees' && verdict !== 'differs').sort()
    const shown = allowed.map(([verdict, number]) => `, ${number} ${verdict}`).join('')
    console.log(`${op}: ${count.get('agrees') ?? 0} agree${shown}, ${count.get('differs') ?? 0} differ`)
  }
  console.log(`${title}: ${asked.length - failed} passed, ${failed} failed`)
  return { passed: asked.length - failed, failed }
}
