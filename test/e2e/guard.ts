import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { entriesOf } from './chart.ts'
import type { Context } from './context.ts'
import type { Item, User } from './plane/client.ts'
import type { PodRun } from './plane/podrun.ts'
import type { Ended } from './plane/process.ts'

/** An installation of the chart. There is one at a time: what it owns for the whole cluster bears its name. */
export interface Guard {
  readonly release: string
  readonly namespace: string
  /** Values that were given last. */
  readonly values: object
}

/** The names of the chart's objects: Deployment, Service, Lease, roles. */
export const guardName = 'sallyport'

/** Paths of the guard's webhook configurations. */
export const configurations = {
  validating: `/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/egress-${guardName}`,
  mutating: `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/egress-${guardName}`,
} as const

/**
 * Installs the chart with values, and waits until every replica is ready and the API server asks them. What is to stand
 * beside it in its namespace (ConfigMaps of the policy) is made first.
 */
export async function installGuard(
  context: Context,
  values: object = {},
  beside: (namespace: string) => readonly object[] = () => [],
): Promise<Guard> {
  const guard: Guard = { release: guardName, namespace: await context.freshNamespace({}, 'guard'), values }
  const objects = beside(guard.namespace)
  if (objects.length > 0) await context.apply(objects)
  await mustHelm(context, guard, 'install', values)
  await guardReady(context, guard)
  await guardAsked(context, guard)
  return guard
}

/** Upgrades the release to values, which take the place of all earlier ones. Does not wait. */
export async function upgradeGuard(context: Context, guard: Guard, values: object): Promise<Guard> {
  await mustHelm(context, guard, 'upgrade', values)
  return { ...guard, values }
}

/** Runs `helm install` or `helm upgrade` with values. */
export function helmGuard(
  context: Context,
  { release, namespace }: Omit<Guard, 'values'>,
  verb: 'install' | 'upgrade',
  values: object,
  ...more: readonly string[]
): Promise<Ended> {
  const file = join(context.folder, `${namespace}-values.json`)
  writeFileSync(file, JSON.stringify(values))
  return context.helm([verb, release, context.chart, '-n', namespace, '-f', file, ...more])
}

async function mustHelm(context: Context, guard: Guard, verb: 'install' | 'upgrade', values: object): Promise<void> {
  const { code, stderr } = await helmGuard(context, guard, verb, values)
  if (code !== 0) throw new Error(`helm ${verb} ended with ${code}: ${stderr}`)
}

/** Removes the release with all that it left, and its namespace, whose pods may still be ending. */
export async function uninstallGuard(context: Context, { release, namespace }: Guard): Promise<void> {
  const { code, stderr } = await context.helm(['uninstall', release, '-n', namespace, '--wait=false'])
  if (code !== 0) throw new Error(`helm uninstall ended with ${code}: ${stderr}`)
  await context.mustKubectl(['delete', 'namespace', namespace, '--wait=false'])
}

/** Waits until as many replicas as the Deployment wants are ready, all of its newest template, and no others. */
export async function guardReady(context: Context, { namespace }: Guard, seconds = 90): Promise<void> {
  const path = `/apis/apps/v1/namespaces/${namespace}/deployments/${guardName}`
  await context.waitFor(
    async () => {
      const { metadata, spec, status } = (await context.plane.call('GET', path)) as Item & DeploymentFields
      const { observedGeneration, replicas, updatedReplicas, readyReplicas } = status
      const isSeen = observedGeneration === metadata['generation']
      return isSeen && [replicas, updatedReplicas, readyReplicas].every(count => (count ?? 0) === spec.replicas)
    },
    { what: 'the guard to be ready', seconds },
  )
}

interface DeploymentFields {
  readonly spec: { readonly replicas: number }
  readonly status: {
    readonly observedGeneration?: number
    readonly replicas?: number
    readonly updatedReplicas?: number
    readonly readyReplicas?: number
  }
}

/** Waits until all entries have rules and a CA, and the API server knows. */
export async function guardAsked(context: Context, guard: Guard): Promise<void> {
  for (const path of Object.values(configurations)) {
    await context.waitFor(async () => entriesOf(await context.plane.call('GET', path)).every(isRegistered), {
      what: `${path} to be registered`,
    })
  }
  // API servers learn of a configuration a moment later.
  const { waitFor, plane } = context
  const pod = { metadata: { name: 'first' }, spec: { containers: [{ name: 'app', image: 'app' }] } }
  await waitFor(
    async () => {
      await plane.request('POST', '/api/v1/namespaces/default/pods?dryRun=All', pod)
      const counts = await Promise.all(
        ['sallyport_mutation_reviews_total', 'sallyport_reviews_total'].map(name => guardMetric(context, guard, name)),
      )
      return counts.every(count => count > 0)
    },
    { what: 'the API server to ask the guard' },
  )
}

/** Returns whether an entry of a webhook configuration is asked. */
export function isRegistered({ rules, clientConfig }: ReturnType<typeof entriesOf>[number]): boolean {
  return rules !== undefined && rules.length > 0 && typeof clientConfig['caBundle'] === 'string'
}

/** Returns the pods of the guard that run as processes, those that are ending too. */
export function guardPods({ node }: Context, { namespace }: Guard): readonly PodRun[] {
  return node.pods(namespace)
}

/** Returns the sum of a metric over its labels, or over those series that have the given labels, and over replicas. */
export async function guardMetric(context: Context, guard: Guard, name: string, labels = ''): Promise<number> {
  const sums = await Promise.all(guardPods(context, guard).map(pod => podMetric(pod, name, labels)))
  return sums.reduce((sum, one) => sum + one, 0)
}

/** Returns the sum of a metric of one replica, 0 where it has none; `labels` is text that series have: `state="absent"`. */
export async function podMetric(pod: PodRun, name: string, labels = ''): Promise<number> {
  const lines = (await podMetrics(pod)).split('\n')
  const series = lines.filter(line => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
  return series.filter(line => line.includes(labels)).reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

/** Returns all metrics of one replica, as it exposes them. */
export async function podMetrics(pod: PodRun): Promise<string> {
  const { host, port } = pod.reach(9090)
  const answer = await fetch(`http://${host}:${port}/metrics`, { signal: AbortSignal.timeout(5000) })
  return answer.text()
}

/** A line of a guard's log. */
export type LogLine = Readonly<Record<string, unknown>>

/** Returns what all replicas that run have logged. */
export function guardLogs(context: Context, guard: Guard): readonly LogLine[] {
  return guardPods(context, guard).flatMap(podLog)
}

/** Returns what one replica has logged. */
export function podLog(pod: PodRun): readonly LogLine[] {
  const lines = pod.logs().split('\n')
  return lines.filter(line => line.startsWith('{') && line.endsWith('}')).map(line => JSON.parse(line) as LogLine)
}

/** Who sends objects, and how. */
export interface Sending {
  /** The admin unless told. */
  readonly user?: User
  /** A command of kubectl that takes objects; `apply` unless told. */
  readonly verb?: readonly string[]
}

/** Sends YAML or objects by kubectl, which must be refused by the guard, and returns what kubectl printed as an error. */
export async function refused(context: Context, objects: string | readonly object[], how?: Sending): Promise<string> {
  const { code, stdout, stderr } = await send(context, objects, how)
  if (code === 0 || !/admission webhook "\w+\.sallyport\.dev" denied the request/.test(stderr))
    throw new Error(`not refused by the guard: kubectl ended with ${code}: ${stdout}${stderr}`)
  return stderr
}

/** Sends YAML or objects by kubectl, which must be taken, and returns what kubectl printed as warnings. */
export async function admitted(context: Context, objects: string | readonly object[], how?: Sending): Promise<string> {
  const { code, stderr } = await send(context, objects, how)
  if (code !== 0) throw new Error(`not admitted: kubectl ended with ${code}: ${stderr}`)
  return stderr
}

function send(
  context: Context,
  objects: string | readonly object[],
  { user = 'admin', verb = ['apply'] }: Sending = {},
): Promise<Ended> {
  const input =
    typeof objects === 'string' ? objects : JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
  return context.plane.kubectl([...verb, '-f', '-'], { user, input })
}
