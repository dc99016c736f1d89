import { type Host, isClusterHost } from '../istio/host.ts'
import { isApprovedFor, isInternalHost, type Sources } from './outside.ts'
import type { Subject } from './rule.ts'

/** What a host is to those who would reach it. */
export type Standing =
  /** A name of the cluster or of the mesh's own machines. */
  | 'inside'
  /** Outside, and approved for the namespace; of a platform namespace, for any. */
  | 'approved'
  /** Outside, and not approved. */
  | 'foreign'

/**
 * Returns the standing of a canonical host for the namespace of the judged object. Inside are names below the cluster
 * domain, `name.namespace` of a known Service, and internal hosts: those of the policy, and those to which an entry of the
 * mesh itself gives endpoints.
 */
export function standingOf(
  { text: host }: Pick<Host, 'text'>,
  subject: Pick<Subject, 'namespaceClass' | 'ref'>,
  sources: Sources,
): Standing {
  const { facts, inventory } = sources
  if (isClusterHost(host, facts.mesh.clusterDomain)) return 'inside'
  if (isApprovedFor(host, subject, sources)) return 'approved'
  const [name = '', namespace = '', ...rest] = host.split('.')
  if (rest.length === 0 && inventory.find('Service', namespace, name) !== undefined) return 'inside'
  return isInternalHost(host, sources) ? 'inside' : 'foreign'
}
