import { once } from 'node:events'
import { Agent, type RequestOptions, request as send } from 'node:https'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'

/** A Kubernetes object, as far as this suite reads it. */
export interface Item {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata: Metadata
  readonly [key: string]: unknown
}

/** The metadata of an object, as far as this suite reads it. */
export interface Metadata {
  readonly name: string
  readonly namespace?: string
  readonly uid?: string
  readonly resourceVersion?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly deletionTimestamp?: string
  readonly deletionGracePeriodSeconds?: number
  readonly [key: string]: unknown
}

/** What the API server answered. */
export interface Reply<T = Item> {
  readonly status: number
  /** The object, taken at its word; a Status where it was refused. */
  readonly body: T
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
}

/** What a request to the API server may say besides its path and body. */
export interface RequestHints {
  readonly headers?: Readonly<Record<string, string>>
  /** Who asks; the admin unless told. */
  readonly user?: User
}

/** One of the users that the API server knows by token. */
export type User =
  /** May do everything, past RBAC. */
  | 'admin'
  /** May do everything in namespaces, but nothing to namespaces or the cluster. */
  | 'tenant'
  /** May do everything, by RBAC: what applies everybody's manifests. */
  | 'gitops'

/** A small JSON client of one API server. */
export interface Client {
  /** Sends one request. Throws only where no answer came. */
  request<T = Item>(method: string, path: string, body?: unknown, hints?: RequestHints): Promise<Reply<T>>
  /** Sends one request as the admin and returns the object. Throws where it is refused. */
  call<T = Item>(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<T>
  /** Watches until the server or the signal ends it. */
  watch<T = Item>(path: string, seen: (type: string, object: T) => void, signal: AbortSignal): Promise<void>
  /** Closes kept connections. */
  close(): void
}

/** Returns a client of the API server at a URL. */
export function createClient(url: string, ca: string, tokens: Readonly<Record<User, string>>): Client {
  const agent = new Agent({ keepAlive: true, ca })
  const headersOf = (user: User): Record<string, string> => ({
    authorization: `Bearer ${tokens[user]}`,
    accept: 'application/json',
  })

  const request = async <T>(
    method: string,
    path: string,
    body?: unknown,
    hints: RequestHints = {},
  ): Promise<Reply<T>> => {
    const { headers = {}, user = 'admin' } = hints
    const content = body === undefined ? '' : JSON.stringify(body)
    const options: RequestOptions = {
      method,
      agent,
      headers: {
        ...headersOf(user),
        ...(body === undefined
          ? {}
          : { 'content-type': contentType(method), 'content-length': Buffer.byteLength(content) }),
        ...headers,
      },
    }
    const call = send(new URL(path, url), options)
    call.end(content)
    const [reply] = await once(call, 'response')
    const answer = await text(reply)
    return { status: reply.statusCode, headers: reply.headers, body: parsed(answer) as T }
  }

  return {
    request,
    call: async <T>(method: string, path: string, body?: unknown, headers = {}) => {
      const reply = await request<T>(method, path, body, { headers })
      if (reply.status < 300) return reply.body
      throw new Refused(`${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`, reply.status)
    },
    watch: async <T>(path: string, seen: (type: string, object: T) => void, signal: AbortSignal) => {
      const call = send(new URL(path, url), { agent: false, ca, headers: headersOf('admin'), signal })
      call.end()
      const [reply] = await once(call, 'response')
      if (reply.statusCode !== 200) throw new Error(`watch ${path}: ${reply.statusCode} ${await text(reply)}`)
      for await (const line of createInterface({ input: reply, crlfDelay: Number.POSITIVE_INFINITY })) {
        const event = JSON.parse(line) as { readonly type: string; readonly object: T }
        if (event.type === 'ERROR') throw new Error(`watch ${path}: ${JSON.stringify(event.object)}`)
        seen(event.type, event.object)
      }
    },
    close: () => agent.destroy(),
  }
}

/** An answer that is no success. */
export class Refused extends Error {
  readonly status: number

  constructor(message: string, status: number) {
    super(message)
    this.status = status
  }
}

function contentType(method: string): string {
  return method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
}

function parsed(answer: string): unknown {
  try {
    return JSON.parse(answer)
  } catch {
    return answer
  }
}
