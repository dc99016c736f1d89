import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { evaluate } from '../src/core/evaluate.ts'
import { effectOf } from '../src/core/finding.ts'
import { inventoryOf } from '../src/core/inventory.ts'
import { refOf } from '../src/core/kind.ts'
import { formatPath } from '../src/core/path.ts'
import type { Phase, Review } from '../src/core/review.ts'
import { readReview } from '../src/http/admission.ts'
import type { Fields } from '../src/istio/json.ts'
import { proxyIdsOf } from '../src/istio/proxyuser.ts'
import { readManifests } from '../src/manifest/read.ts'
import { loadPolicy } from '../src/policy/load.ts'
import { rules } from '../src/rules/index.ts'

const root = join(import.meta.dirname, '..')
const now = Date.parse('2026-11-21T12:00:00Z')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** The rules against privileges that undo the capture of traffic. */
const own = new Set([
  'no-escape-privileges',
  'no-false-identity',
  'no-forward-proxy',
  'no-gateway-impersonation',
  'no-node-egress',
  'no-proxy-user',
  'require-stated-privileges',
])

const loaded = loadPolicy([{ file: 'acme.yaml', text: read('examples/policy/acme.yaml') }], { rules, now })
if (!loaded.ok) throw new Error('the example policy does not load')
const { policy } = loaded

const inventory = inventoryOf(
  ['namespaces', 'istio', 'network', 'egress-gateway'].flatMap(name =>
    readManifests(read(`examples/cluster/${name}.yaml`), name).documents.map(document => document.object as Fields),
  ),
)

/** Returns what refuses or warns, one line each. */
function said(review: Review): readonly string[] {
  const { findings, notJudged } = evaluate(review, policy, inventory, now)
  return [
    ...findings
      .filter(({ rule }) => own.has(rule))
      .map(finding => `${effectOf(finding)} ${finding.rule} ${formatPath(finding.path)}`)
      .filter(line => !line.startsWith('dryrun')),
    ...notJudged.filter(({ rule }) => own.has(rule)).map(gap => `not judged ${formatPath(gap.path)}`),
  ]
}

t.test('pods of the platform from the real injector, and as sent in, are neither refused nor warned about', t => {
  for (const name of readdirSync(join(root, 'test/fixtures/pods')).sort()) {
    const [document] = readManifests(read(`test/fixtures/pods/${name}`), name).documents
    const object = document?.object as Fields
    const phase: Phase = name.endsWith('.final.yaml') ? 'final' : 'submitted'
    const review: Review = {
      uid: 'u',
      operation: 'CREATE',
      kind: 'Pod',
      ref: refOf(object),
      subresource: '',
      object,
      oldObject: undefined,
      requester: { username: 'pia@example.com', groups: ['platform-admins'] },
      dryRun: false,
      phase,
    }
    t.strictSame(said(review), [], name)
  }
  t.end()
})

t.test('of the recorded reviews only the debug container that may trace is refused', t => {
  const refused: Record<string, readonly string[]> = {}
  const folder = 'test/fixtures/reviews'
  for (const name of readdirSync(join(root, folder)).sort()) {
    for (const phase of ['submitted', 'final'] as const) {
      const parsed = readReview(JSON.parse(read(`${folder}/${name}`)), phase)
      if (!parsed.ok) throw new Error(`${name} is no review`)
      const lines = said(parsed.review)
      if (lines.length > 0) refused[`${name.slice(0, 2)} ${phase}`] = lines
    }
  }
  const trace = 'deny no-escape-privileges spec.ephemeralContainers[0].securityContext.capabilities.add[0]'
  t.strictSame(refused, { '14 submitted': [trace], '14 final': [trace] })
  t.end()
})

t.test('ranges of OpenShift are read as Istio reads them', t => {
  // Answers of istio.io/istio pkg/kube/inject, ParseBlock; undefined: it fails, and the default stays.
  const rows: readonly (readonly [block: string, end: number | undefined])[] = [
    ['1000680000/10000', 1000689999],
    ['1000680000-1000689999', 1000689999],
    [' 5/ 6', 10],
    ['\t5/\t6', 10],
    ['5- 6', 6],
    ['005/006', 10],
    ['5/6x', 10],
    ['5/6/7', 10],
    ['0/0', 4294967295],
    ['4294967295/2', undefined],
    ['4294967296/2', undefined],
    ['5/4294967296', undefined],
    ['5 /6', undefined],
    ['5-6/7', undefined],
    ['+5/6', undefined],
    ['-5/6', undefined],
    ['5_0/6', undefined],
    ['0x5/6', undefined],
    ['\n5/6', undefined],
    ['5/\n6', undefined],
    ['5', undefined],
    ['', undefined],
  ]
  for (const [block, end] of rows) {
    const { users, groups } = proxyIdsOf({}, new Map([['openshift.io/sa.scc.uid-range', block]]))
    const expected = end === undefined ? [1337] : [1337, end]
    t.strictSame([...users], expected, `user by ${JSON.stringify(block)}`)
    t.strictSame([...groups].sort(), [...expected].sort(), `group by ${JSON.stringify(block)}`)
  }
  t.end()
})
