import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'
import { asPlatform, helmAsPlatform, startAcme } from './acme.ts'
import type { Case, Context } from './context.ts'
import type { User } from './plane/client.ts'
import type { KubectlHints } from './plane/plane.ts'
import { definitionOf } from './samples.ts'

/** What this suite shows. */
export const name = 'what kubectl apply is told: ways out are refused, the pattern and everything else pass'

/** Runs the examples, and an object of each family of ways out, through kubectl. */
export async function run(context: Context, test: Case): Promise<void> {
  const acme = await startAcme(context)
  await context.mustKubectl([...asPlatform, 'apply', '--server-side', '-f', '-'], JSON.stringify(operators))
  try {
    await waysOut(context, test)
    await families(context, test)
    await whatPasses(context, test)
    await pattern(context, test)
  } finally {
    await acme.close()
    await context.mustKubectl(['delete', '-f', '-'], JSON.stringify(operators))
  }
}

/** The kind of installation values, which newer Istio no longer brings. */
const operators = definitionOf({
  group: 'install.istio.io',
  kind: 'IstioOperator',
  plural: 'istiooperators',
  version: 'v1alpha1',
})

interface WayOut {
  readonly file: string
  readonly as?: User
  readonly how?: readonly string[]
  readonly printed: string
}

async function waysOut(context: Context, test: Case): Promise<void> {
  const cwd = join(context.root, 'examples/ways-out')
  const rows: readonly WayOut[] = expected(context, 'ways-out')
  for (const { file, as: user = 'tenant', how = [], printed } of rows) {
    await test(`refused: examples/ways-out/${file}`, async () => {
      const { code, stdout, stderr } = await context.kubectl(['apply', ...how, '-f', file], { user, cwd })
      assert.deepEqual({ code, stdout, stderr }, { code: 1, stdout: '', stderr: printed })
    })
  }
  await test('warned: an approved host without its routes, and a route past the gateway', async () => {
    const files = ['2-approved-host-direct.yaml', '2-direct-timeout.yaml']
    const args = files.flatMap(file => ['-f', file])
    const { code, stdout, stderr } = await context.kubectl(['apply', ...args], { user: 'tenant', cwd })
    assert.equal(
      stderr,
      lines(
        'Warning: spec.hosts[0]: nothing leads "httpbin.org" to the egres…y, so it leaves directly from every pod (require-approved-hosts)',
        'Warning: spec.hosts[0]: this route for "httpbin.org" comes before …s, and does not lead to the egress gateway (no-route-override)',
        'Warning: spec.http[0].route[0].destination.host: not judged: whether this ro… pass by the egress gateway (require-approved-hosts)',
      ),
    )
    assert.equal(
      stdout,
      lines('serviceentry.networking.istio.io/httpbin created', 'virtualservice.networking.istio.io/httpbin created'),
    )
    assert.equal(code, 0)
    await context.mustKubectl(['delete', ...args.map(arg => (arg === '-f' ? arg : join(cwd, arg)))])
  })
  await test('of several documents those that may be applied are', async () => {
    const { code, stdout, stderr } = await context.kubectl(['apply', '-f', '-'], { user: 'tenant', input: mixed })
    assert.equal(stdout, lines('configmap/first created', 'configmap/last created'))
    assert.equal(
      stderr,
      lines(
        'Error from server (Forbidden): error when creating "STDIN": admission webhook "routes.sallyport.dev" denied the request: 1 finding on ServiceEntry shop/collector (policy chart, acme)',
        'spec.hosts[0]: host "collector.example.net" is not approved, and this entry would let workloads reach it',
        '  fix: remove the host, or have "collector.example.net" approved (ApprovedHosts)',
        '  require-approved-hosts, https://sallyport.dev/rules#require-approved-hosts',
      ),
    )
    assert.equal(code, 1)
  })
}

const mixed = `
{apiVersion: v1, kind: ConfigMap, metadata: {name: first, namespace: shop}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: collector, namespace: shop}
spec: {hosts: [collector.example.net], exportTo: ["."], resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: last, namespace: shop}}
`

interface Family {
  readonly what: string
  readonly as?: User
  readonly object: object
  readonly printed: string
}

async function families(context: Context, test: Case): Promise<void> {
  const rows: readonly Family[] = expected(context, 'refused')
  for (const { what, as: user = 'tenant', object, printed } of rows) {
    await test(`refused: ${what}`, async () => {
      const input = JSON.stringify(object)
      const { code, stdout, stderr } = await context.kubectl(['apply', '-f', '-'], { user, input })
      assert.deepEqual({ code, stdout, stderr }, { code: 1, stdout: '', stderr: printed })
    })
  }
}

function expected<T>({ root }: Context, file: string): readonly T[] {
  return parse(readFileSync(join(root, `test/e2e/objects/${file}.yaml`), 'utf8'))
}

async function whatPasses(context: Context, test: Case): Promise<void> {
  const cwd = join(context.root, 'examples/must-keep-working')
  for (const file of readdirSync(cwd)) {
    await test(`passes: examples/must-keep-working/${file}`, async () => {
      assert.equal(await quietly(context, ['apply', '-f', file], { user: 'tenant', cwd }), '')
    })
  }
  await test('passes: the pods of the sample applications, through the injector', async () => {
    for (const name of ['deployment/echo-v1', 'deployment/curl'])
      await context.mustKubectl(['-n', 'shop', 'rollout', 'status', name, '--timeout=60s'])
  })
}

async function pattern(context: Context, test: Case): Promise<void> {
  const folder = join(context.root, 'examples/pattern')
  const platform = (verb: string, args: readonly string[], input = ''): Promise<string> =>
    quietly(context, [...asPlatform, verb, ...args], { input })
  const remove = (): Promise<string> => platform('delete', ['-f', folder])
  await test('passes: the pattern, in the order given', async () => {
    assert.equal(await platform('apply', ['-f', folder]), lines(...legs('http', 'tls')))
    // Nothing changes, so nobody is told anything.
    assert.equal(await platform('apply', ['-f', folder]), '')
  })
  await test('passes: taking the pattern away, with what is lost', async () => {
    assert.equal(
      await remove(),
      lines(
        'Warning: metadata.name: egress gateway "main" no longer takes what …ted to it by this Gateway, which then fails (no-open-gateway)',
        'Warning: spec.host: routes to egress gateway "main" that name a … fail, and its TLS falls back to the default (no-gateway-detour)',
      ),
    )
  })
  await test('passes: the pattern from its end, warned that entries came before their routes', async () => {
    const items = ['http', 'tls'].flatMap(file => documents(join(folder, `${file}.yaml`))).reverse()
    const printed = await platform('apply', ['-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
    const [httpLeg, , tlsLeg] = legs('http', 'tls')
    assert.equal(printed, lines(early('api.stripe.com', 'eg'), tlsLeg, early('httpbin.org', 'egres'), httpLeg))
    await remove()
  })
  await test('passes: the pattern as a chart, which Helm sorts by kind', async () => {
    const chart = join(context.folder, 'pattern')
    mkdirSync(join(chart, 'templates'), { recursive: true })
    writeFileSync(join(chart, 'Chart.yaml'), 'apiVersion: v2\nname: pattern\nversion: 1.0.0\n')
    for (const file of readdirSync(folder)) copyFileSync(join(folder, file), join(chart, 'templates', file))
    const installed = await context.helm(['install', 'pattern', chart, '--namespace=istio-egress', ...helmAsPlatform])
    assert.equal(installed.code, 0, installed.stderr)
    assert.match(installed.stderr, /nothing leads \\"api.stripe.com\\" to the eg…y, so it leaves directly/)
    const removed = await context.helm(['uninstall', 'pattern', '--namespace=istio-egress', ...helmAsPlatform])
    assert.equal(removed.code, 0, removed.stderr)
  })
}

/** What is said of a route of the gateway and of an entry: which way traffic takes is not judged yet. */
function legs(...protocols: readonly ('http' | 'tls')[]): readonly string[] {
  return protocols.flatMap(protocol => {
    const [host, cut] = protocol === 'http' ? ['httpbin.org', 'ro'] : ['api.stripe.com', 'rou']
    return [
      `Warning: spec.${protocol}[1].route[0].destination.host: not judged: whether this ${cut}… pass by the egress gateway (require-approved-hosts)`,
      `Warning: spec.hosts[0]: not judged: whether traffic to "${host}" takes the egress gateway (require-approved-hosts)`,
    ]
  })
}

function early(host: string, cut: string): string {
  return `Warning: spec.hosts[0]: nothing leads "${host}" to the ${cut}…y, so it leaves directly from every pod (require-approved-hosts)`
}

/** Runs kubectl, which must end well, and returns what it printed as warnings. */
async function quietly(context: Context, args: readonly string[], hints?: KubectlHints): Promise<string> {
  const { code, stderr } = await context.kubectl(args, hints)
  assert.equal(code, 0, stderr)
  return stderr
}

function documents(file: string): readonly unknown[] {
  return parseAllDocuments(readFileSync(file, 'utf8')).map(document => document.toJS())
}

function lines(...all: readonly (string | undefined)[]): string {
  return all.map(line => `${line}\n`).join('')
}
