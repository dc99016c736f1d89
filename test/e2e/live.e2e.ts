import { deepEqual, equal, match, ok } from 'node:assert/strict'
import type { Case, Context } from './context.ts'
import {
  admitted,
  type Guard,
  guardLogs,
  guardMetric,
  guardName,
  guardPods,
  installGuard,
  podMetric,
  podMetrics,
  refused,
  uninstallGuard,
} from './guard.ts'
import type { PodRun } from './plane/podrun.ts'
import { type Ask, createAsker } from './replica.ts'
import { approve, closingPolicy, definitionOf, entryFor, pathOf, policyMap } from './samples.ts'

/** What this suite shows. */
export const name = 'the policy and the cluster as they change'

/** The ConfigMap that another pipeline writes. */
const hosts = 'acme-hosts'

interface Scene {
  readonly context: Context
  readonly guard: Guard
  readonly ask: Ask
  readonly tenant: string
}

/** Runs every case on one installation. */
export async function run(context: Context, test: Case): Promise<void> {
  const tenant = await context.freshNamespace()
  const values = { mode: 'enforce', shutdownDelay: 1, policy: { existingConfigMaps: [hosts] } }
  const guard = await installGuard(context, values, namespace => [approving(namespace, 'approved.example.com')])
  const scene = { context, guard, ask: await createAsker(context, guard), tenant }
  const installed = await isAbsent(scene)
  try {
    // Both take half a minute to be noticed; meanwhile there is other work.
    await context.apply([lateDefinition])
    const permit = await forbid(scene)
    await runPolicy(scene, test)
    await test('a kind that is installed later is followed', async () => {
      equal(installed, true, 'it was known not to be there')
      await context.waitFor(async () => !(await isAbsent(scene)), { what: `${late.kind} to be followed`, seconds: 60 })
    })
    await test('a kind that may not be read any more is unknown, and that is told', () => untilForbidden(scene))
    await permit()
    await context.mustKubectl(['delete', 'customresourcedefinition', lateDefinition.metadata.name])
    await runAbsence(scene, test)
    await test('a kind whose definition goes is known to be empty', async () => {
      await context.waitFor(() => isAbsent(scene), { what: `${late.kind} to be absent`, seconds: 90 })
    })
  } finally {
    await uninstallGuard(context, guard)
    await context.mustKubectl(['delete', 'namespace', tenant, '--wait=false'])
  }
}

async function runPolicy(scene: Scene, test: Case): Promise<void> {
  const { context, guard, tenant } = scene
  const apply = (...approved: readonly string[]): Promise<string> =>
    admitted(context, [approving(guard.namespace, 'approved.example.com', ...approved)])
  await test('a change of the policy is in force on each replica within 2 s', async () => {
    const times: number[] = []
    for (const host of ['one.example.com', 'two.example.com', 'three.example.com']) {
      times.push(...(await settling(scene, host, true, () => apply(host))))
      times.push(...(await settling(scene, host, false, () => apply())))
    }
    console.log(`            on each replica, ms after kubectl apply had ended: ${times.join(', ')}`)
    ok(Math.max(...times) < 2000, times.join(', '))
  })
  await test('what is approved may be used at once', async () => {
    const times: number[] = []
    for (const host of ['four.example.com', 'five.example.com', 'six.example.com']) {
      await apply(host)
      const begun = performance.now()
      const entry = entryFor(tenant, host)
      const isAdmitted = async (): Promise<boolean> => {
        return (await context.plane.request('POST', `${pathOf(entry)}?dryRun=All`, entry)).status === 201
      }
      await context.waitFor(isAdmitted, { what: `${host} to be admitted`, seconds: 2, every: 10 })
      times.push(Math.round(performance.now() - begun))
    }
    console.log(`            admitted, ms after kubectl apply had ended: ${times.join(', ')}`)
  })
  await test('a broken policy changes nothing and is told; its repair is taken', async () => {
    const good = { 'hosts.json': approve('approved.example.com') }
    await admitted(context, [policyMap(guard.namespace, hosts, { ...good, 'more.yaml': 'spec: {' })])
    await onEach(scene, 'sallyport_policy_refused', 1)
    const why = guardLogs(context, guard).filter(({ msg }) => msg === 'policy refused')
    for (const line of why) match(String(line['why']), /^configmap acme-hosts\/more\.yaml:2:1: invalid YAML: /)
    equal(why.length, 2, 'one line of each replica')
    await admitted(context, [entryFor(tenant, 'approved.example.com')])
    await refused(context, [entryFor(tenant, 'seven.example.com')])

    const repaired = await settling(scene, 'seven.example.com', true, () => apply('seven.example.com'))
    ok(Math.max(...repaired) < 2000, repaired.join(', '))
    await onEach(scene, 'sallyport_policy_refused', 0)
    await admitted(context, [entryFor(tenant, 'seven.example.com')])
  })
}

function approving(namespace: string, ...approved: readonly string[]): object {
  return policyMap(namespace, hosts, { 'hosts.json': approve(...approved) })
}

/** Makes a change, and returns for each replica how many milliseconds later it judges a host in the new way. */
async function settling(
  { context, guard, ask, tenant }: Scene,
  host: string,
  allowed: boolean,
  change: () => Promise<unknown>,
): Promise<readonly number[]> {
  const pods = guardPods(context, guard)
  equal(pods.length, 2)
  const judged = pods.map(async pod => {
    const what = `${pod.pod.metadata.name} to ${allowed ? 'admit' : 'refuse'} ${host}`
    await context.waitFor(async () => (await ask(pod, entryFor(tenant, host))).allowed === allowed, { what })
    return performance.now()
  })
  await change()
  const changed = performance.now()
  return (await Promise.all(judged)).map(time => Math.max(0, Math.round(time - changed)))
}

/** Waits until a metric has a value on each replica. */
async function onEach({ context, guard }: Scene, metric: string, value: number): Promise<void> {
  const pods = guardPods(context, guard)
  const holds = async (pod: PodRun): Promise<boolean> => (await podMetric(pod, metric)) === value
  await context.waitFor(async () => (await Promise.all(pods.map(holds))).every(Boolean), {
    what: `${metric} to be ${value}`,
    seconds: 5,
  })
}

async function runAbsence(scene: Scene, test: Case): Promise<void> {
  const { context, guard, tenant } = scene
  const { plane } = context
  const [old, next] = [closingPolicy(tenant, 'old'), closingPolicy(tenant, 'next')]
  const remove = (name: string): ReturnType<typeof plane.request> => plane.request('DELETE', `${pathOf(old)}/${name}`)
  const turned = (): Promise<number> => guardMetric(context, guard, 'sallyport_absence_waits_total', 'outcome="turned"')
  const held = 'kind="NetworkPolicy.networking.k8s.io"'

  await test('what is applied in the right order is not refused by a guard that lags behind', async () => {
    const { namespace } = guard
    const before = { turned: await turned(), held: await guardMetric(context, guard, objectsHeld, held) }
    await plane.call('POST', pathOf(old), old)
    const isHeld = async (): Promise<boolean> =>
      (await guardMetric(context, guard, objectsHeld, held)) === before.held + 2
    await context.waitFor(isHeld, { what: `both replicas in ${namespace} to see the NetworkPolicy` })
    const { status, body } = await lagging(scene, async () => {
      await plane.call('POST', pathOf(next), next)
      return remove('old')
    })
    equal(status, 200, JSON.stringify(body))
    equal(await turned(), before.turned + 1, 'the refusal turned while it waited')
  })
  await test('what is missing indeed is refused after the wait', async () => {
    const begun = performance.now()
    const { status, body } = await remove('next')
    const took = performance.now() - begun
    equal(status, 403, JSON.stringify(body))
    ok(took > 450 && took < 2500, `refused after ${took} ms`)
  })
}

const objectsHeld = 'sallyport_inventory_objects'

/** Runs requests while the guard hears nothing from the API server, for a third of a second. */
async function lagging<T>({ context }: Scene, work: () => Promise<T>): Promise<T> {
  const { api } = context.node
  api.pause()
  const lag = new Promise(resolve => setTimeout(resolve, 300)).then(() => api.resume())
  const [result] = await Promise.all([work(), lag])
  return result
}

/** A kind that rules read, whose definition no suite needs and no module brings. */
const late = { group: 'gateway.networking.x-k8s.io', kind: 'XListenerSet', plural: 'xlistenersets' }
const lateDefinition = definitionOf({ ...late, version: 'v1alpha1' })

/** Returns whether every replica knows the late kind not to be installed. */
function isAbsent(scene: Scene): Promise<boolean> {
  return isKnownAs(scene, `${late.kind}.${late.group}`, 'absent')
}

async function isKnownAs({ context, guard }: Scene, kind: string, state: string): Promise<boolean> {
  const texts = await Promise.all(guardPods(context, guard).map(podMetrics))
  return texts.every(text => text.includes(`${objectsHeld}{kind="${kind}",state="${state}"}`))
}

const forbidden = { kind: 'ProxyConfig.networking.istio.io', plural: 'proxyconfigs' }

/** Takes the right to read a kind from the guard; returns what gives it back. */
async function forbid({ context }: Scene): Promise<() => Promise<void>> {
  const { plane, node } = context
  const path = `/apis/rbac.authorization.k8s.io/v1/clusterroles/${guardName}`
  const { rules } = await plane.call<{ readonly rules: readonly { readonly resources: readonly string[] }[] }>(
    'GET',
    path,
  )
  const left = rules.map(rule => ({ ...rule, resources: rule.resources.filter(name => name !== forbidden.plural) }))
  await plane.call('PATCH', path, { rules: left.filter(({ resources }) => resources.length > 0) })
  // The API server leaves a watch alone that runs; the next one is refused.
  node.api.reset()
  return async () => {
    await plane.call('PATCH', path, { rules })
  }
}

async function untilForbidden(scene: Scene): Promise<void> {
  const { context, guard } = scene
  const isForbidden = (): Promise<boolean> => isKnownAs(scene, forbidden.kind, 'forbidden')
  await context.waitFor(isForbidden, { what: `${forbidden.kind} to be unknown`, seconds: 90 })
  const lines = guardLogs(context, guard).filter(({ msg }) => msg === 'may not be read, and counts as unknown')
  deepEqual(
    lines.map(({ kind }) => kind),
    [forbidden.kind, forbidden.kind],
    'told once by each replica',
  )
}
