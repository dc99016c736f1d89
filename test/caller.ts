import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Agent, type AgentOptions, request } from 'node:https'
import { text } from 'node:stream/consumers'
import { setTimeout as after } from 'node:timers/promises'
import { connect, type TLSSocket } from 'node:tls'

const reviews = new URL('fixtures/reviews/', import.meta.url)

/** A review that a real API server sent, and that is refused. */
export const recorded = readFileSync(new URL('45-configmap-istio-update-allow-any.json', reviews))

/** Another one, which costs little to judge. */
export const light = readFileSync(new URL('29-serviceentry-create-v1.json', reviews))

/** What came back. */
export interface Reply {
  readonly status: number
  readonly connection: string | undefined
  readonly retryAfter: string | undefined
  readonly body: string
}

/** Posts a body as an API server does. */
export async function post(port: number, agent: Agent, body: Buffer | string, timeout = '3s'): Promise<Reply> {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const path = `/validate?timeout=${timeout}`
  const call = request({ host: '127.0.0.1', port, path, method: 'POST', agent, headers })
  call.end(body)
  const [reply] = await once(call, 'response')
  return {
    status: reply.statusCode,
    connection: reply.headers.connection,
    retryAfter: reply.headers['retry-after'],
    body: await text(reply),
  }
}

/**
 * Returns an agent shaped like kube-apiserver's client: at most 25 idle connections, the youngest used first, no TLS
 * session kept. It dials whatever port `endpoint` names at that moment, while its idle connections stay in use wherever
 * they lead: so does the API server (kubernetes/kubernetes#127335).
 */
export function apiServerAgent(options: AgentOptions, endpoint: () => number): Agent {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 25, scheduling: 'lifo', maxCachedSessions: 0, ...options })
  const dial = agent.createConnection.bind(agent)
  return Object.assign(agent, {
    createConnection: (asked: object, done: () => void) => dial({ ...asked, port: endpoint() }, done),
  })
}

/** What became of many calls. */
export interface Tally {
  readonly answered: number
  readonly failures: readonly string[]
}

/**
 * Calls over and over, from as many places at a time, until told to stop. An answer other than 200 that says when to come
 * again is followed, as client-go does.
 */
export function callAlways(places: number, call: () => Promise<Reply>): { stop(): Promise<Tally> } {
  const failures: string[] = []
  let answered = 0
  let stopped = false
  const place = async (): Promise<void> => {
    while (!stopped) {
      try {
        const reply = await call()
        if (reply.status === 200) answered++
        else if (reply.status === 503 && reply.retryAfter !== undefined) await after(Number(reply.retryAfter) * 1000)
        else failures.push(`HTTP ${reply.status}`)
      } catch (cause) {
        failures.push(cause instanceof Error ? `${'code' in cause ? cause.code : ''} ${cause.message}` : String(cause))
      }
    }
  }
  const all = Promise.all(Array.from({ length: places }, place))
  return {
    stop: async () => {
      stopped = true
      await all
      return { answered, failures }
    },
  }
}

/** Opens a TLS connection that nothing is sent on yet. */
export async function open(port: number, ca: string): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, ca })
  await once(socket, 'secureConnect')
  return socket
}
