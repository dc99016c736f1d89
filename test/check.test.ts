import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root, run, runApart } from './command.ts'

const acme = ['--policy', 'examples/policy', '--inventory', 'examples/cluster', '--now', '2026-11-21']

function verdicts(out: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [, verdict = '', ref = '', file = ''] of out.matchAll(
    /^(refused|warned|passes) {2}(.+?) {2}\((.+?):\d+\)$/gm,
  )) {
    found[`${file.replace(/^examples\//, '')} ${ref}`] = verdict
  }
  return found
}

t.test('the four ways out are refused, each with place, reason and fix', async t => {
  const { code, out } = await run(['check', ...acme, 'examples/ways-out'])
  t.equal(code, 1)
  t.matchSnapshot(out)
  for (const [object, verdict] of Object.entries(verdicts(out))) {
    // An approved host that leaves directly is a question of routes: said, not refused.
    const routes = /2-approved-host-direct|2-direct-timeout/.test(object)
    t.equal(verdict, routes ? 'warned' : 'refused', `${object} ${verdict}`)
  }
})

t.test('the pattern in the platform namespace is not refused, and what still needs routes says so', async t => {
  const { code, out } = await run(['check', ...acme, 'examples/pattern'])
  t.equal(code, 0)
  t.matchSnapshot(out)
  t.notMatch(out, /^refused/m)
  t.match(out, /not judged: whether traffic to "api\.stripe\.com" takes the egress gateway/)
})

t.test('everything that must keep working passes, with the exempt workload', async t => {
  const { code, out } = await run([
    'check',
    ...acme,
    '--fail-on',
    'warn',
    'examples/must-keep-working',
    'examples/exempt',
  ])
  t.equal(code, 0, out)
  for (const [object, verdict] of Object.entries(verdicts(out))) t.equal(verdict, 'passes', object)
  t.match(out, /exempt \(node-probe, shop-platform, until 2027-06-30\)/)
  t.match(out, /0 refused, 0 warned, \d+ pass, 1 finding exempt/)
})

t.test('the example cluster itself is clean', async t => {
  const { code, out } = await run(['check', ...acme, '--fail-on', 'warn', 'examples/cluster'])
  t.equal(code, 0, out)
})

t.test('JSON says the same', async t => {
  const { code, out } = await run([
    'check',
    ...acme,
    '--format',
    'json',
    'examples/ways-out/1-sidecar-allow-any.yaml',
    'examples/exempt',
  ])
  t.equal(code, 1)
  const report = JSON.parse(out)
  t.equal(report.apiVersion, 'sallyport.dev/check/v1')
  t.strictSame(report.summary, { documents: 2, allow: 1, warn: 0, deny: 1, findings: 1, exempt: 1 })
  t.match(report.documents[0], {
    file: 'examples/ways-out/1-sidecar-allow-any.yaml',
    object: { group: 'networking.istio.io', kind: 'Sidecar', namespace: 'shop', name: 'default' },
    operation: 'UPDATE',
    phase: 'final',
    verdict: 'deny',
    cured: [],
    notJudged: [],
    ruleErrors: [],
    findings: [
      {
        rule: 'no-allow-any',
        message: 'sidecar-allow-any',
        severity: 'critical',
        enforcementAction: 'deny',
        path: 'spec.outboundTrafficPolicy.mode',
        value: 'ALLOW_ANY',
        docs: 'https://sallyport.dev/rules#no-allow-any',
        threats: ['sidecar/allow-any'],
      },
    ],
  })
  const [found] = report.documents[0].findings
  const text = readFileSync(join(root, report.documents[0].file), 'utf8').split('\n')
  t.ok(text[found.line - 1]?.slice(found.column - 1).startsWith('mode: ALLOW_ANY'), 'line and column lead to the field')
  t.match(report.documents[1].findings, [{ exemption: { name: 'node-probe' } }])
})

const sidecar = (mode: string, name = 'default'): string =>
  `apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: ${name}}\nspec: {outboundTrafficPolicy: {mode: ${mode}}}\n`

t.test('standard input, namespaces, operations and requesters', async t => {
  const open = runApart(['check', '-n', 'shop', '-'], sidecar('ALLOW_ANY'))
  t.equal(open.code, 1)
  t.match(open.out, 'refused  Sidecar shop/default  ((stdin):1)')
  t.match(open.err, 'note: who may write was not judged')
  t.equal(runApart(['check', '-'], sidecar('REGISTRY_ONLY')).code, 0)
  const none = runApart(['check', '--operation', 'update', '-'], sidecar('REGISTRY_ONLY'))
  t.equal(none.code, 2)
  t.match(none.err, '(stdin):1: nothing to update: the inventory does not hold Sidecar default/default')
  const policy = ['check', ...acme, '--operation', 'delete', 'examples/cluster/network.yaml']
  const gone = await run(policy)
  t.equal(gone.code, 1)
  t.match(gone.out, /refused {2}NetworkPolicy shop\//)
  const mesh = ['check', ...acme, 'examples/cluster/istio.yaml', '--operation', 'create', '--as', 'dana', '--as-group']
  t.match((await run([...mesh, 'developers'])).out, '"dana" is not of the platform')
  const platform = await run([...mesh, 'platform-admins'])
  t.equal(platform.code, 0, platform.out)
  t.notMatch(platform.err, 'who may write')
})

t.test('in sequence each document meets the state that those before it made', async t => {
  const folder = t.testdir({
    'narrow.yaml': [sidecar('REGISTRY_ONLY'), sidecar('ALLOW_ANY', 'other')].join('---\n'),
    'again.yaml': sidecar('ALLOW_ANY', 'other'),
    'wider.yaml': sidecar('ALLOW_ANY'),
    // More than are laid over one snapshot of the state.
    'many.yaml': Array.from({ length: 450 }, (_, i) => sidecar('REGISTRY_ONLY', `s${i % 250}`)).join('---\n'),
  })
  const operations = async (...args: readonly string[]): Promise<readonly string[]> => {
    const { out } = await run(['check', '-n', 'shop', '--format', 'json', ...args], folder)
    return JSON.parse(out).documents.map((document: { operation: string }) => document.operation)
  }
  t.strictSame(await operations('narrow.yaml'), ['CREATE', 'CREATE'])
  const created = ['CREATE', 'CREATE', 'CREATE']
  t.strictSame(await operations('--sequence', 'narrow.yaml', 'again.yaml'), created, 'a refused document is not there')
  t.strictSame(await operations('--sequence', 'narrow.yaml', 'wider.yaml'), ['CREATE', 'CREATE', 'UPDATE'])
  const many = await operations('--sequence', 'many.yaml')
  t.equal(many.indexOf('UPDATE'), 250)
  t.strictSame(new Set(many.slice(250)), new Set(['UPDATE']), 'what came in is there for all that follow')
  const gone = await operations('--sequence', '--operation', 'delete', 'narrow.yaml', 'wider.yaml')
  t.strictSame(gone, ['DELETE', 'DELETE', 'DELETE'])
})

t.test('usage and input errors: exit code 2, every problem, nothing judged', async t => {
  const folder = t.testdir({
    'bad.yaml': 'a: [\n',
    'twice.yaml': 'apiVersion: v1\nkind: ConfigMap\nkind: Secret\n',
    'none.yaml': 'metadata: {name: x}\n',
    'empty.yaml': '# only a comment\n---\n',
    nothing: {},
    'odd.yaml': 'apiVersion: v1\nkind: Namespace\nmetadata: {name: n}\n',
    'policy.yaml': 'apiVersion: sallyport.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {name: x}\nspec: {rulez: {}}\n',
    'host.yaml':
      'apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: x}\nspec: {hosts: [a..b], ports: [{number: 99999}]}\n',
    'readme.txt': 'not a manifest',
  })
  writeFileSync(join(folder, 'latin.yaml'), Buffer.from([0x61, 0x3a, 0x20, 0xff]))
  const bytes = await run(['check', 'latin.yaml'], folder)
  t.equal(bytes.code, 2)
  t.match(bytes.err, 'latin.yaml: not UTF-8 text')
  const rows: readonly (readonly [args: readonly string[], ...errors: (string | RegExp)[]])[] = [
    [['check'], "missing required argument 'path'"],
    [['chek'], 'Did you mean check'],
    [['check', 'nowhere.yaml', 'neither'], 'nowhere.yaml: no such file or folder', 'neither: no such file or folder'],
    [
      ['check', 'bad.yaml', 'twice.yaml', 'none.yaml'],
      /bad\.yaml:\d+:\d+: /,
      /twice\.yaml:3:1: /,
      /none\.yaml:1:1: no apiVersion and no kind/,
    ],
    [
      ['check', '--policy', 'policy.yaml', 'none.yaml'],
      'policy.yaml:4:8 spec.rulez: no such key; did you mean "rules"?',
    ],
    [
      ['check', 'host.yaml'],
      /host\.yaml:4:\d+ spec\.hosts\[0\]: host "a\.\.b" has an empty label/,
      /spec\.ports\[0\]\.number/,
    ],
    [['check', '--operation', 'patch', 'none.yaml'], 'use create, update or delete'],
    [['check', 'empty.yaml', 'nothing'], 'no objects in empty.yaml, nothing'],
    [['check', 'odd.yaml'], 'odd.yaml:3:12: metadata.name reads as false, which is no text, put it in quotes'],
    [['check', '--as-group', 'g', '-'], '--as-group needs --as'],
    [['check', '--now', 'tomorrow', '-'], 'write it like 2027-06-30T12:00:00Z'],
    [['check', '--format', 'sarif', '-'], 'Allowed choices are text, json'],
    [['explain', 'no-host-netwrk'], 'no such rule: no-host-netwrk; did you mean "no-host-network"?'],
    [['explain', 'qqq'], /^no such rule: qqq$/m],
  ]
  for (const [args, ...errors] of rows) {
    const { code, out, err } = await run(args, folder)
    t.equal(code, 2, `${args.join(' ')}: exit code 2`)
    t.equal(out, '', 'nothing on standard output')
    for (const error of errors) t.match(err, error)
  }
})

t.test('what a rule that only warns cannot read is said, and refuses nothing', async t => {
  const host = 'apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: x}\nspec: {hosts: [a..b]}\n'
  const folder = t.testdir({ 'host.yaml': host })
  const audit = join(root, 'policies/audit.yaml')
  const { code, out } = await run(['check', '--policy', audit, 'host.yaml'], folder)
  t.equal(code, 0)
  t.match(out, /^warned {2}ServiceEntry default\/x/)
  t.match(out, '  4:16 spec.hosts[0]\n    malformed: host "a..b" has an empty label\n')
  const json = await run(['check', '--policy', audit, '--format', 'json', 'host.yaml'], folder)
  const fault = {
    rule: 'require-approved-hosts',
    enforcementAction: 'warn',
    path: 'spec.hosts[0]',
    line: 4,
    column: 16,
  }
  t.match(JSON.parse(json.out).documents[0].malformed, [fault])
})

t.test('help, version and explanations', async t => {
  t.equal((await run(['--help'])).code, 0)
  t.match((await run(['--version'])).out, /^\d+\.\d+\.\d+\n$/)
  t.match((await run(['explain'])).out, /^no-capture-bypass +Disallow /m)
  const { code, out } = await run(['explain', 'no-capture-bypass'])
  t.equal(code, 0)
  t.matchSnapshot(out)
})

t.test('folders are read recursively and in order; paths are those of the caller', async t => {
  const folder = t.testdir({})
  mkdirSync(join(folder, 'b'))
  writeFileSync(
    join(folder, 'b/2.json'),
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'List',
      items: [{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' } }],
    }),
  )
  writeFileSync(
    join(folder, 'a.yml'),
    'apiVersion: v1\nkind: Namespace\nmetadata: {name: no-pods, labels: {istio-injection: enabled}}\n',
  )
  const { out } = await run(['check', '.'], folder)
  t.match(
    out,
    /^passes {2}Namespace no-pods {2}\(a\.yml:1\)\npasses {2}Secret default\/s {2}\(b\/2\.json:1\)\n\n2 objects: 0 refused, 0 warned, 2 pass\n$/,
  )
  t.equal(runApart(['check', 'a.yml'], '', folder).code, 0, 'npm runs scripts elsewhere and tells in INIT_CWD')
})
