import { readFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { loadInventoryPaths, loadPolicyPaths } from '../src/cli/input.ts'
import type { ServeFlags } from '../src/cli/serve.ts'
import { serve } from '../src/cli/server.ts'
import { answerMutate } from '../src/http/answer.ts'
import { readBody } from '../src/http/body.ts'
import { createLog } from '../src/http/log.ts'
import { loadPolicy } from '../src/policy/load.ts'
import { rules } from '../src/rules/index.ts'
import { bodyRows } from './badinput/body.ts'
import { startCuts } from './badinput/clock.ts'
import { envelopeRows } from './badinput/envelope.ts'
import { httpRows } from './badinput/http.ts'
import { mediaRows } from './badinput/media.ts'
import { type Checks, check, type Outcome } from './badinput/outcome.ts'
import { requestRows } from './badinput/request.ts'
import { literally, pod, route, uid } from './badinput/review.ts'
import { allowed, type Case, type Row, request } from './badinput/row.ts'
import { padded, sizeRows } from './badinput/size.ts'
import { valueRows } from './badinput/value.ts'
import { type Door, Wire } from './badinput/wire.ts'

// Every row of the table of bad inputs, in its order: what is sent to the letter over real sockets, what must come back
// to the letter, and that everybody else is served as before.

const now = Date.parse('2026-11-21T12:00:00Z')
const examples = join(import.meta.dirname, '..', 'examples')
const flags: ServeFlags = {
  listen: '127.0.0.1:0',
  metricsListen: '127.0.0.1:0',
  policy: [join(examples, 'policy')],
  inventory: [join(examples, 'cluster')],
  now,
  allowSample: '0',
  mutate: true,
  shutdownDelay: '0',
}

/** Others use the machine too: what depends on the processor may take so many times as long as alone. */
const allowance = 4

/** Milliseconds for a small review of somebody else, right after a bad one. */
const othersLimit = 500

const small = request(JSON.stringify(route()))

process.env['XDG_CACHE_HOME'] = t.testdir()
const lines: string[] = []
const guard = await serve(flags, createLog({ write: line => lines.push(line) }))
const door: Door = { port: guard.admission.port, ca: readFileSync(JSON.parse(lines.at(-1) ?? '').ca) }
const kept = await Wire.open(door)

/** What was passed, by class of outcome. */
const passed = new Map<string, number>()
const rowsPassed: number[] = []
const slowest = { what: '', milliseconds: 0 }

async function tryCase(
  t: Checks,
  { what, bytes, outcomes, method = 'POST', closes, within, also }: Case,
): Promise<void> {
  const wire = await Wire.open(door)
  const began = performance.now()
  wire.send(bytes)
  for (const outcome of outcomes) {
    check(t, await wire.reply(method), outcome, uid, method)
    passed.set(outcome.class, (passed.get(outcome.class) ?? 0) + 1)
  }
  const milliseconds = performance.now() - began
  if (within !== undefined) {
    t.ok(milliseconds <= within * allowance, `${what}: ${milliseconds.toFixed(0)} ms, ${within} alone`)
    if (milliseconds > slowest.milliseconds) Object.assign(slowest, { what, milliseconds })
  }
  if (closes) t.ok(await wire.closed(), 'the connection is closed')
  else t.notOk(wire.isClosed, 'the connection stays')
  await also?.(wire)
  wire.end()
}

/** Everybody else must be answered as if nothing had happened, on a connection they keep and on a new one. */
async function serveOthers(t: Checks): Promise<void> {
  const fresh = await Wire.open(door)
  for (const [name, wire] of [
    ['kept', kept],
    ['fresh', fresh],
  ] as const) {
    const began = performance.now()
    wire.send(small)
    check(t, await wire.reply(), allowed, uid, 'POST')
    const milliseconds = performance.now() - began
    t.ok(milliseconds < othersLimit, `a ${name} connection: ${milliseconds.toFixed(1)} ms`)
  }
  fresh.end()
}

async function tryRow(row: Row, more?: (t: Checks) => Promise<void>): Promise<void> {
  const choice = row.choice === undefined ? '' : ` (${row.choice})`
  await t.test(`${row.number}. ${row.title}${choice}`, async t => {
    for (const each of row.cases) {
      await t.test(each.what === '' ? '(empty)' : each.what, t => tryCase(t, each))
    }
    await more?.(t)
    await serveOthers(t)
    if (t.passing()) rowsPassed.push(row.number)
  })
}

const cutByClock = startCuts(door)

/**
 * As many large bodies at a time as fill the budget several times over: what does not fit is told to come again, and one
 * that comes again finds room.
 */
async function tryTogether(t: Checks): Promise<void> {
  const body = request(padded(5.9 * 1024 * 1024), { line: 'POST /validate HTTP/1.1' })
  const wires = await Promise.all(Array.from({ length: 32 }, () => Wire.open(door)))
  for (const wire of wires) wire.send(body)
  const replies = await Promise.all(wires.map(wire => wire.reply()))
  const excess = replies.filter(({ status }) => status !== 200)
  for (const reply of replies) check(t, reply, reply.status === 200 ? allowed : { class: 'R' }, uid, 'POST')
  t.ok(excess.length >= 1, `${replies.length - excess.length} answered, ${excess.length} told to come again`)
  passed.set('R', (passed.get('R') ?? 0) + excess.length)
  for (const wire of wires) wire.end()
  const again = await Wire.open(door)
  again.send(body)
  check(t, await again.reply(), allowed, uid, 'POST')
  again.end()
}

async function tryTls(t: Checks): Promise<void> {
  for (const options of [
    { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' },
    { minVersion: 'TLSv1', maxVersion: 'TLSv1' },
  ] as const) {
    await t.rejects(Wire.open(door, { ...options, ciphers: 'ALL:@SECLEVEL=0' }), `${options.maxVersion} is refused`)
  }
  for (const servername of ['', 'elsewhere.example.com']) {
    const wire = await Wire.open(door, { servername, checkServerIdentity: () => undefined })
    wire.send(small)
    check(t, await wire.reply(), allowed, uid, 'POST')
    wire.end()
  }
  const plain = await Wire.openPlain(door)
  plain.send(small)
  t.ok(await plain.closed(), 'plain HTTP is closed')
  t.notMatch(plain.left, /HTTP/)
}

/** A host that a person approves is what it means; a manifest must write it so. */
async function tryApproval(t: Checks): Promise<void> {
  const approval = { host: 'API.Example.COM.', ports: [{ number: 443, protocol: 'TLS' }], namespaces: ['shop'] }
  const document = {
    apiVersion: 'sallyport.dev/v1alpha1',
    kind: 'ApprovedHosts',
    metadata: { name: 'x' },
    spec: { defaults: { owner: 'shop', expires: '2027-06-30' }, hosts: [approval] },
  }
  const loaded = loadPolicy([{ file: 'x.json', text: JSON.stringify(document) }], { rules, now })
  t.ok(loaded.ok && loaded.policy.facts.approvedHosts.covering('api.example.com').length === 1)
  t.ok(
    loaded.ok && loaded.notices.some(({ what, fix = '' }) => `${what} ${fix}`.includes('api.example.com')),
    'with a notice',
  )
}

/** What no rule reads is not ours to write: a patch touches it as little as its digits. */
async function tryPatch(t: Checks): Promise<void> {
  const bench = { policy: loadPolicyPaths(flags.policy, now).policy, inventory: loadInventoryPaths(flags.inventory) }
  const spec = { containers: [{ name: 'app', image: 'app:1' }], activeDeadlineSeconds: 'HERE' }
  const bare = pod({}, {}, { spec, metadata: { name: 'checkout-dry', namespace: 'shop' } })
  const read = readBody(Buffer.from(literally(bare, '9007199254740993')))
  const answer = read.ok ? answerMutate(read.value, bench, now) : undefined
  const reply = answer !== undefined && 'reply' in answer ? answer.reply : undefined
  t.equal(reply?.response.allowed, true)
  const patch = Buffer.from(reply?.response.patch ?? '', 'base64').toString()
  t.notMatch(patch, /9007199254740|activeDeadlineSeconds/, patch)
}

const special = new Map<number, (t: Checks) => Promise<void>>([
  ...cutByClock,
  [38, tryPatch],
  [44, tryApproval],
  [52, tryTogether],
  [56, tryTls],
])

const others: readonly Row[] = [
  { number: 52, title: '32 × 5.9 MiB in parallel', cases: [] },
  { number: 53, title: '`Content-Length` larger than body, dripping', cases: [] },
  { number: 54, title: 'headers dripping', cases: [] },
  { number: 55, title: 'TCP connect, no TLS', cases: [] },
  { number: 56, title: 'TLS 1.1; wrong or no SNI; plain HTTP to the TLS port', cases: [] },
]

const rows = [
  ...bodyRows,
  ...envelopeRows,
  ...sizeRows,
  ...valueRows,
  ...httpRows,
  ...mediaRows,
  ...requestRows,
  ...others,
]
// The rows that wait for the clock come last, when most of their time is over.
const order = (row: Row): number => row.number + (cutByClock.has(row.number) ? 100 : 0)

t.strictSame(
  rows.map(row => row.number).sort((a, b) => a - b),
  Array.from({ length: 80 }, (_, i) => i + 1),
  'every row of the table',
)
for (const row of rows.toSorted((a, b) => order(a) - order(b))) await tryRow(row, special.get(row.number))

await t.test('what is left of it', async t => {
  const metrics = await new Promise<string>((resolve, reject) => {
    get({ host: '127.0.0.1', port: guard.probes.port, path: '/metrics' }, reply => resolve(text(reply))).on(
      'error',
      reject,
    )
  })
  t.notMatch(metrics, /sallyport_rule_errors_total\{/, 'no rule threw')
  t.notMatch(metrics, /evil|stripe/, 'no names in metrics')
  t.strictSame(
    lines.map(line => JSON.parse(line)).filter(({ level }) => level === 'error' || level === 'fatal'),
    [],
    'no fault of ours was logged',
  )
})

const classes: readonly (readonly [Outcome['class'], string])[] = [
  ['N', 'refused as no review'],
  ['G', 'refused as malformed'],
  ['verdict', 'judged'],
  ['R', 'told to come again'],
  ['status', 'of HTTP itself'],
]
t.comment(`rows passed: ${rowsPassed.length} of ${rows.length}`)
for (const [name, what] of classes) t.comment(`answers of class ${name} (${what}): ${passed.get(name) ?? 0}`)
t.comment(`slowest of those with a limit: ${slowest.milliseconds.toFixed(0)} ms, ${slowest.what}`)

kept.end()
await guard.close()
