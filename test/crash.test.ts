import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as after } from 'node:timers/promises'
import t from 'tap'
import { openDestination } from '../src/http/destination.ts'
import { makeAuthority } from './authority.ts'
import { light, post, recorded } from './caller.ts'
import { type GuardProcess, probe, startGuard } from './guard.ts'

const authority = await makeAuthority()
const pair = await authority.issue()
const folder = t.testdir({ 'tls.crt': pair.cert, 'tls.key': pair.key })
const flags = ['--cert', join(folder, 'tls.crt'), '--key', join(folder, 'tls.key')]
const agent = new Agent({ keepAlive: true, ca: authority.cert })
t.teardown(() => agent.destroy())

// Each waits for processes of its own.
t.jobs = 4
const parallel = { buffered: true }

t.test('an error that nobody catches ends the process, but not at once', parallel, async t => {
  const rows = [
    ['SIGUSR2', 'uncaughtException', { type: 'TypeError', message: 'thrown where nobody catches it' }],
    ['SIGHUP', 'unhandledRejection', { type: 'RangeError', message: 'rejected where nobody looks' }],
  ] as const
  for (const [signal, origin, err] of rows) {
    const { child, port, probes, lines, exit } = await startGuard(t, flags, {
      program: join(import.meta.dirname, 'crashing.ts'),
    })
    t.match(await post(port, agent, recorded), { status: 200 })
    const told = performance.now()
    child.kill(signal)
    while ((await probe(probes, '/readyz')) === '200 ok\n') await after(5)
    child.kill(signal)
    const again = { status: 503, retryAfter: '1', connection: 'close', body: 'not ready\n' }
    t.match(await post(port, agent, recorded), again, `${origin}: reviews go to a replica that is sound`)
    t.match(await post(port, agent, recorded), again)
    t.equal(await probe(probes, '/livez'), '200 ok\n')
    const metrics = await probe(probes, '/metrics')
    t.match(metrics, new RegExp(`sallyport_crashes_total\\{origin="${origin}"\\} [12]\n`))
    t.strictSame(await exit, [1, null])
    const took = performance.now() - told
    t.ok(took > 2500 && took < 6000, `ended after ${took.toFixed(0)} ms`)
    const fatal = lines.filter(({ level }) => level === 'fatal')
    t.match(fatal, [{ msg: 'crash', origin, err: { ...err, stack: /crashing\.ts/ } }], 'one line, however many come')
    t.match(lines.at(-1), { msg: 'stopping', signal: origin })
  }
})

/** A review whose decision line is long, so that fewer of them fill a pipe. */
function talkative(): string {
  const review = JSON.parse(light.toString())
  review.request.userInfo.username = 'x'.repeat(1000)
  review.request.uid = 'u'.repeat(128)
  return JSON.stringify(review)
}

/** Sends reviews until lines are dropped, and returns how many were sent and how long each took. */
async function fill({ port, probes }: GuardProcess): Promise<readonly number[]> {
  const times: number[] = []
  const body = talkative()
  while (!/sallyport_log_lines_dropped_total [1-9]/.test(await probe(probes, '/metrics'))) {
    if (times.length > 20_000) throw new Error('nothing is ever dropped')
    const lane = async (): Promise<void> => {
      for (let i = 0; i < 50; i++) {
        const sent = performance.now()
        const { status } = await post(port, agent, body)
        if (status !== 200) throw new Error(`HTTP ${status}`)
        times.push(performance.now() - sent)
      }
    }
    await Promise.all([lane(), lane(), lane(), lane()])
  }
  return times.sort((a, b) => a - b)
}

t.test('a log that nobody reads holds up no request', parallel, async t => {
  const fifo = join(folder, 'fifo')
  execFileSync('mkfifo', [fifo])
  // Open for reading first, or else opening it for writing waits for a reader.
  const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK)
  const writer = openSync(fifo, constants.O_WRONLY)
  const stream = new Socket({ fd: reader, readable: true, writable: false })
  t.teardown(() => stream.destroy())
  const kinds: readonly [string, Parameters<typeof startGuard>[2]][] = [
    ['a pipe', { stdio: ['ignore', writer, 'inherit'], log: () => stream }],
    ['a socket', { stdio: ['ignore', 'pipe', 'inherit'] }],
  ]
  for (const [kind, how] of kinds) {
    const guard = await startGuard(t, flags, how)
    const log: Readable | null = kind === 'a pipe' ? stream : guard.child.stdout
    if (log === null) throw new Error('no log')
    log.pause()
    const times = await fill(guard)
    const [median, last] = [times[times.length >> 1] ?? 0, times.at(-1) ?? 0]
    t.ok(
      last < 2000,
      `${kind}: ${times.length} reviews answered, half within ${median.toFixed(1)} ms, all ${last.toFixed(0)}`,
    )
    t.equal(await probe(guard.probes, '/readyz'), '200 ok\n')
    const told = performance.now()
    guard.child.kill('SIGINT')
    t.strictSame(await guard.exit, [0, null], 'the process ends all the same')
    t.ok(performance.now() - told < 5000)
  }
  closeSync(writer)
})

t.test('a log whose reader has gone', parallel, async t => {
  const guard = await startGuard(t, flags)
  guard.child.stdout?.destroy()
  for (let i = 0; i < 5; i++) t.equal((await post(guard.port, agent, recorded)).status, 200)
  t.match(await probe(guard.probes, '/metrics'), /sallyport_log_lines_dropped_total [1-9]/)
  guard.child.kill('SIGINT')
  t.strictSame(await guard.exit, [0, null])
})

t.test('files and what cannot be written', parallel, async t => {
  const file = join(folder, 'log')
  const fd = openSync(file, 'a')
  const log = openDestination(fd)
  log.write('one\n')
  log.write('two\n')
  await log.flush(1000)
  closeSync(fd)
  t.equal(readFileSync(file, 'utf8'), 'one\ntwo\n')
  t.equal(log.dropped(), 0)
  log.write('three\n')
  t.equal(log.dropped(), 1, 'a file that is closed')
})
