import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { Agent } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect } from 'node:tls'
import t from 'tap'
import { InputError } from '../src/cli/input.ts'
import type { ServeFlags } from '../src/cli/serve.ts'
import { type Guard, serve } from '../src/cli/server.ts'
import { createLog } from '../src/http/log.ts'
import { createReload } from '../src/http/reload.ts'
import { bad, good, type Result } from '../src/istio/result.ts'
import { checkAuthorities, checkPair } from '../src/tls/certificate.ts'
import { type Authority, makeAuthority, type Pair } from './authority.ts'
import { apiServerAgent, callAlways, post, recorded } from './caller.ts'

const day = 24 * 60 * 60 * 1000
let authority: Authority

t.before(async () => {
  authority = await makeAuthority()
})

/** A folder that changes as a mounted Secret does: a link to the files is turned over in one step. */
class Mount {
  readonly #folder: string
  #count = 0

  constructor(folder: string, files: Readonly<Record<string, string>>) {
    this.#folder = folder
    this.write(files)
  }

  path(file: string): string {
    return join(this.#folder, '..data', file)
  }

  write(files: Readonly<Record<string, string>>): void {
    const fresh = join(this.#folder, `..${this.#count++}`)
    mkdirSync(fresh)
    for (const [name, content] of Object.entries(files)) writeFileSync(join(fresh, name), content)
    symlinkSync(fresh, join(this.#folder, '..fresh'))
    renameSync(join(this.#folder, '..fresh'), join(this.#folder, '..data'))
    if (this.#count > 1) rmSync(join(this.#folder, `..${this.#count - 2}`), { recursive: true })
  }
}

const filesOf = ({ cert, key }: Pair): Readonly<Record<string, string>> => ({ 'tls.crt': cert, 'tls.key': key })

interface Harness {
  readonly guard: Guard
  readonly lines: () => readonly Record<string, unknown>[]
}

/** Starts a guard with the certificate of a mount, or with the other flags alone. */
async function start(
  t: Tap,
  mount: Mount | undefined,
  more: Partial<ServeFlags> = {},
  reloadInterval?: number,
): Promise<Harness> {
  const written: string[] = []
  const guard = await serve(
    {
      listen: '127.0.0.1:0',
      metricsListen: '127.0.0.1:0',
      ...(mount === undefined ? {} : { cert: mount.path('tls.crt'), key: mount.path('tls.key') }),
      policy: [],
      inventory: [],
      allowSample: '0',
      mutate: true,
      shutdownDelay: '0',
      ...more,
    },
    createLog({ write: line => written.push(line) }),
    reloadInterval === undefined ? {} : { reloadInterval },
  )
  t.teardown(() => guard.close())
  return { guard, lines: () => written.map(line => JSON.parse(line)) }
}

type Tap = { teardown(close: () => unknown): void }

/** Returns the fingerprint of the certificate that a new connection is shown. */
async function shownBy({ admission }: Guard, ca: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: admission.port, ca })
  await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return fingerprint256
}

const fingerprintOf = (pair: Pair): string => new X509Certificate(pair.cert).fingerprint256

async function read(guard: Guard, path: string): Promise<string> {
  const [reply] = await once(get(`http://127.0.0.1:${guard.probes.port}${path}`, { agent: false }), 'response')
  return text(reply)
}

t.test('what may be served', async t => {
  const now = Date.now()
  const pair = await authority.issue({ names: ['guard.sallyport.svc', '*.example.com', '10.0.0.1'] })
  const rsa = await authority.issue({ algorithm: 'rsa' })
  const other = await authority.issue()
  const rows: readonly [string, Pair, string | undefined, RegExp | undefined][] = [
    ['a pair', pair, undefined, undefined],
    ['an RSA pair', rsa, undefined, undefined],
    ['a chain', { ...pair, cert: pair.cert + authority.cert }, undefined, undefined],
    ['its name', pair, 'guard.sallyport.svc', undefined],
    ['its name in upper case', pair, 'GUARD.sallyport.svc', undefined],
    ['its address', pair, '10.0.0.1', undefined],
    ['one label for the wildcard', pair, 'a.example.com', undefined],
    ['two labels for the wildcard', pair, 'a.b.example.com', /does not cover a\.b\.example\.com, only DNS:guard/],
    ['another address', pair, '10.0.0.2', /does not cover 10\.0\.0\.2/],
    ['the common name, which Go does not read', pair, 'not looked at', /does not cover/],
    ['another key', { ...pair, key: other.key }, undefined, /does not belong/],
    ['a key of another algorithm', { ...pair, key: rsa.key }, undefined, /does not belong/],
    ['half a certificate', { ...pair, cert: pair.cert.slice(0, 300) }, undefined, /certificate is not readable/],
    ['half a chain', { ...pair, cert: pair.cert + authority.cert.slice(0, 300) }, undefined, /certificate is not read/],
    ['a chain without a line break', { ...pair, cert: pair.cert.trim() + authority.cert }, undefined, /not readable/],
    ['junk in the chain', { ...pair, cert: pair.cert + pem('AAAA') }, undefined, /of the chain is not readable/],
    ['half a key', { ...pair, key: pair.key.slice(0, 100) }, undefined, /key is not a readable/],
    ['an empty file', { ...pair, cert: '' }, undefined, /certificate is not readable/],
    ['expired', await authority.issue({ notAfter: now - 1000 }), undefined, /has expired/],
    ['not valid yet', await authority.issue({ notBefore: now + day }), undefined, /not valid yet/],
  ]
  for (const [title, { cert, key }, name, why] of rows) {
    const checked = checkPair(cert, key, now, name)
    if (why === undefined) t.match(checked, { ok: true }, title)
    else t.match(checked, { ok: false, why }, title)
  }
  const old = await makeAuthority('old', { notBefore: now - 2 * day, notAfter: now - day })
  t.match(checkAuthorities(authority.cert, now), { ok: true })
  t.match(checkAuthorities(old.cert + authority.cert, now), { ok: true }, 'one that has ended beside one that holds')
  const faults: readonly [string, string, RegExp][] = [
    ['nothing', '', /no certificate/],
    ['half of one', authority.cert.slice(0, 300), /no certificate/],
    ['junk', pem('AAAA'), /not readable/],
    ['two without a line break', authority.cert.trim() + authority.cert, /no certificate/],
    ['a certificate that is no CA', pair.cert, /no certificate is a CA/],
    ['a CA that has ended', old.cert, /no certificate is a CA that holds/],
  ]
  for (const [title, cas, why] of faults) t.match(checkAuthorities(cas, now), { ok: false, why }, title)
})

function pem(base64: string): string {
  return `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`
}

t.test('what becomes of a look at the files', t => {
  const read: Result<string>[] = []
  const served: string[] = []
  const refused: string[] = []
  const look = createReload('a', {
    read: () => read.shift() ?? bad('nothing more to read'),
    check: files => (files.startsWith('bad') ? bad('is bad') : good(files)),
    serve: files => served.push(files),
    refuse: why => refused.push(why),
  })
  const after = (...files: Result<string>[]): string => {
    read.push(...files)
    return look()
  }
  t.equal(after(good('a')), 'unchanged')
  t.equal(after(good('b'), good('c')), 'changing', 'two reads that differ')
  t.strictSame(served, [])
  t.equal(after(good('c'), good('c')), 'served')
  t.equal(after(good('c')), 'unchanged')
  t.equal(after(good('bad'), good('bad')), 'refused')
  t.equal(after(good('bad'), good('bad')), 'still-refused')
  t.equal(after(good('bad too'), good('bad too')), 'refused', 'another fault')
  t.equal(after(bad('gone'), bad('gone')), 'refused')
  t.equal(after(bad('gone'), bad('gone')), 'still-refused')
  t.equal(after(good('c')), 'unchanged', 'back to what is served')
  t.equal(after(bad('gone'), bad('gone')), 'refused', 'and once more is told once more')
  t.equal(after(good('d'), good('d')), 'served')
  t.strictSame(served, ['c', 'd'])
  t.strictSame(refused, ['is bad', 'is bad', 'gone', 'gone'])
  t.end()
})

const rotations = 60

t.test(`${rotations} rotations under load`, async t => {
  const first = await authority.issue()
  const mount = new Mount(t.testdir(), filesOf(first))
  const { guard, lines } = await start(t, mount, { serverName: 'localhost' })
  const { port } = guard.admission
  const kept = apiServerAgent({ ca: authority.cert }, () => port)
  t.teardown(() => kept.destroy())
  const fresh = (): Agent => new Agent({ ca: authority.cert, maxCachedSessions: 0 })
  const load = callAlways(4, () => post(port, kept, recorded))
  const dials = callAlways(2, () => post(port, fresh(), recorded))

  const rsa = await authority.issue({ algorithm: 'rsa' })
  const ended = await authority.issue({ notAfter: Date.now() - 1000 })
  const elsewhere = await authority.issue({ names: ['elsewhere.example.com'] })
  const stranger = await authority.issue()
  const pairs = await Promise.all(Array.from({ length: rotations }, () => authority.issue()))
  const shown = new Set<string>()
  let wrong = 0
  for (const [i, pair] of pairs.entries()) {
    // What must never be served comes before what must be.
    const badPairs: readonly Pair[] = [
      { ...pair, key: rsa.key },
      { ...pair, cert: pair.cert.slice(0, 200 + i) },
      ended,
      elsewhere,
      { ...pair, key: stranger.key },
    ]
    const before = fingerprintOf(pairs[i - 1] ?? first)
    mount.write(filesOf(badPairs[i % badPairs.length] ?? pair))
    if (guard.reload() !== 'refused') wrong++
    if (guard.reload() !== 'still-refused') wrong++
    if ((await shownBy(guard, authority.cert)) !== before) wrong++
    mount.write(filesOf(pair))
    if (guard.reload() !== 'served') wrong++
    const now = await shownBy(guard, authority.cert)
    if (now !== fingerprintOf(pair)) wrong++
    shown.add(now)
  }
  const [byKept, byFresh] = [await load.stop(), await dials.stop()]
  t.strictSame(byKept.failures, [], `0 of ${byKept.answered} requests on kept connections failed`)
  t.strictSame(byFresh.failures, [], `0 of ${byFresh.answered} requests on connections of their own failed`)
  t.ok(byKept.answered > rotations && byFresh.answered > rotations, 'there was load all the time')
  t.equal(wrong, 0, 'each pair is served when it may be, and no other')
  t.equal(shown.size, rotations)

  const said = (msg: string): number => lines().filter(line => line['msg'] === msg).length
  t.equal(said('certificate served'), rotations)
  t.equal(said('certificate refused'), rotations, 'each fault is told once, although it was looked at twice')
  const metrics = await read(guard, '/metrics')
  t.match(metrics, `sallyport_certificate_reloads_total{outcome="served"} ${rotations}\n`)
  t.match(metrics, `sallyport_certificate_reloads_total{outcome="refused"} ${rotations}\n`)
  t.match(metrics, 'sallyport_certificate_refused 0\n')
  const last = pairs.at(-1) ?? first
  const ends = Date.parse(new X509Certificate(last.cert).validTo) / 1000
  t.match(metrics, `sallyport_certificate_expiry_seconds ${ends}\n`)
  mount.write(filesOf({ ...last, key: rsa.key }))
  guard.reload()
  t.match(await read(guard, '/metrics'), 'sallyport_certificate_refused 1\n')
  t.equal(await read(guard, '/readyz'), 'ok\n', 'what is served holds, so this one is ready')
})

t.test('files are looked at by and by', async t => {
  const mount = new Mount(t.testdir(), filesOf(await authority.issue()))
  const { guard } = await start(t, mount, { listen: 'localhost:0' }, 5)
  const next = await authority.issue()
  mount.write(filesOf(next))
  for (let looks = 0; (await shownBy(guard, authority.cert)) !== fingerprintOf(next); looks++) {
    if (looks > 1000) throw new Error('the next certificate is never served')
  }
  t.pass('without being told to')
})

t.test('a certificate that waits for its first second, and one that ends', async t => {
  const soon = 1500
  const mount = new Mount(t.testdir(), filesOf(await authority.issue({ notAfter: Date.now() + 2 * soon })))
  const { guard, lines } = await start(t, mount)
  t.equal(await read(guard, '/readyz'), 'ok\n')
  // Certificates count in whole seconds.
  const first = Math.ceil((Date.now() + soon) / 1000) * 1000
  const waiting = await authority.issue({ notBefore: first, notAfter: first + day })
  mount.write(filesOf(waiting))
  t.equal(guard.reload(), 'refused')
  t.equal(guard.reload(), 'still-refused')
  t.match(lines().at(-1), {
    level: 'error',
    msg: 'certificate refused',
    why: /--cert .* the certificate is not valid yet$/,
  })
  rmSync(mount.path('tls.crt'))
  t.equal(guard.reload(), 'refused', 'a file that is gone')
  t.match(lines().at(-1), { why: /no such file/ })
  while ((await read(guard, '/readyz')) === 'ok\n') await new Promise(setImmediate)
  t.equal(await read(guard, '/readyz'), 'not ready\n', 'the one that is served has ended')
  t.equal(await read(guard, '/livez'), 'ok\n')
  mount.write(filesOf(waiting))
  t.equal(guard.reload(), 'served', 'its time has come')
  t.equal(await read(guard, '/readyz'), 'ok\n')
})

t.test('only clients of the client CA are let in', async t => {
  const [clients, laterClients] = [await makeAuthority('clients'), await makeAuthority('later clients')]
  const serving = filesOf(await authority.issue())
  const mount = new Mount(t.testdir(), { ...serving, 'ca.crt': clients.cert })
  const { guard } = await start(t, mount, { clientCa: mount.path('ca.crt') })
  const { port } = guard.admission
  const agentOf = (pair?: Pair): Agent => {
    const agent = new Agent({ keepAlive: true, ca: authority.cert, maxCachedSessions: 0, ...pair })
    t.teardown(() => agent.destroy())
    return agent
  }
  const known = agentOf(await clients.issue({ usage: 'client' }))
  const later = agentOf(await laterClients.issue({ usage: 'client' }))
  t.match(await post(port, known, recorded), { status: 200, connection: 'keep-alive' })
  await t.rejects(post(port, agentOf(), recorded), 'nobody in particular')
  await t.rejects(post(port, later, recorded), 'a client of another CA')
  const serverPair = await clients.issue({ usage: 'server' })
  await t.rejects(post(port, agentOf(serverPair), recorded), 'a server of the right CA')
  const past = await clients.issue({ usage: 'client', notAfter: Date.now() - 1000 })
  await t.rejects(post(port, agentOf(past), recorded), 'a client whose certificate has ended')

  mount.write({ ...serving, 'ca.crt': 'nothing' })
  t.equal(guard.reload(), 'refused')
  t.match(await post(port, known, recorded), { status: 200, connection: 'keep-alive' }, 'the CA before still counts')
  mount.write({ ...serving, 'ca.crt': clients.cert + laterClients.cert })
  t.equal(guard.reload(), 'served')
  t.match(await post(port, known, recorded), { status: 200, connection: 'close' }, 'whoever is in shows himself anew')
  t.match(await post(port, known, recorded), { status: 200, connection: 'keep-alive' })
  t.match(await post(port, later, recorded), { status: 200 }, 'two CAs while one takes the place of the other')
  mount.write({ ...serving, 'ca.crt': laterClients.cert })
  t.equal(guard.reload(), 'served')
  t.match(await post(port, known, recorded), { connection: 'close' })
  await t.rejects(post(port, known, recorded), 'the CA before is gone, and no session outlives it')
  t.match(await post(port, later, recorded), { status: 200 })
  t.match(await read(guard, '/metrics'), /sallyport_tls_errors_total [1-9]/)
})

t.test('what may not be served at the start', async t => {
  process.env['XDG_CACHE_HOME'] = t.testdir()
  const pair = await authority.issue()
  const mount = new Mount(process.env['XDG_CACHE_HOME'], { ...filesOf(pair), 'ca.crt': 'nothing' })
  const given = { cert: mount.path('tls.crt'), key: mount.path('tls.key') }
  const rows: readonly [Partial<ServeFlags>, RegExp][] = [
    [
      { ...given, serverName: 'guard.sallyport.svc' },
      /^--cert \S+tls\.crt --key \S+tls\.key: the certificate does not cover guard\.sallyport\.svc, only DNS:localhost, IP/,
    ],
    [{ ...given, clientCa: mount.path('ca.crt') }, /^--client-ca \S+ca\.crt: no certificate in PEM$/],
    [{ ...given, clientCa: mount.path('nowhere') }, /nowhere: no such file or folder$/],
    [{ ...given, clientCa: '-' }, /^--client-ca: give a file, not standard input$/],
    [{ cert: '-', key: '-' }, /^--cert: give a file, not standard input$/],
    [{ serverName: 'a b' }, /^--server-name: "a b" is no name or address/],
    [{ serverName: 'x.svc' }, /^the development certificate: .* does not cover x\.svc/],
  ]
  for (const [changes, line] of rows) {
    const error = await start(t, undefined, changes).then(
      () => undefined,
      (cause: unknown) => cause,
    )
    t.match(error instanceof InputError ? error.lines[0] : error, line)
  }
})
