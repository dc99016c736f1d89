// A webhook as small as can be, for the smoke run: refuses what is labelled so, and drains on SIGTERM. Runs as an image.
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer as createProbes } from 'node:http'
import { createServer, get } from 'node:https'

const account = '/var/run/secrets/kubernetes.io/serviceaccount'
let ready = true

const server = createServer(
  { cert: readFileSync('/tls/tls.crt'), key: readFileSync('/tls/tls.key') },
  (call, reply) => {
    const chunks = []
    call.on('data', chunk => chunks.push(chunk))
    call.on('end', () => {
      const { request } = JSON.parse(Buffer.concat(chunks).toString())
      const allowed = request.object.metadata.labels?.refuse !== 'yes'
      console.log(`asked by ${call.headers.host}`)
      const status = { code: 403, reason: 'Forbidden', message: `refused by ${process.env.POD_NAME}` }
      const response = { uid: request.uid, allowed, ...(allowed ? {} : { status }) }
      if (!ready) reply.setHeader('connection', 'close')
      reply.setHeader('content-type', 'application/json')
      reply.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response }))
    })
  },
)
server.keepAliveTimeout = 120_000
const [listen, probesListen] = process.argv.slice(2).map(word => word.split(':'))
server.listen(listen[1], listen[0])
const probes = createProbes((call, reply) => reply.writeHead(ready || call.url !== '/readyz' ? 200 : 503).end())
probes.listen(probesListen[1], probesListen[0])

try {
  writeFileSync('/app/written', '')
} catch (cause) {
  console.log(`root: ${cause.code}`)
}
writeFileSync('/scratch/written', '')
console.log(`user ${process.getuid()}, node ${process.env.NODE_NAME}, address ${process.env.POD_IP}`)
console.log(`capabilities ${/CapEff:\s*(\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]}`)
const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env
const headers = { authorization: `Bearer ${readFileSync(`${account}/token`, 'utf8')}` }
get({ host, port, path: '/api/v1/nodes', ca: readFileSync(`${account}/ca.crt`), headers }, reply => {
  reply.setEncoding('utf8').on('data', text => console.log(`API server: ${/User \\?"[^"\\]+/.exec(text)?.[0]}`))
}).on('error', cause => console.log(`API server: ${cause.message}`))

process.on('SIGTERM', () => {
  console.log('SIGTERM')
  ready = false
  // By then no new request is sent here: the endpoint is gone.
  setTimeout(() => {
    console.log('drained')
    probes.close()
    server.close(() => process.exit(0))
    server.closeIdleConnections()
  }, 2000)
})
