import assert from 'node:assert/strict'
import { mustPass, mustRefuse, notesOf, patchType, type Sent, send } from '../asked.ts'
import type { Case, Context } from '../context.ts'
import type { Item } from '../plane/client.ts'

/** Runs the cases of what is done to a pod besides changing it. */
export async function subresources(context: Context, test: Case): Promise<void> {
  const pods = '/api/v1/namespaces/shop/pods'
  const pod = await context.waitFor(
    async () => {
      const { items } = await context.plane.call<{ readonly items: readonly Item[] }>(
        'GET',
        `${pods}?labelSelector=app=details`,
      )
      return items[0]
    },
    { what: 'a pod of the shop' },
  )
  const { name } = pod.metadata
  const path = `${pods}/${name}`

  const debug = (container: object): Sent => ({
    method: 'PATCH',
    path: `${path}/ephemeralcontainers`,
    headers: patchType.strategic,
    body: { spec: { ephemeralContainers: [{ name: 'debug', image: 'busybox', ...container }] } },
  })
  await test('refused: a debugging container as the user of the proxy', async () => {
    await mustRefuse(context, debug({ securityContext: { runAsUser: 1337 } }), [
      'spec.ephemeralContainers[0].securityContext.runAsUser: user 1337 is the proxy’s own, and what it sends is not redirected',
    ])
  })
  await test('passes: an ordinary debugging container', async () => {
    await mustPass(context, debug({}))
  })

  for (const verb of ['exec', 'attach']) {
    const command = verb === 'exec' ? ['--', 'id'] : []
    const run = (container: string): ReturnType<Context['kubectl']> =>
      context.kubectl(['-n', 'shop', verb, name, `--container=${container}`, ...command], { user: 'tenant' })
    await test(`refused: kubectl ${verb} in the proxy`, async () => {
      const { code, stderr } = await run('istio-proxy')
      assert.equal(code, 1)
      const kind = verb === 'exec' ? 'PodExecOptions' : 'PodAttachOptions'
      assert.equal(
        stderr.slice(Math.max(0, stderr.indexOf('error: '))),
        `error: unable to upgrade connection: admission webhook "pods.sallyport.dev" denied the request: 1 finding on ${kind} shop/${name} (policy chart, acme)
container: what runs in container "istio-proxy" runs as the user whose traffic is not captured
  fix: name another container of the pod, or look at the proxy with istioctl proxy-config
  no-proxy-shell, https://sallyport.dev/rules#no-proxy-shell
`,
      )
    })
    await test(`kubectl ${verb} in the application is not the guard's business`, async () => {
      const { stderr } = await run('details')
      assert.doesNotMatch(stderr, /sallyport/)
    })
  }

  await test('refused: a Binding that brings an annotation of the mesh', async () => {
    const body = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, annotations: { 'traffic.sidecar.istio.io/excludeOutboundPorts': '443' } },
      target: { kind: 'Node', name: context.node.name },
    }
    await mustRefuse(context, { method: 'POST', path: `${path}/binding`, body }, [
      'metadata.annotations["traffic.sidecar.istio.io/excludeOutboundPorts"]: the API server writes "traffic.sidecar.istio.io/excludeOutboundPorts" into the pod, where it counts when the network of the pod is set up',
    ])
  })
  await test('refused: an image of the proxy, by way of the status', async () => {
    const body = { metadata: { annotations: { 'sidecar.istio.io/proxyImage': 'docker.io/library/busybox' } } }
    await mustRefuse(context, { method: 'PATCH', path: `${path}/status`, headers: patchType.merge, body }, [
      'metadata.annotations["sidecar.istio.io/proxyImage"]: proxy and redirection would run docker.io/library/busybox, not the organisation’s image, and what that sends is not captured',
    ])
  })
  await test('what a node says of its pods is asked nobody', async () => {
    const conditions = [{ type: 'e2e.example/Seen', status: 'True' }]
    const answer = await send(context, {
      method: 'PATCH',
      path: `${path}/status`,
      user: 'admin',
      headers: {
        ...patchType.strategic,
        'impersonate-user': `system:node:${context.node.name}`,
        'impersonate-group': 'system:masters',
      },
      body: { status: { conditions } },
    })
    assert.equal(answer.status, 200, answer.body.message)
    assert.deepEqual(await notesOf(context, answer), {})
  })
}
