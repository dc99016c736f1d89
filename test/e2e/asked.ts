import assert from 'node:assert/strict'
import type { Context } from './context.ts'
import type { Reply, RequestHints } from './plane/client.ts'

/** What the guard said of one request, as the API server wrote it into its audit log: `verdict`, `rules` and so on. */
export type Notes = Readonly<Record<string, string>>

/** Returns what the guard noted about an answered request, by the first word of its entries; empty where nobody asked it. */
export async function notesOf(context: Context, { headers }: Reply<unknown>): Promise<Readonly<Record<string, Notes>>> {
  const id = headers['audit-id']
  const entry = await context.waitFor(() => context.plane.audit().find(({ auditID }) => auditID === id), {
    what: `request ${id} in the audit log`,
  })
  const notes: Record<string, Record<string, string>> = {}
  for (const [key, value] of Object.entries(entry.annotations ?? {})) {
    const [, asked, name] = /^(\w+)\.sallyport\.dev\/(.+)$/.exec(key) ?? []
    if (asked === undefined || name === undefined) continue
    notes[asked] = { ...notes[asked], [name]: value }
  }
  return notes
}

/** A request of a table. */
export interface Sent extends RequestHints {
  readonly method: string
  readonly path: string
  readonly body?: unknown
}

/** The types of patches. */
export const patchType = {
  merge: { 'content-type': 'application/merge-patch+json' },
  json: { 'content-type': 'application/json-patch+json' },
  strategic: { 'content-type': 'application/strategic-merge-patch+json' },
  apply: { 'content-type': 'application/apply-patch+yaml' },
} as const

/** Sends a request, as the tenant unless told. */
export function send(
  { plane }: Context,
  { method, path, body, user = 'tenant', headers }: Sent,
): Promise<Reply<Answer>> {
  return plane.request<Answer>(method, path, body, { user, ...(headers === undefined ? {} : { headers }) })
}

/** An object, or the Status that refuses it. */
export interface Answer {
  readonly message?: string
  readonly reason?: string
  readonly metadata?: { readonly name?: string; readonly resourceVersion?: string }
}

/** Sends a request that the guard must refuse for these reasons, each as its `path: why`. */
export async function mustRefuse(context: Context, sent: Sent, reasons: readonly string[]): Promise<void> {
  const { status, body } = await send(context, sent)
  const text = body.message ?? JSON.stringify(body)
  assert.equal(status, 403, text)
  assert.match(text, /^admission webhook "\w+\.sallyport\.dev" denied the request: /)
  const [, ...lines] = text.split('\n')
  const said = lines.filter(line => !line.startsWith('  '))
  assert.deepEqual(said, reasons)
}

/** Sends a request that must be carried out, and returns the warnings that come with it. */
export async function mustPass(context: Context, sent: Sent): Promise<readonly string[]> {
  const answer = await send(context, sent)
  assert.ok(answer.status < 300, `${answer.status} ${JSON.stringify(answer.body)}`)
  return warningsOf(answer)
}

/** Returns the texts of the headers `Warning: 299 - "text"`, which an HTTP client joins and takes for Latin 1. */
export function warningsOf({ headers: { warning = '' } }: Reply<unknown>): readonly string[] {
  const joined = Buffer.from(typeof warning === 'string' ? warning : warning.join(', '), 'latin1').toString()
  return [...joined.matchAll(/299 - "((?:[^"\\]|\\.)*)"/g)].map(([, text = '']) => text.replaceAll(/\\(.)/g, '$1'))
}
