import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { judgeCase } from '../src/cli/trial.ts'
import type { Evaluation } from '../src/core/evaluate.ts'
import { kindOf, refOf } from '../src/core/kind.ts'
import type { Fields } from '../src/istio/json.ts'
import { fieldsRead } from '../src/kube/fields.ts'
import { interner, isMetadataOnly, pathsOf, projectionOf } from '../src/kube/projection.ts'
import { compareVersions, kindsHeld, pluralOf } from '../src/kube/resources.ts'
import { mutations } from '../src/mutations/index.ts'
import type { Case } from '../src/policy/cases.ts'
import { rules } from '../src/rules/index.ts'
import { cases, policyOf, type RuleCase } from './meaning/scene.ts'

// The live inventory drops what no rule reads, so no case of any rule may come out otherwise for it.

/** Fields that no case needs alone, and why they are kept. */
const kept: readonly (readonly [RegExp, string])[] = [
  [/^(?!ReplicaSet).* metadata\.(uid|ownerReferences)/, 'the cases know one chain of owners; any kind may be in one'],
  [/^(DaemonSet|StatefulSet|Pod).*(annotations|labels)/, 'read of all kinds that run gateways; cases have Deployments'],
  [
    /^(AuthorizationPolicy|PeerAuthentication).* spec\.targetRefs?$/,
    'says that an object does not hold for all, as the selector',
  ],
  [/^ConfigMap metadata\.labels$/, 'a mesh ConfigMap without key `mesh` is known by its revision'],
  [/^(GRPC|HTTP|TCP|TLS)Route.*backendRefs/, 'read of all kinds of routes alike'],
  [
    /^X?ListenerSet.* spec\.parentRef/,
    'read of both kinds alike; the parent may be of another namespace, and another kind',
  ],
  [/^ServiceEntry.* metadata\.labels\["istio.io\/use-waypoint-namespace"\]$/, 'the waypoint is looked for there'],
  [/^VirtualService.* spec\.(tls|tcp)\[\*\]\.match/, 'read of the three sections alike'],
]

/** What is asked for and not left, and why that is all the same. */
const passed: readonly (readonly [RegExp, string])[] = [
  [/^AuthorizationPolicy.* metadata\.annotations\.\*$/, 'copied for `istio.io/dry-run`'],
  [/^(DaemonSet|Deployment|StatefulSet).* metadata\.annotations\.\*$/, 'copied for `inject.istio.io/templates`'],
  [
    /^(DaemonSet|Deployment|StatefulSet).*template\.metadata\.annotations\.\*$/,
    'copied for `inject.istio.io/templates`',
  ],
  [/^Service metadata\.annotations\.\*$/, 'copied for `networking.istio.io/exportTo`'],
  [/^ServiceEntry.* metadata\.labels\.\*$/, 'copied for `istio.io/use-waypoint` and its namespace'],
  [/^Pod spec\.(initContainers|ephemeralContainers)/, 'walked past on the way to `containers`'],
  [/^Service spec\.resolution$/, 'asked of whatever a policy targets, of which ServiceEntries have it'],
  [/^VirtualService.* spec\.(tls|tcp)\[\*\]\.delegate$/, 'only routes of `http` have it'],
]

type Paths = (kind: string) => readonly string[]

function projected(objects: readonly Fields[], paths: Paths): readonly Fields[] {
  return objects.map(object => {
    const { group, kind } = refOf(object)
    return projectionOf(String(object['apiVersion']), kind, paths(kindOf(group, kind)))(object)
  })
}

/** What is said of a case by its own rule and by all together. */
function judge(entry: RuleCase, inventory: readonly Fields[]): readonly Evaluation[] {
  const policy = policyOf(entry)
  const { rule: _, ...open } = entry
  const own: Case = { ...entry, inventory }
  return [judgeCase(own, policy), judgeCase({ ...open, rule: undefined, inventory }, policy)]
}

const scenes = cases.filter(({ inventory }) => inventory.length > 0)

t.test('no case comes out otherwise by what is left of its objects', t => {
  const wrong = scenes.filter(
    entry => !isDeepStrictEqual(judge(entry, projected(entry.inventory, pathsOf)), judge(entry, entry.inventory)),
  )
  t.strictSame(
    wrong.map(({ rule, name }) => `${rule}: ${name}`),
    [],
  )
  t.ok(scenes.length > 500, `${scenes.length} cases look something up`)
  t.end()
})

t.test('every field that is left is one that some case needs, or has a reason', t => {
  const idle: string[] = []
  for (const [kind, paths] of Object.entries(fieldsRead)) {
    for (const path of paths) {
      if (kept.some(([pattern]) => pattern.test(`${kind} ${path}`))) continue
      const without: Paths = other => (other === kind ? paths.filter(one => one !== path) : pathsOf(other))
      const isNeeded = scenes.some(entry => {
        const all = projected(entry.inventory, pathsOf)
        const less = projected(entry.inventory, without)
        return !isDeepStrictEqual(all, less) && !isDeepStrictEqual(judge(entry, less), judge(entry, all))
      })
      if (!isNeeded) idle.push(`${kind} ${path}`)
    }
  }
  t.strictSame(idle, [])
  t.end()
})

t.test('every field that a rule asks for in some case is left, be it there or not', t => {
  const asked = new Set<string>()
  for (const entry of scenes) {
    judge(
      entry,
      entry.inventory.map(object => {
        const { group, kind } = refOf(object)
        return watched(object, field => asked.add(`${kindOf(group, kind)} ${field}`))
      }),
    )
  }
  const lost = [...asked].filter(line => !isLeft(line) && !passed.some(([pattern]) => pattern.test(line)))
  t.strictSame(lost.sort(), [])
  t.ok(asked.size > 200, `${asked.size} fields`)
  t.end()
})

/** Whether a field is among those that are left, or on the way to one; of a map that is copied whole all must be. */
function isLeft(line: string): boolean {
  const space = line.indexOf(' ')
  const [kind, path] = [line.slice(0, space), line.slice(space + 1)]
  if (/^(?:apiVersion|kind|metadata(?:\.name|\.namespace)?)$/.test(path)) return true
  return pathsOf(kind).some(
    left =>
      path === left ||
      path.startsWith(`${left}.`) ||
      path.startsWith(`${left}[`) ||
      left.startsWith(`${path}.`) ||
      left.startsWith(`${path}[`),
  )
}

/** An object that tells which of its fields are asked for, as paths of `fieldsRead`. */
function watched<T extends object>(value: T, ask: (path: string) => void, path = ''): T {
  const at = (key: string): string =>
    Array.isArray(value)
      ? `${path}[*]`
      : /^[A-Za-z_][\w-]*$/.test(key)
        ? `${path === '' ? '' : `${path}.`}${key}`
        : `${path}["${key}"]`
  const inner = new Map<string, unknown>()
  return new Proxy(value, {
    get(target, key) {
      const found: unknown = Reflect.get(target, key)
      if (typeof key !== 'string' || typeof found === 'function' || (Array.isArray(value) && !/^\d+$/.test(key)))
        return found
      if (typeof found !== 'object' || found === null) return found
      if (!inner.has(key)) inner.set(key, watched(found, ask, at(key)))
      return inner.get(key)
    },
    getOwnPropertyDescriptor(target, key) {
      if (typeof key === 'string' && !Array.isArray(value)) ask(at(key))
      return Reflect.getOwnPropertyDescriptor(target, key)
    },
    ownKeys(target) {
      ask(`${path}.*`)
      return Reflect.ownKeys(target)
    },
  })
}

t.test('what is held: kinds from the rules, each with a name for URLs and with fields', t => {
  const kinds = kindsHeld(rules, mutations)
  for (const rule of rules) for (const kind of rule.reads) t.ok(kinds.includes(kind), `${rule.id} reads ${kind}`)
  t.ok(kinds.includes('CronJob.batch'), 'owners, which exemptions reach through')
  for (const kind of kinds) t.match(pluralOf(kind), /^[a-z]+s$/, kind)
  t.throws(() => pluralOf('Potato'), /not known/)
  t.strictSame(Object.keys(fieldsRead).sort(), kinds, 'fields of these kinds and no others')
  t.strictSame(
    kinds.filter(isMetadataOnly),
    ['CronJob.batch', 'Job.batch', 'Pod', 'ReplicaSet.apps', 'ReplicationController'],
    'kinds whose metadata alone is asked for',
  )
  t.strictSame(['v1alpha3', 'v2', 'v1beta1', 'odd', 'v1', 'v1beta2', 'v10', 'v1alpha3'].sort(compareVersions), [
    'v10',
    'v2',
    'v1',
    'v1beta2',
    'v1beta1',
    'v1alpha3',
    'v1alpha3',
    'odd',
  ])
  t.end()
})

t.test('what is left of an object', t => {
  const project = projectionOf('v1', 'Thing', [
    'metadata.labels["a.b/c"]',
    'spec.list[*].name',
    'spec.all',
    'spec.many[*]',
    'spec.all.more',
  ])
  const rows: readonly (readonly [unknown, unknown])[] = [
    [
      { list: [{ name: 'x', more: 1 }, 'odd', {}], all: { of: [1] }, rest: 1 },
      { list: [{ name: 'x' }, 'odd', {}], all: { of: [1] } },
    ],
    [
      { many: [{ a: 1 }, 2], list: 'no list' },
      { list: 'no list', many: [{}, 2] },
    ],
    ['no object', 'no object'],
    [[1, 2], []],
    [{ list: null }, { list: null }],
  ]
  for (const [spec, left] of rows) {
    const object = {
      kind: 'Thing',
      metadata: { name: 'n', labels: { 'a.b/c': 'd', e: 'f' }, uid: 'u' },
      spec,
      status: 1,
    }
    const kept = { apiVersion: 'v1', kind: 'Thing', metadata: { name: 'n', labels: { 'a.b/c': 'd' } }, spec: left }
    t.strictSame(project(object), kept, JSON.stringify(spec))
  }
  const polluting: Fields = JSON.parse('{"metadata":{"name":"n"},"spec":{"__proto__":{"all":1}}}')
  t.strictSame(project(polluting)['spec'], {}, 'prototype keys are data')
  t.throws(() => projectionOf('v1', 'Thing', ['spec..x']), /no path/)
  t.end()
})

t.test('equal values become one, until they have not come for long', t => {
  const intern = interner(2)
  const labels = (): Fields => ({ app: 'web', tier: 'front' })
  const first = intern(labels())
  t.equal(intern(labels()), first)
  t.not(intern({ app: 'web' }), first)
  t.strictSame(intern(['a', { b: 'c' }, 1, null]), ['a', { b: 'c' }, 1, null])
  t.equal(intern(labels()), first, 'it came again')
  for (const x of [1, 2, 3, 4]) intern({ x })
  t.not(intern(labels()), first)
  t.strictSame(intern(labels()), labels(), 'what was forgotten is right all the same')
  t.not(intern({ a: 'b","c', d: 'e' }), intern({ a: 'b', 'c","d': 'e' }))
  const large = { text: 'x'.repeat(1000) }
  t.not(intern({ ...large }), intern({ ...large }), 'what is large is not looked for')
  for (const value of ['x', 'y'.repeat(100), 1, null, undefined, true]) t.equal(intern(value), value)
  t.end()
})
