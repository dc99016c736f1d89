import type { Outcome } from './outcome.ts'
import type { Wire } from './wire.ts'

/** One request, or several in one go, and what must come back. */
export interface Case {
  readonly what: string
  /** What goes over the wire, headers included. */
  readonly bytes: string | Buffer
  /** Answers in order. */
  readonly outcomes: readonly Outcome[]
  readonly method?: string
  /** The server must close the connection after the last answer. */
  readonly closes?: true
  /** Milliseconds for all answers, on a machine of our own. */
  readonly within?: number
  /** What else must hold afterwards: throws where it does not. */
  readonly also?: (wire: Wire) => void | Promise<void>
}

/** One row of the table of bad inputs. */
export interface Row {
  readonly number: number
  readonly title: string
  /** What was chosen, where the table leaves a choice. */
  readonly choice?: string
  readonly cases: readonly Case[]
}

export const allowed: Outcome = { class: 'verdict', verdict: 'allow' }

export const warned: Outcome = { class: 'verdict', verdict: 'warn' }

/** Refused by rules, in a text that says something. */
export function denied(says: string): Outcome {
  return { class: 'verdict', verdict: 'deny', says }
}

/** Refused as no AdmissionReview. */
export function no(status: number): Outcome {
  return { class: 'N', status }
}

/** Refused because the review itself is broken. */
export function broken(message: string): Outcome {
  return { class: 'G', code: 400, message }
}

/** Refused because of fields that cannot be judged. */
export function malformed(ref: string, ...sentences: readonly string[]): Outcome {
  return { class: 'G', code: 422, message: [`${ref} is malformed`, ...sentences].join('\n') }
}

/** Returns one HTTP request, to the letter; `headers` replaces the usual ones where given. */
export function request(
  body: string | Buffer,
  { line = 'POST /validate?timeout=3s HTTP/1.1', headers = ['content-type: application/json'], host = 'guard' } = {},
): Buffer {
  const bytes = Buffer.from(body)
  const head = [line, `host: ${host}`, ...headers, `content-length: ${bytes.length}`, '', ''].join('\r\n')
  return Buffer.concat([Buffer.from(head, 'latin1'), bytes])
}

/** Returns a case that posts one body as an API server does. */
export function post(
  what: string,
  body: string | Buffer | object,
  outcome: Outcome,
  more: Pick<Case, 'within' | 'also'> = {},
): Case {
  const bytes = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
  return { what, bytes: request(bytes), outcomes: [outcome], ...more }
}
