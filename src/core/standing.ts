import { type Host, isClusterHost } from '../istio/host.ts'
import { dig, type Fields, field, isFields, list, text } from '../istio/json.ts'
import { liveApprovals } from './clients.ts'
import type { Facts } from './facts.ts'
import type { Inventory } from './inventory.ts'
import type { Subject } from './rule.ts'

/** What a host is to those who would reach it. */
export type Standing =
  /** A name of the cluster or of the mesh's own machines. */
  | 'inside'
  /** Outside, and approved for the namespace; of a platform namespace, for any. */
  | 'approved'
  /** Outside, and not approved. */
  | 'foreign'

/** What a standing is found with. */
export interface Sources {
  readonly facts: Facts
  readonly inventory: Inventory
  readonly now: number
}

/**
 * Returns the standing of a canonical host for the namespace of the judged object. Inside are names below the cluster
 * domain, `name.namespace` of a known Service, and internal hosts: those of the policy, and those to which an entry of the
 * mesh itself gives endpoints.
 */
export function standingOf(
  { text: host }: Pick<Host, 'text'>,
  subject: Pick<Subject, 'namespaceClass' | 'ref'>,
  { facts, inventory, now }: Sources,
): Standing {
  if (isClusterHost(host, facts.mesh.clusterDomain)) return 'inside'
  const isApproved = liveApprovals(host, facts, now).some(
    approval => subject.namespaceClass === 'platform' || approval.allows(subject.ref.namespace),
  )
  if (isApproved) return 'approved'
  const [name = '', namespace = '', ...rest] = host.split('.')
  if (rest.length === 0 && inventory.find('Service', namespace, name) !== undefined) return 'inside'
  if (facts.internalHosts.covering(host).length > 0 || internalHosts(inventory).has(host)) return 'inside'
  return 'foreign'
}

/** Hosts of the mesh's own machines, by the list of all ServiceEntries, the same while nothing changes. */
const known = new WeakMap<readonly Fields[], ReadonlySet<unknown>>()

function internalHosts(inventory: Inventory): ReadonlySet<unknown> {
  const entries = inventory.list('ServiceEntry.networking.istio.io')
  const before = known.get(entries)
  if (before !== undefined) return before
  const hosts = new Set<unknown>()
  for (const entry of entries) {
    if (isInternalEntry(entry)) for (const host of list(dig(entry, 'spec', 'hosts'))) hosts.add(host)
  }
  known.set(entries, hosts)
  return hosts
}

/** Returns true for a ServiceEntry of the mesh's own machines, which says itself where they are. */
export function isInternalEntry(entry: unknown): boolean {
  const spec = field(entry, 'spec')
  const placed = list(field(spec, 'endpoints')).length > 0 || isFields(field(spec, 'workloadSelector'))
  return placed && text(field(spec, 'location')) === 'MESH_INTERNAL'
}
