import { isDeepStrictEqual } from 'node:util'
import { type Answer, answerMutate, answerValidate, type Bench } from '../../src/http/answer.ts'
import { readBody } from '../../src/http/body.ts'
import { dig, field } from '../../src/istio/json.ts'

/** What becomes of a body, in the words of the reply contract. */
export const outcomes = [
  'no JSON in UTF-8 (N 400)',
  'no AdmissionReview (N 400)',
  'broken review (G 400)',
  'malformed object (G 422)',
  'denied (403)',
  'warned',
  'allowed',
] as const

export type Outcome = (typeof outcomes)[number]

/** Returns the milliseconds that this thread has computed so far: unlike a clock, they do not run while others compute. */
export function computed(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** Longest that a body may take to be judged, in milliseconds. */
export function timeLimit(bytes: number): number {
  return bytes <= 100_000 ? 50 : 150
}

/** One body that was judged. */
export interface Judged {
  readonly outcome: Outcome
  /** The answer as it goes out; empty where there is none. */
  readonly text: string
  readonly milliseconds: number
  /** What the body holds, where it is JSON. */
  readonly value?: unknown
}

type AnswerReview = typeof answerValidate

/** Takes the way of a request from its body to the answer, and throws on everything that must not be. */
export function judge(bytes: Buffer, bench: Bench, now: number, answerReview: AnswerReview = answerValidate): Judged {
  const began = computed()
  const read = readBody(bytes)
  if (!read.ok) return { outcome: outcomes[0], text: '', milliseconds: computed() - began }
  const { value } = read
  const answer = answerReview(value, bench, now)
  const text = 'reply' in answer ? JSON.stringify(answer.reply) : ''
  const milliseconds = computed() - began
  return { outcome: outcomeOf(answer, value), text, milliseconds, value }
}

function outcomeOf(answer: Answer, value: unknown): Outcome {
  if (answer.outcome === 'not-a-review') return 'no AdmissionReview (N 400)'
  if (answer.outcome === 'fault') throw new Error('a fault outside any rule', { cause: answer.cause })
  const { uid, allowed, status } = answer.reply.response
  if (uid !== dig(value, 'request', 'uid')) throw new Error(`uid ${JSON.stringify(uid)} is not that of the request`)
  if (answer.outcome === 'unreadable') {
    if (allowed || status?.code !== 400 || field(status, 'reason') !== undefined)
      throw new Error('no refusal of a review')
    return 'broken review (G 400)'
  }
  if (answer.outcome === 'mutated') {
    const [error] = answer.mutated.errors
    if (error !== undefined) throw new Error(`mutation ${error.mutation} threw`, { cause: error.cause })
    if (!allowed) throw new Error('refused by the mutating endpoint')
    return 'allowed'
  }
  const [error] = answer.evaluation.ruleErrors
  if (error !== undefined) throw new Error(`rule ${error.rule} threw`, { cause: error.cause })
  if (allowed) return answer.evaluation.verdict === 'warn' ? 'warned' : 'allowed'
  if (status?.code === 403) return 'denied (403)'
  if (status?.code !== 422 || field(status, 'reason') !== undefined)
    throw new Error(`refused with code ${status?.code}`)
  return 'malformed object (G 422)'
}

/** Judges what the mutating endpoint makes of a body: at most a patch, and one that can be read. */
export function judgePatch(bytes: Buffer, bench: Bench, now: number): void {
  const { text } = judge(bytes, bench, now, answerMutate)
  const patch = text === '' ? undefined : JSON.parse(text).response.patch
  if (patch === undefined) return
  const operations: unknown = JSON.parse(Buffer.from(patch, 'base64').toString())
  if (!Array.isArray(operations) || operations.length === 0) throw new Error('a patch without operations')
}

/** Throws where two answers do not say the same in the end; paths and texts may name another of two equal places. */
export function compareVerdicts(before: Judged, after: Judged): void {
  const [one, other] = [before, after].map(({ text, outcome }) => {
    const response = text === '' ? {} : JSON.parse(text).response
    return { outcome, allowed: response.allowed, code: response.status?.code, audit: response.auditAnnotations }
  })
  if (!isDeepStrictEqual(one, other)) {
    throw new Error(`the same JSON in another writing: ${JSON.stringify(other)} and not ${JSON.stringify(one)}`)
  }
}
