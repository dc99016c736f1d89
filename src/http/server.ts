import type { Server as HttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { promisify } from 'node:util'
import { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import { field } from '../istio/json.ts'
import type { AwaitChange } from './absence.ts'
import { answerMutate, answerUnmutated, answerValidate, type Bench } from './answer.ts'
import { readBody } from './body.ts'
import { patienceFor } from './deadline.ts'
import { Intake, type Rejection } from './intake.ts'
import { judge, type Outcome, type Route } from './judge.ts'
import type { DecisionLog, Log } from './log.ts'
import type { LoopWatch } from './loop.ts'
import type { Metrics } from './metrics.ts'
import { knownStatus, refuse, refuseRaw } from './refusal.ts'
import { announcedLength, announcesJson, brokenStatus } from './request.ts'

/** What a server is made of; functions are asked anew for each request. */
export interface ServerOptions {
  readonly key: string
  readonly cert: string
  /** When the certificate ends, milliseconds since the epoch; never, where absent. */
  readonly notAfter?: number
  /** CAs of the clients that are let in, PEM; without it every client is. */
  readonly clientCa?: string | undefined
  bench(): Bench
  /** False until there is something to judge with: reviews are told to come again. */
  ready(): boolean
  /** False while another replica should be asked, though this one answers; without it never. */
  available?(): boolean
  /** Moment of judging, milliseconds since the epoch. */
  now(): number
  readonly log: Log
  readonly decisions: DecisionLog
  readonly metrics: Metrics
  /** Tells how long a request may have waited; without it none has. */
  readonly loop?: LoopWatch
  /** Waits for what a refusal misses; without it nothing is to come. */
  readonly awaitChange?: AwaitChange
}

/** What is served, by path. */
const routes: Readonly<Record<string, Route>> = {
  '/validate': { answer: answerValidate },
  '/mutate': { answer: answerMutate, unready: answerUnmutated },
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The moment after which nobody waits for the answer any more, on the clock of `performance.now()`. */
    deadline: number
  }
}

/** The admission endpoint, ready to listen. */
export type AdmissionApp = FastifyInstance<HttpsServer>

const second = 1000

/** Connections at a time; an API server keeps 25 idle ones for each of our paths, and a cluster has few API servers. */
const connectionLimit = 2000

/** Go's client keeps idle connections for 90 s: we must not be the first to let go. */
const idleTimeout = 120 * second

/** Returns what TLS serves and asks for; all of it, since a swap forgets what it is not told. */
export function secureContextOf({ key, cert, clientCa }: Pick<ServerOptions, 'key' | 'cert' | 'clientCa'>): {
  readonly key: string
  readonly cert: string
  readonly minVersion: 'TLSv1.2'
  readonly ca?: string
} {
  return { key, cert, minVersion: 'TLSv1.2', ...(clientCa === undefined ? {} : { ca: clientCa }) }
}

/**
 * Returns the admission endpoint: a POST for each route and nothing else, HTTP/1.1 over TLS 1.2 or later. A genuine review
 * always gets an AdmissionReview with its uid; HTTP errors are for what no API server sends, and for our own faults.
 * `ending` answers true for a connection that should end with the answer that is being given.
 */
export function admissionApp(options: ServerOptions, ending: (socket: Socket) => boolean = () => false): AdmissionApp {
  const { metrics, log, loop } = options
  const endWhereDue = (reply: FastifyReply): FastifyReply =>
    ending(reply.request.raw.socket) ? reply.header('connection', 'close') : reply
  const reject = (reply: FastifyReply, status: number): void => {
    metrics.rejected(knownStatus(status))
    const { raw } = reply.request
    // Who is told to come again must hear it: to close while a body is still arriving resets the connection.
    if (status === 503 && !raw.complete && ending(raw.socket))
      raw.once('end', () => refuse(endWhereDue(reply), status)).resume()
    else refuse(endWhereDue(reply), status)
  }
  const app: AdmissionApp = fastify({
    https: {
      ...secureContextOf(options),
      ...(options.clientCa === undefined ? {} : { requestCert: true, rejectUnauthorized: true }),
      handshakeTimeout: 5 * second,
      headersTimeout: 5 * second,
      connectionsCheckingInterval: second,
    },
    keepAliveTimeout: idleTimeout,
    requestTimeout: 8 * second,
    return503OnClosing: false,
    exposeHeadRoutes: false,
    frameworkErrors: (_error, _request, reply) => reject(reply, 400),
    clientErrorHandler: (error, socket) => {
      const status = brokenStatus(error)
      if (status === undefined) socket.destroy(error)
      // A spare connection of an API server is not slow, it has had nothing to say yet; Node would cut it all the same.
      else if (status === 408 && socket.bytesRead === 0) socket.setTimeout(idleTimeout)
      else {
        metrics.rejected(status)
        refuseRaw(socket, status, error)
      }
    },
  })
  const intake = new Intake()
  const connections = promisify(app.server.getConnections).bind(app.server)
  metrics.watch({ inFlight: () => intake, connections })
  app.server.maxConnections = connectionLimit
  app.server.on('drop', () => metrics.connectionDropped())
  app.server.on('tlsClientError', () => metrics.tlsFailed())

  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', (_request, payload, done) => {
    intake.receive(payload, body => done(null, body))
  })
  app.setErrorHandler((error: FastifyError, _request, reply) => {
    const status = error.statusCode ?? 500
    if (status >= 500) log.error({ err: error }, 'a request failed')
    reject(reply, status < 500 ? status : 500)
  })
  app.setNotFoundHandler((_request, reply) => reject(reply, 404))
  app.decorateRequest('deadline', 0)
  app.addHook('onRequest', (request, reply, next) => {
    const now = performance.now()
    request.deadline = now - (loop?.waited(now) ?? 0) + patienceFor(field(request.query, 'timeout'))
    const ready = options.ready() || routes[request.routeOptions.url ?? '']?.unready !== undefined
    const status = statusBefore(request, intake.refuses(announcedLength(request.headers)), ready)
    if (status === undefined) next()
    else reject(reply, status)
  })
  for (const [path, route] of Object.entries(routes)) {
    app.post(path, (request, reply) => {
      const write = (outcome: Outcome): void => {
        if (typeof outcome === 'number') reject(reply, outcome)
        else endWhereDue(reply).header('content-type', 'application/json; charset=utf-8').send(JSON.stringify(outcome))
      }
      const outcome = answerBody(request, route, options)
      if (outcome instanceof Promise) outcome.then(write, cause => reply.send(cause))
      else write(outcome)
    })
  }
  return app
}

const rejectionStatus: Readonly<Record<Rejection, number>> = { 'too-large': 413, 'no-room': 503 }

/** Returns the status of a request that is refused before its body is read, or undefined. */
function statusBefore(request: FastifyRequest, rejection: Rejection | undefined, ready: boolean): number | undefined {
  if (request.is404) return 404
  if (!announcesJson(request.headers)) return 415
  if (rejection !== undefined) return rejectionStatus[rejection]
  return ready ? undefined : 503
}

/**
 * Returns the answer to a request whose body is here, or the status that refuses it, at once where it can. Counts and logs
 * what became of it.
 */
function answerBody(
  { body, deadline }: FastifyRequest,
  route: Route,
  options: ServerOptions,
): Outcome | Promise<Outcome> {
  if (body === 'too-large' || body === 'no-room') return rejectionStatus[body]
  if (!Buffer.isBuffer(body)) return 400
  if (performance.now() > deadline) {
    options.metrics.shed()
    return 503
  }
  const read = readBody(body)
  return read.ok ? judge(read.value, route, { ...options, deadline }) : 400
}
