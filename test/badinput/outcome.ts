import type { Reply } from './wire.ts'

/** What must come back. */
export type Outcome =
  /** Cannot come from an API server: an HTTP status with a constant body. */
  | { readonly class: 'N'; readonly status: number; readonly body?: '' }
  /** A genuine review of a broken object: refused in an AdmissionReview, one sentence, no `reason`. */
  | { readonly class: 'G'; readonly code: 400 | 422; readonly message: string }
  /** Try again. */
  | { readonly class: 'R' }
  /** Judged by the rules. */
  | {
      readonly class: 'verdict'
      readonly verdict: 'allow' | 'warn' | 'deny'
      /** Something the text of a refusal must say. */
      readonly says?: string
      readonly uid?: string
    }
  /** An interim or foreign answer of HTTP itself. */
  | { readonly class: 'status'; readonly status: number }

/** What is said to those that no API server is, by status: nothing of the request, nothing of the policy. */
const bodies: ReadonlyMap<number, string> = new Map([
  [400, 'not an AdmissionReview\n'],
  [404, 'not found\n'],
  [408, 'too slow\n'],
  [413, 'body too large\n'],
  [415, 'not application/json in UTF-8\n'],
  [431, 'headers too large\n'],
])

/** What a check says of itself. */
type Message = [] | [string]

/** The part of tap that checks need. */
export interface Checks {
  equal(found: unknown, wanted: unknown, ...message: Message): boolean
  strictSame(found: unknown, wanted: unknown, ...message: Message): boolean
  match(found: string, wanted: RegExp, ...message: Message): boolean
  notMatch(found: string, unwanted: RegExp, ...message: Message): boolean
  ok(value: unknown, ...message: Message): boolean
  notOk(value: unknown, ...message: Message): boolean
  rejects(promise: Promise<unknown>, ...message: Message): Promise<unknown>
}

/** Longest text of a malformed object: what is wrong, not what was sent. */
const sentenceLimit = 600

/** Checks one answer, to the letter. */
export function check(t: Checks, reply: Reply, outcome: Outcome, uid: string, method: string): void {
  t.ok(!reply.headers.has('server') && !reply.headers.has('x-powered-by'), 'no banner')
  if (outcome.class === 'status') t.equal(reply.status, outcome.status)
  else if (outcome.class === 'N') {
    t.equal(reply.status, outcome.status, `${outcome.status}`)
    const body = outcome.body ?? bodies.get(outcome.status)
    t.equal(reply.body, method === 'HEAD' ? '' : body, 'a constant body')
    if (body !== '') t.equal(reply.headers.get('content-type'), 'text/plain; charset=utf-8')
  } else if (outcome.class === 'R') {
    t.strictSame([reply.status, reply.headers.get('retry-after'), reply.body], [503, '1', 'not ready\n'])
  } else checkReview(t, reply, outcome, uid)
}

function checkReview(t: Checks, reply: Reply, outcome: Outcome & { class: 'G' | 'verdict' }, uid: string): void {
  t.equal(reply.status, 200, 'HTTP 200')
  t.equal(reply.headers.get('content-type'), 'application/json; charset=utf-8')
  const { apiVersion, kind, response } = JSON.parse(reply.body)
  t.strictSame([apiVersion, kind], ['admission.k8s.io/v1', 'AdmissionReview'])
  if (outcome.class === 'G') {
    // The status is compared as a whole: no reason, no causes, nothing else.
    const { code, message } = outcome
    t.strictSame([response.uid, response.allowed, response.status], [uid, false, { code, message }])
    t.ok(response.status.message.length <= sentenceLimit, 'a short text')
    return
  }
  t.equal(response.uid, outcome.uid ?? uid, 'uid')
  t.equal(response.auditAnnotations.verdict, outcome.verdict, `verdict: ${response.status?.message ?? ''}`)
  t.equal(response.allowed, outcome.verdict !== 'deny', 'allowed')
  if (outcome.verdict !== 'deny') return
  const { code, reason, message, ...more } = response.status
  t.strictSame([code, reason, more], [403, 'Forbidden', {}])
  t.ok(message.includes(outcome.says ?? ''), `says ${outcome.says}: ${message}`)
}
