import { dig, type Fields, field, isFields, list, text } from '../istio/json.ts'
import { type Backoff, type Clock, type Span, within } from './clock.ts'
import type { Cluster, Reply } from './cluster.ts'

/** What is listed: a collection, and whether its objects are wanted whole. */
export interface Collection {
  /** URL path. */
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly metadataOnly: boolean
}

/** A whole list, or what kept it from being one. */
export type Listing =
  /** `version` is the state that it shows; `pages` how many calls it took. */
  | { readonly ok: true; readonly version: string; readonly pages: number }
  | { readonly ok: false; readonly reply: Reply }

/** Times that a page is asked for again where the server asks for patience. */
const patience = 5

/** How a collection is listed. */
export interface ListOptions {
  readonly cluster: Pick<Cluster, 'send'>
  readonly clock: Clock
  readonly pageSize: number
  readonly signal: AbortSignal
  readonly accept: string
}

/** What asks for objects, and what asks for their metadata alone; servers that do not know the latter send the former. */
export const accepts = {
  list: 'application/json',
  watch: 'application/json',
  metadataList: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json',
  metadataWatch: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json',
} as const

/**
 * Lists a collection page by page and hands each object to `take`; between pages everything else has its turn. What was
 * handed over is only a list where the answer says so: a page is none.
 */
export async function listAll(
  { path, query }: Pick<Collection, 'path' | 'query'>,
  { cluster, clock, pageSize, signal, accept }: ListOptions,
  take: (object: Fields) => void,
): Promise<Listing> {
  let next = ''
  let tries = 0
  for (let pages = 1; ; ) {
    const asked = { ...query, limit: String(pageSize), ...(next !== '' && { continue: next }) }
    const reply = await cluster.send('GET', path, { query: asked, accept, signal })
    if (reply.status !== 200) {
      // To begin anew would be more work for a server that has too much.
      const isBusy = reply.retryAfter !== undefined && (reply.status === 429 || reply.status === 503)
      if (!isBusy || next === '' || ++tries > patience || signal.aborted) return { ok: false, reply }
      await clock.sleep(within(afterRetry(reply.retryAfter), clock), signal)
      continue
    }
    const version = text(dig(reply.body, 'metadata', 'resourceVersion'))
    const items = field(reply.body, 'items')
    if (version === undefined || !(Array.isArray(items) || items === null || items === undefined)) {
      return { ok: false, reply: { ...reply, status: 0, body: 'the answer is no list' } }
    }
    for (const item of list(items)) if (isFields(item)) take(item)
    next = text(dig(reply.body, 'metadata', 'continue')) ?? ''
    if (next === '') return { ok: true, version, pages }
    pages += 1
    tries = 0
  }
}

/** As long as the server asks for, and up to a quarter more, so that not all come back at once. */
function afterRetry(milliseconds: number): Span {
  return [milliseconds, milliseconds * 1.25]
}

/** Returns how long to wait after an answer that was none: as the server asks, else as failures add up. */
export function waitAfter({ retryAfter }: Reply, backoff: Backoff, clock: Clock): number {
  const own = backoff.next()
  return retryAfter === undefined ? own : Math.max(own, within(afterRetry(retryAfter), clock))
}
