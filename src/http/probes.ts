import { type FastifyInstance, fastify } from 'fastify'
import type { Metrics } from './metrics.ts'
import { refuse } from './refusal.ts'

/**
 * Returns the second endpoint: liveness, readiness and metrics, plain HTTP, for kubelet and Prometheus. Liveness asks for
 * nothing but an answer: to restart a guard that is slow makes it slower.
 */
export function probesApp(metrics: Metrics, ready: () => boolean): FastifyInstance {
  const app = fastify({ requestTimeout: 8000, bodyLimit: 1, forceCloseConnections: true })
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
