/**
 * Records AdmissionReviews: `npm run record -- --folder reviews`. It answers every review with yes, over TLS like the guard,
 * and writes the body as it came, byte for byte and a newline, to a file of its own. `sallyport review` reads such files.
 *
 *     --folder PATH        where the files go; made if it is not there (default: reviews)
 *     --listen HOST:PORT   where it listens (default: 127.0.0.1:9444)
 *     --cert FILE --key FILE   serving certificate and key; else a development CA, printed in the configuration
 *
 * What it prints first are webhook configurations to apply: they ask the API server for everything that Sallyport judges,
 * and for pods before Istio's injector.
 * Reviews hold what the cluster holds: environment variables, user names, ConfigMaps. Look before you pass them on.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { join, resolve } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { readBody } from '../src/http/body.ts'
import { developmentCredentials, developmentFolder } from '../src/http/development.ts'
import { dig, text } from '../src/istio/json.ts'

const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: 'reviews' },
    listen: { type: 'string', default: '127.0.0.1:9444' },
    cert: { type: 'string' },
    key: { type: 'string' },
  },
})
const from = process.env['INIT_CWD'] ?? process.cwd()
const folder = resolve(from, values.folder)
mkdirSync(folder, { recursive: true })

/** Returns the name of the file for a review: its number, what is done, and to which kind. */
function fileName(number: number, body: unknown): string {
  const parts = ['operation', 'kind', 'subResource'].map(key => {
    const value = key === 'kind' ? dig(body, 'request', 'kind', 'kind') : dig(body, 'request', key)
    return (text(value) ?? '').toLowerCase().replace(/[^a-z]/g, '')
  })
  return `${[String(number).padStart(4, '0'), ...parts].filter(part => part !== '').join('-')}.json`
}

const newline = 0x0a

/** Numbers go on after those of files that are there already. */
let last = Math.max(0, ...readdirSync(folder).map(name => Number.parseInt(name, 10) || 0))

async function record(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const bytes = await buffer(request)
  const body = readBody(bytes)
  const uid = body.ok ? text(dig(body.value, 'request', 'uid')) : undefined
  if (uid === undefined) {
    response.writeHead(400).end()
    return
  }
  last += 1
  const name = fileName(last, body.ok ? body.value : undefined)
  writeFileSync(join(folder, name), bytes.at(-1) === newline ? bytes : Buffer.concat([bytes, Buffer.of(newline)]), {
    flag: 'wx',
  })
  console.error(`wrote ${name}`)
  const reply = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid, allowed: true } }
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(reply))
}

function webhookConfiguration(url: string, ca: string): string {
  const caBundle = ca === '' ? '        caBundle: # the CA of your certificate, PEM in base64' : `    caBundle: ${ca}`
  return `# kubectl apply -f - <<EOF   (and delete it when you are done)
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: sallyport-record}
webhooks:
- name: record.sallyport.dev
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Ignore
  timeoutSeconds: 3
  matchPolicy: Equivalent
  clientConfig:
    url: ${url}/validate
${caBundle}
  rules:
  - {apiGroups: [""], apiVersions: [v1], operations: ["*"], resources: [pods, pods/ephemeralcontainers, pods/exec, pods/attach, namespaces, services, configmaps]}
  - {apiGroups: [apps, batch], apiVersions: ["*"], operations: [CREATE, UPDATE, DELETE], resources: ["*"]}
  - {apiGroups: [networking.istio.io, gateway.networking.k8s.io, security.istio.io, telemetry.istio.io, extensions.istio.io], apiVersions: ["*"], operations: ["*"], resources: ["*"]}
  - {apiGroups: [networking.k8s.io], apiVersions: [v1], operations: [CREATE, UPDATE, DELETE], resources: [networkpolicies]}
  - apiGroups: [sailoperator.io, install.istio.io, gateway.networking.x-k8s.io, policy.networking.k8s.io, cilium.io, crd.projectcalico.org, projectcalico.org, k8s.ovn.org, network.openshift.io, network.operator.openshift.io, crd.antrea.io, apiextensions.k8s.io, apiregistration.k8s.io, rbac.authorization.k8s.io]
    apiVersions: ["*"]
    operations: [CREATE, UPDATE, DELETE]
    resources: ["*"]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: a-sallyport-record}   # sorts before Istio's injector
webhooks:
- name: record.sallyport.dev
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Ignore
  timeoutSeconds: 2
  clientConfig:
    url: ${url}/mutate
${caBundle}
  rules:
  - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
`
}

const own = values.cert !== undefined && values.key !== undefined
const credentials = own ? undefined : await developmentCredentials(developmentFolder(process.env), Date.now())
const read = (path: string): string => readFileSync(resolve(from, path), 'utf8')
const tls = { cert: credentials?.cert ?? read(values.cert ?? ''), key: credentials?.key ?? read(values.key ?? '') }
const [host = '', port = ''] = values.listen.split(/:(?=\d+$)/)

const server = createServer(tls, (request, response) => {
  record(request, response).catch((cause: unknown) => {
    console.error(cause)
    response.writeHead(500).end()
  })
})
// The API server keeps idle connections for 90 s.
server.keepAliveTimeout = 120_000
server.listen(Number(port), host.replace(/^\[|\]$/g, ''), () => {
  const address = server.address()
  const at = typeof address === 'object' && address !== null ? address.port : port
  const ca = credentials === undefined ? '' : readFileSync(credentials.caPath).toString('base64')
  console.log(webhookConfiguration(`https://${host}:${at}`, ca))
  console.error(`recording to ${folder}; ctrl-c ends it`)
})
process.once('SIGINT', () => server.close(() => process.exit(0)).closeAllConnections())
process.once('SIGTERM', () => server.close(() => process.exit(0)).closeAllConnections())
