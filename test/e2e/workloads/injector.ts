import { deepEqual, equal, match, ok } from 'node:assert/strict'
import type { Case, Context } from '../context.ts'
import { refused } from '../guard.ts'
import type { Item } from '../plane/client.ts'
import { deploymentOf, type Marks, podOf } from './objects.ts'
import { classicRevision, containersOf, type Place, type SeenPod } from './place.ts'

const inject = 'sidecar.istio.io/inject'
const revision = 'istio.io/rev'

/** A pod that Istio alone would pass by, or take in an unsure way. */
interface Cure {
  readonly what: string
  readonly namespace: keyof Pick<Place, 'native' | 'bare'>
  readonly marks: Marks
  /** The label that decides, in the final pod. */
  readonly becomes: Readonly<Record<string, string>>
  readonly layout: readonly string[]
}

const native = ['istio-init', 'istio-proxy']

const cures: readonly Cure[] = [
  {
    what: 'an odd label',
    namespace: 'native',
    marks: { labels: { [inject]: 'yes' } },
    becomes: { [inject]: 'true' },
    layout: native,
  },
  { what: 'no label where nothing asks', namespace: 'bare', marks: {}, becomes: { [inject]: 'true' }, layout: native },
  {
    what: 'an odd annotation where nothing asks',
    namespace: 'bare',
    marks: { annotations: { [inject]: 'on' } },
    becomes: { [inject]: 'true' },
    layout: native,
  },
]

/** Shows what becomes of a pod between the guard and Istio's injector, and when that is gone. */
export async function runInjector(context: Context, test: Case, place: Place): Promise<void> {
  for (const { what, namespace, marks, becomes, layout } of cures) {
    await test(`${what}: put right before the injector sees the pod, once`, async () => {
      const name = `cured-${what.replaceAll(' ', '-')}`
      const pod = await dryRun(context, podOf(name, place[namespace], marks))
      for (const [key, value] of Object.entries(becomes)) equal(pod.metadata.labels?.[key], value)
      equal(pod.metadata.annotations?.[inject], undefined)
      deepEqual(containersOf(pod).init, layout)
      const calls = await webhookCalls(context, `/api/v1/namespaces/${place[namespace]}/pods`)
      const [first, ...others] = calls
      equal(first, 'egress-sallyport changed')
      ok(
        others.some(call => /^istio-sidecar-injector\S* changed$/.test(call)),
        `the injector changed it: ${calls}`,
      )
      // Asked again after the injector, it leaves the pod as it is.
      deepEqual(
        others.filter(call => call.startsWith('egress-sallyport')),
        ['egress-sallyport unchanged'],
      )
    })
  }
  await test('a pod may choose another revision that is served', async () => {
    const pod = await dryRun(context, podOf('other', place.bare, { labels: { [revision]: classicRevision } }))
    deepEqual(containersOf(pod), { init: ['istio-init'], main: ['app', 'istio-proxy'] })
    equal(pod.metadata.annotations?.[revision], classicRevision)
  })
  await test('a pod of a revision that nobody serves is refused', async () => {
    const text = await refused(context, [podOf('nowhere', place.bare, { labels: { [revision]: 'canary' } })])
    match(text, /: no injector of the organisation serves revision "canary", so /)
  })
  await runOutage(context, test, place)
}

/** Shows what happens while nobody answers for Istio's injector. */
async function runOutage(context: Context, test: Case, { native: namespace }: Place): Promise<void> {
  const path = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/istio-sidecar-injector'
  const before = await context.plane.call('GET', path)
  const pod = podOf('unseen', namespace)
  try {
    await test('istiod gone, its webhook fails closed: Istio’s own error, as without the guard', async () => {
      await redirectInjector(context, before, 'Fail')
      const { code, stderr } = await context.waitFor(
        async () => {
          const ended = await context.kubectl(['create', '--dry-run=server', '-f', '-'], { input: JSON.stringify(pod) })
          return ended.code !== 0 && ended
        },
        { what: 'the injector to be missed' },
      )
      equal(code, 1)
      match(stderr, /failed calling webhook "namespace\.sidecar-injector\.istio\.io"/)
    })
    await test('istiod gone, its webhook fails open: no pod without a proxy, and the text says where to look', async () => {
      await redirectInjector(context, before, 'Ignore')
      const text = await context.waitFor(() => refused(context, [pod]), { what: 'a refusal by the guard' })
      equal(
        text,
        [
          'Error from server (Forbidden): error when creating "STDIN": admission webhook "pods.sallyport.dev" denied the request: ' +
            `1 finding on Pod ${namespace}/unseen (policy chart)`,
          'spec.containers: the pod lacks what injection leaves, container "istio-proxy" and annotation sidecar.istio.io/status',
          '  fix: see whether the webhook of Istio’s injector is reachable and selects the pod, and keep what it wrote',
          '  require-injection, https://sallyport.dev/rules#require-injection\n',
        ].join('\n'),
      )
    })
    await test('a Deployment made meanwhile says so, and comes up by itself when istiod is back', async () => {
      await context.apply([deploymentOf('meanwhile', namespace)])
      match(
        await replicaFailure(context, namespace, 'meanwhile'),
        /\n {2}fix: see whether the webhook of Istio’s injector is reachable/,
      )
      await restore(context, path, before)
      await context.mustKubectl(['-n', namespace, 'rollout', 'status', 'deployment/meanwhile', '--timeout=90s'])
    })
  } finally {
    await restore(context, path, before)
  }
}

/** Shows that a workload older than the guard keeps running, and what its controller says when a pod of it is to be made. */
export async function runOlderWorkload(context: Context, test: Case, { native: namespace }: Place): Promise<void> {
  const selector = ['-n', namespace, '-l', 'app=older']
  await test('a way out from before the guard keeps running; its next pod is refused', async () => {
    const running = await context.mustKubectl(['get', 'pods', ...selector, '-o=jsonpath={.items[*].status.phase}'])
    equal(running, 'Running')
    await context.mustKubectl(['delete', 'pods', ...selector, '--wait=false'])
  })
  await test('the Deployment’s condition has the whole text, and an event the same', async () => {
    const expected =
      /^admission webhook "pods\.sallyport\.dev" denied the request: 1 finding on Pod \S+ \(policy chart\)\nmetadata\.annotations\["traffic\.sidecar\.istio\.io\/excludeOutboundIPRanges"\]: connections to every public IPv4 address leave without passing the proxy\n {2}fix: keep only ranges .*\n {2}no-capture-bypass, https:\/\/sallyport\.dev\/rules#no-capture-bypass$/
    match(await replicaFailure(context, namespace, 'older'), expected)
    const jsonpath = '{.items[?(@.reason=="FailedCreate")].message}'
    const events = await context.mustKubectl(['-n', namespace, 'get', 'events', `-o=jsonpath=${jsonpath}`])
    match(
      events,
      /Error creating: admission webhook "pods\.sallyport\.dev" denied the request: 1 finding on Pod \S+\/older-/,
    )
  })
  await test('with the annotation taken out of the template the Deployment comes back', async () => {
    const patch = [{ op: 'remove', path: '/spec/template/metadata/annotations' }]
    await context.mustKubectl([
      '-n',
      namespace,
      'patch',
      'deployment',
      'older',
      '--type=json',
      '-p',
      JSON.stringify(patch),
    ])
    await context.mustKubectl(['-n', namespace, 'rollout', 'status', 'deployment/older', '--timeout=60s'])
  })
}

async function replicaFailure({ mustKubectl, waitFor }: Context, namespace: string, name: string): Promise<string> {
  const jsonpath = '{.status.conditions[?(@.type=="ReplicaFailure")].message}'
  const args = ['-n', namespace, 'get', 'deployment', name, `-o=jsonpath=${jsonpath}`]
  return waitFor(async () => (await mustKubectl(args)) || false, { what: `${name} to say why it has no pod` })
}

async function dryRun(context: Context, pod: object): Promise<SeenPod> {
  const args = ['create', '--dry-run=server', '-o=json', '-f', '-']
  return JSON.parse(await context.mustKubectl(args, JSON.stringify(pod))) as SeenPod
}

/** Returns which configurations were asked about the last request of a path, in order, and whether they changed anything. */
async function webhookCalls({ plane, waitFor }: Context, path: string): Promise<readonly string[]> {
  const entry = await waitFor(() => plane.audit().findLast(({ requestURI }) => requestURI.startsWith(`${path}?`)), {
    what: `the audit log to have ${path}`,
  })
  const calls = Object.entries(entry.annotations ?? {}).filter(([key]) =>
    key.startsWith('mutation.webhook.admission.k8s.io/'),
  )
  return calls
    .sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
    .map(([, text]) => {
      const { configuration, mutated }: { configuration: string; mutated: boolean } = JSON.parse(text)
      return `${configuration} ${mutated ? 'changed' : 'unchanged'}`
    })
}

/** Lets the injector be called where nobody listens. */
async function redirectInjector({ plane }: Context, before: Item, failurePolicy: 'Fail' | 'Ignore'): Promise<void> {
  const entries = before['webhooks'] as readonly { readonly clientConfig: object }[]
  const webhooks = entries.map(entry => ({
    ...entry,
    failurePolicy,
    clientConfig: { ...entry.clientConfig, url: 'https://127.0.0.1:1/inject' },
  }))
  const path = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${before.metadata.name}`
  await plane.call('PATCH', path, { webhooks })
}

async function restore({ plane }: Context, path: string, before: Item): Promise<void> {
  await plane.call('PATCH', path, { webhooks: before['webhooks'] })
}
