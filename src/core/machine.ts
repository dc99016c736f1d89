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
import { isClusterHost, parseHost } from '../istio/host.ts'
import { dig, type Fields, field, isFields, stringMap, text } from '../istio/json.ts'
import { type Labels, mapSelects } from '../istio/selector.ts'
import { labelsOf } from '../istio/workload.ts'
import type { Facts } from './facts.ts'
import { refOf } from './kind.ts'

/** Kinds of the registry that are joined by labels. */
export const entryKind = 'ServiceEntry.networking.istio.io'
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
  if (!parsed.ok) return whereIsName(address, facts)
  const ip = seeThrough(parsed.value)
  if (includes(inside, ip)) return 'inside'
  if (includes(loopback, ip)) return 'socket'
  const { pods, services } = facts.ranges
  const known = pods !== undefined && services !== undefined
  return known || !includes(privateRanges, ip) ? 'outside' : 'unknown'
}

function whereIsName(name: string, { internalHosts, mesh }: Facts): Whereabouts {
  const parsed = parseHost(name)
  if (!parsed.ok) return 'unreadable'
  const host = parsed.value.text
  return isClusterHost(host, mesh.clusterDomain) || internalHosts.covering(host).length > 0 ? 'inside' : 'name'
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
