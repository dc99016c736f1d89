/**
 * A server that parses reviews and judges nothing: what any webhook in Node costs at least. `node bare.ts KEY CERT`; it
 * prints its port.
 */
import { readFileSync } from 'node:fs'
import { fastify } from 'fastify'

const [key = '', cert = ''] = process.argv.slice(2)

interface Body {
  readonly request: { readonly uid: string }
}

const app = fastify({
  https: { key: readFileSync(key), cert: readFileSync(cert) },
  bodyLimit: 7 * 1024 * 1024,
})
app.removeAllContentTypeParsers()
app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
  done(null, JSON.parse(body.toString()))
})
app.post<{ Body: Body }>('/*', (request, reply) =>
  reply.send({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid: request.body.request.uid, allowed: true },
  }),
)
const url = await app.listen({ host: '127.0.0.1', port: 0 })
console.log(JSON.stringify({ port: Number(new URL(url).port) }))
