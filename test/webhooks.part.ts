import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { groupOf, isNamespaced, kindOf } from '../src/core/kind.ts'
import { parsePattern } from '../src/core/path.ts'
import { resourceOf } from '../src/core/resource.ts'
import { field, text } from '../src/istio/json.ts'
import { workloadKinds } from '../src/istio/workload.ts'
import { type Case, readCases } from '../src/policy/cases.ts'
import { rules } from '../src/rules/index.ts'
import { type EntryRule, entries, entryName, type Webhooks, webhooks } from '../tools/webhooks.ts'
import { root } from './command.ts'

const chart = join(root, 'charts/sallyport')
const read = (path: string): string => readFileSync(join(chart, path), 'utf8')

const generated: Webhooks = webhooks(rules)

/** A request as webhook configurations look at it. */
interface Question {
  readonly group: string
  /** The plural, with `/subresource` where one is meant. */
  readonly resource: string
  readonly operation: string
  readonly scope: 'Namespaced' | 'Cluster'
}

/** Whether a rule of an entry asks. Kubernetes: staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules. */
function asks(rule: EntryRule, { group, resource, operation, scope }: Question): boolean {
  const named = rule.resources.includes(resource) || (rule.resources.includes('*') && !resource.includes('/'))
  const scoped = rule.scope === '*' || rule.scope === scope
  return named && scoped && rule.apiGroups.includes(group) && rule.operations.some(one => one === operation)
}

function entriesAsking(question: Question): readonly string[] {
  return entries.filter(entry => (generated.validating[entryName(entry)] ?? []).some(rule => asks(rule, question)))
}

/** Namespaces as the selectors of the templates tell them apart, each with the entries that select it. */
const selected: Readonly<Record<string, readonly string[]>> = {
  tenant: ['pods', 'routes', 'cluster', 'policy'],
  platform: ['platform', 'routes', 'cluster', 'policy'],
  'system, excluded or the guard’s own': ['routes', 'cluster', 'policy'],
  none: ['routes', 'cluster', 'policy'],
}

t.test('entries keep their names', t => {
  t.strictSame(Object.keys(generated.validating), [
    'pods.sallyport.dev',
    'platform.sallyport.dev',
    'routes.sallyport.dev',
    'cluster.sallyport.dev',
    'policy.sallyport.dev',
  ])
  t.strictSame(Object.keys(generated.mutating), ['pods.sallyport.dev'])
  const named = [...read('templates/validating.yaml').matchAll(/^ {2}- name: (\S+)$/gm)].map(([, name]) => name)
  t.strictSame(named, Object.keys(generated.validating), 'the template has the same')
  t.end()
})

t.test('at most one entry asks about a request', t => {
  const all = Object.values(generated.validating).flat()
  const groups = new Set(all.flatMap(({ apiGroups }) => apiGroups))
  const resources = new Set([...all.flatMap(rule => rule.resources), 'futures', 'futures/status'])
  resources.delete('*')
  let asked = 0
  for (const group of groups) {
    for (const resource of resources) {
      for (const operation of ['CREATE', 'UPDATE', 'DELETE', 'CONNECT']) {
        for (const [place, selecting] of Object.entries(selected)) {
          const scope = place === 'none' ? 'Cluster' : 'Namespaced'
          const found = entriesAsking({ group, resource, operation, scope }).filter(entry => selecting.includes(entry))
          if (found.length > 0) asked++
          if (found.length > 1) t.fail(`${operation} ${resource} of "${group}" in ${place}: ${found.join(', ')}`)
        }
      }
    }
  }
  t.ok(asked > 300, `${asked} kinds of requests are asked about at all`)
  t.end()
})

t.test('nobody is asked about everything, nor about what the cluster needs to live', t => {
  for (const rule of [...Object.values(generated.validating).flat(), ...Object.values(generated.mutating).flat()]) {
    t.notOk(
      rule.apiGroups.includes('*') || rule.resources.some(name => /^\*\/|\/\*$/.test(name)),
      'no wildcard of groups',
    )
    if (rule.resources.includes('*')) t.match(rule.apiGroups.join(), /istio\.io|sail|networking\.|^sallyport\.dev$/)
  }
  for (const [group, resource] of [
    ['', 'nodes'],
    ['', 'nodes/status'],
    ['', 'events'],
    ['', 'serviceaccounts'],
    ['', 'secrets'],
    ['coordination.k8s.io', 'leases'],
    ['authentication.k8s.io', 'tokenreviews'],
    ['crd.projectcalico.org', 'ipamblocks'],
    ['cilium.io', 'ciliumendpoints'],
    ['apps', 'deployments/scale'],
    ['apps', 'replicasets/status'],
  ] as const) {
    for (const scope of ['Namespaced', 'Cluster'] as const) {
      for (const operation of ['CREATE', 'UPDATE', 'DELETE']) {
        t.strictSame(entriesAsking({ group, resource, operation, scope }), [], `${operation} ${resource} of "${group}"`)
      }
    }
  }
  t.end()
})

/** What rules find and no webhook is asked about, with the reason. */
const unasked: readonly (readonly [reason: string, is: (question: Question, entry: Case) => boolean])[] = [
  ['API servers ask nobody about their registry of webhooks', ({ group }) => group === 'admissionregistration.k8s.io'],
  ['only where the values say so', ({ resource }) => resource === 'secrets'],
]

const cases: readonly Case[] = rules.flatMap(({ id }) =>
  readCases(readFileSync(join(root, 'src/rules', id, 'cases.yaml'), 'utf8')),
)
const finding = cases.filter(({ expect }) => expect.length > 0)

/** Returns the request of a case. */
function questionOf({ object, subresource, operation }: Case): Question {
  const group = groupOf(text(field(object, 'apiVersion')) ?? '')
  const kindName = text(field(object, 'kind')) ?? ''
  const kind = kindOf(group, kindName)
  const virtual = { Binding: 'pods/binding', PodExecOptions: 'pods/exec', PodAttachOptions: 'pods/attach' }[kind]
  const plural = resourceOf(kind)?.plural ?? `${kindName.toLowerCase()}s`
  const resource = virtual ?? (subresource === '' ? plural : `${plural}/${subresource}`)
  // A case without an object before stands for a part that joins a running pod.
  const asked = subresource !== '' && virtual === undefined ? 'UPDATE' : operation
  return { group, resource, operation: asked, scope: isNamespaced(kind) ? 'Namespaced' : 'Cluster' }
}

t.test('what the cases of rules find is asked about', t => {
  const missed = new Set<string>()
  const reasons = new Set<string>()
  for (const entry of finding) {
    const question = questionOf(entry)
    const reason = unasked.find(([, is]) => is(question, entry))
    if (reason !== undefined) reasons.add(reason[0])
    else if (entriesAsking(question).length === 0) missed.add(Object.values(question).join(' '))
  }
  t.ok(finding.length > 500, `${finding.length} cases`)
  t.strictSame([...missed], [])
  t.equal(reasons.size, unasked.length, 'each reason is needed')
  t.end()
})

t.test('of subresources only those are asked about in which rules find something', t => {
  const found = new Set(finding.map(entry => questionOf(entry)).map(({ group, resource }) => `${group} ${resource}`))
  const asked = Object.values(generated.validating)
    .flat()
    .flatMap(({ apiGroups, resources }) => resources.map(resource => `${apiGroups.join()} ${resource}`))
    .filter(name => name.includes('/'))
  t.ok(asked.length > 5)
  for (const name of new Set(asked)) t.ok(found.has(name), name)
  t.end()
})

t.test('a change of any annotation that rules judge in pods is asked about', t => {
  const conditions = [
    ...read('templates/_webhooks.tpl').matchAll(/k\.(contains|startsWith)\('([^']+)'\)|k == '([^']+)'/g),
  ].map(([, how, part = '', whole]) => (key: string): boolean => {
    if (how === undefined) return key === whole
    return how === 'contains' ? key.includes(part) : key.startsWith(part)
  })
  const isJudged = (key: string): boolean => conditions.some(holds => holds(key))
  const keys = new Set<string>()
  for (const { object, expect } of finding) {
    const kind = kindOf(groupOf(text(field(object, 'apiVersion')) ?? ''), text(field(object, 'kind')) ?? '')
    if (kind !== 'Pod') continue
    for (const { path } of expect) {
      const segments = parsePattern(path)
      const at = segments?.indexOf('annotations') ?? -1
      const key = at < 0 ? undefined : segments?.[at + 1]
      if (typeof key === 'string') keys.add(key)
    }
  }
  t.ok(keys.size > 20, `${keys.size} annotations`)
  for (const key of keys) t.ok(isJudged(key), key)
  for (const key of [
    'cni.projectcalico.org/podIP',
    'k8s.v1.cni.cncf.io/network-status',
    'k8s.ovn.org/pod-networks',
    'kubernetes.io/psp',
  ]) {
    t.notOk(isJudged(key), `${key}, which others write while pods start`)
  }
  t.end()
})

t.test('pods are asked about by two entries, one for each class of namespaces', t => {
  for (const kind of workloadKinds) {
    const { group = '', plural = '' } = resourceOf(kind) ?? {}
    const question = { group, resource: plural, operation: 'CREATE', scope: 'Namespaced' } as const
    t.strictSame(entriesAsking(question), ['pods', 'platform'], kind)
  }
  t.end()
})

t.test('each kind has one plural', t => {
  for (const rule of rules) {
    for (const kind of [...rule.judges, ...rule.reads]) {
      if (kind.startsWith('*.') || ['Binding', 'PodExecOptions', 'PodAttachOptions'].includes(kind)) continue
      const found = resourceOf(kind)
      const [name = ''] = kind.split('.', 1)
      t.match(
        found?.plural.replaceAll('-', '') ?? '',
        new RegExp(`^${name.toLowerCase().replace(/y$/, '(y|ie)')}(e?s)?$`),
        kind,
      )
      t.equal(kindOf(found?.group ?? '', name), kind)
    }
  }
  t.equal(resourceOf('*.networking.istio.io'), undefined)
  t.equal(resourceOf('constructor'), undefined)
  t.end()
})
