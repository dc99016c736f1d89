import { deepEqual, equal } from 'node:assert/strict'
import type { Case, Context } from '../context.ts'
import type { Item } from '../plane/client.ts'
import { workloadsIn } from './objects.ts'
import { containersOf, type Place, type SeenPod } from './place.ts'

/** A status that says how far a controller has come. */
interface Progress {
  readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[]
  readonly [count: string]: unknown
}

interface Kind {
  readonly kind: string
  readonly path: string
  /** Whether all its pods came, and ended where they are to end. */
  readonly isThere: (status: Progress) => boolean
}

const isComplete = ({ conditions = [] }: Progress): boolean =>
  conditions.some(({ type, status }) => type === 'Complete' && status === 'True')

const kinds: readonly Kind[] = [
  { kind: 'Deployment', path: 'apps/v1', isThere: status => status['readyReplicas'] === 1 },
  { kind: 'StatefulSet', path: 'apps/v1', isThere: status => status['readyReplicas'] === 1 },
  { kind: 'DaemonSet', path: 'apps/v1', isThere: status => status['numberReady'] === 1 },
  { kind: 'Job', path: 'batch/v1', isThere: isComplete },
  { kind: 'CronJob', path: 'batch/v1', isThere: status => status['lastSuccessfulTime'] !== undefined },
]

/** What injection leaves of a pod with one container. */
const layouts = {
  native: { init: ['istio-init', 'istio-proxy'], main: ['app'] },
  classic: { init: ['istio-init'], main: ['app', 'istio-proxy'] },
} as const

/** Shows that the pods of real controllers get their proxy, and that nothing keeps them from running and ending. */
export async function runControllers(context: Context, test: Case, place: Place): Promise<void> {
  const { plane, waitFor } = context
  await context.apply(Object.keys(layouts).flatMap(layout => workloadsIn(place[layout as keyof typeof layouts])))
  for (const [layout, expected] of Object.entries(layouts)) {
    const namespace = place[layout as keyof typeof layouts]
    for (const { kind, path, isThere } of kinds) {
      const object = `/apis/${path}/namespaces/${namespace}/${kind.toLowerCase()}s/${kind.toLowerCase()}`
      await test(`${kind}, ${layout} sidecar: its pod gets the proxy${path === 'batch/v1' ? ' and ends' : ''}`, async () => {
        if (kind === 'CronJob') await backdate(context, object)
        await waitFor(async () => isThere(statusOf(await plane.call('GET', object))), { what: `the pods of ${object}` })
        const [pod, ...others] = await podsOf(context, namespace, kind.toLowerCase())
        equal(others.length, 0)
        deepEqual(pod && containersOf(pod), expected)
      })
    }
    await test(`Jobs with a ${layout} sidecar leave nothing behind when they are deleted`, async () => {
      await context.mustKubectl([
        '-n',
        namespace,
        'delete',
        'cronjob,job',
        '--all',
        '--cascade=foreground',
        '--timeout=30s',
      ])
      deepEqual(await podsOf(context, namespace, 'job'), [])
      deepEqual(await podsOf(context, namespace, 'cronjob'), [])
    })
  }
}

/** Lets a CronJob have missed its last time, so that its controller makes up for it now. */
async function backdate({ plane }: Context, path: string): Promise<void> {
  const lastScheduleTime = new Date(Math.floor(Date.now() / 1000) * 1000 - 11 * 60_000)
    .toISOString()
    .replace('.000', '')
  await plane.call('PATCH', `${path}/status`, { status: { lastScheduleTime } })
}

function statusOf(object: Item): Progress {
  return (object['status'] ?? {}) as Progress
}

/** Returns the pods whose names a controller made from a name. */
async function podsOf({ plane }: Context, namespace: string, name: string): Promise<readonly SeenPod[]> {
  const path = `/api/v1/namespaces/${namespace}/pods`
  const { items } = await plane.call<{ readonly items: readonly SeenPod[] }>('GET', path)
  return items.filter(({ metadata }) => metadata.name.startsWith(`${name}-`))
}
