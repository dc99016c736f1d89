import { join } from 'node:path'
import t from 'tap'
import { missedKinds } from '../src/core/absence.ts'
import { evaluate } from '../src/core/evaluate.ts'
import { type Inventory, inventoryOf } from '../src/core/inventory.ts'
import type { Policy } from '../src/core/policy.ts'
import { readReview } from '../src/http/admission.ts'
import { developmentCredentials } from '../src/http/development.ts'
import { createDecisionLog, createLog } from '../src/http/log.ts'
import { createMetrics } from '../src/http/metrics.ts'
import { admissionApp, type ServerOptions } from '../src/http/server.ts'
import { mutations } from '../src/mutations/index.ts'
import { loadPolicy } from '../src/policy/load.ts'
import { rules } from '../src/rules/index.ts'
import type { Credentials } from '../src/tls/certificate.ts'

const now = Date.parse('2026-11-21T12:00:00Z')

const text = `
apiVersion: sallyport.dev/v1alpha1
kind: EgressPolicy
metadata: {name: acme}
spec:
  namespaces:
    platform: {names: [istio-system]}
`
const loaded = loadPolicy([{ file: 'acme.yaml', text }], { rules, mutations, now })
if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems))
const policy: Policy = loaded.policy

const shop = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: {} } }

function review(operation: 'CREATE' | 'DELETE', namespace: string, hosts: unknown = ['api.example.com']): object {
  const entry = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name: 'example', namespace },
    spec: {
      hosts,
      ports: [{ number: 443, name: 'tls', protocol: 'TLS' }],
      resolution: 'DNS',
      location: 'MESH_EXTERNAL',
    },
  }
  return {
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid: 'u-1',
      kind: { group: 'networking.istio.io', version: 'v1', kind: 'ServiceEntry' },
      name: 'example',
      namespace,
      operation,
      userInfo: { username: 'dana@example.com', groups: ['system:authenticated'] },
      object: operation === 'DELETE' ? null : entry,
      oldObject: operation === 'DELETE' ? entry : null,
      dryRun: false,
    },
  }
}

const closed = { podSelector: {}, policyTypes: ['Egress'] }

/** What takes away the NetworkPolicy that alone holds back a namespace, as far as is known. */
function policyDeletion(namespace: string): object {
  const oldObject = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'old', namespace },
    spec: closed,
  }
  const { request, ...envelope } = { request: {}, ...review('DELETE', namespace) }
  const kind = { group: 'networking.k8s.io', version: 'v1', kind: 'NetworkPolicy' }
  return { ...envelope, request: { ...request, kind, name: 'old', oldObject } }
}

const replacement = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'new', namespace: 'shop' },
  spec: closed,
}

let credentials: Credentials

t.before(async () => {
  credentials = await developmentCredentials(join(t.testdir(), 'development'), Date.now())
})

type Tap = { teardown(close: () => unknown): void }

function harness(t: Tap, changes: Partial<ServerOptions>) {
  const written: string[] = []
  const log = createLog({ write: line => written.push(line) })
  const metrics = createMetrics('1.2.3')
  const app = admissionApp({
    key: credentials.key,
    cert: credentials.cert,
    bench: () => ({ policy, inventory: inventoryOf([]) }),
    ready: () => true,
    now: () => now,
    log,
    decisions: createDecisionLog(log, 0),
    metrics,
    ...changes,
  })
  t.teardown(() => app.close())
  const ask = async (body: object) => {
    const reply = await app.inject({
      method: 'POST',
      url: '/validate?timeout=3s',
      headers: { 'content-type': 'application/json' },
      payload: JSON.stringify(body),
    })
    return JSON.parse(reply.body).response
  }
  return { ask, metrics, lines: () => written.map(line => JSON.parse(line)) }
}

t.test('in mode audit a refusal is told as warnings, and said in annotations, log and metrics', async t => {
  const bench = { policy, inventory: inventoryOf([]) }
  const enforced = await harness(t, { bench: () => bench }).ask(review('CREATE', 'shop'))
  t.equal(enforced.allowed, false)
  const { ask, lines, metrics } = harness(t, { bench: () => ({ ...bench, mode: 'audit' }) })
  const answer = await ask(review('CREATE', 'shop'))
  t.equal(answer.allowed, true)
  t.notOk('status' in answer)
  t.match(answer.warnings[0], /^audit: \d+ reasons? to refuse ServiceEntry shop\/example \(policy acme\)$/)
  t.match(answer.warnings[1], /^spec\.hosts\[0\]: .*\(require-approved-hosts\)$/)
  t.ok(answer.warnings.every((line: string) => line.length <= 120))
  t.match(answer.auditAnnotations, { verdict: 'deny', mode: 'audit', rules: /require-approved-hosts=deny/ })
  t.match(lines(), [{ verdict: 'deny', mode: 'audit' }])
  t.match((await metrics.expose()).body, /sallyport_reviews_total\{verdict="deny",operation="CREATE"\} 1/)
})

t.test('in mode audit nothing at all is refused', async t => {
  const { ask } = harness(t, { bench: () => ({ policy, inventory: inventoryOf([]), mode: 'audit' }) })
  const unreadable = await ask({
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: { uid: 'u-2', operation: 'CREATE', kind: { group: '', kind: 'Pod' }, object: 'no pod' },
  })
  t.equal(unreadable.allowed, true)
  t.match(unreadable.warnings, ['audit: reason to refuse: request.object is no object'])
  t.match(unreadable.auditAnnotations, { verdict: 'deny', mode: 'audit' })
  const malformed = await ask(review('CREATE', 'shop', [{ not: 'a host' }]))
  t.equal(malformed.allowed, true)
  t.match(malformed.warnings[0], /^audit: /)
  const broken = {
    ...policy,
    rulesFor: () => {
      throw new Error('broken')
    },
  }
  const faulty = harness(t, { bench: () => ({ policy: broken, inventory: inventoryOf([]), mode: 'audit' }) })
  const fault = await faulty.ask(review('CREATE', 'shop'))
  t.equal(fault.allowed, true)
  t.match(fault.warnings[0], /^audit: reason to refuse: the guard failed/)
})

t.test('what is not refused has no line about refusals', async t => {
  const { ask } = harness(t, { bench: () => ({ policy, inventory: inventoryOf([replacement]), mode: 'audit' }) })
  const answer = await ask(policyDeletion('shop'))
  t.equal(answer.allowed, true)
  t.notOk((answer.warnings ?? []).some((line: string) => line.startsWith('audit:')))
})

t.test('with a stale inventory the deletion of an entry passes unjudged, and that is said', async t => {
  const bench = { policy, inventory: inventoryOf([]), stale: true }
  const { ask, lines } = harness(t, { bench: () => bench })
  const answer = await ask(review('DELETE', 'shop'))
  t.equal(answer.allowed, true)
  t.match(answer.warnings, [/^not judged: what the cluster holds now.*\(no-opening-delete\)$/])
  t.match(lines(), [{ verdict: 'warn', stale: true }])
  t.equal((await ask(review('CREATE', 'shop'))).allowed, false, 'everything else is judged on the last state')
})

t.test('a refusal that rests on absence waits for the inventory to catch up', async t => {
  let inventory: Inventory = inventoryOf([shop], 'all')
  const asked: string[][] = []
  const { ask, metrics } = harness(t, {
    bench: () => ({ policy, inventory }),
    awaitChange: async kinds => {
      asked.push([...kinds])
      if (asked.length === 2) inventory = inventoryOf([shop, replacement], 'all')
      return true
    },
  })
  t.equal((await ask(policyDeletion('shop'))).allowed, true, 'the other NetworkPolicy came at the second change')
  t.equal(asked.length, 2)
  t.ok(asked.every(kinds => kinds.includes('NetworkPolicy.networking.k8s.io')))
  t.match((await metrics.expose()).body, /sallyport_absence_waits_total\{outcome="turned"\} 1/)
})

t.test('it is refused when nothing comes, and at once when nothing could help', async t => {
  const asked: number[] = []
  const inventory = inventoryOf([shop], 'all')
  const { ask, metrics } = harness(t, {
    bench: () => ({ policy, inventory }),
    awaitChange: async (_kinds, milliseconds) => {
      asked.push(milliseconds)
      return false
    },
  })
  t.equal((await ask(policyDeletion('shop'))).allowed, false)
  t.equal(asked.length, 1)
  t.ok(asked.every(milliseconds => milliseconds > 0 && milliseconds <= 500))
  t.match((await metrics.expose()).body, /sallyport_absence_waits_total\{outcome="refused"\} 1/)
  t.equal((await ask(review('CREATE', 'shop'))).allowed, false)
  t.equal(asked.length, 1, 'the host is not approved, whatever else is there')
})

t.test('a fault while waiting is an HTTP error, never an admission', async t => {
  const { app, lines } = (() => {
    const written: string[] = []
    const log = createLog({ write: line => written.push(line) })
    const app = admissionApp({
      key: credentials.key,
      cert: credentials.cert,
      bench: () => ({ policy, inventory: inventoryOf([shop], 'all') }),
      ready: () => true,
      now: () => now,
      log,
      decisions: createDecisionLog(log, 0),
      metrics: createMetrics('1.2.3'),
      awaitChange: () => Promise.reject(new Error('no such watch')),
    })
    t.teardown(() => app.close())
    return { app, lines: written }
  })()
  const reply = await app.inject({
    method: 'POST',
    url: '/validate',
    headers: { 'content-type': 'application/json' },
    payload: JSON.stringify(policyDeletion('shop')),
  })
  t.equal(reply.statusCode, 500)
  t.match(lines.join(''), /no such watch/)
})

t.test('kinds that a refusal misses', t => {
  const missed = (body: object, inventory: Inventory): string[] => {
    const read = readReview(body)
    if (!read.ok) throw new Error('not a review')
    const evaluation = evaluate(read.review, policy, inventory, now)
    return [...missedKinds(read.review, policy, inventory, { evaluation, now })]
  }
  t.strictSame(missed(policyDeletion('shop'), inventoryOf([replacement])), [], 'what is not refused misses nothing')
  t.strictSame(missed(policyDeletion('shop'), inventoryOf([shop], 'all')), ['NetworkPolicy.networking.k8s.io'])
  t.ok(missed(review('CREATE', 'shop'), inventoryOf([])).includes('Namespace'))
  t.notOk(missed(review('CREATE', 'shop'), inventoryOf([shop], 'all')).includes('Namespace'))
  const first = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { namespace: 'istio-system', name: 'first' },
    spec: { hosts: ['api.example.com'] },
  }
  const shadowing = review('CREATE', 'shop')
  const inventory = inventoryOf([shop, first], 'all')
  const refused = readReview(shadowing)
  t.match(refused.ok && evaluate(refused.review, policy, inventory, now).findings.map(({ rule }) => rule), [
    'no-shadow-entry',
  ])
  t.notOk(missed(shadowing, inventory).includes('ServiceEntry.networking.istio.io'), 'what is there is not missed')
  t.end()
})
