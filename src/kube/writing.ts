import { printable, shorten } from '../core/text.ts'
import { field, text } from '../istio/json.ts'
import type { Cluster, Reply } from './cluster.ts'

/** The name under which the API server keeps what the guard writes. */
export const fieldManager = 'sallyport'

/** What a leader writes with: only while the signal does not say stop. */
export interface Writing<Events> {
  readonly cluster: Cluster
  readonly signal: AbortSignal
  readonly events: Events
}

/** Returns in one clause why the API server did not do what it was asked. */
export function reasonOf({ status, body }: Reply): string {
  const message = typeof body === 'string' ? body : (text(field(body, 'message')) ?? '')
  const what = printable(shorten(message, 300)) || 'no reason given'
  return status === 0 ? what : `HTTP ${status}: ${what}`
}
