import { nothing, rangesOf } from '../istio/cidr.ts'
import { type Host, leadsIntoCluster } from '../istio/host.ts'
import { liveApprovals } from './clients.ts'
import type { Tools } from './rule.ts'
import { giveRanges, judgeUncaptured } from './uncaptured.ts'

/** Where a host is that something in a pod of a namespace connects to past its routes. */
export type Place =
  /** In the pod itself, whose traffic is captured like the application's. */
  | 'pod'
  /** In the cluster, or at a host approved for the namespace. */
  | 'accepted'
  | 'outside'
  /** What is unknown, and how to make it known. */
  | { readonly unknown: string; readonly fix: string }

type Sources = Pick<Tools<string, unknown>, 'facts' | 'inventory' | 'now'>

/** Returns where a canonical host is, a forward proxy's or that of a collector of traces. */
export function placeOf(host: Host, namespace: string, sources: Sources): Place {
  const { facts, now } = sources
  if (isLoopback(host)) return 'pod'
  if (liveApprovals(host.text, facts, now).some(approval => approval.allows(namespace))) return 'accepted'
  return host.form === 'ip' ? placeOfAddress(host.text, sources) : placeOfName(host, sources)
}

function isLoopback({ form, text }: Host): boolean {
  return form === 'ip' ? text === '::1' || text.startsWith('127.') : text === 'localhost'
}

function placeOfAddress(address: string, { facts }: Sources): Place {
  const range = rangesOf(`${address}/${address.includes(':') ? 128 : 32}`)
  const answer = judgeUncaptured(range, facts, facts.ranges.virtualMachines ?? nothing)
  if (answer.leaves === 'unknown')
    return { unknown: `whether ${answer.outside} is inside the cluster`, fix: giveRanges }
  return answer.leaves === 'no' ? 'accepted' : 'outside'
}

/** A name of two labels may be that of a Service with its namespace, which the resolver of a pod completes. */
function placeOfName({ form, text }: Host, { facts, inventory }: Sources): Place {
  if (form === 'label' || leadsIntoCluster(text, facts.mesh.clusterDomain)) return 'accepted'
  const [service = '', namespace = '', ...more] = text.split('.')
  if (more.length > 0) return 'outside'
  // No top-level domain is called like the namespace of the control plane.
  if (namespace === facts.mesh.rootNamespace) return 'accepted'
  if (inventory.find('Service', namespace, service) !== undefined) return 'accepted'
  if (inventory.knows('Service')) return 'outside'
  return {
    unknown: `whether "${text}" is a Service`,
    fix: 'write its full name, or give the Services with --inventory',
  }
}
