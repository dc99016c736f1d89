import {
  includes,
  nothing,
  parseAddress,
  privateRanges,
  type Ranges,
  rangesOf,
  seeThrough,
  union,
} from '../istio/cidr.ts'
import { covers, parseHost } from '../istio/host.ts'
import { dig, type Fields, field, isFields, stringMap, text } from '../istio/json.ts'
import { type Labels, mapSelects } from '../istio/selector.ts'
import { labelsOf } from '../istio/workload.ts'
import type { Facts } from './facts.ts'
import { refOf } from './kind.ts'

/** A machine outside the cluster, which joins the registry by its labels. */
export const machineKind = 'WorkloadEntry.networking.istio.io'

/** Where the address of an endpoint leads. */
export type Whereabouts =
  /** Into the ranges that were given as inside, or to a name of the cluster or of the mesh itself. */
  | 'inside'
  /** Out of the cluster. */
  | 'outside'
  /** To a private address of which the policy does not say whether it is inside. */
  | 'unknown'
  /** Where DNS says, outside. */
  | 'name'
  /** To a process beside the proxy: a Unix socket, or loopback. */
  | 'socket'
  /** It is neither an address nor a name. */
  | 'unreadable'

const loopback = rangesOf('127.0.0.0/8', '::1/128')

/** Returns what is inside: the policy's ranges of pods, Services and virtual machines, and `accepted`. */
export function insideRanges({ ranges }: Facts, accepted: Ranges = nothing): Ranges {
  return [ranges.pods, ranges.services, ranges.virtualMachines].reduce(
    (sum: Ranges, some) => (some === undefined ? sum : union(sum, some)),
    accepted,
  )
}

/**
 * Returns where an address of an endpoint leads, as Istio takes it in a WorkloadEntry (pkg/config/validation,
 * `validateWorkloadEntry`): an IP address, `unix://…`, or a DNS name. Private addresses are unknown where the policy gives
 * no ranges of pods and Services.
 */
export function whereIs(address: string, facts: Facts, inside: Ranges): Whereabouts {
  if (address.startsWith('unix:')) return 'socket'
  const parsed = parseAddress(address)
  return parsed.ok ? whereIsAddress(parsed.value, facts, inside) : whereIsName(address, facts, inside)
}

function whereIsAddress(address: Ranges, { ranges }: Facts, inside: Ranges): Whereabouts {
  const ip = seeThrough(address)
  if (includes(inside, ip)) return 'inside'
  if (includes(loopback, ip)) return 'socket'
  const known = ranges.pods !== undefined && ranges.services !== undefined
  return known || !includes(privateRanges, ip) ? 'outside' : 'unknown'
}

/**
 * Names of Services are inside. By the name of a pod DNS answers with the address that the name spells, whether there is
 * such a pod or not, as CoreDNS is usually set up (plugin `kubernetes`, `pods insecure`).
 *
 *     name                              whereabouts
 *     web.shop.svc.cluster.local        inside
 *     web.shop.svc.clusterset.local     inside
 *     10-244-1-5.shop.pod.cluster.local inside, where 10.244.1.5 is
 *     8-8-8-8.shop.pod.cluster.local    outside
 *     db.corp.local                     name
 *     api.example.com                   name
 */
function whereIsName(name: string, facts: Facts, inside: Ranges): Whereabouts {
  const parsed = parseHost(name)
  if (!parsed.ok) return 'unreadable'
  const host = parsed.value.text
  const { clusterDomain } = facts.mesh
  if (facts.internalHosts.covering(host).length > 0) return 'inside'
  if ([`svc.${clusterDomain}`, 'svc.clusterset.local', 'svc'].some(zone => covers(`*.${zone}`, host))) return 'inside'
  if (!covers(`*.pod.${clusterDomain}`, host)) return 'name'
  const spelled = host.slice(0, host.indexOf('.'))
  for (const separator of ['.', ':']) {
    const address = parseAddress(spelled.replaceAll('-', separator))
    if (address.ok) return whereIsAddress(address.value, facts, inside)
  }
  return 'name'
}

/** Returns the addresses that the policy gives a name of the mesh itself; undefined where it is none. */
export function internalAddresses(host: string, facts: Facts): Ranges | undefined {
  const covering = facts.internalHosts.covering(host)
  if (covering.length === 0) return undefined
  return covering.map(({ addresses }) => addresses).reduce(union)
}

/**
 * Returns the labels by which a WorkloadEntry is found: those of its spec with those of its metadata over them. Istio:
 * pilot/pkg/serviceregistry/serviceentry/conversion.go (ConvertWorkloadEntry).
 */
export function machineLabels(machine: Fields): Labels {
  return new Map([...stringMap(dig(machine, 'spec', 'labels')), ...labelsOf(machine)])
}

/** Returns the address of a WorkloadEntry; empty where it has none. */
export function machineAddress(machine: Fields): string {
  return text(dig(machine, 'spec', 'address')) ?? ''
}

/** Returns the full name of a Service. */
export function serviceHost(service: Fields, facts: Facts): string {
  const { name, namespace } = refOf(service)
  return `${name}.${namespace}.svc.${facts.mesh.clusterDomain}`
}

/**
 * Returns true where a Service takes endpoints with these labels in: those of its namespace that have all labels of its
 * selector. Without a selector, and as an alias, it takes none. Istio: PILOT_ENABLE_K8S_SELECT_WORKLOAD_ENTRIES, which
 * is on unless switched off, does so with WorkloadEntries.
 */
export function serviceSelects(service: Fields, labels: Labels): boolean {
  const spec = field(service, 'spec')
  const selector = stringMap(field(spec, 'selector'))
  return selector.size > 0 && field(spec, 'type') !== 'ExternalName' && mapSelects(selector, labels)
}

/** Returns true where the `workloadSelector` of a ServiceEntry takes these labels in; an empty one takes all. */
export function entrySelects(entry: Fields, labels: Labels): boolean {
  const selector = dig(entry, 'spec', 'workloadSelector')
  return isFields(selector) && mapSelects(stringMap(field(selector, 'labels')), labels)
}
