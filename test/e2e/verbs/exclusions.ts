import assert from 'node:assert/strict'
import { asPlatform } from '../acme.ts'
import { mustPass, mustRefuse, notesOf, type Sent, send } from '../asked.ts'
import type { Case, Context } from '../context.ts'
import { type Guard, guardAsked, guardPods, guardReady } from '../guard.ts'

const onNode = 'spec.hostNetwork: the pod uses the network of its node, where no proxy sees its traffic'
const spec = { hostNetwork: true, containers: [{ name: 'app', image: 'app' }] }

/** Runs the cases of what nobody is asked about, with a guard that answers and without. */
export async function exclusions(context: Context, test: Case, guard: Guard): Promise<void> {
  const { namespace } = guard
  const excluded = 'cert-manager'
  const pod = (where: string): Sent => ({
    method: 'POST',
    path: `/api/v1/namespaces/${where}/pods?dryRun=All`,
    body: { metadata: { name: 'agent' }, spec },
  })
  await test('only the platform makes a namespace that is left out', async () => {
    const body = { metadata: { name: excluded } }
    await mustRefuse(context, { method: 'POST', path: '/api/v1/namespaces', body, user: 'gitops' }, [
      `metadata.name: the name "${excluded}" sets the namespace free of the policy, and "gitops" is not of the platform`,
    ])
    await context.mustKubectl([...asPlatform, 'create', 'namespace', excluded])
    await context.waitFor(() => context.get(`/api/v1/namespaces/${excluded}/serviceaccounts/default`), {
      what: 'the service account',
    })
  })
  for (const where of ['kube-system', namespace, excluded]) {
    await test(`nobody is asked about pods of ${where === namespace ? 'the guard' : where}`, async () => {
      const answer = await send(context, pod(where))
      assert.equal(answer.status, 201, answer.body.message)
      assert.deepEqual(await notesOf(context, answer), {})
    })
  }
  await test('labels of a namespace let nobody out', async () => {
    const labels = {
      'control-plane': 'true',
      'admission.gatekeeper.sh/ignore': 'yes',
      'sallyport.dev/ignore': 'true',
      'kubernetes.io/metadata.name': 'kube-system',
    }
    const path = '/api/v1/namespaces/legacy'
    await mustPass(context, { method: 'PATCH', path, body: { metadata: { labels } }, user: 'gitops' })
    await mustRefuse(context, pod('legacy'), [onNode])
  })
  await test('without a guard the cluster keeps working, and what is judged waits', async () => {
    const scale = (replicas: number): Promise<string> =>
      context.mustKubectl(['-n', namespace, 'scale', 'deployment/sallyport', `--replicas=${replicas}`])
    await scale(0)
    await context.waitFor(() => guardPods(context, guard).length === 0, { what: 'the guards to go' })
    const stopped = await send(context, pod('legacy'))
    assert.equal(stopped.status, 500)
    assert.match(stopped.body.message ?? '', /failed calling webhook "pods\.sallyport\.dev"/)
    await withoutGuard(context, pod(excluded))
    await scale(2)
    await guardReady(context, guard)
    await guardAsked(context, guard)
    await mustRefuse(context, pod('legacy'), [onNode])
  })
  await context.mustKubectl(['delete', 'namespace', excluded, '--wait=false'])
}

/** What must go on: pods that are left out, leases of nodes, statuses, and endpoints that follow them. */
async function withoutGuard(context: Context, pod: Sent): Promise<void> {
  assert.deepEqual(await mustPass(context, pod), [])
  const lease = { metadata: { name: 'e2e' }, spec: { holderIdentity: 'e2e' } }
  const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases'
  await mustPass(context, { method: 'POST', path: leases, body: lease, user: 'admin' })
  await mustPass(context, { method: 'DELETE', path: `${leases}/e2e`, user: 'admin' })
  // The controller follows a pod that is ready no more.
  const slices =
    '/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?labelSelector=kubernetes.io/service-name=ratings'
  const pods = '/api/v1/namespaces/shop/pods?labelSelector=app=ratings'
  const { items } = await context.plane.call<Listed>('GET', pods)
  await context.mustKubectl(['-n', 'shop', 'delete', 'pod', '--wait=false', '--grace-period=1', ...items.map(nameOf)])
  const addresses = async (): Promise<number> => {
    const found = await context.plane.call<Listed>('GET', slices)
    return found.items.flatMap(({ endpoints }) => endpoints ?? []).length
  }
  await context.waitFor(async () => (await addresses()) === 0, { what: 'the endpoints to follow' })
}

interface Listed {
  readonly items: readonly { readonly metadata: { readonly name: string }; readonly endpoints?: readonly object[] }[]
}

function nameOf({ metadata }: Listed['items'][number]): string {
  return metadata.name
}
