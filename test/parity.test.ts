import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { judgeDocuments } from '../src/cli/plan.ts'
import type { Evaluation } from '../src/core/evaluate.ts'
import { inventoryOf } from '../src/core/inventory.ts'
import { isNamespaced, kindOf, refOf } from '../src/core/kind.ts'
import { formatPath } from '../src/core/path.ts'
import { answerValidate } from '../src/http/answer.ts'
import { readBody } from '../src/http/body.ts'
import { hasInjectorOutput } from '../src/istio/workload.ts'
import { readManifests } from '../src/manifest/read.ts'
import { rules } from '../src/rules/index.ts'
import { cases, policyOf, type RuleCase } from './meaning/scene.ts'

// The cases of all rules by the two ways in: as manifests, which `sallyport check` judges, and as AdmissionReviews, which
// `sallyport review` and the webhook do, each with the whole policy and not the rule alone.

/** Returns what the case's own rule says of it, a line for each finding. */
function own({ rule }: RuleCase, { findings }: Evaluation): readonly string[] {
  return findings
    .filter(finding => finding.rule === rule)
    .map(
      ({ message, path, preexisting }) => `${message} ${formatPath(path)}${preexisting === true ? ' preexisting' : ''}`,
    )
    .sort()
}

function expected({ expect }: RuleCase): readonly string[] {
  return expect
    .map(({ message, path, preexisting }) => `${message} ${path}${preexisting === true ? ' preexisting' : ''}`)
    .sort()
}

/** The webhook sees pods after the injector, `check` sees a pod without its output as one before. */
function isSeen({ object, phase }: RuleCase, by: 'check' | 'review'): boolean {
  if (object['kind'] !== 'Pod') return true
  return by === 'review' ? phase === 'final' : (phase === 'final') === hasInjectorOutput(object)
}

function check(entry: RuleCase): Evaluation | undefined {
  const { documents } = readManifests(JSON.stringify(entry.object), entry.name)
  const stored = entry.oldObject ?? (entry.operation === 'DELETE' ? entry.object : undefined)
  const [judged] = judgeDocuments(documents, policyOf(entry), [...entry.inventory, ...(stored ? [stored] : [])], {
    operation: entry.operation,
    sequence: false,
    namespace: 'default',
    requester: entry.as === undefined ? undefined : { username: entry.as, groups: entry.groups },
    now: entry.now,
  })
  return judged?.evaluation
}

function review(entry: RuleCase): Evaluation | undefined {
  const { object, oldObject, operation, subresource, of, as, groups } = entry
  const { group, kind, namespace, name } = { ...refOf(object), ...of }
  const isOne = isNamespaced(kindOf(group, kind))
  const body = {
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid: 'a1b2c3d4-0000-4000-8000-000000000000',
      kind: { group, version: 'v1', kind },
      subResource: subresource,
      name,
      namespace: isOne || kind !== 'Namespace' ? namespace : name,
      operation,
      ...(as !== undefined && { userInfo: { username: as, groups } }),
      object: operation === 'DELETE' ? null : object,
      oldObject: operation === 'DELETE' ? object : (oldObject ?? null),
    },
  }
  const read = readBody(Buffer.from(JSON.stringify(body)))
  const bench = { policy: policyOf(entry), inventory: inventoryOf(entry.inventory, entry.knows) }
  const answer = answerValidate(read.ok ? read.value : undefined, bench, entry.now)
  return answer.outcome === 'judged' ? answer.evaluation : undefined
}

const ways = [
  // A deletion, a subresource or a connection is no manifest; of kinds that an inventory is said to know, `check` cannot know.
  ['check', check, (entry: RuleCase) => entry.subresource === '' && entry.knows.length === 0 && isWritten(entry)],
  // The API server always says who asks.
  ['review', review, (entry: RuleCase) => entry.as !== undefined || !isAsked(entry)],
] as const

/** Who asks is looked at by some rules, and wherever an owner is named. */
function isAsked({ rule, object }: RuleCase): boolean {
  return asking.has(rule) || JSON.stringify(object).includes('"ownerReferences"')
}

/** Rules that look at who asks: their files speak of the requester. */
const asking = new Set(
  rules
    .map(({ id }) => id)
    .filter(id => {
      const folder = join(import.meta.dirname, '../src/rules', id)
      const sources = readdirSync(folder).filter(name => name.endsWith('.ts'))
      return sources.some(name => readFileSync(join(folder, name), 'utf8').includes('requester'))
    }),
)

function isWritten({ operation, oldObject, object, notJudged }: RuleCase): boolean {
  if (operation === 'CREATE') return true
  // To `check` a kind is known of which the inventory holds one, and for an UPDATE it holds the old object.
  if (operation !== 'UPDATE' || notJudged.length > 0) return false
  const [before, after] = [refOf(oldObject), refOf(object)]
  return before.name === after.name && before.kind === after.kind && before.namespace === after.namespace
}

for (const [name, judge, takes] of ways) {
  t.test(`what the cases expect comes out of ${name}, with all rules and the whole policy`, t => {
    const taken = cases.filter(entry => isSeen(entry, name) && takes(entry))
    const found = taken.filter(({ expect }) => expect.length > 0)
    const passed = taken.filter(entry => expected(entry).length === 0)
    for (const entry of taken) {
      const evaluation = judge(entry)
      const label = `${entry.rule}: ${entry.name}`
      if (evaluation === undefined) t.fail(`${label}: is not judged`)
      else {
        const errors = evaluation.ruleErrors.map(({ rule, cause }) => `${rule} fails: ${String(cause)}`)
        t.strictSame([...own(entry, evaluation), ...errors], expected(entry), label)
      }
    }
    const threats = found.reduce((sum, { expect }) => sum + expect.length, 0)
    t.comment(`${name}: ${found.length} cases with ${threats} findings found, ${passed.length} near misses passed`)
    t.ok(taken.length > 500, `${taken.length} of ${cases.length} cases`)
    t.end()
  })
}
