import type { Server as HttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { performance } from 'node:perf_hooks'
import { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import { parseJson } from '../manifest/parse.ts'
import type { AdmissionReply } from './admission.ts'
import { answerValidate, type Bench } from './answer.ts'
import type { DecisionLog, Log } from './log.ts'
import type { Metrics } from './metrics.ts'

/** What a server is made of; functions are asked anew for each request. */
export interface ServerOptions {
  readonly key: string
  readonly cert: string
  bench(): Bench
  /** False until there is something to judge with: reviews are told to come again. */
  ready(): boolean
  /** Moment of judging, milliseconds since the epoch. */
  now(): number
  readonly log: Log
  readonly decisions: DecisionLog
  readonly metrics: Metrics
}

/** The admission endpoint, ready to listen. */
export type AdmissionApp = FastifyInstance<HttpsServer>

const second = 1000
const mebibyte = 1024 * 1024

/** Two objects of 3 MiB, the most that etcd takes and more, and room for the envelope. */
const bodyLimit = 7 * mebibyte

/** Bodies taken at a time in all; what comes on top is told to come again. */
const inFlightLimit = 64 * mebibyte

/** Answers to what no API server sends, and to our own faults: constant, so nothing of the request comes back. */
const bodies: Readonly<Record<number, string>> = {
  400: 'not an AdmissionReview\n',
  404: 'not found\n',
  413: 'body too large\n',
  415: 'not application/json in UTF-8\n',
  500: 'internal error\n',
  503: 'not ready\n',
}

/**
 * Returns the admission endpoint: `POST /validate` and nothing else, HTTP/1.1 over TLS 1.2 or later. A genuine review
 * always gets an AdmissionReview with its uid; HTTP errors are for what no API server sends, and for our own faults.
 * `draining` answers true once connections should end.
 */
export function admissionApp(options: ServerOptions, draining: () => boolean = () => false): AdmissionApp {
  const app: AdmissionApp = fastify({
    https: {
      key: options.key,
      cert: options.cert,
      minVersion: 'TLSv1.2',
      handshakeTimeout: 5 * second,
      headersTimeout: 5 * second,
      connectionsCheckingInterval: second,
    },
    // Go's client keeps idle connections for 90 s: we must not be the first to let go.
    keepAliveTimeout: 120 * second,
    requestTimeout: 8 * second,
    bodyLimit,
    return503OnClosing: false,
    exposeHeadRoutes: false,
    frameworkErrors: (_error, _request, reply) => refuse(reply, 400),
  })
  app.server.maxConnections = 2000
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const value = isPlainJson(request) && typeof body !== 'string' ? readJson(body) : unsupported
    if (value === unsupported) done(statusError(415))
    else if (value === unreadable) done(statusError(400))
    else done(null, value)
  })
  app.setErrorHandler((error: FastifyError, _request, reply) => {
    const status = error.statusCode ?? 500
    if (status < 500) return refuse(reply, status)
    options.log.error({ err: error }, 'a request failed')
    return refuse(reply, 500)
  })
  app.setNotFoundHandler((_request, reply) => refuse(reply, 404))

  let inFlight = 0
  app.addHook('onRequest', async (request, reply) => {
    if (draining()) reply.header('connection', 'close')
    if (request.is404) return refuse(reply, 404)
    if (request.headers['content-encoding'] !== undefined) return refuse(reply, 415)
    const size = Number(request.headers['content-length'] ?? bodyLimit)
    if (!options.ready() || inFlight + size > inFlightLimit) return refuse(reply.header('retry-after', '1'), 503)
    inFlight += size
    reply.raw.once('close', () => {
      inFlight -= size
    })
  })
  app.post('/validate', (request, reply) => {
    const answer = judge(request.body, options)
    return answer === undefined ? refuse(reply, 400) : reply.send(answer)
  })
  return app
}

/** Answers a body, counts and logs what became of it; undefined where it is no review. */
function judge(body: unknown, { bench, now, log, decisions, metrics }: ServerOptions): AdmissionReply | undefined {
  const started = performance.now()
  const answer = answerValidate(body, bench(), now())
  if (answer.outcome === 'not-a-review') return undefined
  const milliseconds = performance.now() - started
  const seconds = milliseconds / second
  if (answer.outcome === 'judged') {
    metrics.judged(answer.review.operation, answer.evaluation, seconds)
    decisions.decided(answer.review, answer.evaluation, milliseconds)
  } else if (answer.outcome === 'unreadable') {
    metrics.refused(seconds)
    decisions.refused(answer.uid, answer.why, milliseconds)
  } else if (answer.outcome === 'fault') {
    metrics.refused(seconds)
    log.error({ uid: answer.review.uid, err: answer.cause }, 'a review could not be judged')
  }
  return answer.reply
}

function refuse(reply: FastifyReply, status: number): FastifyReply {
  const known = status in bodies ? status : 400
  return reply.code(known).type('text/plain; charset=utf-8').send(bodies[known])
}

const unsupported = Symbol('unsupported')
const unreadable = Symbol('unreadable')

/** One media type, no parameter but `charset=utf-8`. */
const plainJson = /^\s*application\/json\s*(;\s*charset\s*=\s*("utf-8"|utf-8)\s*)?$/i

function isPlainJson(request: FastifyRequest): boolean {
  return plainJson.test(request.headers['content-type'] ?? '')
}

/** Refuses what is not UTF-8, and keeps a byte order mark, which is not JSON. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads JSON once; keys like `__proto__` become own properties like any other. */
function readJson(body: Buffer): unknown {
  try {
    return parseJson(utf8.decode(body))
  } catch {
    return unreadable
  }
}

function statusError(statusCode: number): Error {
  return Object.assign(new Error(bodies[statusCode]), { statusCode })
}

/** Returns the second endpoint: liveness, readiness and metrics, plain HTTP, for kubelet and Prometheus. */
export function probesApp(metrics: Metrics, ready: () => boolean): FastifyInstance {
  const app = fastify({ requestTimeout: 8 * second, bodyLimit: 1 })
  app.removeAllContentTypeParsers()
  app.setNotFoundHandler((_request, reply) => refuse(reply, 404))
  app.get('/livez', (_request, reply) => reply.type('text/plain').send('ok\n'))
  app.get('/readyz', (_request, reply) => (ready() ? reply.type('text/plain').send('ok\n') : refuse(reply, 503)))
  app.get('/metrics', async (_request, reply) => {
    const { contentType, body } = await metrics.expose()
    return reply.type(contentType).send(body)
  })
  return app
}

/** Where to listen; port 0 is any free one. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** A server that listens. */
export interface RunningServer {
  readonly admission: Endpoint
  readonly probes: Endpoint
  /**
   * Stops: readiness fails at once, requests are still answered, each ending its connection, until `routed` says that
   * nobody sends any more; then what is under way is finished.
   */
  close(routed?: Promise<unknown>): Promise<void>
}

/** Starts both endpoints. */
export async function startServer(
  options: ServerOptions,
  listen: { readonly admission: Endpoint; readonly probes: Endpoint },
): Promise<RunningServer> {
  let draining = false
  const admission = admissionApp(options, () => draining)
  const probes = probesApp(options.metrics, () => !draining && options.ready())
  try {
    await admission.listen({ ...listen.admission })
    await probes.listen({ ...listen.probes })
  } catch (cause) {
    await Promise.all([admission.close(), probes.close()])
    throw cause
  }
  return {
    admission: endpointOf(admission.server.address(), listen.admission),
    probes: endpointOf(probes.server.address(), listen.probes),
    close: async routed => {
      draining = true
      await routed
      await admission.close()
      await probes.close()
    },
  }
}

function endpointOf(address: AddressInfo | string | null, asked: Endpoint): Endpoint {
  return typeof address === 'object' && address !== null ? { host: asked.host, port: address.port } : asked
}
