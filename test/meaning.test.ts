import fc from 'fast-check'
import t, { type Test } from 'tap'
import { kindOf, refOf } from '../src/core/kind.ts'
import { formatPath, type Path } from '../src/core/path.ts'
import { dig, type Fields, isFields } from '../src/istio/json.ts'
import { podTemplateOf, workloadKinds } from '../src/istio/workload.ts'
import { readManifests } from '../src/manifest/read.ts'
import { rules } from '../src/rules/index.ts'
import { type Choose, decorate, inVersion, shuffleKeys, writings } from './meaning/rewrite.ts'
import { cases, type RuleCase, said } from './meaning/scene.ts'
import { respellHosts, respellObject } from './meaning/spelling.ts'

// The same thing said otherwise gets the same verdict, and what says nothing changes none: cases of all rules, turned
// into their equals and their harmless neighbours.

/** How many of each kind of rewriting; a seed makes a run again: SEED=1 npx tap test/meaning.test.ts. */
const runs = 1_000
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
t.comment(`${cases.length} cases, seed ${seed}, ${runs} rewritings of each kind`)

/** Holds a property for cases that a number chooses, with further choices. */
function holds(
  t: Test,
  title: string,
  from: readonly RuleCase[],
  property: (entry: RuleCase, choose: Choose) => void,
): void {
  const outcome = fc.check(
    fc.property(fc.nat(from.length - 1), fc.infiniteStream(fc.nat()), (at, stream) => {
      const entry = from[at]
      if (entry !== undefined) property(entry, limit => Number(stream.next().value) % limit)
    }),
    { seed, numRuns: Math.min(runs, from.length * 20) },
  )
  if (outcome.failed) {
    const entry = from[Number(outcome.counterexample?.[0])]
    t.comment(`${title}: ${entry?.rule}: ${entry?.name}`)
  }
  t.notOk(outcome.failed, `${title}: ${outcome.numRuns} rewritings of ${from.length} cases`, {
    error: outcome.errorInstance,
  })
}

function same(given: readonly string[], other: readonly string[], what: string): void {
  if (given.join('\n') !== other.join('\n')) {
    throw new Error(`${what} is judged otherwise\n${other.join('\n')}\ninstead of\n${given.join('\n')}`)
  }
}

/** Returns the case with its objects rewritten. */
function rewritten(entry: RuleCase, rewrite: (object: Fields) => unknown): RuleCase {
  const object = rewrite(entry.object)
  const oldObject = entry.oldObject === undefined ? undefined : rewrite(entry.oldObject)
  return {
    ...entry,
    object: isFields(object) ? object : entry.object,
    oldObject: isFields(oldObject) ? oldObject : undefined,
  }
}

/** Options of a CONNECT are no objects that anybody writes down or labels. */
const objects = cases.filter(entry => entry.operation !== 'CONNECT')

t.test('the order of keys means nothing', t => {
  holds(t, 'other orders', cases, (entry, choose) => {
    const other = rewritten(entry, object => shuffleKeys(object, choose))
    same(said(entry), said(other), 'another order')
  })
  t.end()
})

t.test('every served version of a kind means the same', t => {
  holds(t, 'other versions', objects, (entry, choose) => {
    // The API server sends the old object in the version of the new one.
    const version = choose(3)
    same(said(entry), said(rewritten(entry, object => inVersion(object, version))), 'another version')
  })
  t.end()
})

t.test('what tools and the API server write on objects means nothing', t => {
  // Who writes a whole annotation of kubectl is none of these rules' business, but odd metadata is.
  const plain = objects.filter(({ object }) => object['metadata'] === undefined || isPlain(object['metadata']))
  holds(t, 'decorated', plain, entry => {
    same(said(entry), said(rewritten(entry, decorate)), 'the decorated object')
  })
  t.end()
})

function isPlain(metadata: unknown): boolean {
  return (
    isFields(metadata) &&
    (metadata['labels'] === undefined || isFields(metadata['labels'])) &&
    (metadata['annotations'] === undefined || isFields(metadata['annotations']))
  )
}

t.test('every way to write an object down reads as that object', t => {
  const texts = objects.filter(({ object }) => isPlain(object['metadata']))
  holds(t, 'other writings', texts, (entry, choose) => {
    const [name = '', write] = writings[choose(writings.length)] ?? []
    const other = rewritten(entry, object => {
      const text = write?.(object, choose) ?? ''
      const { documents, problems } = readManifests(text, name)
      const [document] = documents.filter(({ object: read }) => isFields(read))
      if (document === undefined || problems.length > 0)
        throw new Error(`${name} is not read: ${problems[0]?.what}\n${text}`)
      return document.object
    })
    same(said(entry), said(other), name)
  })
  t.end()
})

/** Every finding by message and place; values are spelt as they were found. */
const placed = ({ message, path }: { readonly message: string; readonly path: Path }): string =>
  `${message} ${formatPath(path)}`

t.test('the same configuration, ranges and ports in another spelling are judged alike', t => {
  const spelt = objects.filter(
    ({ object }) =>
      // The arguments of an injected pod follow from the very text of its annotations.
      !JSON.stringify(object).includes('"istio-init"') &&
      JSON.stringify(respellObject(object, () => 1)) !== JSON.stringify(respellObject(object, () => 0)),
  )
  t.ok(spelt.length > 30, `${spelt.length} cases hold such a text`)
  holds(t, 'other spellings', spelt, (entry, choose) => {
    // A text that is kept is no new one: what an UPDATE leaves alone must be left alone.
    const isUpdate = entry.operation === 'UPDATE'
    const other = isUpdate ? entry : rewritten(entry, object => respellObject(object, choose))
    same(said(entry, placed), said(other, placed), 'another spelling')
  })
  t.end()
})

t.test('a host in capitals or with a trailing dot is the host', t => {
  const entries = objects.filter(
    ({ object, rule, operation }) =>
      object['kind'] === 'ServiceEntry' && rule !== 'require-canonical-hosts' && operation === 'CREATE',
  )
  t.ok(entries.length > 30, `${entries.length} ServiceEntries`)
  holds(t, 'other spellings of hosts', entries, (entry, choose) => {
    const other = rewritten(entry, object => respellHosts(object, choose))
    same(said(entry, placed), said(other, placed), 'another spelling of hosts')
  })
  t.end()
})

const pods = cases.filter(
  ({ object, phase, operation, subresource }) =>
    object['kind'] === 'Pod' && phase === 'submitted' && operation === 'CREATE' && subresource === '',
)

/** Returns an object of a kind with the template of a pod. */
function templateOf(kind: string, pod: Fields): Fields {
  const { metadata, spec } = pod
  const ref = refOf(pod)
  const apiVersions: Record<string, string> = { '': 'v1', apps: 'apps/v1', batch: 'batch/v1' }
  const [name = '', ...group] = kind.split('.')
  const template = { metadata, spec }
  const root = podTemplateOf(kind, deepest(kind))?.root ?? []
  const inner = root.reduceRight<unknown>((value, key) => ({ [key]: value }), template)
  return {
    apiVersion: apiVersions[group.join('.')] ?? `${group.join('.')}/v1`,
    kind: name,
    metadata: { name: ref.name, namespace: ref.namespace },
    ...(isFields(inner) ? inner : {}),
  }
}

/** An object deep enough to find out where templates of its kind stand. */
function deepest(kind: string): unknown {
  const template = { metadata: {}, spec: {} }
  return kind === 'CronJob.batch' ? { spec: { jobTemplate: { spec: { template } } } } : { spec: { template }, template }
}

t.test('a pod that is refused alone is refused in each template, and one that passes passes', t => {
  const kinds = workloadKinds.filter(kind => kind !== 'Pod' && kind !== 'Revision.serving.knative.dev')
  const both = pods.filter(({ rule, object }) => {
    const judged = rules.find(({ id }) => id === rule)?.judges ?? []
    return kinds.every(kind => judged.includes(kind)) && isFields(object['spec']) && isPlain(object['metadata'])
  })
  t.ok(both.length > 50, `${both.length} pods`)
  const show = (drop: number) => (finding: { readonly message: string; readonly path: Path; readonly value: string }) =>
    `${finding.message} ${formatPath(finding.path.slice(drop))} ${finding.value}`
  holds(t, 'in templates', both, (entry, choose) => {
    const kind = kinds[choose(kinds.length)] ?? ''
    const object = templateOf(kind, entry.object)
    const ref = refOf(object)
    if (kindOf(ref.group, ref.kind) !== kind) throw new Error(`${kind} is built as ${kindOf(ref.group, ref.kind)}`)
    const drop = podTemplateOf(kind, object)?.root.length ?? 0
    const findings = (lines: readonly string[]): readonly string[] =>
      lines.filter(line => !line.startsWith('not judged') && !line.startsWith('malformed'))
    same(findings(said(entry, show(0))), findings(said({ ...entry, object }, show(drop))), kind)
  })
  t.end()
})

t.test('a harmless container beside the others changes nothing', t => {
  // OpenShift gives all containers of a pod one user, of its own range.
  const ofOpenShift = (id: unknown): unknown => (Number(id) >= 1_000_000_000 ? id : 65534)
  const harmless = (beside: unknown): Fields => ({
    name: 'metrics-exporter',
    image: 'registry.acme.example/exporter:1.4.2',
    ports: [{ containerPort: 9113, name: 'http-metrics' }],
    resources: { requests: { cpu: '10m', memory: '16Mi' } },
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      runAsNonRoot: true,
      runAsUser: ofOpenShift(dig(beside, 'securityContext', 'runAsUser')),
      runAsGroup: ofOpenShift(dig(beside, 'securityContext', 'runAsGroup')),
    },
  })
  const plain = pods.filter(
    ({ object }) =>
      isFields(object['spec']) && Array.isArray(object['spec']['containers']) && isPlain(object['metadata']),
  )
  holds(t, 'beside a harmless container', plain, entry => {
    const other = rewritten(entry, object => {
      const spec = isFields(object['spec']) ? object['spec'] : {}
      const containers = Array.isArray(spec['containers']) ? spec['containers'] : []
      return { ...object, spec: { ...spec, containers: [...containers, harmless(containers[0])] } }
    })
    same(said(entry), said(other), 'with a harmless container')
  })
  t.end()
})
