import type { Socket } from 'node:net'
import type { FastifyReply } from 'fastify'

/** Answers to what no API server sends, and to our own faults: constant, so nothing of the request comes back. */
const bodies: Readonly<Record<number, string>> = {
  400: 'not an AdmissionReview\n',
  404: 'not found\n',
  408: 'too slow\n',
  413: 'body too large\n',
  415: 'not application/json in UTF-8\n',
  431: 'headers too large\n',
  500: 'internal error\n',
  503: 'not ready\n',
}

/** Every status that a refusal may have. */
export const refusalStatuses = Object.keys(bodies).map(Number)

const contentType = 'text/plain; charset=utf-8'

/** Refuses with a constant body; a status without one becomes 400. After 413 the connection ends: more of it may come. */
export function refuse(reply: FastifyReply, status: number): FastifyReply {
  const known = knownStatus(status)
  if (known === 503) reply.header('retry-after', '1')
  if (known === 413) reply.header('connection', 'close')
  return reply.code(known).header('content-type', contentType).send(bodies[known])
}

/** Returns the status itself where it has a body, else 400. */
export function knownStatus(status: number): number {
  return status in bodies ? status : 400
}

/** Not from `node:http`: to import a value from there loads a whole HTTP client, a fifth of the time to start. */
const phrases: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
}

/** Answers on a connection whose request could not even be read, and ends it. */
export function refuseRaw(socket: Socket, status: number, cause: Error): void {
  const known = knownStatus(status)
  const body = bodies[known] ?? ''
  const head = `HTTP/1.1 ${known} ${phrases[known] ?? ''}\r\ncontent-type: ${contentType}\r\n`
  if (socket.writable) socket.write(`${head}content-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`)
  socket.destroy(cause)
}
