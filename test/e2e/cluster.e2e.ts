import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { get } from 'node:https'
import type { Case, Context } from './context.ts'
import { controllersFollow } from './controllers.ts'
import { configMap, configuration, guardObjects, namespace, tiny, tinyObjects } from './tiny.ts'

export const name = 'the cluster that the suites run on'

export const images = { tiny }

/** Shows on a webhook as small as can be what the other suites rely on. */
export async function run(context: Context, test: Case): Promise<void> {
  const { plane, node, kubectl, mustKubectl, apply, waitFor } = context
  await test('Deployment rolled out', async () => {
    await apply(tinyObjects())
    await mustKubectl(['-n', namespace, 'rollout', 'status', 'deployment/tiny', '--timeout=60s'])
  })
  const [run] = node.pods(namespace)
  const first = run?.pod.metadata.name ?? ''
  await test('the pod is what its spec says', async () => {
    const log = await waitFor(() => /API server.*/.test(node.logs(namespace, first)) && node.logs(namespace, first), {
      what: 'the pod to ask the API server',
    })
    match(log, /root: EROFS/)
    match(log, /user 65532, node node-1, address 10\.7[78]\./)
    match(log, /capabilities 0{16}/)
    match(log, /system:serviceaccount:tiny:default$/m)
  })

  const create = (refuse: string): ReturnType<Context['kubectl']> =>
    kubectl(['create', '-f', '-', '--dry-run=server'], { input: JSON.stringify(configMap(refuse)) })
  await test('the API server calls it through the Service', async () => {
    await apply([configuration()])
    const { code, stderr } = await waitFor(
      async () => {
        const ended = await create('yes')
        return ended.code !== 0 && ended
      },
      { what: 'a refusal' },
    )
    equal(code, 1)
    match(stderr, new RegExp(`refused by ${first}`))
    match(node.logs(namespace, first), /asked by tiny\.tiny\.svc:443/)
    equal((await create('no')).code, 0)
  })

  await test('a rolling update under load loses nothing', async () => {
    const load = startLoad(context)
    await mustKubectl(['-n', namespace, 'rollout', 'restart', 'deployment/tiny'])
    await mustKubectl(['-n', namespace, 'rollout', 'status', 'deployment/tiny', '--timeout=60s'])
    await waitFor(() => node.pods(namespace).length === 1, { what: 'the old pod to go' })
    const { sent, wrong } = await load()
    ok(sent > 20, `only ${sent} requests were sent meanwhile`)
    deepEqual(wrong, [])
    match(node.logs(namespace, first), /^SIGTERM$.*^drained$/ms)
  })

  await test('a mounted ConfigMap follows its object', async () => {
    const [pod] = node.pods(namespace)
    const word = (): string => readFileSync(`/proc/${pod?.pid()}/root/words/word`, 'utf8')
    equal(word(), 'first')
    await mustKubectl(['-n', namespace, 'patch', 'configmap', 'words', '--type=merge', '-p={"data":{"word":"second"}}'])
    await waitFor(() => word() === 'second', { what: 'the new word' })
  })

  await test('the way to the API server can be made to fail', async () => {
    const { api } = node
    const path = `https://${api.host}:${api.port}/readyz`
    const ask = (): Promise<number> => status(path, plane.ca)
    const refused = /ECONNRE|hang up|disconnected/
    equal(await ask(), 401)
    api.cut()
    await rejects(ask(), refused)
    api.resume()
    equal(await ask(), 401)
    api.pause()
    const late = ask()
    await rejects(Promise.race([late, failAfter(300, 'silent')]), /silent/)
    api.resume()
    equal(await late, 401)
  })

  await test('the image of the guard runs', async () => {
    await apply(guardObjects())
    await mustKubectl(['-n', namespace, 'rollout', 'status', 'deployment/guard', '--timeout=60s'])
    const [pod] = node.pods(namespace).filter(({ pod }) => pod.metadata.name.startsWith('guard'))
    match(pod?.logs() ?? '', /"listening"/)
    await mustKubectl(['-n', namespace, 'delete', 'deployment', 'guard'])
    await waitFor(() => node.pods(namespace).length === 1, { what: 'the guard to go' })
  })

  await test('a crashed container is started again', async () => {
    const [pod] = node.pods(namespace)
    const name = pod?.pod.metadata.name ?? ''
    const state = (): Promise<string> => {
      const jsonpath = '{.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}'
      return mustKubectl(['-n', namespace, 'get', 'pod', name, `-o=jsonpath=${jsonpath}`])
    }
    equal(await state(), '0 true')
    node.kill(namespace, name, 'SIGKILL')
    await waitFor(async () => (await state()) === '1 true', { what: 'a restart' })
  })

  await test('the API server is restarted, and the webhook is called again', async () => {
    await plane.restartApiServer()
    await waitFor(async () => /refused by/.test((await create('yes')).stderr), { what: 'a refusal' })
    await controllersFollow(context)
  })
  await test('pods of other images are said to run', async () => {
    await mustKubectl(['-n', namespace, 'create', 'deployment', 'other', '--image=nginx'])
    await mustKubectl(['-n', namespace, 'rollout', 'status', 'deployment/other', '--timeout=30s'])
    await mustKubectl(['-n', namespace, 'create', 'job', 'once', '--image=busybox'])
    await mustKubectl(['-n', namespace, 'wait', 'job/once', '--for=condition=Complete', '--timeout=30s'])
  })
  await test('istiod injects, and leaves nothing', async () => {
    const istiod = await context.istiod()
    const labelled = await context.freshNamespace({ 'istio-injection': 'enabled' })
    const containers = (): Promise<string> => {
      const jsonpath = '{.spec.initContainers[*].name}'
      return mustKubectl(['-n', labelled, 'run', 'w', '--image=w', '--dry-run=server', `-o=jsonpath=${jsonpath}`])
    }
    equal(await containers(), 'istio-init istio-proxy')
    await istiod.close()
    equal(await containers(), '')
    equal((await mustKubectl(['-n', 'istio-system', 'get', 'configmap', 'istio', '--ignore-not-found'])).trim(), '')
    await mustKubectl(['delete', 'namespace', labelled, '--wait=false'])
  })

  await test('the namespace is deleted', async () => {
    await mustKubectl(['delete', 'validatingwebhookconfiguration', 'tiny'])
    await mustKubectl(['delete', 'namespace', namespace, '--timeout=60s'])
    equal(node.pods(namespace).length, 0)
  })
}

/** Asks for refusals until told to stop; whatever else comes is wrong. */
function startLoad({ plane }: Context): () => Promise<{ readonly sent: number; readonly wrong: readonly string[] }> {
  let sent = 0
  let going = true
  const wrong: string[] = []
  const send = async (): Promise<void> => {
    while (going) {
      const path = '/api/v1/namespaces/default/configmaps?dryRun=All'
      const { status, body } = await plane.request<object>('POST', path, configMap('yes'))
      sent++
      if (status !== 403) wrong.push(`${status} ${JSON.stringify(body)}`)
    }
  }
  const senders = Array.from({ length: 4 }, send)
  return async () => {
    going = false
    await Promise.all(senders)
    return { sent, wrong }
  }
}

/** Returns the status that a request without credentials gets over a connection of its own. */
async function status(url: string, ca: string): Promise<number> {
  const [reply] = await once(get(url, { ca, agent: false }), 'response')
  reply.resume()
  return reply.statusCode
}

async function failAfter(milliseconds: number, why: string): Promise<never> {
  await new Promise(resolve => setTimeout(resolve, milliseconds))
  throw new Error(why)
}
