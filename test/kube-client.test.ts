import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { clusterAt, connect, type Ending } from '../src/kube/client.ts'
import { readEvent } from '../src/kube/event.ts'
import { readLines } from '../src/kube/lines.ts'
import { fail, type Scripted, startScripted } from './scripted.ts'
import { until } from './until.ts'

const path = '/api/v1/services'

async function stage(t: Test): Promise<Scripted> {
  const server = await startScripted(t)
  server.serve({ path, apiVersion: 'v1', kind: 'Service' }, [{ metadata: { name: 'a', namespace: 'shop' } }])
  return server
}

t.test('an answer is a value, whatever it is', async t => {
  const server = await stage(t)
  const { cluster } = server
  t.match(await cluster.send('GET', path), { status: 200, retryAfter: undefined, body: { kind: 'ServiceList' } })
  t.match(await cluster.send('GET', '/nowhere'), { status: 404, body: { kind: 'Status' } })
  server.next(() => true, fail(429, 'busy', { 'Retry-After': '7' }))
  t.match(await cluster.send('GET', path), { status: 429, retryAfter: 7000, body: { message: 'busy' } })
  server.next(() => true, fail(503, 'busy', { 'Retry-After': 'Fri, 31 Dec 1999 23:59:59 GMT' }))
  t.match(await cluster.send('GET', path), { status: 503, retryAfter: undefined })
  server.next(
    () => true,
    response => response.writeHead(502).end('<html>'),
  )
  t.strictSame(await cluster.send('GET', path), { status: 502, retryAfter: undefined, body: '<html>' })
  server.next(
    () => true,
    response => response.destroy(),
  )
  t.match(await cluster.send('GET', path), { status: 0, body: /socket hang up/ })
  server.next(
    () => true,
    () => undefined,
  )
  t.strictSame(await cluster.send('GET', path, { timeout: 100 }), {
    status: 0,
    retryAfter: undefined,
    body: 'no answer within 0.1 s',
  })
  t.match(await cluster.send('GET', path, { signal: AbortSignal.abort() }), { status: 0, body: /abort/ })
})

t.test('what is sent arrives', async t => {
  const server = await stage(t)
  const bodies: string[] = []
  server.next(
    ({ method }) => method === 'PATCH',
    (response, { headers, query }) => {
      const { req } = response
      req.setEncoding('utf8')
      req.on('data', (chunk: string) => bodies.push(chunk))
      req.on('end', () => response.end(JSON.stringify({ type: headers['content-type'], force: query.get('force') })))
    },
  )
  const reply = await server.cluster.send('PATCH', `${path}/a`, {
    query: { force: 'true', fieldManager: 'sally port' },
    body: { spec: { ä: 1 } },
    contentType: 'application/apply-patch+yaml',
  })
  t.match(reply, { status: 200, body: { type: 'application/apply-patch+yaml', force: 'true' } })
  t.equal(bodies.join(''), '{"spec":{"ä":1}}')
})

t.test('a watch tells how it ended', async t => {
  const server = await stage(t)
  const lines: string[] = []
  const follow = (options: { silence?: number; signal?: AbortSignal } = {}, go = true): Promise<Ending> => {
    const query = { watch: '1', resourceVersion: '1000' }
    return server.cluster.watch(path, { query, silence: 10_000, ...options }, line => {
      lines.push(line)
      return go
    })
  }
  const opened = (): Promise<void> => until('the watch is open', () => server.openWatches(path) === 1)

  const closed = follow()
  await opened()
  server.write(path, 'one\ntwo\n')
  await until('both have come', () => lines.length === 2)
  server.close(path)
  t.strictSame(await closed, { how: 'closed' })

  const cut = follow()
  await opened()
  server.cut()
  t.match(await cut, { how: 'cut', why: /aborted|reset|hang up/ })
  await until('the server knows', () => server.openWatches(path) === 0)

  const within = follow()
  await opened()
  server.write(path, 'half a li')
  server.close(path)
  t.match(await within, { how: 'cut', why: 'the stream ended within a line' })

  const stopped = follow({}, false)
  await opened()
  server.write(path, 'three\nfour\n')
  t.strictSame(await stopped, { how: 'stopped' })
  t.notOk(lines.includes('four'), 'nothing after that')
  await until('the server knows', () => server.openWatches(path) === 0)

  const abort = new AbortController()
  const aborted = follow({ signal: abort.signal })
  await opened()
  abort.abort()
  t.strictSame(await aborted, { how: 'stopped' })

  t.strictSame(await follow({ silence: 1000 }), { how: 'silent' })
  server.mute()
  t.match(await follow({ silence: 50 }), { how: 'answered', reply: { status: 0, body: /no answer/ } })
  server.mute(false)
  server.next(() => true, fail(403, 'no'))
  t.match(await follow(), { how: 'answered', reply: { status: 403 } })
  await server.goAway()
  t.match(await follow(), { how: 'answered', reply: { status: 0, body: /ECONNREFUSED/ } })
})

t.test('who asks is asked for each request, since tokens rotate', async t => {
  const server = await stage(t)
  let count = 0
  const cluster = clusterAt({
    server: server.access.server,
    authenticate: async options => {
      await server.access.authenticate(options)
      options.headers = { authorization: `Bearer ${++count}` }
    },
  })
  for (const token of ['Bearer 1', 'Bearer 2']) {
    await cluster.send('GET', path)
    t.equal(server.asked.at(-1)?.headers.authorization, token)
  }
})

t.test('a kubeconfig says where and who', async t => {
  const server = await stage(t)
  const folder = t.testdir()
  const tls: { ca?: string } = {}
  await server.access.authenticate(tls)
  const write = (address: string, token: object): void => {
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'c',
      clusters: [
        {
          name: 'k',
          cluster: { server: address, 'certificate-authority-data': Buffer.from(String(tls.ca)).toString('base64') },
        },
      ],
      users: [{ name: 'u', user: token }],
      contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
    }
    writeFileSync(join(folder, 'config'), JSON.stringify(config))
  }
  const kept = process.env['KUBECONFIG']
  t.teardown(() => {
    if (kept === undefined) delete process.env['KUBECONFIG']
    else process.env['KUBECONFIG'] = kept
  })
  process.env['KUBECONFIG'] = join(folder, 'config')

  mkdirSync(join(folder, 'secret'))
  const file = join(folder, 'secret/token')
  writeFileSync(file, 'first')
  write(server.access.server, { 'auth-provider': { name: 'tokenFile', config: { tokenFile: file } } })
  const found = await connect()
  if (!found.ok) throw new Error(found.why)
  t.match(await found.value.send('GET', path), { status: 200 })
  t.equal(server.asked.at(-1)?.headers.authorization, 'Bearer first')
  t.equal(server.asked.at(-1)?.headers['user-agent'], 'sallyport')

  write(server.access.server.replace('https', 'http'), { token: 'x' })
  t.match(await connect(), { ok: false, why: /by https/ })
  writeFileSync(join(folder, 'config'), '{{ secret-token')
  const broken = await connect()
  t.match(broken, { ok: false, why: /^the kubeconfig cannot be read/ })
  write(server.access.server, {
    'auth-provider': { name: 'tokenFile', config: { tokenFile: join(folder, 'nothing') } },
  })
  const without = await connect()
  if (!without.ok) throw new Error(without.why)
  t.match(await without.value.send('GET', path), { status: 0, body: /ENOENT/ }, 'credentials that are not there')
})

t.test('bytes become lines, however they come', t => {
  const rows: readonly (readonly [readonly string[], readonly string[], boolean])[] = [
    [['a\nb\n'], ['a', 'b'], false],
    [['a', 'b', 'c\nd'], ['abc'], true],
    [['a\n', '\n', '  \n', 'b\n'], ['a', 'b'], false],
    [['a\u2028b\r\n'], ['a\u2028b\r'], false],
  ]
  for (const [chunks, lines, isWithin] of rows) {
    const reader = readLines()
    t.strictSame(
      chunks.flatMap(chunk => reader.take(Buffer.from(chunk)) ?? ['too long']),
      lines,
    )
    t.equal(reader.isWithin, isWithin)
  }
  const text = Buffer.from('ä€😀\n')
  const reader = readLines()
  const lines = [...text].flatMap(byte => reader.take(Buffer.from([byte])) ?? ['too long'])
  t.strictSame(lines, ['ä€😀'], 'byte by byte')
  t.equal(readLines(4).take(Buffer.from('12345')), undefined, 'too long')
  t.end()
})

t.test('what a line of a watch says', t => {
  const object = { metadata: { name: 'a', resourceVersion: '7' } }
  const rows: readonly (readonly [object | string, object])[] = [
    [
      { type: 'ADDED', object },
      { is: 'stored', version: '7' },
    ],
    [
      { type: 'MODIFIED', object },
      { is: 'stored', version: '7' },
    ],
    [
      { type: 'DELETED', object },
      { is: 'deleted', version: '7' },
    ],
    [
      { type: 'BOOKMARK', object: { metadata: { resourceVersion: '8' } } },
      { is: 'bookmark', version: '8' },
    ],
    [{ type: 'ERROR', object: { code: 410 } }, { is: 'expired' }],
    [{ type: 'ERROR', object: { reason: 'Expired' } }, { is: 'expired' }],
    [
      { type: 'ERROR', object: { code: 500 } },
      { is: 'error', code: 500 },
    ],
    [{ type: 'ERROR' }, { is: 'error' }],
    [{ type: 'ADDED', object: { metadata: { name: 'a' } } }, { is: 'malformed' }],
    [{ type: 'constructor', object }, { is: 'unknown' }],
    [{ object }, { is: 'unknown' }],
    ['null', { is: 'malformed' }],
    ['{', { is: 'malformed' }],
  ]
  for (const [line, event] of rows) {
    const text = typeof line === 'string' ? line : JSON.stringify(line)
    t.match(readEvent(text), event, text)
  }
  t.end()
})
