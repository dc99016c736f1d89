import { once } from 'node:events'
import { get, IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { connect as connectTcp, Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as after } from 'node:timers/promises'
import t from 'tap'
import { inventoryOf } from '../src/core/inventory.ts'
import { patienceFor } from '../src/http/deadline.ts'
import { bodyLimit, Intake, type Rejection } from '../src/http/intake.ts'
import { createDecisionLog, createLog } from '../src/http/log.ts'
import { type LoopWatch, watchLoop } from '../src/http/loop.ts'
import { createMetrics, type Metrics } from '../src/http/metrics.ts'
import { type RunningServer, startServer } from '../src/http/running.ts'
import { admissionApp, type ServerOptions } from '../src/http/server.ts'
import { loadPolicy } from '../src/policy/load.ts'
import { rules } from '../src/rules/index.ts'
import { makeAuthority } from './authority.ts'
import { open, post, type Reply, recorded } from './caller.ts'

const mebibyte = 1024 * 1024
const authority = await makeAuthority()
const pair = await authority.issue()
const loaded = loadPolicy([], { rules, now: Date.now() })
if (!loaded.ok) throw new Error('the baseline does not load')
const { policy } = loaded
const inventory = inventoryOf([])

type Tap = { teardown(close: () => unknown): void }

interface Harness {
  readonly server: RunningServer
  readonly port: number
  readonly agent: Agent
  readonly metrics: Metrics
}

function optionsOf(): ServerOptions {
  const log = createLog({ write: () => undefined })
  return {
    ...pair,
    bench: () => ({ policy, inventory }),
    ready: () => true,
    now: Date.now,
    log,
    decisions: createDecisionLog(log, 0),
    metrics: createMetrics('1.2.3'),
  }
}

async function start(t: Tap, loop?: LoopWatch): Promise<Harness> {
  const options = { ...optionsOf(), ...(loop === undefined ? {} : { loop }) }
  const { metrics } = options
  const local = { host: '127.0.0.1', port: 0 }
  const server = await startServer(options, { admission: local, probes: local })
  const agent = new Agent({ keepAlive: true, ca: authority.cert })
  t.teardown(async () => {
    agent.destroy()
    await server.close()
  })
  return { server, port: server.admission.port, agent, metrics }
}

/** Returns what Prometheus would read. */
async function exposed(metrics: Metrics): Promise<string> {
  return (await metrics.expose()).body
}

t.test('clients that take their time are cut within ten seconds, and others are answered meanwhile', async t => {
  const { port, agent, metrics } = await start(t)
  const each = 20
  const times = new Map<string, number[]>()
  const watch = (kind: string, socket: Socket, drip = ''): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const began = performance.now()
    const timer = setInterval(() => drip !== '' && socket.write(drip), 500)
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearInterval(timer)
      times.set(kind, [...(times.get(kind) ?? []), performance.now() - began])
      resolve()
    })
    socket.resume()
    return promise
  }
  const head = 'POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n'
  const all: Promise<void>[] = []
  const spare = []
  for (let i = 0; i < each; i++) {
    const [body, headers] = [await open(port, authority.cert), await open(port, authority.cert)]
    body.write(`${head}content-length: 100000\r\n\r\n`)
    headers.write(head)
    all.push(watch('slow body', body, '{'), watch('slow headers', headers, 'x: y\r\n'))
    all.push(watch('no handshake', connectTcp(port, '127.0.0.1')))
    spare.push(await open(port, authority.cert))
  }
  let waiting = true
  const cut = Promise.all(all).then(() => {
    waiting = false
  })
  const latencies: number[] = []
  while (waiting) {
    const sent = performance.now()
    const { status } = await post(port, agent, recorded)
    latencies.push(performance.now() - sent)
    if (status !== 200) t.fail(`HTTP ${status} meanwhile`)
    await after(10)
  }
  await cut
  for (const [kind, found] of times) {
    const last = Math.max(...found)
    t.ok(found.length === each && last < 10_000, `${found.length} of ${each} with ${kind} cut by ${last.toFixed(0)} ms`)
  }
  const sorted = latencies.sort((a, b) => a - b)
  const median = sorted[sorted.length >> 1] ?? 0
  t.ok(median < 100, `${latencies.length} other requests answered, half within ${median.toFixed(1)} ms`)
  t.match(await exposed(metrics), `sallyport_http_rejections_total{status="408"} ${2 * each}\n`)

  const bytes = `${head}content-length: ${recorded.length}\r\nconnection: close\r\n\r\n${recorded}`
  const replies = await Promise.all(
    spare.map(socket => {
      socket.write(bytes)
      return text(socket)
    }),
  )
  const served = replies.filter(reply => reply.startsWith('HTTP/1.1 200'))
  t.equal(served.length, each, 'connections that an API server had in reserve are still good')
})

t.test('how long a request is worth an answer', t => {
  const rows: readonly [unknown, number][] = [
    ['10s', 4000],
    ['30s', 4000],
    ['5s', 4000],
    ['4s', 3500],
    ['3s', 2500],
    ['1.5s', 1000],
    ['1500ms', 1000],
    ['1m30s', 4000],
    ['1s', 500],
    ['0s', 500],
    ['10us', 500],
    ['99999h', 4000],
    [undefined, 4000],
    ['', 4000],
    ['3', 4000],
    ['-3s', 4000],
    ['3S', 4000],
    ['%zz', 4000],
    ['3s3', 4000],
    ['1.2.3s', 4000],
    ['s', 4000],
    [['3s', '3s'], 4000],
    ['1s'.repeat(100), 4000],
  ]
  for (const [timeout, milliseconds] of rows) t.equal(patienceFor(timeout), milliseconds, String(timeout))
  t.end()
})

t.test('a request that nobody waits for any more is not judged', async t => {
  let waited = 0
  const loop = { waited: () => waited, delays: () => ({ p99: 0, max: 0 }), stalls: () => 0, stop: () => undefined }
  const { port, agent, metrics } = await start(t, loop)
  const again = { status: 503, retryAfter: '1', body: 'not ready\n' }
  t.match(await post(port, agent, recorded, '3s'), { status: 200 })
  waited = 2400
  t.match(await post(port, agent, recorded, '3s'), { status: 200 })
  waited = 2600
  t.match(await post(port, agent, recorded, '3s'), again, 'the loop was held up')
  t.match(await post(port, agent, recorded, '4s'), { status: 200 }, 'who has more time gets an answer')
  waited = 0
  const call = request({ host: '127.0.0.1', port, path: '/validate?timeout=1s', method: 'POST', agent })
  call.setHeader('content-type', 'application/json')
  call.setHeader('content-length', recorded.length)
  call.write(recorded.subarray(0, 100))
  await after(700)
  call.end(recorded.subarray(100))
  const [reply] = await once(call, 'response')
  t.equal(reply.statusCode, 503, 'the body took too long')
  reply.resume()
  const body = await exposed(metrics)
  t.match(body, 'sallyport_deadline_sheds_total 2\n')
  t.match(body, 'sallyport_http_rejections_total{status="503"} 2\n')
  t.match(body, 'sallyport_reviews_total{verdict="deny",operation="UPDATE"} 3\n')
})

t.test('an event loop that is held up', async t => {
  const loop = watchLoop()
  t.teardown(loop.stop)
  await after(50)
  t.ok(loop.waited(performance.now()) < 50)
  // This timer is due after the one of the watch, and runs in the same turn, before any socket is read.
  const next = after(150)
  for (const end = performance.now() + 600; performance.now() < end; );
  t.ok(loop.waited(performance.now()) > 400, 'seen from within')
  await next
  t.ok(loop.waited(performance.now()) > 400, 'seen by whatever is read next')
  await new Promise(setImmediate)
  await after(0)
  t.ok(loop.waited(performance.now()) < 50, 'and over then')
  t.equal(loop.stalls(), 1)
  const { p99, max } = loop.delays()
  t.ok(max > 0.4 && max < 5 && p99 <= max, `longest delay ${max} s`)
  t.ok(loop.delays().max < 0.4, 'counted anew')
})

/** A request whose body arrives when a test says so. */
function arriving(): IncomingMessage & { arrive(bytes: number): void } {
  const message = new IncomingMessage(new Socket())
  return Object.assign(message, { arrive: (bytes: number) => void message.push(Buffer.alloc(bytes)) })
}

t.test('bodies share a budget', async t => {
  const intake = new Intake()
  const outcomes: (Buffer | Rejection)[] = []
  const take = (): ReturnType<typeof arriving> => {
    const message = arriving()
    intake.receive(message, body => outcomes.push(body))
    return message
  }
  t.equal(intake.refuses(0), undefined)
  t.equal(intake.refuses(bodyLimit), undefined)
  t.equal(intake.refuses(bodyLimit + 1), 'too-large')

  const big = take()
  big.arrive(3)
  big.arrive(4)
  await after(0)
  t.match(intake, { requests: 1, bytes: 7 })
  big.push(null)
  await once(big, 'end')
  t.match(intake, { requests: 0, bytes: 0 })
  t.strictSame(outcomes.splice(0), [Buffer.alloc(7)])

  const four = [take(), take(), take(), take()]
  for (const message of four) for (let i = 0; i < 6; i++) message.arrive(mebibyte)
  await after(0)
  t.match(intake, { requests: 4, bytes: 24 * mebibyte }, 'as much as large ones may take')
  t.equal(intake.refuses(mebibyte), 'no-room')
  t.equal(intake.refuses(20_000), undefined, 'small ones have room yet')
  const one = take()
  one.arrive(200 * 1024)
  await after(0)
  t.strictSame(outcomes, [])
  one.arrive(100 * 1024)
  await after(0)
  t.strictSame(outcomes.splice(0), ['no-room'], 'one that turns out to be large has none')
  one.arrive(mebibyte)
  one.push(null)
  await once(one, 'end')
  t.match(intake, { requests: 4, bytes: 24 * mebibyte }, 'the rest of it is not kept')
  four[0]?.destroy()
  await after(0)
  t.match(intake, { requests: 3, bytes: 18 * mebibyte }, 'a connection that breaks gives its bytes back')
  four[1]?.destroy(new Error('reset'))
  await after(0)
  t.match(intake, { requests: 2, bytes: 12 * mebibyte })
  four[2]?.arrive(mebibyte)
  four[2]?.arrive(1)
  await after(0)
  t.strictSame(outcomes.splice(0), ['too-large'], 'one that grows past the limit')
  t.match(intake, { requests: 1, bytes: 6 * mebibyte })
})

/** Posts a body in chunks, whose length nobody announces. */
async function postChunked(port: number, agent: Agent, bytes: number): Promise<Reply> {
  const call = request({ host: '127.0.0.1', port, path: '/validate', method: 'POST', agent })
  call.on('error', () => undefined)
  call.setHeader('content-type', 'application/json')
  const answered = once(call, 'response')
  for (let sent = 0; sent < bytes; sent += mebibyte) call.write(Buffer.alloc(Math.min(mebibyte, bytes - sent), 0x20))
  call.end()
  const [reply] = await answered
  const { connection } = reply.headers
  return { status: reply.statusCode, connection, retryAfter: undefined, body: await text(reply).catch(() => '') }
}

t.test('bodies that are too large, and too many at a time', async t => {
  const { port, agent, metrics } = await start(t)
  t.match(await postChunked(port, agent, 7 * mebibyte), { status: 400 }, 'seven mebibytes of nothing')
  t.match(await postChunked(port, agent, 8 * mebibyte), { status: 413, connection: 'close' })

  const many = 12
  const padded = JSON.parse(recorded.toString())
  padded.request.object.pad = 'x'.repeat(3 * mebibyte)
  const large = Buffer.from(JSON.stringify(padded))
  const last = large.length - 1
  const calls = Array.from({ length: many }, () => {
    const call = request({ host: '127.0.0.1', port, path: '/validate', method: 'POST', agent })
    call.setHeader('content-type', 'application/json')
    call.setHeader('content-length', large.length)
    call.write(large.subarray(0, last))
    return { call, answered: once(call, 'response') }
  })
  const read = async (name: string): Promise<number> => numberOf(await exposed(metrics), name)
  const statuses: number[] = []
  for (const { answered } of calls) void answered.then(([reply]) => statuses.push(reply.resume().statusCode))
  let most = 0
  for (let settled = false; !settled; await after(1)) {
    const [bytes, requests] = [await read('sallyport_bytes_in_flight'), await read('sallyport_requests_in_flight')]
    most = Math.max(most, bytes)
    settled = requests > 0 && bytes === requests * last && statuses.length + requests === many
  }
  const held = await read('sallyport_requests_in_flight')
  t.match(await post(port, agent, recorded), { status: 200 }, 'a small one is answered meanwhile')
  t.match(await post(port, agent, large), { status: 503, retryAfter: '1', connection: 'keep-alive' })
  for (const { call } of calls) call.end(large.subarray(last))
  await Promise.all(calls.map(({ answered }) => answered))
  const taken = statuses.filter(status => status === 200).length
  const later = statuses.filter(status => status === 503).length
  t.equal(taken, held, `${taken} of ${many} bodies of 3 MiB taken at a time`)
  t.equal(later, many - held, `${later} told to come again`)
  t.ok(taken >= 7 && taken <= 8)
  t.ok(most <= 24 * mebibyte, `${(most / mebibyte).toFixed(1)} MiB at a time`)
  t.equal(await read('sallyport_bytes_in_flight'), 0)
  t.equal(await read('sallyport_requests_in_flight'), 0)
  t.equal(await read('sallyport_http_rejections_total{status="503"}'), later + 1)
  t.equal(await read('sallyport_http_rejections_total{status="413"}'), 1)
})

t.test('whoever is told to come again hears it, since no connection ends while a body is on its way', async t => {
  const { server, port, metrics } = await start(t)
  server.abandon('uncaughtException')
  const socket = await open(port, authority.cert)
  socket.write('POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\nnot ')
  while (numberOf(await exposed(metrics), 'sallyport_http_rejections_total{status="503"}') === 0) await after(1)
  await after(50)
  t.equal(socket.bytesRead, 0, 'the answer waits for the rest')
  socket.write('judge')
  const lines = (await text(socket)).split('\r\n')
  t.equal(lines[0], 'HTTP/1.1 503 Service Unavailable')
  t.ok(lines.includes('retry-after: 1') && lines.includes('connection: close'))
})

/** Returns the value of a sample. */
function numberOf(exposition: string, sample: string): number {
  return Number(
    exposition
      .split('\n')
      .find(line => line.startsWith(`${sample} `))
      ?.split(' ')
      .at(-1),
  )
}

t.test('connections', async t => {
  const { port, server, metrics } = await start(t)
  const one = await open(port, authority.cert)
  t.match(await exposed(metrics), 'sallyport_connections 1\n')
  t.match(await exposed(metrics), 'sallyport_tls_errors_total 0\n')
  const abandoned = connectTcp(port, '127.0.0.1')
  abandoned.end('this is no TLS\n')
  await once(abandoned.resume(), 'close')
  t.match(await exposed(metrics), 'sallyport_tls_errors_total 1\n')
  one.destroy()

  // The limit itself is too high to be reached here.
  const few = admissionApp({ ...optionsOf(), metrics })
  t.teardown(() => few.close())
  t.equal(few.server.maxConnections, 2000)
  few.server.maxConnections = 1
  await few.listen({ host: '127.0.0.1', port: 0 })
  const address = few.server.address()
  const fewPort = typeof address === 'object' ? (address?.port ?? 0) : 0
  const first = await open(fewPort, authority.cert)
  const second = connectTcp(fewPort, '127.0.0.1')
  await once(second.resume(), 'close')
  t.match(await exposed(metrics), 'sallyport_connections_dropped_total 1\n')
  first.destroy()

  const [reply] = await once(get(`http://127.0.0.1:${server.probes.port}/metrics`), 'response')
  t.match(await text(reply), /process_resident_memory_bytes \d{8,}\n/)
})
