import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { root, run, runApart } from './command.ts'

const acme = ['--policy', 'examples/policy']

/** Writes a file of cases into a folder of its own, and returns its path. */
function write(text: string, name = 'shop.cases.yaml'): string {
  const file = join(mkdtempSync(join(tmpdir(), 'sallyport-')), name)
  writeFileSync(file, text)
  return file
}

t.test('the tests of the example policy pass, and so do the cases of rules, by the same command', async t => {
  const example = await run(['test', 'examples/tests', ...acme])
  t.strictSame(example, { code: 0, out: '5 cases: 5 passed, 0 failed\n', err: '' })
  // CI tries those of all rules.
  const own = await run(['test', 'src/rules/require-approved-hosts', 'src/rules/no-host-network/cases.yaml'])
  t.equal(own.code, 0)
  t.match(own.out, /^[0-9]+ cases: ([0-9]+) passed, 0 failed\n$/)
  t.ok(Number(own.out.split(' ')[0]) > 90, own.out)
})

const sidecar = (mode: string): string =>
  `{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: default, namespace: shop}, spec: {outboundTrafficPolicy: {mode: ${mode}}}}`

t.test('what differs is said, case by case', async t => {
  const file = write(`
passes:
- name: a Sidecar that lets everything out
  object: ${sidecar('ALLOW_ANY')}
finds:
- name: a Sidecar that is as it should be
  object: ${sidecar('REGISTRY_ONLY')}
  expect: [{rule: no-allow-any, message: sidecar-allow-any, path: spec.outboundTrafficPolicy.mode, value: ALLOW_ANY}]
- name: a verdict that does not come
  object: ${sidecar('REGISTRY_ONLY')}
  verdict: deny
- name: a gap where there is none
  object: ${sidecar('REGISTRY_ONLY')}
  notJudged: [spec.hosts]
- name: the right message at another place
  object: ${sidecar('ALLOW_ANY')}
  expect: [{message: sidecar-allow-any, path: spec.egress}]
- name: what is expected comes
  object: ${sidecar('ALLOW_ANY')}
  verdict: deny
  expect: [{message: sidecar-allow-any, path: spec.outboundTrafficPolicy.mode, enforcementAction: deny}]
`)
  const { code, out } = await run(['test', file, ...acme])
  t.equal(code, 1)
  t.matchOnly(out.replaceAll(file, 'F').split('\n'), [
    'FAIL  F: a Sidecar that is as it should be',
    '  missing: no-allow-any/sidecar-allow-any at spec.outboundTrafficPolicy.mode with value "ALLOW_ANY"',
    'FAIL  F: a verdict that does not come',
    '  verdict is allow, not deny',
    'FAIL  F: a gap where there is none',
    '  missing: not judged at spec.hosts',
    'FAIL  F: the right message at another place',
    '  missing: sidecar-allow-any at spec.egress',
    /^ {2}unexpected: no-allow-any\/sidecar-allow-any at spec\.outboundTrafficPolicy\.mode \(deny\): mode "ALLOW_ANY" lets /,
    'FAIL  F: a Sidecar that lets everything out',
    /^ {2}unexpected: no-allow-any\/sidecar-allow-any at spec\.outboundTrafficPolicy\.mode \(deny\): /,
    '6 cases: 1 passed, 5 failed',
    '',
  ])
  const { out: json } = await run(['test', file, '--format', 'json', ...acme])
  const report = JSON.parse(json)
  t.equal(report.apiVersion, 'sallyport.dev/test/v1')
  t.strictSame(report.summary, { cases: 6, passed: 1, failed: 5 })
  t.match(report.cases[1], { file, name: 'a verdict that does not come', passed: false })
})

t.test('a file may speak of one rule alone; then every finding counts, and so does what is not judged', async t => {
  const pod =
    '{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: shop}, spec: {containers: [{name: a, image: i}]}}'
  const file = write(`
rule: require-stated-privileges
passes:
- name: a pod that states nothing
  object: ${pod}
`)
  const { out, code } = await run(['test', file])
  t.equal(code, 1)
  t.match(out, /unexpected: [a-z-]+ at .* \(dryrun\): /)
  t.equal(
    (await run(['test', write(`passes:\n- name: a pod in the mesh\n  phase: submitted\n  object: ${pod}\n`)])).code,
    0,
  )
})

t.test('objects without a namespace are judged as in the namespace default', async t => {
  const entry = `{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: a}, spec: {hosts: [a.example], exportTo: ["."], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}}`
  const { out } = await run([
    'test',
    write(`finds:\n- name: nobody approved it\n  object: ${entry}\n  verdict: deny\n`),
  ])
  t.equal(out, '1 case: 1 passed, 0 failed\n')
})

t.test('cases come by standard input, and by any name that is given', t => {
  const text = readFileSync(join(root, 'examples/tests/acme.cases.yaml'), 'utf8')
  t.match(runApart(['test', '-', ...acme], text), { code: 0, out: '5 cases: 5 passed, 0 failed\n' })
  t.match(runApart(['test', write(text, 'shop.json'), ...acme]), { code: 0, out: '5 cases: 5 passed, 0 failed\n' })
  t.end()
})

t.test('cases that prove nothing are input errors', async t => {
  const bad: readonly (readonly [string, RegExp])[] = [
    ['[]', /holds no cases/],
    ['find: []', /unknown key "find"/],
    ['finds: [{name: a b c, object: {}}]', /case "a b c" finds nothing/],
    ['finds: [{name: a b c, object: {}, verdict: refuse}]', /none of allow, warn, deny/],
    ['finds: [{object: {}}]', /without a name/],
    ['passes: [{name: a b c, object: {}, expect: [{message: a, path: b}]}]', /passes and yet expects/],
    [
      'rule: no-host-netwrok\npasses: [{name: a b c, object: {}}]',
      /no such rule: no-host-netwrok; did you mean "no-host-network"/,
    ],
    ['rule: zzz\npasses: [{name: a b c, object: {}}]', /no such rule: zzz$/m],
    ['a: b: c', /shop\.cases\.yaml: /],
    [
      'passes: [{name: a b c, policy: [{EgressPolicy: {rulez: {}}}], object: {}}]',
      /case "a b c": policy.*spec\.rulez: no such key/,
    ],
    ['passes: []', /no cases in/],
  ]
  for (const [text, wanted] of bad) {
    const { code, out, err } = await run(['test', write(text)])
    t.equal(code, 2, text)
    t.equal(out, '')
    t.match(err, wanted, text)
  }
  t.equal((await run(['test', 'examples/nothing-here'])).code, 2)
  t.match(runApart(['test', '--help']).out, /try a policy on cases/)
})
