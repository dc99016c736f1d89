import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import jsonPatch from 'fast-json-patch'
import t, { type Test } from 'tap'
import { type Evaluation, evaluate } from '../src/core/evaluate.ts'
import { type Inventory, inventoryOf } from '../src/core/inventory.ts'
import { kindOf, refOf } from '../src/core/kind.ts'
import { mutate, type PatchOperation, patchOf } from '../src/core/mutate.ts'
import { defineMutation, type Mutated } from '../src/core/mutation.ts'
import type { Policy } from '../src/core/policy.ts'
import type { Review } from '../src/core/review.ts'
import { dig, type Fields, isFields } from '../src/istio/json.ts'
import { podTemplateOf } from '../src/istio/workload.ts'
import { mutations } from '../src/mutations/index.ts'
import { loadPolicy } from '../src/policy/load.ts'
import { rules } from '../src/rules/index.ts'
import { type MutationCase, readMutationCases } from '../tools/cases.ts'

const now = Date.parse('2026-10-01T12:00:00Z')
const folder = join(import.meta.dirname, '../src/mutations')

function policyOf(documents: readonly Fields[]): Policy {
  const sources = documents.map((document, i) => ({ file: `${i}.json`, text: JSON.stringify(document) }))
  const outcome = loadPolicy(sources, { rules, mutations, now })
  if (!outcome.ok) throw new Error(outcome.problems.map(({ what }) => what).join('; '))
  return outcome.policy
}

function mutated(object: Fields, policy: Policy, inventory: Inventory): Mutated {
  const ref = refOf(object)
  const namespaceLabels = namespaceLabelsOf(inventory, ref.namespace)
  return mutate({ kind: kindOf(ref.group, ref.kind), ref, object, namespaceLabels }, policy, inventory)
}

function namespaceLabelsOf(inventory: Inventory, name: string): ReadonlyMap<string, string> | undefined {
  const namespace = inventory.find('Namespace', '', name)
  const labels = dig(namespace, 'metadata', 'labels') ?? {}
  return namespace && isFields(labels) ? new Map(Object.entries(labels).map(([k, v]) => [k, String(v)])) : undefined
}

function judged(object: Fields, policy: Policy, inventory: Inventory): Evaluation {
  const ref = refOf(object)
  const review: Review = {
    uid: '',
    operation: 'CREATE',
    kind: kindOf(ref.group, ref.kind),
    ref,
    subresource: '',
    object,
    oldObject: undefined,
    requester: undefined,
    dryRun: false,
    phase: 'submitted',
  }
  return evaluate(review, policy, inventory, now)
}

/** Applies a patch with a library of somebody else's. */
function applied(object: Fields, patch: readonly PatchOperation[]): Fields {
  const operations = patch.map(operation => ({ ...operation })) as jsonPatch.Operation[]
  const { newDocument } = jsonPatch.applyPatch(structuredClone(object), operations, true)
  return newDocument
}

for (const mutation of mutations) {
  t.test(mutation.id, t => {
    const cases = readMutationCases(readFileSync(join(folder, mutation.id, 'cases.yaml'), 'utf8'))
    t.equal(new Set(cases.map(({ name }) => name)).size, cases.length, 'names are unique')
    t.ok(cases.some(({ patch }) => patch.length > 0) && cases.some(({ patch }) => patch.length === 0))
    const shown = new Set(cases.flatMap(({ cures }) => cures))
    t.strictSame([...shown].sort(), mutation.cures.toSorted(), 'each cure is shown by a case')
    for (const name of mutation.cures) {
      const [rule, message = ''] = name.split('/')
      t.ok(rules.find(({ id }) => id === rule)?.messages[message], `${name} is a message of a rule`)
    }
    for (const entry of cases) t.test(entry.name, t => runCase(t, entry))
    t.end()
  })
}

function runCase(t: Test, { policy: documents, inventory: objects, object, patch, cures }: MutationCase): void {
  const policy = policyOf(documents)
  const inventory = inventoryOf(objects)
  const before = structuredClone(object)
  const outcome = mutated(object, policy, inventory)
  t.strictSame(object, before, 'the object is unchanged')
  t.strictSame(outcome.errors, [])
  const ref = refOf(object)
  const template = podTemplateOf(kindOf(ref.group, ref.kind), object)?.template
  t.strictSame(template === undefined ? [] : patchOf(template, outcome.made), patch)
  const evaluation = judged(object, policy, inventory)
  t.strictSame(evaluation.cured.map(({ rule, message }) => `${rule}/${message}`).sort(), cures.toSorted())
  for (const name of cures) {
    t.notOk(
      evaluation.findings.some(({ rule, message }) => `${rule}/${message}` === name),
      `${name} is gone`,
    )
  }
  const patched = applied(template ?? {}, patch as readonly PatchOperation[])
  const after = podTemplateOf(kindOf(ref.group, ref.kind), outcome.object)?.template
  t.strictSame(after ?? {}, patched, 'what is judged is what the patch makes')
  t.strictSame(mutated(outcome.object, policy, inventory).made, [], 'twice equals once')
  t.end()
}

const inject = 'sidecar.istio.io/inject'
const values = fc.constantFrom('true', 'false', 'True', 'False', '0', '1', 'yes', '', 'enabled')
const revisions = fc.constantFrom('default', 'stable', 'canary', 'gone')
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined })
const mapOf = (entries: Record<string, fc.Arbitrary<string | undefined>>): fc.Arbitrary<Fields | undefined> =>
  maybe(
    fc
      .record(entries)
      .map(given => Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))),
  )

const pods = fc.record({
  labels: mapOf({
    [inject]: maybe(values),
    'istio.io/rev': maybe(revisions),
    'istio.io/dataplane-mode': maybe(fc.constantFrom('ambient', 'none')),
    app: maybe(fc.constant('a')),
  }),
  annotations: mapOf({
    [inject]: maybe(values),
    'traffic.sidecar.istio.io/includeOutboundIPRanges': maybe(
      fc.constantFrom('*', '', '10.0.0.0/16', '0.0.0.0/0', 'x'),
    ),
    'sidecar.istio.io/nativeSidecar': maybe(fc.constantFrom('false', 'true')),
    'inject.istio.io/templates': maybe(fc.constantFrom('sidecar', 'gateway')),
  }),
  hostNetwork: maybe(fc.boolean()),
  initContainers: maybe(fc.constant([{ name: 'migrate' }])),
})
const namespaces = mapOf({
  'istio-injection': maybe(fc.constantFrom('enabled', 'disabled', 'yes')),
  'istio.io/rev': maybe(revisions),
  'istio.io/dataplane-mode': maybe(fc.constant('ambient')),
})
const params = fc.record({ optOuts: fc.boolean(), revisions: fc.boolean() })
const served = maybe(fc.subarray(['default', 'stable', 'canary']))

t.test('laws', t => {
  const law = fc.property(pods, namespaces, params, served, (pod, labels, setInjection, revisions) => {
    const { labels: podLabels, annotations, ...spec } = pod
    const metadata = { name: 'a', namespace: 'shop', labels: podLabels, annotations }
    const object: Fields = JSON.parse(JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata, spec }))
    const inventory = inventoryOf([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels } }])
    const policy = policyOf([
      {
        apiVersion: 'sallyport.dev/v1alpha1',
        kind: 'EgressPolicy',
        metadata: { name: 'acme' },
        spec: {
          mesh: revisions && { revisions },
          ranges: { pods: ['10.0.0.0/16'], services: ['10.96.0.0/12'] },
          mutations: {
            'set-injection': { params: setInjection },
            'capture-everything': { enabled: true },
            'use-native-sidecar': { enabled: true },
          },
        },
      },
    ])
    const { made, object: after, errors } = mutated(object, policy, inventory)
    const patch = patchOf(object, made)
    const patched = applied(object, patch)
    const touched = new Set(made.flatMap(({ changes }) => changes.map(({ map, key }) => `${map} ${key}`)))
    const rest = (pod: Fields): unknown => untouched(pod, touched)
    if (errors.length > 0) throw new Error('a mutation threw')
    t.strictSame(patched, after, 'the patch makes what is judged')
    t.strictSame(rest(patched), rest(object), 'nothing else is touched')
    t.strictSame(patchOf(patched, mutated(patched, policy, inventory).made), [], 'twice equals once')
    const promised = new Set(made.flatMap(({ cures }) => cures))
    const left = judged(patched, policy, inventory).findings.map(({ rule, message }) => `${rule}/${message}`)
    t.strictSame(
      left.filter(name => promised.has(name)),
      [],
      'patch, then judge: no finding that the cure promises',
    )
  })
  const failure = fc.check(law, { numRuns: 1_500, seed: 20261121 })
  t.notOk(failure.failed, failure.counterexample ? JSON.stringify(failure.counterexample) : 'hold')
  t.end()
})

function untouched(pod: Fields, touched: ReadonlySet<string>): unknown {
  return JSON.parse(JSON.stringify(pod), (key, value: unknown) => {
    if ((key !== 'labels' && key !== 'annotations') || !isFields(value)) return value
    const kept = Object.entries(value).filter(([name]) => !touched.has(`${key} ${name}`))
    return kept.length === 0 ? undefined : Object.fromEntries(kept)
  })
}

t.test('a pod with more labels than are judged is left to be refused', t => {
  const labels = Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`l${i}`, 'x']))
  const pod: Fields = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', namespace: 'bare', labels }, spec: {} }
  const inventory = inventoryOf([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'bare' } }])
  t.strictSame(mutated(pod, policyOf([]), inventory), { object: pod, made: [], errors: [] })
  t.end()
})

t.test('what goes away unannounced is laid to all that were made', t => {
  const quiet = (id: string, key: string): ReturnType<typeof defineMutation> =>
    defineMutation<Record<never, never>>({
      id,
      summary: 'Say nothing',
      detail: '',
      enabled: true,
      cures: [],
      reads: [],
      facts: [],
      params: {},
      change: () => [{ map: 'labels', key, value: 'true' }],
    })
  const made = [quiet('say-more', 'note'), quiet('say-nothing', 'sidecar.istio.io/inject')]
  const policy = {
    ...policyOf([
      {
        apiVersion: 'sallyport.dev/v1alpha1',
        kind: 'EgressPolicy',
        metadata: { name: 'acme' },
        spec: { mesh: { revisions: ['default'] } },
      },
    ]),
    mutations: made.map(mutation => ({ mutation, params: {}, enabledIn: () => true })),
  }
  const metadata = { name: 'a', namespace: 'shop', labels: { 'sidecar.istio.io/inject': 'yes' } }
  const namespace = { name: 'shop', labels: { 'istio-injection': 'enabled' } }
  const inventory = inventoryOf([{ apiVersion: 'v1', kind: 'Namespace', metadata: namespace }])
  const { cured } = judged({ apiVersion: 'v1', kind: 'Pod', metadata, spec: {} }, policy, inventory)
  t.match(cured, [{ rule: 'require-injection', message: 'odd-value', mutation: 'say-more, say-nothing' }])
  t.end()
})

t.test('a mutation that throws is said, and changes nothing', t => {
  const broken = defineMutation<Record<never, never>>({
    id: 'break-down',
    summary: 'Throw',
    detail: '',
    enabled: true,
    cures: [],
    reads: [],
    facts: [],
    params: {},
    change: () => {
      throw new TypeError('oh')
    },
  })
  const policy: Policy = {
    ...policyOf([]),
    mutations: [{ mutation: broken, params: {}, enabledIn: () => true }],
  }
  const pod: Fields = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', namespace: 'shop' }, spec: {} }
  const inventory = inventoryOf([])
  t.match(mutated(pod, policy, inventory), {
    object: pod,
    made: [],
    errors: [{ mutation: 'break-down', cause: TypeError }],
  })
  t.match(judged(pod, policy, inventory).ruleErrors, [{ rule: 'break-down', enforcementAction: 'warn' }])
  t.end()
})

t.test('keys with the characters of pointers, and keys that are no properties of ours', t => {
  const made = [
    {
      id: 'x',
      cures: [],
      changes: [
        { map: 'labels', key: 'a~b/c', value: 'd' },
        { map: 'labels', key: 'toString', value: undefined },
        { map: 'annotations', key: '__proto__', value: undefined },
      ],
    },
  ] as const
  const pod = { metadata: { labels: { other: 'x' } } }
  t.strictSame(patchOf(pod, made), [{ op: 'add', path: '/metadata/labels/a~0b~1c', value: 'd' }])
  t.end()
})
