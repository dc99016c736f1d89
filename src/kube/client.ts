import type { IncomingMessage } from 'node:http'
import { Agent, type RequestOptions, request } from 'node:https'
import { bad, good, type Result } from '../istio/result.ts'
import type { Cluster, Method, Reply, SendOptions } from './cluster.ts'
import { readLines } from './lines.ts'

/** What a watch is opened with. */
export interface WatchOptions {
  readonly query?: Readonly<Record<string, string>>
  readonly accept?: string
  readonly signal?: AbortSignal
  /** Milliseconds without a byte after which the server is taken for dead. */
  readonly silence: number
  /** Called once the server has agreed to the watch. */
  readonly opened?: () => void
}

/** How a watch ended. */
export type Ending =
  /** The server did not agree to it, or could not be reached: status 0. */
  | { readonly how: 'answered'; readonly reply: Reply }
  /** The server closed it. */
  | { readonly how: 'closed' }
  /** The connection broke, or was closed within a line. */
  | { readonly how: 'cut'; readonly why: string }
  /** Nothing came for too long. */
  | { readonly how: 'silent' }
  /** By the signal, or by who takes the lines. */
  | { readonly how: 'stopped' }

/** An API server whose streams can be followed, too. */
export interface WatchableCluster extends Cluster {
  /** Hands each line of a stream to `take` until it ends, or `take` returns false. Never throws for what a server does. */
  watch(path: string, options: WatchOptions, take: (line: string) => boolean): Promise<Ending>
}

/** Returns what a request carries that proves who asks: TLS options and headers. Asked for each request: tokens rotate. */
export type Authenticate = (options: RequestOptions) => Promise<void>

/** Where an API server is, and how to prove who asks. */
export interface Access {
  /** `https://…`. */
  readonly server: string
  readonly authenticate: Authenticate
  readonly userAgent?: string
}

/** Milliseconds that a request may take from its beginning to the last byte of the answer. */
const requestTimeout = 30_000

/** Longest answer that is read, in bytes. */
const longestAnswer = 256 * 1024 * 1024

/**
 * Returns the API server that a kubeconfig names (`KUBECONFIG`, the home folder, else the service account of the pod), or the
 * one of the pod alone. `@kubernetes/client-node` costs 300 ms, so it is loaded only here.
 */
export async function connect(from: 'default' | 'in-cluster' = 'default'): Promise<Result<WatchableCluster>> {
  const { KubeConfig } = await import('./config.ts')
  const config = new KubeConfig()
  try {
    if (from === 'in-cluster') config.loadFromCluster()
    else config.loadFromDefault()
  } catch (error) {
    return bad(`the kubeconfig cannot be read: ${reasonOf(error)}`)
  }
  const server = config.getCurrentCluster()?.server
  if (server === undefined) return bad('the kubeconfig names no cluster')
  if (!URL.canParse(server) || !server.startsWith('https:')) {
    return bad(`the API server has to be reached by https, not at ${JSON.stringify(server)}`)
  }
  return good(
    clusterAt({
      server,
      authenticate: async options => {
        await config.applyToHTTPSOptions(options)
        const agent: unknown = options.agent
        // Only an agent for a proxy does something that ours do not.
        if (agent instanceof Agent && agent.constructor === Agent) delete options.agent
      },
    }),
  )
}

/** Returns the API server at a place. */
export function clusterAt(access: Access): WatchableCluster {
  // A watch keeps its connection for minutes: those of requests are their own, so that neither waits for the other.
  const short = new Agent({ keepAlive: true, keepAliveMsecs: 30_000, maxSockets: 16, timeout: 60_000 })
  const long = new Agent({ keepAlive: true, keepAliveMsecs: 30_000 })
  return {
    send: (method, path, options) => send(access, short, { method, path, ...options }),
    watch: (path, options, take) => watch(access, long, { path, ...options }, take),
  }
}

interface Call extends SendOptions {
  readonly method: Method
  readonly path: string
}

async function send(access: Access, agent: Agent, call: Call): Promise<Reply> {
  const { signal, timeout = requestTimeout } = call
  const limit = AbortSignal.timeout(timeout)
  const either = signal === undefined ? limit : AbortSignal.any([signal, limit])
  try {
    const response = await open(access, agent, { ...call, signal: either })
    return { ...headOf(response), body: parse(await collect(response)) }
  } catch (error) {
    return unreachable(limit.aborted && signal?.aborted !== true ? `no answer within ${timeout / 1000} s` : error)
  }
}

async function open(access: Access, agent: Agent, call: Call): Promise<IncomingMessage> {
  const url = new URL(access.server.replace(/\/+$/, '') + call.path)
  for (const [key, value] of Object.entries(call.query ?? {})) url.searchParams.set(key, value)
  const options: RequestOptions = { headers: {}, agent }
  await access.authenticate(options)
  const body = call.body === undefined ? undefined : JSON.stringify(call.body)
  const headers = {
    ...options.headers,
    accept: call.accept ?? 'application/json',
    'user-agent': access.userAgent ?? 'sallyport',
    ...(body !== undefined && {
      'content-type': call.contentType ?? 'application/json',
      'content-length': String(Buffer.byteLength(body)),
    }),
  }
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const { method, signal } = call
  const asked = request(url, { ...options, method, headers, ...(signal !== undefined && { signal }) })
  asked.on('response', resolve)
  asked.on('error', reject)
  asked.end(body)
  return promise
}

async function collect(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response) {
    length += chunk.length
    if (length > longestAnswer) throw new Error('the answer is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, length).toString()
}

/** What has gone wrong with a watch once it was open. */
type Break = Exclude<Ending, { readonly how: 'answered' }>

async function watch(access: Access, agent: Agent, at: WatchAt, take: (line: string) => boolean): Promise<Ending> {
  const { path, query = {}, accept, signal, silence, opened } = at
  const patience = new AbortController()
  let timer = setTimeout(() => patience.abort(), Math.min(silence, requestTimeout))
  const call: Call = {
    method: 'GET',
    path,
    query,
    ...(accept !== undefined && { accept }),
    signal: signal === undefined ? patience.signal : AbortSignal.any([signal, patience.signal]),
  }
  const broken = (error: unknown): Break => {
    if (signal?.aborted === true) return { how: 'stopped' }
    return patience.signal.aborted ? { how: 'silent' } : { how: 'cut', why: reasonOf(error) }
  }
  try {
    const response = await open(access, agent, call)
    if (response.statusCode !== 200) {
      return { how: 'answered', reply: { ...headOf(response), body: parse(await collect(response)) } }
    }
    clearTimeout(timer)
    timer = setTimeout(() => patience.abort(), silence)
    opened?.()
    return await follow(response, take, () => timer.refresh()).catch(broken)
  } catch (error) {
    if (signal?.aborted === true) return { how: 'stopped' }
    return { how: 'answered', reply: unreachable(patience.signal.aborted ? 'no answer for too long' : error) }
  } finally {
    clearTimeout(timer)
  }
}

interface WatchAt extends WatchOptions {
  readonly path: string
}

async function follow(response: IncomingMessage, take: (line: string) => boolean, alive: () => void): Promise<Ending> {
  const lines = readLines()
  for await (const chunk of response) {
    alive()
    const some = lines.take(chunk)
    if (some === undefined) return { how: 'cut', why: 'a line is too long' }
    for (const line of some) if (!take(line)) return { how: 'stopped' }
  }
  return lines.isWithin ? { how: 'cut', why: 'the stream ended within a line' } : { how: 'closed' }
}

function headOf({ statusCode = 0, headers }: IncomingMessage): Pick<Reply, 'status' | 'retryAfter'> {
  const seconds = Number(headers['retry-after'])
  return { status: statusCode, retryAfter: seconds > 0 ? seconds * 1000 : undefined }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function unreachable(error: unknown): Reply {
  return { status: 0, retryAfter: undefined, body: typeof error === 'string' ? error : reasonOf(error) }
}

/** One line, and never more than the message: other properties of an error may hold what was sent. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  // Node tries all addresses of a name, and says nothing itself when none answers.
  const [first] = error instanceof AggregateError ? error.errors : []
  const { message } = first instanceof Error ? first : error
  return message.split('\n', 1)[0] || error.name
}
