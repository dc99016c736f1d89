import { performance } from 'node:perf_hooks'
import { evaluate } from '../../src/core/evaluate.ts'
import { type Inventory, inventoryOf } from '../../src/core/inventory.ts'
import type { Policy } from '../../src/core/policy.ts'
import type { Review } from '../../src/core/review.ts'
import type { Fields } from '../../src/istio/json.ts'
import { loadPolicy } from '../../src/policy/load.ts'
import { rules } from '../../src/rules/index.ts'

const now = Date.parse('2026-11-21T12:00:00Z')

/** Returns an ApprovedHosts document in JSON with `count` hosts, every tenth a wildcard. */
export function hostList(count: number): string {
  const hosts = Array.from({ length: count }, (_, i) => ({
    host: i % 10 === 0 ? `*.w${i}.example.net` : `api${i}.team${i % 997}.example.com`,
    ports: [{ number: 443, protocol: 'TLS' }],
    namespaces: [`team-${i % 50}`],
  }))
  const spec = { defaults: { owner: 'bench', expires: '2027-06-30' }, hosts }
  return JSON.stringify({
    apiVersion: 'sallyport.dev/v1alpha1',
    kind: 'ApprovedHosts',
    metadata: { name: 'many' },
    spec,
  })
}

/** Loads a policy with that many approved hosts. */
export function loadHosts(count: number): Policy {
  const outcome = loadPolicy([{ file: 'many.json', text: hostList(count) }], { rules, now })
  if (!outcome.ok) throw new Error(outcome.problems[0]?.what)
  return outcome.policy
}

/** A review of an entry with approved, unapproved and wildcard hosts, in one. */
const review: Review = {
  uid: 'bench',
  operation: 'CREATE',
  kind: 'ServiceEntry.networking.istio.io',
  ref: { group: 'networking.istio.io', kind: 'ServiceEntry', namespace: 'team-1', name: 'bench' },
  subresource: '',
  object: {
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name: 'bench', namespace: 'team-1' },
    spec: {
      hosts: ['api1.team1.example.com', 'deep.down.w0.example.net', 'not.approved.example.org', '*.w10.example.net'],
      exportTo: ['.'],
      location: 'MESH_EXTERNAL',
      resolution: 'DNS',
      ports: [{ number: 443, name: 'tls', protocol: 'TLS' }],
    },
  },
  oldObject: undefined,
  requester: undefined,
  dryRun: false,
  phase: 'final',
}

/** Returns an inventory of that many objects of each kind that rules look up. */
export function inventoryWith(count: number): Inventory {
  const object = (apiVersion: string, kind: string, namespace: string, name: string): Fields => ({
    apiVersion,
    kind,
    metadata: { namespace, name },
    spec: { hosts: [`${name}.example.org`] },
  })
  const objects = Array.from({ length: count }, (_, i) => [
    object('networking.istio.io/v1', 'ServiceEntry', `team-${i % 50}`, `entry-${i}`),
    object('v1', 'ConfigMap', 'istio-system', `config-${i}`),
    object('v1', 'Namespace', '', `team-${i}`),
    object('v1', 'Service', `team-${i % 50}`, `service-${i}`),
  ])
  return inventoryOf(objects.flat())
}

/** Returns microseconds for one verdict: the best of several rounds, since the machine is shared. */
export function timeVerdict(policy: Policy, inventory: Inventory = inventoryOf([]), rounds = 7, times = 2_000): number {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    for (let i = 0; i < times; i++) evaluate(review, policy, inventory, now)
    best = Math.min(best, ((performance.now() - start) * 1000) / times)
  }
  return best
}

/** Returns the MiB that loading holds on to. Needs `--expose-gc` to be exact; without, the heap is let grow. */
export function memoryOf(load: () => Policy): {
  readonly policy: Policy
  readonly mebibytes: number
  readonly milliseconds: number
} {
  globalThis.gc?.()
  const before = process.memoryUsage()
  const start = performance.now()
  const policy = load()
  const milliseconds = performance.now() - start
  globalThis.gc?.()
  const after = process.memoryUsage()
  const held = after.heapUsed + after.external - before.heapUsed - before.external
  return { policy, mebibytes: held / 1024 / 1024, milliseconds }
}
