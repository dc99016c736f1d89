import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import jsonPatch from 'fast-json-patch'
import t from 'tap'
import type { AdmissionReply } from '../src/http/admission.ts'
import { root, run, runApart } from './command.ts'

const acme = ['--policy', 'examples/policy', '--inventory', 'examples/cluster', '--now', '2026-11-21']
const folder = 'test/fixtures/reviews'
const names = readdirSync(join(root, folder)).filter(name => name.endsWith('.json'))
const file = (number: string): string => `${folder}/${names.find(name => name.startsWith(number))}`
const recorded = (number: string): Record<string, unknown> => JSON.parse(readFileSync(join(root, file(number)), 'utf8'))

function replies(out: string): AdmissionReply[] {
  return out
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
}

/** What a reply says of the reviews: refused or not, and by which rules. */
function saidBy({ response }: AdmissionReply): string {
  return `${response.allowed ? 'allowed' : 'refused'} ${response.auditAnnotations?.['rules'] ?? ''}`.trim()
}

t.test('recorded reviews of well-behaved pods pass; the others are refused, each for its reason', async t => {
  const wanted: Record<string, RegExp> = {
    '03': /^allowed/,
    // Its init container "schema" runs before istio-init, so nothing captures it.
    '05': /^refused require-early-capture=deny/,
    '07': /^allowed/,
    '08': /^allowed/,
    '10': /^allowed/,
    '11': /^allowed/,
    '12': /^allowed/,
    '13': /^allowed/,
    // kubectl debug asks for SYS_PTRACE unless told otherwise (--profile=restricted).
    '14': /^refused .*no-escape-privileges=deny/,
    '15': /^allowed/,
    '16': /^allowed/,
    '17': /^allowed/,
    '18': /^allowed/,
    '19': /^refused .*no-capture-bypass=deny/,
    '20': /^refused .*no-capture-bypass=deny/,
    '21': /^refused .*require-injection=deny/,
    '22': /^refused .*no-forged-injection=deny/,
    '23': /^refused .*no-forged-injection=deny/,
    '24': /^allowed/,
  }
  for (const [number, said] of Object.entries(wanted)) {
    const { out, code } = await run(['review', file(number), ...acme])
    const [reply] = replies(out)
    if (reply === undefined) throw new Error('no reply')
    t.match(saidBy(reply), said, file(number))
    t.equal(code, reply.response.allowed ? 0 : 1)
    t.equal(reply.response.uid, (recorded(number)['request'] as { uid: string }).uid)
  }
})

t.test('what is submitted is answered as /mutate does, and judged as it will be', async t => {
  const { request } = recorded('09') as { request: { object: { metadata: Record<string, unknown> } } }
  const bare = { ...request.object, metadata: { ...request.object.metadata, namespace: 'bare' } }
  const review = { ...recorded('09'), request: { ...request, namespace: 'bare', object: bare } }
  const place = t.testdir({
    'bare.json': JSON.stringify(review),
    'bare.yaml': 'apiVersion: v1\nkind: Namespace\nmetadata: {name: bare}\n',
  })
  const args = ['--mutate', '--inventory', join(place, 'bare.yaml'), ...acme]
  const { out, code } = await run(['review', join(place, 'bare.json'), ...args])
  t.equal(code, 0)
  const [reply] = replies(out)
  t.match(reply?.response, {
    allowed: true,
    patchType: 'JSONPatch',
    auditAnnotations: { mutations: 'set-injection', cured: 'require-injection/not-asked' },
  })
  const patch = JSON.parse(Buffer.from(reply?.response.patch ?? '', 'base64').toString())
  const patched = jsonPatch.applyPatch(structuredClone(bare), patch, true).newDocument
  writeFileSync(
    join(place, 'twice.json'),
    JSON.stringify({ ...review, request: { ...review.request, object: patched } }),
  )
  const again = replies((await run(['review', join(place, 'twice.json'), ...args])).out)
  t.strictSame(Object.keys(again[0]?.response ?? {}), ['uid', 'allowed'], 'twice equals once')

  const people = await run(['review', join(place, 'bare.json'), '--format', 'text', ...args])
  t.match(
    people.out,
    /^passes {2}Pod bare\/\(generated\), CREATE {2}\(.*bare\.json\)\n {2}mutated: set-injection\n {2}cured: /,
  )

  const odd = await run(['review', file('19'), '--mutate', '--format', 'text', ...acme])
  t.equal(odd.code, 1, 'what the mutation leaves is still wrong')
  t.match(odd.out, /^refused .*\n {2}1 finding on Pod shop\/checkout-bypass/)
  const deletion = replies((await run(['review', file('38'), '--mutate', ...acme])).out)
  t.strictSame(Object.keys(deletion[0]?.response ?? {}), ['uid', 'allowed'], 'only pods that are created are mutated')
})

t.test('JSON Lines, pretty JSON, standard input; what cannot be read is answered too', async t => {
  const lines = ['03', '20'].map(number => JSON.stringify(recorded(number)))
  const place = t.testdir({
    'two.jsonl': `${lines.join('\n\n')}\r\n`,
    'pretty.json': JSON.stringify(recorded('20'), null, 2),
    'broken.jsonl': `${lines[0]}\nnonsense\n{"kind": "AdmissionReview"}\n`,
    'half.json': `{\n  "kind": "AdmissionReview",\n`,
    'unfit.json': JSON.stringify({ ...recorded('03'), request: { uid: 'u-1', operation: 'create' } }),
    'empty.json': '\n \n',
  })
  const of = (name: string, ...more: string[]): ReturnType<typeof run> =>
    run(['review', join(place, name), ...more, ...acme])
  const two = await of('two.jsonl')
  t.strictSame(replies(two.out).map(saidBy), ['allowed', 'refused no-capture-bypass=deny'])
  t.equal(two.code, 1)
  t.strictSame(replies((await of('pretty.json')).out).map(saidBy), ['refused no-capture-bypass=deny'])

  const broken = await of('broken.jsonl')
  t.equal(broken.code, 2)
  t.match(replies(broken.out), [
    { response: { allowed: true } },
    { response: { uid: '', allowed: false, status: { code: 400, message: /broken\.jsonl:2: is no JSON/ } } },
    { response: { uid: '', allowed: false, status: { code: 400, message: /broken\.jsonl:3: is no AdmissionReview/ } } },
  ])
  t.match(broken.err, /broken\.jsonl:2: is no JSON in UTF-8\n.*broken\.jsonl:3: is no AdmissionReview/)
  const half = await of('half.json', '--format', 'text')
  t.strictSame([half.code, half.out], [2, ''])
  t.match(half.err, /half\.json: is no JSON in UTF-8\n$/)

  const unfit = await of('unfit.json')
  t.match(replies(unfit.out), [{ response: { uid: 'u-1', allowed: false, status: { code: 400 } } }])
  t.equal(unfit.code, 1)
  t.match(
    (await of('unfit.json', '--format', 'text')).out,
    /^refused {2}\(.*unfit\.json\)\n {2}request\.operation is none of/,
  )

  t.match(await of('empty.json'), { code: 2, err: /no reviews in/ })
  t.match(await of('missing.json'), { code: 2, err: /missing\.json: no such file or folder/ })
  const piped = runApart(['review', '-', ...acme], `${lines[1]}\n`)
  t.strictSame([piped.code, replies(piped.out).map(saidBy)], [1, ['refused no-capture-bypass=deny']])
})

t.test('the text says what the API server would show', async t => {
  const text = async (number: string, ...more: string[]): Promise<string> =>
    (await run(['review', file(number), '--format', 'text', ...more, ...acme])).out
  t.match(
    await text('20'),
    /^refused {2}Pod shop\/checkout-bypass, CREATE {2}\(.*\n {2}1 finding on Pod .*\n.*\n {4}fix: /,
  )
  t.match(await text('31'), /^warned {2}VirtualService shop\/httpbin-timeout, CREATE .*\n {2}warning: /)
  t.match(await text('15'), /^passes {2}PodExecOptions shop\/checkout-canary, CONNECT exec /)
  t.equal((await run(['review', file('31'), '--fail-on', 'warn', ...acme])).code, 1)
})
