import { type Host, isClusterHost } from '../istio/host.ts'
import { type Fields, field, isFields, list } from '../istio/json.ts'
import { liveApprovals } from './clients.ts'
import type { Subject, Tools } from './rule.ts'

/** What a host is looked up in. */
export type Sources = Pick<Tools<string, unknown>, 'facts' | 'inventory' | 'now'>

/**
 * Returns the canonical host where it is outside the mesh, else undefined: a name without a dot is a Service of the
 * object's namespace, one below the cluster domain a Service, and `name.namespace` of a known Service a slip that leads
 * nowhere.
 */
export function outsideHost({ text: host, form }: Host, { facts, inventory }: Sources): string | undefined {
  if (form === 'label' || isClusterHost(host, facts.mesh.clusterDomain)) return undefined
  const [name = '', namespace = '', ...rest] = host.split('.')
  if (rest.length === 0 && inventory.find('Service', namespace, name) !== undefined) return undefined
  return host
}

/** Resolutions with which an entry's own endpoints are where its traffic goes. */
const placing: ReadonlySet<unknown> = new Set(['STATIC', 'DNS', 'DNS_ROUND_ROBIN'])

/**
 * Returns true for an entry inside the mesh that says itself where its workloads are; require-honest-endpoints judges
 * whether that is true. One that leaves it to DNS is like any other, and so is one whose endpoints nobody reads: with
 * DYNAMIC_DNS the client's name is looked up, with NONE its address is taken. Istio: pkg/config/validation/validation.go
 * (ValidateServiceEntry) lets a workloadSelector stand beside both; pilot/pkg/networking/core/cluster.go builds them.
 */
export function isInside(spec: unknown): boolean {
  if (!placing.has(field(spec, 'resolution'))) return false
  const placed = list(field(spec, 'endpoints')).length > 0 || isFields(field(spec, 'workloadSelector'))
  return field(spec, 'location') === 'MESH_INTERNAL' && placed
}

/** Hosts of the mesh's own machines, by the list of all ServiceEntries, the same while nothing changes. */
const internalHosts = new WeakMap<readonly Fields[], ReadonlySet<unknown>>()

/** Returns true where an entry of the mesh's own machines gives the host. */
function isInternalEntry(host: string, { inventory }: Sources): boolean {
  const entries = inventory.list('ServiceEntry.networking.istio.io')
  const known = internalHosts.get(entries)
  if (known !== undefined) return known.has(host)
  const hosts = new Set<unknown>()
  for (const entry of entries) {
    const spec = field(entry, 'spec')
    if (isInside(spec)) for (const name of list(field(spec, 'hosts'))) hosts.add(name)
  }
  internalHosts.set(entries, hosts)
  return hosts.has(host)
}

/**
 * Returns true where the judged object's namespace may use the host. An object of the platform, or one of a namespace
 * outside the policy that others see, may serve any namespace: the host's entry says which, and is judged for that.
 */
export function isApprovedFor(
  host: string,
  subject: Pick<Subject, 'namespaceClass' | 'ref'>,
  { facts, now }: Sources,
): boolean {
  return liveApprovals(host, facts, now).some(
    approval => subject.namespaceClass !== 'governed' || approval.allows(subject.ref.namespace),
  )
}

/** Returns true for a name of the mesh's own, by the policy or by an entry of its machines. */
export function isInternalHost(host: string, sources: Sources): boolean {
  return sources.facts.internalHosts.covering(host).length > 0 || isInternalEntry(host, sources)
}
