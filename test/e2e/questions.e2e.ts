import assert from 'node:assert/strict'
import { entriesOf, objectsOf, onlyOf, render, waitingRules } from './chart.ts'
import type { Case, Context } from './context.ts'
import type { Item } from './plane/client.ts'
import { clusterQuestions } from './questions/cluster.ts'
import { meshQuestions } from './questions/mesh.ts'
import { objectsIn, type Places, type Question } from './questions/places.ts'
import { podQuestions } from './questions/pods.ts'
import { routeQuestions } from './questions/routes.ts'

/** What this suite shows. */
export const name = 'what the API server asks the guard about, and what it does not'

/**
 * Registers the chart's entries for an address where nobody answers, strictly, and sees which requests fail for it: those
 * are the ones that the guard would be asked about.
 */
export async function run(context: Context, test: Case): Promise<void> {
  const [tenant, platform, guard] = [
    await context.freshNamespace(),
    await context.freshNamespace(),
    await context.freshNamespace(),
  ]
  const places = { tenant, platform, guard, release: 'trial-questions' }
  await context.apply(objectsIn(places))
  const values = { mode: 'enforce', fullnameOverride: places.release, istio: { rootNamespace: platform } }
  const objects = objectsOf(await render(context, { release: places.release, namespace: guard, values }))
  const questions = [
    ...podQuestions(places),
    ...meshQuestions(places),
    ...routeQuestions(places),
    ...(await clusterQuestions(places, path => context.plane.call('GET', path))),
  ]

  await withEntries(context, onlyOf(objects, 'ValidatingWebhookConfiguration'), async () => {
    for (const question of questions) {
      await test(`${question.asked === undefined ? 'nobody' : question.asked} is asked: ${question.what}`, async () => {
        assert.equal(await whoIsAsked(context, question), question.asked && `${question.asked}.sallyport.dev`)
      })
    }
  })
  await withEntries(context, onlyOf(objects, 'MutatingWebhookConfiguration'), async () => {
    for (const [what, namespace, asked] of mutating(places)) {
      await test(`${asked ? 'the mutating entry' : 'nobody'} is asked: ${what}`, async () => {
        const path = `/api/v1/namespaces/${namespace}/pods`
        const body = { metadata: { name: 'new' }, spec: { containers: [{ name: 'app', image: 'app' }] } }
        const question = { what, method: 'POST', path, body, asked: undefined }
        assert.equal(await whoIsAsked(context, question), asked ? 'pods.sallyport.dev' : undefined)
      })
    }
  })
}

function mutating({
  tenant,
  platform,
  guard,
}: Places): readonly (readonly [what: string, namespace: string, asked: boolean])[] {
  return [
    ['a new pod of a tenant', tenant, true],
    ['a new pod of the mesh', platform, false],
    ['a new pod beside the guard', guard, false],
    ['a new pod of the cluster', 'kube-system', false],
  ]
}

/** Registers a configuration with its rules, while a body runs, for an address where nobody answers. */
async function withEntries(context: Context, configuration: Item, body: () => Promise<void>): Promise<void> {
  const rules = waitingRules(configuration)
  const webhooks = entriesOf(configuration).map(entry => ({
    ...entry,
    rules: rules[entry.name],
    failurePolicy: 'Fail',
    clientConfig: { url: 'https://127.0.0.1:9/', caBundle: Buffer.from(context.plane.ca).toString('base64') },
  }))
  const plural = `${configuration.kind?.toLowerCase()}s`
  const path = `/apis/admissionregistration.k8s.io/v1/${plural}/${configuration.metadata.name}`
  await context.apply([{ ...configuration, webhooks }])
  // API servers learn of a configuration a moment later.
  const pods = '/api/v1/namespaces/default/pods'
  const pod = { metadata: { name: 'new' }, spec: { containers: [{ name: 'app', image: 'app' }] } }
  const first: Question = { what: '', method: 'POST', path: pods, body: pod, asked: undefined }
  try {
    await context.waitFor(() => whoIsAsked(context, first), { what: 'the first question', seconds: 10 })
    await body()
  } finally {
    await context.plane.call('DELETE', path)
    await context.waitFor(async () => (await whoIsAsked(context, first)) === undefined, { what: 'the last question' })
  }
}

/** Returns the entry that is asked about a request, which changes nothing. */
async function whoIsAsked(context: Context, { method, path, body, as }: Question): Promise<string | undefined> {
  const isConnect = /\/(exec|attach)\?/.test(path)
  const url = isConnect ? path : `${path}${path.includes('?') ? '&' : '?'}dryRun=All`
  const headers = as === undefined ? {} : { 'impersonate-user': as, 'impersonate-group': 'system:masters' }
  const reply = await context.plane.request<unknown>(method, url, body, { headers })
  const [, asked] = /failed calling webhook \\?"([^"\\]+)\\?"/.exec(JSON.stringify(reply.body)) ?? []
  // A request that another check refuses shows nothing.
  if (asked === undefined && !isConnect)
    assert.ok(reply.status < 300 || reply.status === 409, JSON.stringify(reply.body))
  return asked
}
