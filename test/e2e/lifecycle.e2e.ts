import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { entriesOf, objectsOf, render } from './chart.ts'
import type { Case, Context } from './context.ts'
import { objectsOfEveryKind } from './everykind.ts'
import {
  admitted,
  configurations,
  type Guard,
  guardAsked,
  guardMetric,
  guardName,
  guardPods,
  guardReady,
  helmGuard,
  isRegistered,
  refused,
  uninstallGuard,
  upgradeGuard,
} from './guard.ts'
import type { Item } from './plane/client.ts'
import { approve, deploymentOf, entryFor, pathOf } from './samples.ts'

/** What this suite shows. */
export const name = 'the release from its installation to its end, in a cluster full of findings'

const approved = 'approved.example.com'
const values = { mode: 'enforce', shutdownDelay: 1, policy: { files: { 'hosts.json': approve(approved) } } }

interface Scene {
  readonly context: Context
  /** Where everything is as it should not be. */
  readonly old: string
  guard: Guard
}

/** Runs every case on one release, which is installed twice. */
export async function run(context: Context, test: Case): Promise<void> {
  const old = await context.freshNamespace()
  const guard = { release: guardName, namespace: await context.freshNamespace({}, 'guard'), values }
  const scene: Scene = { context, old, guard }
  try {
    await fill(scene)
    await runInstallation(scene, test)
    await runOldObjects(scene, test)
    await runUpgrades(scene, test)
    await runEnd(scene, test)
  } finally {
    await uninstallGuard(context, scene.guard)
    await context.mustKubectl(['delete', 'namespace', old, '--wait=false', '--ignore-not-found'])
  }
}

/** Pods in the network of their node. */
const open = { hostNetwork: true }

/** Makes what a guard would refuse: workloads whose pods run, and ways out. */
async function fill({ context, old }: Scene): Promise<void> {
  const { apply, waitFor, get } = context
  await apply([deploymentOf(old, 'web', 2, open), ...objectsOfEveryKind(old)])
  const path = `/apis/apps/v1/namespaces/${old}/deployments/web/status`
  const runs = async (): Promise<boolean> => (statusOf(await get(path)).readyReplicas ?? 0) === 2
  await waitFor(runs, { what: 'pods to run that a guard would refuse' })
}

function statusOf(item: Item | undefined): { readonly readyReplicas?: number; readonly replicas?: number } {
  return (item?.['status'] ?? {}) as { readonly readyReplicas?: number; readonly replicas?: number }
}

async function runInstallation(scene: Scene, test: Case): Promise<void> {
  const { context, guard, old } = scene
  await test('installed strictly with an image that never works, it stops nothing', async () => {
    const { code, stderr } = await helmGuard(context, guard, 'install', { ...values, image: { repository: 'nothing' } })
    equal(code, 0, stderr)
    for (const entry of await entries(context)) {
      equal(entry.rules, undefined, `${entry.name} is asked nothing`)
    }
    await admitted(context, [entryFor(old, 'anything.example.com'), deploymentOf(old, 'anything', 1, open)])
  })
  await test('the next upgrade brings the image, and from then on it refuses', async () => {
    await upgradeGuard(context, guard, values)
    await guardReady(context, guard)
    await guardAsked(context, guard)
    await refused(context, [entryFor(old, 'refused.example.com')])
  })
  await test('rendered again and applied, it changes nothing', async () => {
    const { release, namespace } = guard
    // Helm itself notes whose its objects are.
    const owner = { 'meta.helm.sh/release-name': release, 'meta.helm.sh/release-namespace': namespace }
    const items = objectsOf(await render(context, { release, namespace, values })).map(object => {
      const { annotations } = object.metadata
      return { ...object, metadata: { ...object.metadata, annotations: { ...annotations, ...owner } } }
    })
    ok(items.length > 10)
    const args = ['diff', '--server-side', '--field-manager=helm', '-f', '-']
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
    const { code, stdout, stderr } = await context.kubectl(args, { input })
    equal(code, 0, stdout + stderr)
  })
}

async function entries({ plane }: Context): Promise<ReturnType<typeof entriesOf>> {
  const found = await Promise.all(Object.values(configurations).map(path => plane.call('GET', path)))
  return found.flatMap(entriesOf)
}

async function runOldObjects(scene: Scene, test: Case): Promise<void> {
  const { context, old } = scene
  const { plane, mustKubectl, waitFor, get } = context
  const pods = async (): Promise<readonly Item[]> => {
    const { items } = await plane.call<{ readonly items: readonly Item[] }>(
      'GET',
      `/api/v1/namespaces/${old}/pods?labelSelector=app%3Dweb`,
    )
    return items
  }
  await test('pods that run go on: their status, labels, finalizers, scaling down, deletion', async () => {
    const [first] = await pods()
    ok(first)
    const path = `/api/v1/namespaces/${old}/pods/${first.metadata.name}`
    const condition = { type: 'example.com/Checked', status: 'True' }
    await plane.call('PATCH', `${path}/status`, { status: { conditions: [condition] } }, strategic)
    await plane.call('PATCH', path, { metadata: { labels: { checked: 'yes' } } })
    await plane.call('PATCH', path, { metadata: { finalizers: ['example.com/kept'] } })
    await plane.call('PATCH', path, { metadata: { finalizers: null } })
    await plane.call('PATCH', `/apis/apps/v1/namespaces/${old}/deployments/web/scale`, { spec: { replicas: 1 } })
    await waitFor(async () => (await pods()).length === 1, { what: 'the Deployment to scale down' })
    const [last] = await pods()
    equal((await plane.request('DELETE', `/api/v1/namespaces/${old}/pods/${last?.metadata.name}`)).status, 200)
  })
  await test('what has a finding already may be changed, with a warning', async () => {
    const web = ['-n', old, 'annotate', '--overwrite']
    for (const object of ['serviceentry/some-example-com', 'service/some']) {
      const { code, stderr } = await context.kubectl([...web, object, 'example.com/touched=yes'])
      equal(code, 0, stderr)
    }
    const image = await context.kubectl([
      '-n',
      old,
      'set',
      'image',
      'deployment/web',
      'app=registry.example/shop/app:2',
    ])
    equal(image.code, 0, image.stderr)
    match(image.stderr, /Warning: spec\.template\.spec\.hostNetwork: .*\(no-host-network\)/)
    const more = entryFor(old, 'new.example.com', 'some-example-com')
    match(await refused(context, [more]), /host "new\.example\.com" is not approved/)
  })
  await test('its namespace can be deleted with an object of every kind in it', async () => {
    await mustKubectl(['delete', 'namespace', old, '--timeout=60s'])
    equal(await get(`/api/v1/namespaces/${old}`), undefined)
  })
}

const strategic = { 'content-type': 'application/strategic-merge-patch+json' }

async function runUpgrades(scene: Scene, test: Case): Promise<void> {
  const { context } = scene
  const { plane, mustKubectl, waitFor } = context
  await test('from enforce to audit and back, no entry loses its rules for a moment', async () => {
    const seen: string[] = []
    const ending = new AbortController()
    const { metadata } = await plane.call('GET', configurations.validating)
    const query = `watch=1&resourceVersion=${metadata.resourceVersion}&fieldSelector=metadata.name%3D${metadata.name}`
    const watching = plane.watch(
      `${configurations.validating.replace(/\/[^/]+$/, '')}?${query}`,
      (type, configuration: Item) => {
        const states = entriesOf(configuration).map(entry => `${isRegistered(entry)} ${entry['failurePolicy']}`)
        seen.push(`${type} ${[...new Set(states)].sort().join(', ')}`)
      },
      ending.signal,
    )
    for (const mode of ['audit', 'enforce']) {
      scene.guard = await upgradeGuard(context, scene.guard, { ...values, mode })
      await guardReady(context, scene.guard)
    }
    await waitFor(() => seen.length >= 2, { what: 'both changes to be seen' })
    ending.abort()
    await watching.catch(() => undefined)
    deepEqual(seen, ['MODIFIED true Ignore', 'MODIFIED true Fail, true Ignore'])
  })
  await test('the release is upgraded while no guard answers, and brings them back', async () => {
    const { namespace } = scene.guard
    await mustKubectl(['-n', namespace, 'delete', 'deployment', guardName, '--cascade=background'])
    await mustKubectl(['-n', namespace, 'delete', 'pod', '--all', '--force', '--grace-period=0'])
    await waitFor(() => guardPods(context, scene.guard).length === 0, { what: 'all guards to end' })
    scene.guard = await upgradeGuard(context, scene.guard, {
      ...values,
      podAnnotations: { 'example.com/round': 'two' },
    })
    await guardReady(context, scene.guard)
    await refused(context, [entryFor('default', 'refused.example.com')])
    await admitted(context, [entryFor('default', approved)], { verb: ['apply', '--dry-run=server'] })
  })
  await test('configurations that are deleted stay deleted, until the release is upgraded', async () => {
    for (const path of Object.values(configurations)) await plane.call('DELETE', path)
    const absent = (): Promise<number> =>
      guardMetric(context, scene.guard, 'sallyport_webhook_configuration', 'state="absent"')
    await waitFor(async () => (await absent()) === 2, { what: 'the leader to know' })
    const entry = entryFor('default', 'nobody-asked.example.com')
    await waitFor(async () => (await plane.request('POST', `${pathOf(entry)}?dryRun=All`, entry)).status === 201, {
      what: 'the API server to know',
    })
    for (const path of Object.values(configurations)) equal(await context.get(path), undefined)
    scene.guard = await upgradeGuard(context, scene.guard, values)
    await guardReady(context, scene.guard)
    await guardAsked(context, scene.guard)
    await waitFor(async () => (await plane.request('POST', `${pathOf(entry)}?dryRun=All`, entry)).status === 403, {
      what: 'the API server to ask again',
    })
  })
}

async function runEnd(scene: Scene, test: Case): Promise<void> {
  const { context } = scene
  const { mustKubectl, waitFor, helm } = context
  await test('uninstalled, it leaves its Secret and its Lease, and nothing else', async () => {
    const { release, namespace } = scene.guard
    const { code, stderr } = await helm(['uninstall', release, '-n', namespace])
    equal(code, 0, stderr)
    await waitFor(() => guardPods(context, scene.guard).length === 0, { what: 'the guards to end', seconds: 60 })
    const kinds = 'clusterroles,clusterrolebindings,validatingwebhookconfigurations,mutatingwebhookconfigurations'
    const wide = await mustKubectl(['get', kinds, '-o=name', '-l', `app.kubernetes.io/instance=${release}`])
    const own = 'all,configmaps,secrets,leases,roles,rolebindings,serviceaccounts,networkpolicies,poddisruptionbudgets'
    const left = await mustKubectl(['-n', namespace, 'get', own, '-o=name'])
    // Every namespace has these, the last two where istiod runs.
    const standing = [
      'configmap/kube-root-ca.crt',
      'serviceaccount/default',
      'configmap/istio-ca-root-cert',
      'configmap/istio-ca-crl',
    ]
    deepEqual(wide.split('\n').filter(Boolean), [])
    deepEqual(
      left
        .split('\n')
        .filter(line => line !== '' && !standing.includes(line))
        .sort(),
      [`lease.coordination.k8s.io/${guardName}`, `secret/${guardName}-tls`],
    )
    await admitted(context, [entryFor('default', 'refused.example.com')], { verb: ['apply', '--dry-run=server'] })
  })
  await test('and it can be installed again', async () => {
    const { code, stderr } = await helmGuard(context, scene.guard, 'install', values)
    equal(code, 0, stderr)
    await guardReady(context, scene.guard)
    await guardAsked(context, scene.guard)
    await refused(context, [entryFor('default', 'refused.example.com')])
  })
}
