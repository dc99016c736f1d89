import type { Bench } from '../../src/http/answer.ts'
import { damageBytes } from './bytes.ts'
import { type Base, benches, recordedReviews, reviewsOfCases } from './corpus.ts'
import {
  compareVerdicts,
  computed,
  type Judged,
  judge,
  judgePatch,
  type Outcome,
  outcomes,
  timeLimit,
} from './judge.ts'
import { Random } from './random.ts'
import { rewrite } from './rewrite.ts'
import { damageShape } from './shape.ts'
import { writeTree } from './tree.ts'

const now = Date.parse('2026-11-21T12:00:00Z')

/** What the server takes in. */
const bodyLimit = 7 * 1024 * 1024

/** A slow case is tried so often before it counts: the machine may have been busy. */
const tries = 6

/** What to do. */
export interface Settings {
  readonly seed: number
  readonly cases: number
  /** One case alone, by its number. */
  readonly only?: number | undefined
  /** The time limits are multiplied by it: others use the machine, or coverage is taken. */
  readonly patience: number
}

/** A case that must not be. */
export interface Failure {
  readonly number: number
  readonly base: string
  readonly bytes: Buffer
  readonly why: string
}

/** What came out. */
export interface Summary {
  readonly counts: Readonly<Record<Outcome, number>>
  /** Bodies that the server would not have read. */
  readonly tooLarge: number
  readonly rewritten: number
  readonly slowest: {
    readonly number: number
    readonly base: string
    readonly bytes: number
    readonly milliseconds: number
  }
  readonly seconds: number
  readonly failures: readonly Failure[]
}

interface Corpus {
  readonly recorded: readonly Base[]
  readonly ofCases: readonly Base[]
  readonly benches: readonly Bench[]
}

interface Attempt {
  readonly base: Base
  readonly bytes: Buffer
  readonly bench: Bench
}

/** Runs the cases of a seed; each is the same whatever ran before it. Stops after a handful of failures. */
export function fuzz({ seed, cases, only, patience }: Settings): Summary {
  const corpus: Corpus = { recorded: recordedReviews(), ofCases: reviewsOfCases(), benches: benches(now) }
  const counts = Object.fromEntries(outcomes.map(outcome => [outcome, 0])) as Record<Outcome, number>
  const failures: Failure[] = []
  let slowest: Summary['slowest'] = { number: 0, base: '', bytes: 0, milliseconds: 0 }
  let tooLarge = 0
  let rewritten = 0
  const began = performance.now()
  const numbers = only === undefined ? Array.from({ length: cases }, (_, i) => i) : [only]
  for (const number of numbers) {
    const random = Random.ofCase(seed, number)
    const { base, bytes, bench } = make(corpus, random)
    if (bytes.length > bodyLimit) {
      tooLarge++
      continue
    }
    try {
      const judged = fastest(bytes, bench, patience)
      counts[judged.outcome]++
      if (judged.milliseconds > slowest.milliseconds) {
        slowest = { number, base: base.name, bytes: bytes.length, milliseconds: judged.milliseconds }
      }
      if (number % 4 === 0) judgePatch(bytes, bench, now)
      const other = number % 4 === 1 && judged.text !== '' ? rewrite(judged.value, random) : undefined
      if (other !== undefined) {
        rewritten++
        compareVerdicts(judged, judge(Buffer.from(other), bench, now))
      }
    } catch (cause) {
      failures.push({ number, base: base.name, bytes, why: explain(cause) })
      if (failures.length >= 5) break
    }
  }
  return { counts, tooLarge, rewritten, slowest, seconds: (performance.now() - began) / 1000, failures }
}

function make({ recorded, ofCases, benches: [acme, bare] }: Corpus, random: Random): Attempt {
  const base = random.pick(random.below(10) < 6 ? recorded : ofCases)
  const others = random.once(2) ? recorded : ofCases
  const bench = random.once(5) ? bare : acme
  if (bench === undefined) throw new Error('nothing to judge with')
  if (random.once(3)) {
    const bytes = damageBytes(
      base.bytes,
      random,
      others.map(other => other.bytes),
    )
    return { base, bytes, bench }
  }
  const damaged = damageShape(
    base.tree,
    random,
    others.map(other => other.tree),
  )
  return { base, bytes: Buffer.from(writeTree(damaged)), bench }
}

/** Judges again and again as long as it is too slow, and at least twice, since the answer must be the same. */
function fastest(bytes: Buffer, bench: Bench, patience: number): Judged {
  const first = judge(bytes, bench, now)
  const limit = timeLimit(bytes.length) * patience
  let best = first.milliseconds
  for (let left = tries - 1; left > 0; left--) {
    const again = judge(bytes, bench, now)
    if (again.text !== first.text || again.outcome !== first.outcome)
      throw new Error('another answer to the same bytes')
    best = Math.min(best, again.milliseconds)
    if (best <= limit) return { ...first, milliseconds: best }
  }
  // What the engine's own parser takes for a large body is not ours to cut.
  const parsing = bytes.length > 100_000 ? parseTime(bytes) : 0
  if (best - parsing <= limit) return { ...first, milliseconds: best }
  const beside = parsing === 0 ? '' : ` besides ${parsing.toFixed(0)} ms of JSON.parse`
  throw new Error(
    `took ${best.toFixed(0)} ms at best, and ${limit} ms${beside} are the limit for ${bytes.length} bytes`,
  )
}

/** Milliseconds that JSON.parse takes alone, at best. */
function parseTime(bytes: Buffer): number {
  let best = Number.POSITIVE_INFINITY
  const text = bytes.toString()
  for (let left = 3; left > 0; left--) {
    const began = computed()
    try {
      JSON.parse(text)
    } catch {
      // Where it fails, it took that time too.
    }
    best = Math.min(best, computed() - began)
  }
  return best
}

function explain(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  const inner = cause.cause instanceof Error ? `\n${cause.cause.stack}` : ''
  return `${cause.stack}${inner}`
}
