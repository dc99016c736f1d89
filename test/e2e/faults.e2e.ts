import { deepEqual, equal, match, ok } from 'node:assert/strict'
import type { Case, Context } from './context.ts'
import { controllersFollow } from './controllers.ts'
import {
  admitted,
  configurations,
  type Guard,
  guardMetric,
  guardName,
  guardPods,
  guardReady,
  installGuard,
  type LogLine,
  podLog,
  podMetric,
  refused,
  uninstallGuard,
  upgradeGuard,
} from './guard.ts'
import { type Load, senders, shownTally, startLoad, type Tally } from './load.ts'
import type { PodRun } from './plane/podrun.ts'
import { createAsker } from './replica.ts'
import { approve, deploymentOf, entryFor, pathOf, policyMap, type Sample } from './samples.ts'

/** What this suite shows. */
export const name = 'the guard when it is replaced, when it dies, and when the API server does'

const approved = 'approved.example.com'
const hosts = 'acme-hosts'

interface Scene {
  readonly context: Context
  readonly tenant: string
  readonly values: object
  guard: Guard
}

/** Runs every case on one installation with the chart's own delays. */
export async function run(context: Context, test: Case): Promise<void> {
  const tenant = await context.freshNamespace()
  const values = { mode: 'enforce', policy: { existingConfigMaps: [hosts] } }
  const guard = await installGuard(context, values, namespace => [approving(namespace)])
  const scene: Scene = { context, tenant, values, guard }
  try {
    await runReplacements(scene, test)
    await runLeaders(scene, test)
    await runApiServer(scene, test)
    await runNobody(scene, test)
  } finally {
    await uninstallGuard(context, scene.guard)
    await context.mustKubectl(['delete', 'namespace', tenant, '--wait=false'])
  }
}

function approving(namespace: string, ...more: readonly string[]): object {
  return policyMap(namespace, hosts, { 'hosts.json': approve(approved, ...more) })
}

async function runReplacements(scene: Scene, test: Case): Promise<void> {
  const { context, values } = scene
  const { node, mustKubectl, waitFor } = context
  await test('a restart of the rollout under load fails nothing and admits nothing wrongly', async () => {
    const tally = await underLoad(scene, async () => {
      await mustKubectl(['-n', scene.guard.namespace, 'rollout', 'restart', `deployment/${guardName}`])
      await replaced(scene)
    })
    deepEqual(tally.wrong, [])
  })
  await test('an upgrade of the release that changes pods, under load, the same', async () => {
    const tally = await underLoad(scene, async () => {
      scene.guard = await upgradeGuard(context, scene.guard, {
        ...values,
        podAnnotations: { 'example.com/round': 'two' },
      })
      await replaced(scene)
    })
    deepEqual(tally.wrong, [])
  })
  await test('one that is killed under load costs a few requests, which are refused; the other one answers', async () => {
    const [victim] = guardPods(context, scene.guard)
    ok(victim)
    const before = victim.pid()
    const tally = await underLoad(scene, async load => {
      await waitFor(() => load.sent() > 100, { what: 'the load' })
      node.kill(scene.guard.namespace, victim.pod.metadata.name, 'SIGKILL')
      const killed = load.sent()
      await waitFor(() => load.sent() > killed + 200, { what: 'the load to go on' })
      await waitFor(() => victim.pid() !== before && victim.pid() !== undefined, { what: 'another process' })
      await guardReady(context, scene.guard)
    })
    // A strict entry refuses what it cannot ask about, so that nothing is admitted; for a moment the API server may still
    // turn to the one that is gone.
    const lost = tally.wrong.filter(why => !why.includes('failed calling webhook'))
    deepEqual(lost, [])
    ok(tally.wrong.length <= 2 * senders, tally.wrong.join('\n'))
  })
}

/** Does something under load, and returns what became of the requests. */
async function underLoad({ context, tenant }: Scene, work: (load: Load) => Promise<void>): Promise<Tally> {
  const load = startLoad(context, tenant, approved)
  let tally: Tally
  try {
    await work(load)
  } finally {
    tally = await load.stop()
  }
  console.log(`            ${shownTally(tally)}`)
  ok(tally.sent > 300, shownTally(tally))
  return tally
}

/** Waits until new replicas have taken the place of the old ones, whose processes are gone. */
async function replaced({ context, guard }: Scene): Promise<void> {
  await guardReady(context, guard)
  await context.waitFor(() => guardPods(context, guard).length === 2, { what: 'the old ones to end', seconds: 60 })
}

async function runLeaders(scene: Scene, test: Case): Promise<void> {
  const { context } = scene
  const { mustKubectl } = context
  const pods = (...more: readonly string[]): Promise<string> =>
    mustKubectl(['-n', scene.guard.namespace, 'delete', 'pod', '--wait=false', ...more])
  await test('a leader that is told to stop hands over at once', async () => {
    const leader = await leaderOf(scene)
    const begun = performance.now()
    await pods(leader)
    const took = await nextLeader(scene, leader, begun)
    console.log(`            the next one led after ${took} ms`)
    ok(took < 5000, `${took} ms`)
  })
  await test('a leader that is lost is followed within 20 s, and what it wrote is kept right', async () => {
    await replaced(scene)
    const leader = await leaderOf(scene)
    const begun = performance.now()
    await pods(leader, '--force', '--grace-period=0')
    const took = await nextLeader(scene, leader, begun)
    console.log(`            the next one led after ${took} ms`)
    ok(took < 20_000, `${took} ms`)
    await context.plane.call('PATCH', configurations.validating, [{ op: 'remove', path: '/webhooks/0/rules' }], {
      'content-type': 'application/json-patch+json',
    })
    const isRight = async (): Promise<boolean> => {
      const { webhooks } = await context.plane.call<{ readonly webhooks: readonly { readonly rules?: unknown }[] }>(
        'GET',
        configurations.validating,
      )
      return webhooks[0]?.rules !== undefined
    }
    await context.waitFor(isRight, { what: 'the rules to be put right', seconds: 10 })
    await replaced(scene)
  })
}

/** Returns the replica that leads, once one does. */
function leaderOf({ context, guard }: Scene): Promise<string> {
  const leads = async (): Promise<string | undefined> => {
    for (const pod of guardPods(context, guard)) {
      if ((await podMetric(pod, 'sallyport_leader')) === 1) return pod.pod.metadata.name
    }
    return undefined
  }
  return context.waitFor(leads, { what: 'a leader' })
}

/** Waits until another replica says that it leads; returns milliseconds since the given moment. */
async function nextLeader(scene: Scene, before: string, since: number): Promise<number> {
  const { context, guard } = scene
  const leads = async (): Promise<boolean> => {
    const others = guardPods(context, guard).filter(({ pod }) => pod.metadata.name !== before)
    const told = await Promise.all(others.map(pod => podMetric(pod, 'sallyport_leader').catch(() => 0)))
    return told.includes(1)
  }
  await context.waitFor(leads, { what: 'another leader', seconds: 30 })
  return Math.round(performance.now() - since)
}

async function runApiServer(scene: Scene, test: Case): Promise<void> {
  const { context, tenant } = scene
  const { plane, waitFor } = context
  await test('while the API server is away the guard judges on; then it follows again', async () => {
    const { guard } = scene
    const ask = await createAsker(context, guard)
    const pods = guardPods(context, guard)
    await plane.stopApiServer()
    try {
      for (const pod of pods) {
        equal((await ask(pod, entryFor(tenant, approved))).allowed, true)
        equal((await ask(pod, entryFor(tenant, 'later.example.com'))).allowed, false)
      }
    } finally {
      await plane.startApiServer()
    }
    const begun = performance.now()
    const path = `/api/v1/namespaces/${guard.namespace}/configmaps/${hosts}`
    await plane.call('PATCH', path, { data: { 'hosts.json': approve(approved, 'later.example.com') } })
    await onEach(pods, async pod => (await ask(pod, entryFor(tenant, 'later.example.com'))).allowed, context, 10)
    const took = Math.round(performance.now() - begun)
    console.log(`            a change of the policy was in force ${took} ms after the restart`)
    ok(took < 5000, `${took} ms`)
    // All watches begin anew, later the longer it was away, and not all at the same moment.
    await onEach(pods, async pod => (await podMetric(pod, 'sallyport_inventory_staleness_seconds')) === 0, context, 60)
    console.log(`            all watches ran again after ${Math.round(performance.now() - begun)} ms`)
    for (const pod of pods) {
      await ask(pod, entryFor(tenant, 'last.example.com'))
      const decided = (): LogLine | undefined => podLog(pod).find(({ name }) => name === 'last-example-com')
      equal((await waitFor(decided, { what: 'the decision line' }))['stale'], undefined)
    }
    const restarts = await guardMetric(context, guard, 'sallyport_watch_restarts_total')
    ok(restarts > 0, 'watches were restarted')
    await waitFor(() => pods.every(pod => pod.pid() !== undefined), { what: 'the guards' })
    await controllersFollow(context)
  })
}

async function onEach(
  pods: readonly PodRun[],
  holds: (pod: PodRun) => Promise<boolean>,
  { waitFor }: Context,
  seconds: number,
): Promise<void> {
  equal(pods.length, 2)
  await waitFor(async () => (await Promise.all(pods.map(holds))).every(Boolean), { what: 'each replica', seconds })
}

async function runNobody(scene: Scene, test: Case): Promise<void> {
  const { context, tenant, values } = scene
  const { plane, mustKubectl } = context
  await test('without any guard, strict entries refuse what they judge, and nothing else', async () => {
    const { namespace } = scene.guard
    await scaleToNone(scene)
    const refusals: readonly Sample[] = [entryFor(tenant, approved), deploymentOf(tenant, 'web', 0)]
    for (const object of refusals) {
      const { status, body } = await plane.request('POST', `${pathOf(object)}?dryRun=All`, object)
      equal(status, 500, JSON.stringify(body))
      match(String(body['message']), /^Internal error occurred: failed calling webhook "(routes|pods)\.sallyport\.dev"/)
    }
    const map = policyMap(tenant, 'settings', {})
    for (const object of [
      deploymentOf('kube-system', 'web', 0),
      deploymentOf(namespace, 'web', 0),
      { ...map, metadata: { name: 'settings', namespace: 'kube-system' } },
      { ...map, metadata: { name: 'settings', namespace } },
      map,
    ]) {
      const { status, body } = await plane.request('POST', `${pathOf(object)}?dryRun=All`, object)
      equal(status, 201, JSON.stringify(body))
    }
  })
  await test('when it is scaled up again it recovers by itself', async () => {
    await mustKubectl(['-n', scene.guard.namespace, 'scale', `deployment/${guardName}`, '--replicas=2'])
    await context.waitFor(() => guardPods(context, scene.guard).length > 0, { what: 'pods' })
    const begun = performance.now()
    const entry = entryFor(tenant, approved)
    const isAdmitted = async (): Promise<boolean> => {
      const { status, body } = await plane.request('POST', `${pathOf(entry)}?dryRun=All`, entry)
      equal(status, 201, String(body['message']))
      return true
    }
    await context.waitFor(isAdmitted, { what: 'an approved host to be admitted', every: 200 })
    console.log(`            asked and answered ${Math.round(performance.now() - begun)} ms after the pods had started`)
    await refused(context, [entryFor(tenant, 'nobody-approved.example.org')])
  })
  await test('in audit nothing is refused, with guards and without', async () => {
    // Those that drain would still refuse; and an upgrade brings back what was scaled down.
    await scaleToNone(scene)
    scene.guard = await upgradeGuard(context, scene.guard, { ...values, mode: 'audit' })
    await guardReady(context, scene.guard)
    const warned = await admitted(context, [entryFor(tenant, 'nobody-approved.example.org')])
    match(warned, /Warning: audit: 1 reason to refuse ServiceEntry .*nobody-approved-example-org/)
    await scaleToNone(scene)
    await admitted(context, [entryFor(tenant, 'nobody-approved-either.example.org')])
  })
}

/** Removes all replicas at once. */
async function scaleToNone({ context, guard }: Scene): Promise<void> {
  const { mustKubectl, waitFor } = context
  await mustKubectl(['-n', guard.namespace, 'scale', `deployment/${guardName}`, '--replicas=0'])
  await mustKubectl(['-n', guard.namespace, 'delete', 'pod', '--all', '--force', '--grace-period=0'])
  await waitFor(() => guardPods(context, guard).length === 0, { what: 'all to end' })
}
