import assert from 'node:assert/strict'
import { serveCommand } from '../../src/cli/serve.ts'
import { readClusterSettings } from '../../src/cli/settings.ts'
import { mutations } from '../../src/mutations/index.ts'
import { loadPolicy } from '../../src/policy/load.ts'
import { formatProblem } from '../../src/policy/problem.ts'
import { rules } from '../../src/rules/index.ts'
import { entriesOf, objectsOf, onlyOf, render, type Scenario, scenariosOf, waitingRules } from './chart.ts'
import type { Case, Context } from './context.ts'
import type { Item } from './plane/client.ts'
import { definitionOf } from './samples.ts'

/** What this suite shows. */
export const name = 'the chart as Helm renders it and the API server takes it'

/** Runs every scenario of the chart, then what the guard's part in its webhook configurations is. */
export async function run(context: Context, test: Case): Promise<void> {
  await context.apply([monitors])
  for (const scenario of scenariosOf(context)) await runScenario(scenario, context, test)
  for (const [what, values, why] of refused) {
    await test(`is not rendered: ${what}`, async () => {
      await assert.rejects(render(context, { release: 'trial-refused', namespace: 'guards', values }), why)
    })
  }
  await runConfigurations(context, test)
  await context.mustKubectl(['delete', '-f', '-'], JSON.stringify(monitors))
}

/** The kind of the Prometheus operator, as far as the chart needs it. */
const monitors = definitionOf({
  group: 'monitoring.coreos.com',
  kind: 'ServiceMonitor',
  plural: 'servicemonitors',
  version: 'v1',
})

/** Values that would not do what they say, with what Helm prints. */
const refused: readonly (readonly [what: string, values: object, why: RegExp])[] = [
  ['one guard that enforces', { mode: 'enforce', replicas: 1 }, /mode: enforce needs replicas: 2 or more/],
  ['the mesh in kube-system', { istio: { agentNamespaces: ['kube-system'] } }, /kube-system is never asked about/],
  ['the mesh beside the guard', { istio: { rootNamespace: 'guards' } }, /guards is never asked about/],
  ['one port for two', { metrics: { port: 9443 } }, /must differ/],
  ['an unknown value', { mod: 'enforce' }, /additional properties 'mod' not allowed/],
  ['an unknown mode', { mode: 'strict' }, /value must be one of 'audit', 'enforce'/],
]

async function runScenario({ name, file, namespaces }: Scenario, context: Context, test: Case): Promise<void> {
  const namespace = await context.freshNamespace()
  const release = `trial-${name}`
  const rendered = await render(context, { release, namespace, file })
  const objects = objectsOf(rendered)

  await test(`${name}: helm lint --strict has nothing to say`, async () => {
    const { code, stdout, stderr } = await context.helm(['lint', '--strict', context.chart, '-f', file])
    assert.equal(code, 0, stdout + stderr)
    assert.match(stdout, /1 chart\(s\) linted, 0 chart\(s\) failed/)
  })
  await test(`${name}: renders the same bytes again`, async () => {
    assert.equal(await render(context, { release, namespace, file }), rendered)
  })
  await test(`${name}: the policy loads`, async () => {
    const files = Object.entries(onlyOf(objects, 'ConfigMap')['data'] as Record<string, string>)
    const sources = files.map(([file, text]) => ({ file, text }))
    const outcome = loadPolicy(sources, { rules, mutations, now: Date.now(), guardNamespace: namespace })
    assert.ok(outcome.ok, outcome.ok ? '' : outcome.problems.map(formatProblem).join('\n'))
    assert.equal(outcome.policy.facts.namespaces.classOf('istio-system', undefined), 'platform')
    assert.equal(outcome.policy.facts.namespaces.classOf('cert-manager', undefined), 'notGoverned')
    assert.equal(outcome.policy.facts.namespaces.classOf('shop', undefined), 'governed')
  })
  await test(`${name}: the guard understands its arguments`, async () => {
    const { spec } = (onlyOf(objects, 'Deployment')['spec'] as { template: Item }).template
    const [guard] = (spec as { containers: readonly { args: readonly string[] }[] }).containers
    const [command, ...args] = (guard?.args ?? []).map(arg =>
      arg.replace('$(POD_NAMESPACE)', namespace).replace('$(POD_NAME)', 'guard-0'),
    )
    assert.equal(command, 'serve')
    const serve = serveCommand()
    assert.deepEqual(serve.parseOptions(args), { operands: [], unknown: [] })
    const { policyConfigMaps, watchedConfigMaps } = readClusterSettings(serve.opts())
    const names = (kind: string): readonly string[] =>
      objects.filter(item => item.kind === kind).map(({ metadata }) => metadata.name)
    assert.deepEqual(policyConfigMaps[0], names('ConfigMap')[0])
    assert.deepEqual(serve.opts()['validating'], names('ValidatingWebhookConfiguration')[0])
    assert.deepEqual(serve.opts()['mutating'], names('MutatingWebhookConfiguration')[0])
    assert.ok(names('Service').includes(serve.opts()['service']))
    for (const watched of watchedConfigMaps) assert.ok(mayRead(objects, watched), JSON.stringify(watched))
  })
  await test(`${name}: pods are as ${name === 'hostnetwork' ? 'any but the restricted' : 'the restricted'} level wants them`, async () => {
    const restricted = await context.freshNamespace({ 'pod-security.kubernetes.io/enforce': 'restricted' })
    const { metadata, spec } = (onlyOf(objects, 'Deployment')['spec'] as { template: Item }).template
    const { serviceAccountName: _, priorityClassName: __, ...rest } = spec as Record<string, unknown>
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name: 'guard' }, spec: rest }
    const path = `/api/v1/namespaces/${restricted}/pods?dryRun=All`
    const { status, body } = await context.plane.request('POST', path, pod)
    assert.equal(status, name === 'hostnetwork' ? 403 : 201, JSON.stringify(body))
  })
  await test(`${name}: the API server takes all of it, and a second time nothing changes`, async () => {
    for (const needed of namespaces) {
      if (await context.get(`/api/v1/namespaces/${needed}`)) continue
      await context.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: needed } }])
    }
    // Without the account no pods can be made, which are another suite's.
    const objects = objectsOf(rendered).filter(({ kind }) => kind !== 'ServiceAccount')
    const account = objectsOf(rendered).filter(({ kind }) => kind === 'ServiceAccount')
    const first = await applied(context, objects)
    try {
      assert.equal(first.length, objects.length)
      assert.deepEqual((await applied(context, objects, '--dry-run=server')).map(essence), first.map(essence))
      assert.equal((await applied(context, account, '--dry-run=server')).length, 1)
      for (const [i, object] of objects.entries()) {
        if (!object.kind?.endsWith('WebhookConfiguration')) continue
        assert.deepEqual(first[i]?.['webhooks'], object['webhooks'], 'the API server has nothing to fill in')
      }
    } finally {
      await context.mustKubectl(['delete', '--wait=false', '-f', '-'], listOf(objects))
    }
  })
}

interface Permission {
  readonly resources: readonly string[]
  readonly resourceNames?: readonly string[]
}

/** Whether a role lets the guard read a ConfigMap. */
function mayRead(
  objects: readonly Item[],
  { namespace, name }: { readonly namespace: string; readonly name: string },
): boolean {
  return ['', 'Cluster'].some(scope => {
    const isThere = ({ metadata }: Item): boolean => scope === 'Cluster' || metadata.namespace === namespace
    const role = objects.find(object => object.kind === `${scope}Role` && isThere(object))
    const rules = (role?.['rules'] ?? []) as readonly Permission[]
    const isBound = objects.some(object => object.kind === `${scope}RoleBinding` && isThere(object))
    return isBound && rules.some(rule => rule.resources.includes('configmaps') && rule.resourceNames?.includes(name))
  })
}

function listOf(items: readonly object[]): string {
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
}

/** Applies objects as Helm 4 does, and returns them as they then are. */
async function applied(
  context: Context,
  objects: readonly object[],
  ...more: readonly string[]
): Promise<readonly Item[]> {
  const args = ['apply', '--server-side', '--field-manager=helm', '-o', 'json', ...more, '-f', '-']
  const printed: { readonly items?: readonly Item[] } = JSON.parse(await context.mustKubectl(args, listOf(objects)))
  return printed.items ?? [printed as Item]
}

/** What of an object is ours: controllers write the rest. */
function essence(object: Item): unknown {
  const { status: _, ...rest } = object
  const { resourceVersion: __, managedFields: ___, annotations = {}, ...metadata } = object.metadata
  const { 'deployment.kubernetes.io/revision': ____, ...kept } = annotations
  return { ...rest, metadata: { ...metadata, annotations: kept } }
}

async function runConfigurations(context: Context, test: Case): Promise<void> {
  const namespace = await context.freshNamespace()
  const release = 'trial-entries'
  const values = {
    mode: 'enforce',
    istio: { rootNamespace: namespace, gatewayNamespaces: [] },
    fullnameOverride: release,
  }
  // No guard is there: whoever asked would fail.
  const platform = await context.freshNamespace()
  const rendered = await render(context, {
    release,
    namespace,
    values: { ...values, istio: { rootNamespace: platform } },
  })
  const configuration = onlyOf(objectsOf(rendered), 'ValidatingWebhookConfiguration')
  const path = `/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/egress-${release}`
  const strict = ['pods', 'routes', 'cluster', 'policy'].map(entry => `${entry}.sallyport.dev`)
  try {
    await test('an entry without rules is taken and never asks', async () => {
      await applied(context, [configuration])
      const live = await context.plane.call('GET', path)
      for (const { name, failurePolicy, rules } of entriesOf(live)) {
        assert.equal(failurePolicy, strict.includes(name) ? 'Fail' : 'Ignore', name)
        assert.equal(rules, undefined)
      }
      const tenant = await context.freshNamespace()
      const spec = { ports: [{ port: 80 }] }
      const metadata = { name: 'web' }
      await context.plane.call('POST', `/api/v1/namespaces/${tenant}/services`, { metadata, spec })
    })
    await test('what the guard writes into entries stays when Helm applies them again, without a conflict', async () => {
      await fill(context, path)
      for (const mode of ['enforce', 'audit', 'enforce'] as const) {
        const again = await render(context, {
          release,
          namespace,
          values: { ...values, mode, istio: { rootNamespace: platform } },
        })
        const [live] = await applied(context, [onlyOf(objectsOf(again), 'ValidatingWebhookConfiguration')])
        assert.ok(live)
        for (const { name, rules, clientConfig, failurePolicy } of entriesOf(live)) {
          assert.deepEqual(rules, waitingRules(live)[name])
          assert.equal(typeof clientConfig['caBundle'], 'string')
          assert.equal(failurePolicy, mode === 'enforce' && strict.includes(name) ? 'Fail' : 'Ignore')
        }
      }
    })
  } finally {
    await context.plane.call('DELETE', path)
  }
}

/** Writes rules and CA into the entries, as the guard does. */
async function fill(context: Context, path: string): Promise<void> {
  const live = await context.plane.call('GET', path)
  const rules = waitingRules(live)
  const caBundle = Buffer.from(context.plane.ca).toString('base64')
  const patch = [
    { op: 'test', path: '/metadata/resourceVersion', value: live.metadata.resourceVersion },
    ...entriesOf(live).flatMap(({ name }, i) => [
      { op: 'add', path: `/webhooks/${i}/rules`, value: rules[name] },
      { op: 'add', path: `/webhooks/${i}/clientConfig/caBundle`, value: caBundle },
    ]),
  ]
  const headers = { 'content-type': 'application/json-patch+json' }
  await context.plane.call('PATCH', `${path}?fieldManager=sallyport`, patch, headers)
}
