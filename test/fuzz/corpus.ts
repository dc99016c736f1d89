import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadInventoryPaths, loadPolicyPaths } from '../../src/cli/input.ts'
import { refOf } from '../../src/core/kind.ts'
import type { Bench } from '../../src/http/answer.ts'
import { type Case, readCases } from '../../src/policy/cases.ts'
import { rules } from '../../src/rules/index.ts'
import { type Tree, treeOf } from './tree.ts'

const root = join(import.meta.dirname, '../..')

/** A review to start from. */
export interface Base {
  readonly name: string
  readonly bytes: Buffer
  readonly tree: Tree
}

function baseOf(name: string, bytes: Buffer): Base {
  return { name, bytes, tree: treeOf(JSON.parse(bytes.toString())) }
}

/** Returns the reviews that real API servers sent. */
export function recordedReviews(): readonly Base[] {
  const folder = join(root, 'test/fixtures/reviews')
  const files = readdirSync(folder).filter(file => file.endsWith('.json'))
  return files.map(file => baseOf(file, readFileSync(join(folder, file))))
}

/** Returns reviews of the objects in the cases of all rules, so that each kind is there that a rule judges. */
export function reviewsOfCases(): readonly Base[] {
  return rules.flatMap(({ id }) => {
    const file = join(root, 'src/rules', id, 'cases.yaml')
    const cases = existsSync(file) ? readCases(readFileSync(file, 'utf8')) : []
    return cases.map(entry => baseOf(`${id}: ${entry.name}`, Buffer.from(JSON.stringify(reviewOf(entry)))))
  })
}

function reviewOf({ object, oldObject, operation, subresource, of, as, groups }: Case): object {
  const { group, kind, namespace, name } = refOf(object)
  const request = {
    uid: 'a1b2c3d4-0000-4000-8000-000000000000',
    kind: { group, version: 'v1', kind },
    subResource: subresource,
    name: of?.name ?? name,
    namespace: of?.namespace ?? namespace,
    operation,
    userInfo: { username: as ?? 'dana', groups },
    object: operation === 'DELETE' ? null : object,
    oldObject: operation === 'DELETE' ? object : (oldObject ?? null),
  }
  return { kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', request }
}

/** Returns what is judged with: the examples' policy and cluster, and the baseline alone, where most facts are unknown. */
export function benches(now: number): readonly Bench[] {
  const examples = join(root, 'examples')
  return [
    {
      policy: loadPolicyPaths([join(examples, 'policy')], now).policy,
      inventory: loadInventoryPaths([join(examples, 'cluster')]),
    },
    { policy: loadPolicyPaths([], now).policy, inventory: loadInventoryPaths([]) },
  ]
}
