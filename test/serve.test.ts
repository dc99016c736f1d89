import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { Agent, request } from 'node:https'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { connect, type TLSSocket } from 'node:tls'
import t from 'tap'
import { InputError } from '../src/cli/input.ts'
import type { ServeFlags } from '../src/cli/serve.ts'
import { serve } from '../src/cli/server.ts'
import { readClusterSettings } from '../src/cli/settings.ts'
import { developmentCredentials } from '../src/http/development.ts'
import { createLog } from '../src/http/log.ts'

const flags: ServeFlags = {
  listen: '127.0.0.1:0',
  metricsListen: '127.0.0.1:0',
  policy: [],
  inventory: [],
  now: Date.parse('2026-11-21T12:00:00Z'),
  allowSample: '0',
  mutate: true,
  shutdownDelay: '10',
}

const examples = join(import.meta.dirname, '..', 'examples')

const recorded = readFileSync(new URL('fixtures/reviews/45-configmap-istio-update-allow-any.json', import.meta.url))

interface Reply {
  readonly status: number
  readonly connection: string | undefined
  readonly body: string
}

/** Sends a body as an API server does. */
async function post(port: number, agent: Agent, body: Buffer | string, path = '/validate'): Promise<Reply> {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const call = request({ host: '127.0.0.1', port, path: `${path}?timeout=3s`, method: 'POST', agent, headers })
  call.end(body)
  const [reply] = await once(call, 'response')
  return { status: reply.statusCode, connection: reply.headers.connection, body: await text(reply) }
}

async function read(url: string): Promise<string> {
  const [reply] = await once(get(url, { agent: false }), 'response')
  return `${reply.statusCode} ${await text(reply)}`
}

/** Returns what is wrong with flags, or nothing. */
async function problems(changes: Partial<ServeFlags>): Promise<readonly string[]> {
  try {
    const server = await serve({ ...flags, ...changes }, createLog({ write: () => undefined }))
    await server.close()
    return []
  } catch (cause) {
    if (cause instanceof InputError) return cause.lines
    throw cause
  }
}

t.test('over TLS, from start to stop', async t => {
  process.env['XDG_CACHE_HOME'] = t.testdir()
  const lines: string[] = []
  const server = await serve(flags, createLog({ write: line => lines.push(line) }))
  const started = JSON.parse(lines.at(-1) ?? '')
  const { port } = server.admission
  t.match(started, {
    level: 'info',
    msg: 'listening',
    listen: `https://127.0.0.1:${port}`,
    metricsListen: `http://127.0.0.1:${server.probes.port}`,
    ca: /development\/ca\.crt$/,
    policy: 'baseline',
    revision: /^[0-9a-f]{12}$/,
    ruleCount: Number,
    mutating: true,
  })
  const ca = readFileSync(started.ca)
  const agent = new Agent({ keepAlive: true, ca })
  t.teardown(() => agent.destroy())

  const reply = await post(port, agent, recorded)
  t.equal(reply.status, 200)
  t.equal(reply.connection, 'keep-alive')
  const { uid } = JSON.parse(recorded.toString()).request
  t.match(JSON.parse(reply.body), { kind: 'AdmissionReview', response: { uid, allowed: false } })
  t.match(JSON.parse(lines.at(-1) ?? ''), { semantic: true, uid, verdict: 'deny' })

  t.equal((await post(port, agent, '{}')).status, 400)
  await t.rejects(
    post(port, new Agent(), recorded),
    { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
    'nobody else trusts it',
  )

  const raw = async (bytes: string, options: object = {}): Promise<string> => {
    const socket: TLSSocket = connect({ host: '127.0.0.1', port, ca, ...options })
    socket.write(bytes)
    return text(socket)
  }
  t.match(await raw(`GET / HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /)
  t.match(await raw('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), /^HTTP\/1\.1 400 /)
  await t.rejects(raw('', { maxVersion: 'TLSv1.1', minVersion: 'TLSv1' }), 'TLS 1.1')

  const probes = `http://127.0.0.1:${server.probes.port}`
  t.equal(await read(`${probes}/livez`), '200 ok\n')
  t.equal(await read(`${probes}/readyz`), '200 ok\n')
  t.match(await read(`${probes}/metrics`), /sallyport_reviews_total\{verdict="deny",operation="UPDATE"\} 1\n/)

  const routed = Promise.withResolvers<void>()
  const closed = server.close(routed.promise)
  t.equal(await read(`${probes}/readyz`), '503 not ready\n', 'not ready as soon as it is told to stop')
  t.equal(await read(`${probes}/livez`), '200 ok\n')
  const last = await post(port, agent, recorded)
  t.strictSame([last.status, last.connection], [200, 'close'], 'what still comes is answered')
  routed.resolve()
  await closed
  await t.rejects(post(port, agent, recorded), { code: 'ECONNREFUSED' })
})

t.test('the requests of the demo get the answers that it promises', async t => {
  process.env['XDG_CACHE_HOME'] = t.testdir()
  const lines: string[] = []
  const log = createLog({ write: line => lines.push(line) })
  const server = await serve(
    { ...flags, policy: [join(examples, 'policy')], inventory: [join(examples, 'cluster')] },
    log,
  )
  const agent = new Agent({ keepAlive: true, ca: readFileSync(JSON.parse(lines.at(-1) ?? '').ca) })
  const folder = new URL('../examples/requests/', import.meta.url)
  const expected = JSON.parse(readFileSync(new URL('expected.json', folder), 'utf8'))
  const files = readdirSync(folder).filter(file => file !== 'expected.json')
  t.strictSame(files, Object.keys(expected))
  for (const file of files) {
    const cured = expected[file] === 'cure'
    const body = readFileSync(new URL(file, folder))
    const reply = await post(server.admission.port, agent, body, cured ? '/mutate' : '/validate')
    const { auditAnnotations } = JSON.parse(reply.body).response
    if (cured) t.match(auditAnnotations, { mutations: 'set-injection', cured: 'require-injection/odd-value' }, file)
    else t.equal(auditAnnotations.verdict, expected[file], file)
  }
  agent.destroy()
  await server.close()
})

t.test('a provided certificate', async t => {
  const folder = t.testdir()
  const made = await developmentCredentials(join(folder, 'made'), Date.now())
  const [cert, key] = [join(folder, 'tls.crt'), join(folder, 'tls.key')]
  writeFileSync(cert, made.cert)
  writeFileSync(key, made.key)
  const lines: string[] = []
  const log = createLog({ write: line => lines.push(line) })
  const server = await serve({ ...flags, cert, key, listen: '[::1]:0' }, log)
  await server.close()
  const line = JSON.parse(lines.at(-1) ?? '')
  t.match(line.listen, /^https:\/\/\[::1\]:\d+$/)
  t.notOk('ca' in line)
  t.strictSame(await problems({ cert, key: cert }), [
    `--cert ${cert} --key ${cert}: the key is not a readable, unencrypted PEM`,
  ])
})

t.test('wrong flags', async t => {
  process.env['XDG_CACHE_HOME'] = t.testdir()
  const rows: readonly [Partial<ServeFlags>, readonly (string | RegExp)[]][] = [
    [{ listen: 'localhost' }, ['--listen: "localhost" is no host:port, such as 127.0.0.1:9443 or [::1]:9443']],
    [{ metricsListen: '1.2.3.4:65536' }, [/^--metrics-listen: /]],
    [{ allowSample: '2' }, ['--allow-sample: "2" is no share from 0 to 1, such as 0.01']],
    [{ allowSample: '' }, [/^--allow-sample: /]],
    [{ cert: 'x' }, ['--cert and --key go together: give both']],
    [{ cert: 'nowhere.crt', key: 'nowhere.key' }, ['nowhere.crt: no such file or folder']],
    [{ policy: ['nowhere.yaml'] }, ['nowhere.yaml: no such file or folder']],
    [{ inventory: ['nowhere.yaml'] }, ['nowhere.yaml: no such file or folder']],
    [{ listen: 'x', metricsListen: 'y', allowSample: '-1' }, [/listen/, /metrics/, /sample/]],
    [{ listen: '192.0.2.1:0' }, [/is no address of this machine$/]],
  ]
  for (const [changes, lines] of rows) {
    t.match(await problems(changes), lines, JSON.stringify(changes))
  }
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const address = taken.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const found = await problems({ metricsListen: `127.0.0.1:${port}` })
  t.match(found, [/something listens there already$/], 'a port that is taken')
})

t.test('flags of a guard in a cluster', t => {
  const inCluster = {
    ...flags,
    cluster: true,
    policy: [],
    inventory: [],
    namespace: 'sallyport-system',
    pod: 'sallyport-5d8f-abc',
    service: 'sallyport',
    tlsSecret: 'sallyport-tls',
    lease: 'sallyport',
    validating: 'sallyport',
    policyConfigmap: ['sallyport-policy'],
    watchConfigmap: ['istio-system/istio'],
  }
  t.match(readClusterSettings(inCluster), {
    service: 'sallyport',
    mutating: undefined,
    policyConfigMaps: ['sallyport-policy'],
    watchedConfigMaps: [{ namespace: 'istio-system', name: 'istio' }],
    staleLimit: 900_000,
  })
  const rows: readonly [Partial<ServeFlags>, string][] = [
    [{ namespace: undefined }, '--namespace: --cluster needs it'],
    [{ pod: '../x' }, '--pod: "../x" is no name of an object'],
    [{ mutating: 'A b' }, '--mutating: "A b" is no name of an object'],
    [{ policyConfigmap: ['a/b'] }, '--policy-configmap: "a/b" is no name of an object'],
    [{ watchConfigmap: ['istio'] }, '--watch-configmap: "istio" is no namespace/name, such as istio-system/istio'],
    [{ watchConfigmap: ['a/b/c'] }, '--watch-configmap: "a/b/c" is no namespace/name, such as istio-system/istio'],
    [{ staleLimit: '5' }, '--stale-limit: "5" is no number of seconds from 60 to 86400'],
    [{ policy: ['p.yaml'] }, '--policy: with --cluster it comes from the cluster'],
    [{ inventory: ['i.yaml'] }, '--inventory: with --cluster it comes from the cluster'],
    [{ cert: 'c', key: 'k' }, '--cert: with --cluster the certificate comes from --tls-secret'],
  ]
  for (const [changes, line] of rows) {
    t.throws(() => readClusterSettings({ ...inCluster, ...changes }), { message: line }, JSON.stringify(changes))
  }
  t.end()
})

t.test('without --now the clock is the real one', async t => {
  process.env['XDG_CACHE_HOME'] = t.testdir()
  const { now: _, ...live } = flags
  const lines: string[] = []
  const server = await serve(live, createLog({ write: line => lines.push(line) }))
  await server.close()
  t.match(JSON.parse(lines.at(-1) ?? ''), { msg: 'listening' })
})

t.test('the command runs until a signal', async t => {
  const program = `const { serveCommand } = await import(${JSON.stringify(new URL('../src/cli/serve.ts', import.meta.url))})
    await serveCommand().parseAsync(process.argv.slice(1), { from: 'user' })`
  const listen = ['--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0']
  const args = [
    ...listen,
    '--policy',
    join(examples, 'policy'),
    '--inventory',
    join(examples, 'cluster'),
    '--no-mutate',
  ]
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program, '--', ...args], {
    env: { ...process.env, XDG_CACHE_HOME: t.testdir() },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  const messages: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    const { msg } = JSON.parse(line)
    messages.push(msg)
    if (msg === 'listening') child.kill('SIGINT')
  }
  t.strictSame(await exit, [0, null])
  t.strictSame(messages.slice(-2), ['listening', 'stopping'])
})
