import assert from 'node:assert/strict'
import { asPlatform, startAcme } from './acme.ts'
import { mustPass, mustRefuse, patchType, type Sent, send } from './asked.ts'
import type { Case, Context } from './context.ts'
import { type Guard, guardLogs } from './guard.ts'
import { deletions } from './verbs/deletions.ts'
import { exclusions } from './verbs/exclusions.ts'
import { subresources } from './verbs/subresources.ts'

/** What this suite shows. */
export const name = 'every way in which an object can change, and what the guard is not asked about'

const istio = '/apis/networking.istio.io'
const shop = `${istio}/v1/namespaces/shop`
const deployments = '/apis/apps/v1/namespaces/shop/deployments'
const passthrough = { trafficPolicy: { loadBalancer: { simple: 'PASSTHROUGH' } } }
const relay =
  'spec.trafficPolicy.loadBalancer.simple: the proxy would connect to whatever address the application dialled, past the egress gateway'
const onNode = 'spec.template.spec.hostNetwork: the pod uses the network of its node, where no proxy sees its traffic'
const ports = [{ number: 443, name: 'tls', protocol: 'TLS' }]

/** Runs the cases on one installation, over objects of before it. */
export async function run(context: Context, test: Case): Promise<void> {
  const old = await context.freshNamespace({}, 'old')
  await context.apply(objectsOfBefore(old))
  const acme = await startAcme(context)
  try {
    await versions(context, test)
    await updates(context, test)
    await preexisting(context, test, old)
    await dryRuns(context, test, acme.guard)
    await deletions(context, test)
    await subresources(context, test)
    await exclusions(context, test, acme.guard)
  } finally {
    await acme.close()
    await context.mustKubectl(['delete', 'namespace', old, '--timeout=60s'])
  }
}

async function versions(context: Context, test: Case): Promise<void> {
  const rows: readonly (readonly [kind: string, plural: string, spec: object, reason: string])[] = [
    [
      'ServiceEntry',
      'serviceentries',
      { hosts: ['collector.example.net'], resolution: 'DNS', ports },
      'spec.hosts[0]: host "collector.example.net" is not approved, and this entry would let workloads reach it',
    ],
    [
      'VirtualService',
      'virtualservices',
      { hosts: ['reviews'], http: [{ redirect: { authority: 'files.example.net' } }] },
      'spec.http[0].redirect.authority: clients in the mesh would be sent on to "files.example.net", which is not approved for namespace "shop"',
    ],
    ['DestinationRule', 'destinationrules', { host: 'reviews', ...passthrough }, relay],
    [
      'Gateway',
      'gateways',
      {
        selector: { istio: 'egress-gateway' },
        servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['./web.example'] }],
      },
      'spec.selector: the selector matches the pods of egress gateway "main", so its servers would be added there',
    ],
    [
      'Sidecar',
      'sidecars',
      { workloadSelector: { labels: { app: 'web' } }, outboundTrafficPolicy: { mode: 'ALLOW_ANY' } },
      'spec.outboundTrafficPolicy.mode: mode "ALLOW_ANY" lets pods with app=web in namespace "shop" reach every destination, registered or not',
    ],
  ]
  for (const [kind, plural, spec, reason] of rows) {
    await test(`${kind} is refused in each version that is served`, async () => {
      for (const version of ['v1alpha3', 'v1beta1', 'v1']) {
        const body = { apiVersion: `networking.istio.io/${version}`, kind, metadata: { name: 'any' }, spec }
        await mustRefuse(context, { method: 'POST', path: `${istio}/${version}/namespaces/shop/${plural}`, body }, [
          reason,
        ])
      }
    })
  }
  await test('a generated name is refused under that name', async () => {
    const spec = { hostNetwork: true, containers: [{ name: 'app', image: 'app' }] }
    const body = { metadata: { generateName: 'probe-' }, spec }
    const answer = await send(context, { method: 'POST', path: '/api/v1/namespaces/shop/pods', body })
    assert.equal(answer.status, 403)
    assert.match(answer.body.message ?? '', /: 1 finding on Pod shop\/probe-\w{5} \(policy chart, acme\)\n/)
  })
}

async function updates(context: Context, test: Case): Promise<void> {
  const rule = { apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', metadata: { name: 'tuned' } }
  const path = `${shop}/destinationrules/tuned`
  const web = `${deployments}/web`
  await mustPass(context, {
    method: 'POST',
    path: `${shop}/destinationrules`,
    body: { ...rule, spec: { host: 'details' } },
  })
  await mustPass(context, { method: 'POST', path: deployments, body: deployment('web', {}) })
  const live = await context.plane.call('GET', path)
  const simple = '/spec/trafficPolicy'
  const rows: readonly (readonly [what: string, sent: Sent, reason: string])[] = [
    ['a merge patch', { method: 'PATCH', path, headers: patchType.merge, body: { spec: passthrough } }, relay],
    [
      'a JSON patch',
      {
        method: 'PATCH',
        path,
        headers: patchType.json,
        body: [{ op: 'add', path: simple, value: passthrough.trafficPolicy }],
      },
      relay,
    ],
    ['a replacement', { method: 'PUT', path, body: { ...live, spec: { host: 'details', ...passthrough } } }, relay],
    [
      'server-side apply',
      {
        method: 'PATCH',
        path: `${path}?fieldManager=e2e`,
        headers: patchType.apply,
        body: { ...rule, spec: { host: 'details', ...passthrough } },
      },
      relay,
    ],
    [
      'server-side apply of what is new',
      {
        method: 'PATCH',
        path: `${shop}/destinationrules/new?fieldManager=e2e`,
        headers: patchType.apply,
        body: { ...rule, metadata: { name: 'new' }, spec: { host: 'ratings', ...passthrough } },
      },
      relay,
    ],
    [
      'a strategic merge patch',
      {
        method: 'PATCH',
        path: web,
        headers: patchType.strategic,
        body: { spec: { template: { spec: { hostNetwork: true } } } },
      },
      onNode,
    ],
  ]
  for (const [what, sent, reason] of rows) {
    await test(`refused: ${what}`, async () => {
      await mustRefuse(context, sent, [reason])
      assert.equal((await context.plane.call('GET', path)).metadata.resourceVersion, live.metadata.resourceVersion)
    })
  }
  await test('refused: kubectl replace, in the words of kubectl', async () => {
    const input = JSON.stringify({ ...live, spec: { host: 'details', ...passthrough } })
    const { code, stdout, stderr } = await context.kubectl(['replace', '-f', '-'], { user: 'tenant', input })
    assert.deepEqual([code, stdout], [1, ''])
    assert.ok(
      stderr.startsWith(
        'Error from server (Forbidden): error when replacing "STDIN": admission webhook "routes.sallyport.dev" denied the request: 1 finding on DestinationRule shop/tuned (policy chart, acme)\n',
      ),
      stderr,
    )
  })
  await test('passes: changes that open nothing, and scaling', async () => {
    const patch = { spec: { trafficPolicy: { connectionPool: { tcp: { maxConnections: 9 } } } } }
    assert.deepEqual(await mustPass(context, { method: 'PATCH', path, headers: patchType.merge, body: patch }), [])
    const scale = { method: 'PATCH', path: `${web}/scale`, headers: patchType.merge, body: { spec: { replicas: 1 } } }
    assert.deepEqual(await mustPass(context, scale), [])
    assert.equal((await context.plane.call<Scaled>('GET', web)).spec.replicas, 1)
  })
}

interface Scaled {
  readonly spec: { readonly replicas: number }
}

function deployment(name: string, spec: object, namespace = 'shop'): object {
  const labels = { app: name }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      replicas: 0,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'app', image: 'app' }], ...spec } },
    },
  }
}

function objectsOfBefore(namespace: string): readonly object[] {
  return [
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'ServiceEntry',
      metadata: { name: 'old', namespace },
      spec: { hosts: ['old.example.net'], exportTo: ['.'], resolution: 'DNS', ports },
    },
    deployment('probe', { hostNetwork: true }, namespace),
  ]
}

async function preexisting(context: Context, test: Case, namespace: string): Promise<void> {
  const path = `${istio}/v1/namespaces/${namespace}/serviceentries/old`
  const probe = `/apis/apps/v1/namespaces/${namespace}/deployments/probe`
  const patch = (what: string, body: object): Sent => ({
    method: 'PATCH',
    path: what,
    headers: patchType.merge,
    body,
  })
  const oldHost =
    'spec.hosts[0]: host "old.example.net" is not approved, …this entry would let workloads reach it (require-approved-hosts)'
  await test('a finding of before is a warning', async () => {
    assert.deepEqual(await mustPass(context, patch(path, { metadata: { labels: { team: 'a' } } })), [oldHost])
    const paused = { spec: { template: { metadata: { annotations: { note: 'a' } } } } }
    assert.deepEqual(await mustPass(context, patch(probe, paused)), [`${onNode} (no-host-network)`])
  })
  await test('what is added to it is refused', async () => {
    const hosts = ['new.example.net', 'old.example.net']
    await mustRefuse(context, patch(path, { spec: { hosts } }), [
      'spec.hosts[0]: host "new.example.net" is not approved, and this entry would let workloads reach it',
    ])
  })
  await test('a change of finalizers alone is never commented on', async () => {
    assert.deepEqual(await mustPass(context, patch(path, { metadata: { finalizers: ['e2e.example/keep'] } })), [])
    assert.deepEqual(await mustPass(context, patch(path, { metadata: { finalizers: null } })), [])
  })
  await test('what had a finding may be scaled and deleted', async () => {
    assert.deepEqual(await mustPass(context, patch(`${probe}/scale`, { spec: { replicas: 0 } })), [])
    for (const gone of [probe, path]) assert.deepEqual(await mustPass(context, { method: 'DELETE', path: gone }), [])
  })
}

async function dryRuns(context: Context, test: Case, guard: Guard): Promise<void> {
  const entry = (name: string, host: string): string =>
    JSON.stringify({
      apiVersion: 'networking.istio.io/v1',
      kind: 'ServiceEntry',
      metadata: { name, namespace: 'shop' },
      spec: { hosts: [host], exportTo: ['.'], resolution: 'DNS', ports },
    })
  const refused = (before: string, name: string): string =>
    `Error from server (Forbidden): ${before}admission webhook "routes.sallyport.dev" denied the request: 1 finding on ServiceEntry shop/${name} (policy chart, acme)
spec.hosts[0]: host "collector.example.net" is not approved, and this entry would let workloads reach it
  fix: remove the host, or have "collector.example.net" approved (ApprovedHosts)
  require-approved-hosts, https://sallyport.dev/rules#require-approved-hosts
`
  const user = 'tenant'
  await test('kubectl apply --dry-run=server says the same and is known for what it is', async () => {
    const input = entry('tried', 'collector.example.net')
    const { code, stderr } = await context.kubectl(['apply', '--dry-run=server', '-f', '-'], { user, input })
    assert.deepEqual({ code, stderr }, { code: 1, stderr: refused('error when creating "STDIN": ', 'tried') })
    const line = await context.waitFor(
      () => guardLogs(context, guard).find(({ msg, name }) => msg === 'decision' && name === 'tried'),
      { what: 'the decision' },
    )
    assert.deepEqual([line['verdict'], line['dryRun'], line['user']], ['deny', true, 'tenant'])
  })
  await test('a dry run that passes leaves nothing behind', async () => {
    const input = entry('tried-too', 'a.s3.example.net')
    const { code, stdout } = await context.kubectl(['apply', '--dry-run=server', '-f', '-'], { user, input })
    assert.deepEqual([code, stdout], [0, 'serviceentry.networking.istio.io/tried-too created (server dry run)\n'])
    assert.equal(await context.get(`${shop}/serviceentries/tried-too`), undefined)
  })
  await test('kubectl diff says why there is nothing to compare', async () => {
    const { code, stderr } = await context.kubectl(['diff', '-f', '-'], {
      user,
      input: entry('compared', 'collector.example.net'),
    })
    assert.deepEqual({ code, stderr }, { code: 2, stderr: refused('', 'compared') })
  })
  await test('the platform is told by its own name', async () => {
    const input = entry('tried-by-olga', 'collector.example.net')
    await context.kubectl([...asPlatform, 'apply', '--dry-run=server', '-f', '-'], { input })
    const line = await context.waitFor(
      () => guardLogs(context, guard).find(({ msg, name }) => msg === 'decision' && name === 'tried-by-olga'),
      { what: 'the decision' },
    )
    assert.equal(line['user'], 'olga')
  })
}
