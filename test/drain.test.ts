import { once } from 'node:events'
import { Agent } from 'node:https'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import t from 'tap'
import { InputError } from '../src/cli/input.ts'
import { runToTheEnd } from '../src/cli/lifetime.ts'
import { makeAuthority } from './authority.ts'
import { apiServerAgent, callAlways, light, open, post, recorded } from './caller.ts'
import { type GuardProcess, probe, startGuard } from './guard.ts'

const authority = await makeAuthority()
const pair = await authority.issue()
const folder = t.testdir({ 'tls.crt': pair.cert, 'tls.key': pair.key })
const identity = ['--cert', join(folder, 'tls.crt'), '--key', join(folder, 'tls.key')]

const restarts = 4

// Each has processes of its own, and most only wait for them.
t.jobs = 5
const parallel = { buffered: true }

t.test(`${restarts} restarts under load, with a second replica`, parallel, async t => {
  // In seconds; endpoints are known to be gone after half of it.
  const delay = 1
  const flags = [...identity, '--shutdown-delay', String(delay)]
  const replicas = [await startGuard(t, flags), await startGuard(t, flags)]
  let serving: readonly GuardProcess[] = replicas
  let turn = 0
  const agent = apiServerAgent({ ca: authority.cert }, () => serving[turn++ % serving.length]?.port ?? 0)
  t.teardown(() => agent.destroy())
  const places = 25
  const load = callAlways(places, async () => {
    const reply = await post(0, agent, light)
    await after(50)
    return reply
  })
  const codes: unknown[] = []
  for (let restart = 0; restart < restarts; restart++) {
    const [oldest, other] = serving
    if (oldest === undefined || other === undefined) throw new Error('a replica is missing')
    const told = performance.now()
    oldest.child.kill('SIGTERM')
    await after((delay * 1000) / 2)
    serving = [other]
    codes.push((await oldest.exit)[0])
    const took = performance.now() - told
    if (took < delay * 1000 || took > 45_000) t.fail(`ended after ${took} ms`)
    serving = [other, await startGuard(t, flags)]
  }
  const { answered, failures } = await load.stop()
  t.strictSame(failures, [], `0 of ${answered} requests failed, from ${places} places, over ${restarts} restarts`)
  t.ok(answered > restarts * 500, 'there was load all the time')
  t.strictSame(codes, Array(restarts).fill(0))
  for (const { child } of serving) child.kill('SIGKILL')
})

t.test('what happens between SIGTERM and the end', parallel, async t => {
  const { child, port, probes, lines, exit } = await startGuard(t, [...identity, '--shutdown-delay', '2'])
  const agent = new Agent({ keepAlive: true, ca: authority.cert })
  t.teardown(() => agent.destroy())
  t.match(await post(port, agent, recorded), { status: 200, connection: 'keep-alive' })
  t.equal(await probe(probes, '/readyz'), '200 ok\n')
  const spare = await open(port, authority.cert)
  const told = performance.now()
  child.kill('SIGTERM')
  while ((await probe(probes, '/readyz')) !== '503 not ready\n') await after(5)
  t.ok(performance.now() - told < 1000, 'not ready at once')
  t.equal(await probe(probes, '/livez'), '200 ok\n')
  t.match(await post(port, agent, recorded), { status: 200, connection: 'close' }, 'the kept connection is told to end')
  t.match(await post(port, agent, recorded), { status: 200, connection: 'close' }, 'a new one is taken, and told too')
  t.equal(spare.readyState, 'open', 'one that was never used stays until the end')
  const kept = await post(port, agent, recorded)
  t.equal(kept.status, 200)
  await once(spare.resume(), 'close')
  t.ok(performance.now() - told > 1900, 'the delay has passed')
  t.strictSame(await exit, [0, null])
  t.ok(performance.now() - told < 4000, 'nothing else was waited for')
  t.match(
    lines.filter(({ level, msg }) => level !== 'info' || msg === 'stopping'),
    [{ signal: 'SIGTERM' }],
    'nothing was cut',
  )
})

/** Starts a request whose body never comes to an end. */
async function dawdle(port: number): Promise<void> {
  const socket = await open(port, authority.cert)
  socket.on('error', () => undefined)
  const drip = setInterval(() => socket.write(' '), 200)
  socket.on('close', () => clearInterval(drip))
  socket.resume()
  socket.write('POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9000\r\n\r\n')
}

t.test('a client that dawdles', parallel, async t => {
  const [term, int] = await Promise.all([
    startGuard(t, [...identity, '--shutdown-delay', '0']),
    startGuard(t, [...identity, '--shutdown-delay', '300']),
  ])
  await Promise.all([dawdle(term.port), dawdle(int.port)])
  // Both have the head of the request once they answer another.
  const agent = new Agent({ ca: authority.cert })
  for (const { port } of [term, int]) t.equal((await post(port, agent, recorded)).status, 200)
  const told = performance.now()
  term.child.kill('SIGTERM')
  int.child.kill('SIGINT')
  t.strictSame(await int.exit, [0, null])
  const quick = performance.now() - told
  t.ok(quick < 4000, `SIGINT: cut, and ended after ${quick.toFixed(0)} ms`)
  t.match(int.lines.slice(-2), [
    { msg: 'stopping', signal: 'SIGINT' },
    { msg: 'connections cut', level: 'warn', connections: 1 },
  ])
  t.strictSame(await term.exit, [0, null])
  const slow = performance.now() - told
  t.match(term.lines.at(-1), { msg: 'connections cut', connections: 1 })
  t.ok(slow > 5000 && slow < 12_000, `SIGTERM: given its time, and ended after ${slow.toFixed(0)} ms`)
})

t.test('a second signal', parallel, async t => {
  const rows = [
    ['SIGTERM', 'SIGTERM', 143],
    ['SIGTERM', 'SIGINT', 130],
    ['SIGINT', 'SIGTERM', 143],
  ] as const
  for (const [first, second, code] of rows) {
    const { child, port, lines, exit } = await startGuard(t, [...identity, '--shutdown-delay', '300'])
    await dawdle(port)
    t.equal((await post(port, new Agent({ ca: authority.cert }), recorded)).status, 200)
    child.kill(first)
    while (lines.at(-1)?.['msg'] !== 'stopping') await after(5)
    const told = performance.now()
    child.kill(second)
    t.strictSame(await exit, [code, null], `${second} after ${first}`)
    t.ok(performance.now() - told < 1000, 'at once')
  }
})

t.test('a start that comes to nothing', parallel, async t => {
  const listeners = (): number[] => ['SIGTERM', 'SIGINT', 'uncaughtException'].map(name => process.listenerCount(name))
  const before = listeners()
  const never = new Promise<never>(() => undefined)
  const ended = runToTheEnd(() => never)
  process.emit('SIGTERM')
  t.equal(await ended, 0, 'a signal before anything listens')
  const wrong = runToTheEnd(async () => {
    throw new InputError(['wrong flag'])
  })
  await t.rejects(wrong, { message: 'wrong flag' })
  t.strictSame(listeners(), before, 'nothing is left behind')
})
