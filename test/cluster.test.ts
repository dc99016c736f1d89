import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { serveCluster } from '../src/cli/cluster.ts'
import { Freshness, staleAfter } from '../src/cli/freshness.ts'
import type { ServeFlags } from '../src/cli/serve.ts'
import type { Guard } from '../src/cli/server.ts'
import { createLog } from '../src/http/log.ts'
import { dig, list } from '../src/istio/json.ts'
import { rulesAnnotation } from '../src/kube/entries.ts'
import type { ReflectorStatus } from '../src/kube/status.ts'
import { probe } from './guard.ts'
import { type Scripted, type Stored, startScripted } from './scripted.ts'
import { until } from './until.ts'

// The guard in a cluster, as a whole, against an API server that does what a test tells it.

const flags: ServeFlags = {
  listen: '127.0.0.1:0',
  metricsListen: '127.0.0.1:0',
  policy: [],
  inventory: [],
  allowSample: '0',
  shutdownDelay: '0',
  mutate: true,
  cluster: true,
  namespace: 'sallyport-system',
  pod: 'sallyport-0',
  service: 'sallyport',
  tlsSecret: 'sallyport-tls',
  lease: 'sallyport',
  validating: 'egress-sallyport',
  mutating: 'egress-sallyport',
  policyConfigmap: ['sallyport-policy'],
  watchConfigmap: ['istio-system/istio'],
}

const core = (plural: string, kind: string) => ({ path: `/api/v1/${plural}`, apiVersion: 'v1', kind })
const grouped = (apiVersion: string, plural: string, kind: string) => ({
  path: `/apis/${apiVersion}/${plural}`,
  apiVersion,
  kind,
})
const configMaps = core('configmaps', 'ConfigMap')
const namespaces = core('namespaces', 'Namespace')
const secrets = core('secrets', 'Secret')
const leases = grouped('coordination.k8s.io/v1', 'leases', 'Lease')
const entries = grouped('networking.istio.io/v1', 'serviceentries', 'ServiceEntry')
const validating = grouped(
  'admissionregistration.k8s.io/v1',
  'validatingwebhookconfigurations',
  'ValidatingWebhookConfiguration',
)
const mutating = grouped(
  'admissionregistration.k8s.io/v1',
  'mutatingwebhookconfigurations',
  'MutatingWebhookConfiguration',
)

function policyMap(action: string): Stored {
  const text = `apiVersion: sallyport.dev/v1alpha1
kind: EgressPolicy
metadata: {name: acme}
spec: {rules: {require-approved-hosts: {enforcementAction: ${action}}}}
`
  return { metadata: { name: 'sallyport-policy', namespace: 'sallyport-system' }, data: { 'acme.yaml': text } }
}

function configuration(): Stored {
  const rules = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'], scope: '*' }]
  return {
    metadata: {
      name: 'egress-sallyport',
      annotations: { [rulesAnnotation]: JSON.stringify({ 'pods.sallyport.dev': rules }) },
    },
    webhooks: [{ name: 'pods.sallyport.dev', clientConfig: { service: { name: 'sallyport' } } }],
  }
}

/** Every API server has them; all else is found by discovery. */
const coreKinds = [
  ['pods', 'Pod'],
  ['services', 'Service'],
  ['replicationcontrollers', 'ReplicationController'],
] as const

function fill(server: Scripted): void {
  server.serve(configMaps, [policyMap('deny')])
  server.serve(namespaces, [{ metadata: { name: 'shop' } }])
  server.serve(entries)
  for (const [plural, kind] of coreKinds) server.serve(core(plural, kind))
  server.serve(secrets)
  server.serve(leases)
  server.serve(validating, [configuration()])
  server.serve(mutating, [configuration()])
}

interface Scene {
  readonly server: Scripted
  readonly guard: Guard
  readonly lines: () => readonly Record<string, unknown>[]
  said(message: string): boolean
  ready(): Promise<string>
  metrics(): Promise<string>
}

async function stage(
  t: Test,
  prepare: (server: Scripted) => unknown,
  changes: Partial<ServeFlags> = {},
): Promise<Scene> {
  const server = await startScripted(t)
  await prepare(server)
  const written: string[] = []
  const log = createLog({ write: line => written.push(line) })
  const guard = await serveCluster({ ...flags, ...changes }, log, { cluster: server.cluster })
  t.teardown(() => guard.close(undefined, 100))
  const lines = (): readonly Record<string, unknown>[] => written.map(line => JSON.parse(line))
  return {
    server,
    guard,
    lines,
    said: message => lines().some(({ msg }) => msg === message),
    ready: () => probe(guard.probes.port, '/readyz'),
    metrics: () => probe(guard.probes.port, '/metrics'),
  }
}

async function untilReady({ ready }: Scene): Promise<void> {
  const end = performance.now() + 10_000
  while (!(await ready()).startsWith('200')) {
    if (performance.now() > end) throw new Error('not ready after 10 s')
    await wait(20)
  }
}

// Most of their time they wait, each for a server of its own.
t.jobs = 6
const parallel = { buffered: true }

t.test('a guard reads the cluster, makes its certificate, and only then lets itself be asked', parallel, async t => {
  const scene = await stage(t, fill)
  const { server, said, metrics, lines } = scene
  await untilReady(scene)
  await until('both are registered', () => lines().filter(({ state }) => state === 'registered').length === 2)
  const secret = server.read(secrets.path, 'sallyport-system', 'sallyport-tls')
  t.match(Object.keys(Object(secret?.['data'])).sort(), ['ca.crt', 'ca.key', 'tls.crt', 'tls.key'])
  const ca = dig(secret, 'data', 'ca.crt')
  for (const { path } of [validating, mutating]) {
    const [entry] = list(server.read(path, '', 'egress-sallyport')?.['webhooks'])
    t.equal(dig(entry, 'clientConfig', 'caBundle'), ca)
    t.match(dig(entry, 'rules'), [{ resources: ['pods'] }])
  }
  t.ok(said('policy in force') && said('inventory read') && said('certificate served') && said('leading'))
  t.match(await metrics(), /sallyport_leader 1/)
  t.match(await metrics(), /sallyport_webhook_configuration\{configuration="validating",state="registered"\} 1/)
  t.match(await metrics(), /sallyport_inventory_objects\{kind="Namespace",state="synced"\} 1/)
  const writes = server.asked.filter(({ method }) => method === 'PATCH').length
  t.equal(writes, 2, 'one write for each configuration')
})

t.test('the policy changes with its ConfigMap, all or nothing', parallel, async t => {
  const scene = await stage(t, fill)
  const { server, lines, metrics, said } = scene
  await untilReady(scene)
  const revisions = (): readonly unknown[] =>
    lines()
      .filter(({ msg }) => msg === 'policy in force')
      .map(line => line['revision'])
  server.put(configMaps.path, policyMap('warn'))
  await until('the change is in force', () => revisions().length === 2)
  server.put(configMaps.path, policyMap('nonsense'))
  await until('the broken one is refused', () => said('policy refused'))
  t.match(
    lines().find(({ msg }) => msg === 'policy refused'),
    { level: 'error', why: /^configmap sallyport-policy\/acme\.yaml:4:\d+ spec\.rules\.require-approved-hosts/ },
  )
  t.match(await metrics(), /sallyport_policy_refused 1/)
  t.match(await metrics(), new RegExp(`sallyport_policy_info\\{revision="${revisions().at(-1)}"\\} 1`))
  t.match(await scene.ready(), /^200/, 'the last good policy goes on')
  server.remove(configMaps.path, 'sallyport-system', 'sallyport-policy')
  await until('one that is gone is refused too', () =>
    lines().some(({ why }) => why === 'policy ConfigMap sallyport-policy is not there'),
  )
  server.put(configMaps.path, policyMap('warn'))
  await until('what is in force is there again', () => said('policy restored'))
  t.match(await metrics(), /sallyport_policy_refused 0/)
})

t.test('F1: it listens while the API server is away, says so, and is ready once that is back', parallel, async t => {
  const scene = await stage(t, server => server.goAway())
  t.match(await scene.ready(), /^503/)
  t.match(await probe(scene.guard.probes.port, '/livez'), /^200/)
  await scene.server.comeBack()
  fill(scene.server)
  await untilReady(scene)
})

t.test('without its ConfigMap, or with a broken one from the start, it is never ready', parallel, async t => {
  const scene = await stage(t, server => {
    fill(server)
    server.put(configMaps.path, policyMap('nonsense'))
  })
  await until('all else is there', () => scene.said('certificate served') && scene.said('inventory read'))
  t.match(await scene.ready(), /^503/)
  t.ok(scene.said('policy refused'))
  const registered = scene.lines().some(({ state }) => state === 'registered')
  t.notOk(registered, 'and nothing is registered')
  scene.server.put(configMaps.path, policyMap('deny'))
  await untilReady(scene)
})

t.test('without policy ConfigMaps the baseline holds', parallel, async t => {
  const scene = await stage(t, fill, { policyConfigmap: [] })
  await untilReady(scene)
  t.match(
    scene.lines().find(({ msg }) => msg === 'policy in force'),
    { policy: 'baseline', approvedHosts: 0 },
  )
})

t.test('a kind that may not be read does not keep it from being ready, and is named', parallel, async t => {
  const scene = await stage(t, server => {
    fill(server)
    server.next(
      asked => asked.path === entries.path,
      response => {
        response.writeHead(403, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ kind: 'Status', code: 403, message: 'serviceentries is forbidden' }))
      },
      Number.POSITIVE_INFINITY,
    )
  })
  await untilReady(scene)
  const line = scene.lines().find(({ msg }) => msg === 'may not be read, and counts as unknown')
  t.match(line, {
    level: 'error',
    kind: 'ServiceEntry.networking.istio.io',
    why: 'HTTP 403: serviceentries is forbidden',
  })
  t.match(
    await scene.metrics(),
    /sallyport_inventory_objects\{kind="ServiceEntry.networking.istio.io",state="forbidden"\} 0/,
  )
})

t.test('a configuration that is deleted stays deleted', parallel, async t => {
  const scene = await stage(t, fill)
  await untilReady(scene)
  await until('registered', () => scene.lines().filter(({ state }) => state === 'registered').length === 2)
  scene.server.remove(validating.path, '', 'egress-sallyport')
  await until('said', () =>
    scene.lines().some(({ state, configuration }) => state === 'absent' && configuration === 'validating'),
  )
  t.equal(scene.server.read(validating.path, '', 'egress-sallyport'), undefined)
})

t.test('it gives up the lease when it stops', parallel, async t => {
  const { guard, server, said } = await stage(t, fill)
  await until('it leads', () => said('leading'))
  t.match(dig(server.read(leases.path, 'sallyport-system', 'sallyport'), 'spec', 'holderIdentity'), /^sallyport-0_/)
  await guard.close(undefined, 100)
  t.equal(dig(server.read(leases.path, 'sallyport-system', 'sallyport'), 'spec', 'holderIdentity'), '')
})

t.test('freshness', t => {
  const one = (kind: string, staleness: number, more: Partial<ReflectorStatus> = {}): ReflectorStatus =>
    Object.assign(
      { kind, state: 'synced', objects: 0, staleness, relists: 0, restarts: {}, missed: 0, faults: [], why: undefined },
      more,
    )
  const limit = 900_000
  const freshness = new Freshness(limit)
  t.equal(freshness.look([one('Pod', 0), one('Service', staleAfter)]), undefined)
  t.notOk(freshness.isStale)
  const behind = [one('Pod', 0), one('Service', staleAfter + 1, { why: 'HTTP 500' }), one('Service', staleAfter + 2)]
  t.strictSame(freshness.look(behind), { became: 'stale', kinds: 1, why: 'HTTP 500' })
  t.ok(freshness.isStale)
  t.notOk(freshness.isForsaken(false))
  t.equal(freshness.look([one('Service', limit + 1)]), undefined)
  t.ok(freshness.isForsaken(false))
  t.notOk(freshness.isForsaken(true), 'one replica stays')
  t.strictSame(
    freshness.look([one('Service', limit + 1, { state: 'forbidden' })]),
    { became: 'fresh' },
    'unknown is not stale',
  )
  t.end()
})
