import { isDeepStrictEqual } from 'node:util'
import { isFields } from '../../../src/istio/json.ts'
import { readYaml } from '../../../src/istio/yaml.ts'
import { buildJson } from '../../../src/manifest/build.ts'
import { readManifests } from '../../../src/manifest/read.ts'
import type { Sample } from './corpus.ts'

/** What Go makes of a text; an outcome without `value` is an error. */
export interface Answer {
  readonly one: Outcome
  /** Whether Go's strict reader, which refuses a key given twice, takes the text too. */
  readonly strict: boolean
  readonly stream: readonly Outcome[]
}

interface Outcome {
  readonly value?: unknown
}

/** The ways in which we refuse what Go accepts, each always an error of ours and never another value. */
export const refusals = {
  'given twice': [/is given twice in one map$/, /is merged with a key of another type$/],
  'integer too long': [/is larger than a double can hold exactly$/],
  'second document': [/^a second document starts here/, /^more text stands after the end of a value$/],
  'odd key': [/^a key is no text, boolean or plain number$/],
  'odd character': [/^character U\+\w+ may not stand in YAML text$/, /^a text has half of a surrogate pair$/],
  'directive or tag': [/^a directive/, /^a tag/, /^a value does not fit its tag$/, /^the end marker "\.\.\."/],
  'spelled differently in YAML 1.1 and 1.2': [
    /^a key is (?:marked with "\?"|long or spans lines)$/,
    /^a ":" has no key before it$/,
    /^an (?:alias|anchor) has an odd name$/,
    /^an escape is read differently/,
    /^a tab stands where/,
    /^no space follows the ":"/,
    /^inside brackets, plain text/,
    /^the indentation of a block text is ambiguous$/,
    /^a line of a text is indented too little$/,
  ],
  'nested too deep': [/^nested deeper than/],
  'the parser is stricter than Go': [/^invalid (?:YAML|JSON): /],
} as const satisfies Record<string, readonly RegExp[]>

/** How many texts came out how; `differences` says those that may not be. */
export interface Comparison {
  readonly counts: ReadonlyMap<string, number>
  readonly differences: readonly string[]
}

/** Reads the samples with our readers and compares with Go's answers. */
export function compare(samples: readonly Sample[], answers: readonly Answer[]): Comparison {
  const counts = new Map<string, number>()
  const differences: string[] = []
  for (const [index, sample] of samples.entries()) {
    const answer = answers[index] ?? { one: {}, strict: false, stream: [] }
    for (const [reader, result] of [
      ['one text', judgeOne(sample.text, answer)],
      ['manifests', judgeStream(sample.text, answer.stream)],
    ] as const) {
      const name = `${reader}: ${result.name}`
      counts.set(name, (counts.get(name) ?? 0) + 1)
      if (result.detail !== undefined) {
        differences.push(
          `${sample.id} ${name}\n  text ${JSON.stringify(sample.text).slice(0, 300)}\n  ${result.detail}`,
        )
      }
    }
  }
  return { counts: new Map([...counts].sort()), differences }
}

interface Judged {
  readonly name: string
  /** Set for what may not be. */
  readonly detail?: string
}

function judgeOne(text: string, { one: go, strict }: Answer): Judged {
  const ours = readYaml(text)
  if (!ours.ok) {
    if (!('value' in go)) return { name: 'both refuse' }
    return refusal([ours.why.replace(/^line \d+, column \d+: /, '')], JSON.stringify(go.value))
  }
  if (!('value' in go)) return different('we accept what Go refuses', ours.value, 'an error')
  // Strict Go also refuses what a merge key overrides; everything else that it refuses is a key given twice.
  if (!strict && !text.includes('<<')) return different('we accept a key given twice', ours.value, go.value)
  if (isDeepStrictEqual(normal(ours.value), go.value)) return { name: 'same value' }
  return different('another value', ours.value, go.value)
}

function judgeStream(text: string, go: readonly Outcome[]): Judged {
  const { documents, problems } = readManifests(text, 'f')
  const ours = documents.map(document => normal(document.object))
  const theirs: readonly unknown[] = go.flatMap(outcome => ('value' in outcome ? single(outcome.value) : []))
  const failed = go.some(outcome => !('value' in outcome)) || !theirs.every(isFields)
  if (!contains(theirs, ours)) return different('another value', ours, theirs)
  if (failed) return problems.length > 0 ? { name: 'both refuse' } : different('we accept what Go refuses', ours, go)
  if (problems.length > 0) return refusal(problems.map(problem => problem.what), JSON.stringify(theirs)) // biome-ignore format: one line
  return ours.length === theirs.length ? { name: 'same value' } : different('another value', ours, theirs)
}

function different(name: string, ours: unknown, go: unknown): Judged {
  return { name, detail: `Go ${JSON.stringify(go)?.slice(0, 300)}\n  we ${JSON.stringify(ours)?.slice(0, 300)}` }
}

function refusal(reasons: readonly string[], go: string): Judged {
  const names = reasons.map(reason =>
    Object.entries(refusals).find(([, forms]) => forms.some((form: RegExp) => form.test(reason))),
  )
  const name = names[0]?.[0]
  if (name === undefined || names.includes(undefined)) {
    return { name: 'we refuse without a listed reason', detail: `Go ${go.slice(0, 300)}\n  we ${reasons.join('; ')}` }
  }
  return { name: `we refuse: ${name}` }
}

/** Unwraps a list as kubectl does, which fails for an item that is no object. */
function single(value: unknown): readonly unknown[] {
  if (!isFields(value) || !('items' in value) || typeof value['kind'] !== 'string' || value['kind'] === '')
    return [value]
  const items = value['items'] ?? []
  return Array.isArray(items) ? items.flatMap(single) : [items]
}

/** Returns true where `part` is `whole` with some entries left out. */
function contains(whole: readonly unknown[], part: readonly unknown[]): boolean {
  let next = 0
  for (const value of whole) if (next < part.length && isDeepStrictEqual(value, part[next])) next++
  return next === part.length
}

// As JSON: no undefined, no negative zero.
function normal(value: unknown): unknown {
  return parseExactly(JSON.stringify(value))
}

/** Parses JSON; an integer whose digits a double cannot hold becomes something that equals no number. */
export function parseExactly(text: string): unknown {
  return buildJson(text.replace(/"(?:[^"\\]|\\.)*"|-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/g, exactly), 0)
}

function exactly(token: string): string {
  if (token === '-0') return '0'
  if (!/^-?[0-9]{16,}$/.test(token)) return token
  // Go writes a float beyond that as its shortest digits and noughts, as JavaScript does.
  const number = Number(token)
  return token === String(number) || BigInt(token) === BigInt(number) ? token : JSON.stringify({ integer: token })
}
