import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { acmeValues, daysFromNow, startAcme } from './acme.ts'
import { mustRefuse, notesOf, send, warningsOf } from './asked.ts'
import type { Case, Context } from './context.ts'
import { type Guard, guardLogs, guardMetric, guardPods, guardReady, podMetrics, upgradeGuard } from './guard.ts'
import type { Item } from './plane/client.ts'

/** What this suite shows. */
export const name = 'deny, warn, dryrun and off, exemptions, and mode audit'

const configMap = 'actions'
const values = { logging: { allowSample: 1 } }

/** Runs the cases on one installation, whose policy is partly in a ConfigMap of its own. */
export async function run(context: Context, test: Case): Promise<void> {
  const withPolicy = withConfigMap(acmeValues(context, values))
  const acme = await startAcme(context, withPolicy, namespace => [policyMap(namespace, [])])
  try {
    await actions(context, test, acme.guard)
    await exemptions(context, test, acme.guard)
    await audit(context, test, acme.guard, withPolicy)
  } finally {
    await acme.close()
  }
}

function withConfigMap(given: object): object {
  const { policy } = given as { readonly policy: object }
  return { ...given, policy: { ...policy, existingConfigMaps: [configMap] } }
}

/** A policy that treats one rule in four ways, and what it exempts. */
function policyMap(namespace: string, exemptions: readonly object[]): Item {
  const apiVersion = 'sallyport.dev/v1alpha1'
  const overrides = [
    { namespaces: ['payments'], enforcementAction: 'warn' },
    { namespaces: ['legacy'], enforcementAction: 'dryrun' },
    { namespaces: ['default'], enforcementAction: 'off' },
  ]
  const rules = { 'no-open-networkpolicy': { enforcementAction: 'deny', overrides } }
  const documents = [
    { apiVersion, kind: 'EgressPolicy', metadata: { name: 'actions' }, spec: { rules } },
    { apiVersion, kind: 'EgressExemptions', metadata: { name: 'actions' }, spec: { exemptions } },
  ]
  const data = { 'actions.yaml': documents.map(document => JSON.stringify(document)).join('\n---\n') }
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: configMap, namespace }, data }
}

const openedLine =
  'spec.egress[0]: a rule without peers lets the pods reach…ry address, whatever other policies say (no-open-networkpolicy)'

async function actions(context: Context, test: Case, guard: Guard): Promise<void> {
  const policies = (namespace: string): string => `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`
  const body = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'allow-all' },
    spec: { podSelector: {}, policyTypes: ['Egress'], egress: [{}] },
  }
  const [revision] = await revisions(context, guard)
  const rows: readonly (readonly [action: string, namespace: string, verdict: string, warnings: readonly string[]])[] =
    [
      ['deny', 'shop', 'deny', []],
      ['warn', 'payments', 'warn', [openedLine]],
      ['dryrun', 'legacy', 'allow', []],
      ['off', 'default', 'allow', []],
    ]
  for (const [action, namespace, verdict, warnings] of rows) {
    await test(`${action}: told to whom it concerns, in the audit log, in the guard's log and its metrics`, async () => {
      const counted = (): Promise<number> =>
        guardMetric(
          context,
          guard,
          'sallyport_findings_total',
          `rule="no-open-networkpolicy",enforcement_action="${action}"`,
        )
      const before = await counted()
      const answer = await send(context, { method: 'POST', path: policies(namespace), body })
      assert.equal(answer.status, verdict === 'deny' ? 403 : 201, answer.body.message)
      assert.deepEqual(warningsOf(answer), warnings)
      const noted = action === 'off' ? {} : { rules: `no-open-networkpolicy=${action}` }
      assert.deepEqual(await notesOf(context, answer), { routes: { verdict, ...noted, policy: revision } })
      const line = await decision(context, guard, namespace, 'allow-all')
      assert.equal(line['verdict'], verdict)
      assert.deepEqual(
        line['rules'],
        action === 'off' ? [] : [{ id: 'no-open-networkpolicy', enforcementAction: action }],
      )
      assert.equal(await counted(), before + (action === 'off' ? 0 : 1))
    })
  }
  await test('warn: a line of kubectl', async () => {
    const input = JSON.stringify({ ...body, metadata: { name: 'allow-all-too', namespace: 'payments' } })
    const { code, stdout, stderr } = await context.kubectl(['apply', '-f', '-'], { user: 'tenant', input })
    assert.deepEqual(
      { code, stdout, stderr },
      {
        code: 0,
        stdout: 'networkpolicy.networking.k8s.io/allow-all-too created\n',
        stderr: `Warning: ${openedLine}\n`,
      },
    )
  })
}

/** Returns the revision in force on each replica. */
async function revisions(context: Context, guard: Guard): Promise<readonly (string | undefined)[]> {
  const pods = guardPods(context, guard)
  return Promise.all(
    pods.map(async pod => /^sallyport_policy_info\{revision="(\w+)"\} 1$/m.exec(await podMetrics(pod))?.[1]),
  )
}

/** Puts exemptions in force on every replica. */
async function exempt(context: Context, guard: Guard, exemptions: readonly object[]): Promise<void> {
  const before = await revisions(context, guard)
  await context.apply([policyMap(guard.namespace, exemptions)])
  await context.waitFor(async () => (await revisions(context, guard)).every(revision => revision !== before[0]), {
    what: 'the policy to be in force',
  })
}

function decision(
  context: Context,
  guard: Guard,
  namespace: string,
  name: string,
): Promise<Readonly<Record<string, unknown>>> {
  return context.waitFor(
    () =>
      guardLogs(context, guard).findLast(
        line => line['msg'] === 'decision' && line['namespace'] === namespace && line['name'] === name,
      ),
    { what: `the decision about ${namespace}/${name}` },
  )
}

async function exemptions(context: Context, test: Case, guard: Guard): Promise<void> {
  const moment = new Date(Date.now() + 12_000).toISOString()
  const exemption = (name: string, expires: string): object => ({
    name,
    rule: 'require-approved-hosts',
    object: { kind: 'ServiceEntry', namespace: 'shop', name },
    path: 'spec.hosts[0]',
    value: `${name}.example.net`,
    owner: 'shop',
    reason: 'shown in a test',
    expires,
  })
  await exempt(context, guard, [
    exemption('partner', daysFromNow(30)),
    exemption('briefly', moment),
    exemption('late', daysFromNow(-2)),
  ])
  const entry = (name: string, host: string): object => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name },
    spec: { hosts: [host], exportTo: ['.'], resolution: 'DNS', ports: [{ number: 443, name: 'tls', protocol: 'TLS' }] },
  })
  const path = '/apis/networking.istio.io/v1/namespaces/shop/serviceentries?dryRun=All'
  const reason = (host: string): string =>
    `spec.hosts[0]: host "${host}" is not approved, and this entry would let workloads reach it`
  await test('an exemption holds for what it names, and is noted', async () => {
    const answer = await send(context, { method: 'POST', path, body: entry('partner', 'partner.example.net') })
    assert.equal(answer.status, 201, answer.body.message)
    const { routes } = await notesOf(context, answer)
    assert.equal(routes?.['exemption'], 'partner')
    assert.match(routes?.['rules'] ?? '', /require-approved-hosts=exempt/)
    assert.equal((await decision(context, guard, 'shop', 'partner'))['exemption'], 'partner')
  })
  await test('not for another value, and not for another object', async () => {
    for (const [name, host] of [
      ['partner', 'other.example.net'],
      ['other', 'partner.example.net'],
    ] as const) {
      await mustRefuse(context, { method: 'POST', path, body: entry(name, host) }, [reason(host)])
    }
  })
  await test('one that expired exempts nothing, and the guard says so', async () => {
    const body = entry('late', 'late.example.net')
    await mustRefuse(context, { method: 'POST', path, body }, [reason('late.example.net')])
    const said = guardLogs(context, guard).filter(({ level, msg }) => level === 'warn' && /expired/.test(String(msg)))
    assert.match(
      String(said[0]?.['msg']),
      new RegExp(
        `^configmap ${configMap}/actions.yaml:\\d+:\\d+ .*expires: expired ${daysFromNow(-2)}, renew it or remove it$`,
      ),
    )
  })
  await test('one that expires while the guard runs is over at once', async () => {
    const sent = { method: 'POST', path, body: entry('briefly', 'briefly.example.net') }
    const first = await send(context, sent)
    assert.ok(Date.now() < Date.parse(moment), 'asked too late to show anything')
    assert.equal(first.status, 201, first.body.message)
    await context.waitFor(() => Date.now() > Date.parse(moment), { what: 'the end' })
    await mustRefuse(context, sent, [reason('briefly.example.net')])
  })
  await test('a workload has its exemption for its pods, through its real controller', () => workload(context, guard))
}

/** The exemption of examples/exempt reaches the pods of that Deployment, and nobody else's. */
async function workload(context: Context, guard: Guard): Promise<void> {
  const file = join(context.root, 'examples/exempt/node-probe.yaml')
  const { code, stderr } = await context.kubectl(['apply', '-f', file], { user: 'tenant' })
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  await context.mustKubectl(['-n', 'shop', 'rollout', 'status', 'deployment/node-probe', '--timeout=60s'])
  const pods = '/api/v1/namespaces/shop/pods'
  const { items } = await context.plane.call<{ readonly items: readonly Item[] }>(
    'GET',
    `${pods}?labelSelector=app=node-probe`,
  )
  const [pod] = items
  assert.ok(pod)
  const line = await decision(context, guard, 'shop', pod.metadata.name)
  assert.equal(line['exemption'], 'node-probe')
  assert.equal(line['user'], 'system:serviceaccount:kube-system:replicaset-controller')
  const { labels, annotations, ownerReferences } = pod.metadata
  const forged = {
    metadata: { name: 'forged', labels, annotations, ownerReferences },
    spec: { ...(pod['spec'] as object), nodeName: undefined },
  }
  await mustRefuse(context, { method: 'POST', path: pods, body: forged }, [
    'spec.hostNetwork: the pod uses the network of its node, where no proxy sees its traffic',
  ])
}

async function audit(context: Context, test: Case, guard: Guard, installed: object): Promise<void> {
  await upgradeGuard(context, guard, { ...installed, mode: 'audit' })
  await guardReady(context, guard)
  // Those of before still answer until they end.
  await context.waitFor(() => guardPods(context, guard).length === 2, { what: 'the old guards to go' })
  await test('audit: a refusal is told and not carried out', async () => {
    const name = 'collector'
    const spec = {
      hosts: ['collector.example.net'],
      exportTo: ['.'],
      resolution: 'DNS',
      ports: [{ number: 443, name: 'tls', protocol: 'TLS' }],
    }
    const body = { apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry', metadata: { name }, spec }
    const path = '/apis/networking.istio.io/v1/namespaces/shop/serviceentries?dryRun=All'
    const answer = await send(context, { method: 'POST', path, body })
    assert.equal(answer.status, 201, answer.body.message)
    assert.deepEqual(warningsOf(answer), [
      'audit: 1 reason to refuse ServiceEntry shop/collector (policy chart, acme, actions)',
      'spec.hosts[0]: host "collector.example.net" is not appr…this entry would let workloads reach it (require-approved-hosts)',
    ])
    const { routes } = await notesOf(context, answer)
    assert.deepEqual([routes?.['verdict'], routes?.['mode']], ['deny', 'audit'])
    assert.match(routes?.['rules'] ?? '', /require-approved-hosts=deny/)
    const line = await decision(context, guard, 'shop', name)
    assert.deepEqual([line['verdict'], line['mode']], ['deny', 'audit'])
  })
  const cwd = join(context.root, 'examples/ways-out')
  await test('audit: every way out passes, with the reasons as warnings', async () => {
    for (const file of readdirSync(cwd)) {
      // Its kind is not installed here.
      if (file === '3-istiooperator-ranges.yaml') continue
      const args = ['apply', '--server-side', '--force-conflicts', '--dry-run=server', '-f', file]
      const { code, stderr } = await context.kubectl(args, { user: 'tenant', cwd })
      assert.equal(code, 0, stderr)
      assert.match(
        stderr,
        file.startsWith('2-approved') || file.startsWith('2-direct')
          ? /^Warning: /
          : /^Warning: audit: \d reasons? to refuse /m,
      )
    }
  })
  await test('audit: so does an object of each family', async () => {
    const file = join(context.root, 'test/e2e/objects/refused.yaml')
    const rows: readonly { readonly what: string; readonly object: object }[] = parse(readFileSync(file, 'utf8'))
    const objects = { apiVersion: 'v1', kind: 'List', items: rows.map(({ object }) => object) }
    const { code, stdout, stderr } = await context.kubectl(['apply', '--dry-run=server', '-f', '-'], {
      user: 'admin',
      input: JSON.stringify(objects),
    })
    assert.equal(code, 0, stderr)
    assert.equal(stdout.trim().split('\n').length, rows.length)
    assert.equal(stderr.split('\n').filter(line => line.startsWith('Warning: audit: ')).length, rows.length)
  })
}
