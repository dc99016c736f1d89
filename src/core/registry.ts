import { parseHost } from '../istio/host.ts'
import { dig, type Fields, list, text } from '../istio/json.ts'
import { entryKind } from '../istio/kinds.ts'
import { compareText } from './finding.ts'
import { type Inventory, type Layer, placeOf } from './inventory.ts'
import { refOf } from './kind.ts'

/** A host of a ServiceEntry. */
export interface ServedHost {
  /** Canonical. */
  readonly host: string
  readonly namespace: string
  readonly name: string
  readonly entry: Fields
}

type Index = ReadonlyMap<string, readonly ServedHost[]>

/** Hosts by layer: that of what is stored is indexed once. */
const indexes = new WeakMap<Layer, Index>()

/** Finds the hosts of ServiceEntries that serve a canonical host. */
export type FindServed = (host: string) => readonly ServedHost[]

/**
 * Returns what finds the hosts of ServiceEntries that serve a canonical host: the same host, or a wildcard that covers it;
 * the most specific first, then by namespace and name. The cost of finding grows with neither the entries nor their hosts.
 */
export function servedHosts(inventory: Inventory): FindServed {
  const layer = inventory.layers(entryKind)
  return host => coveringHosts(host).flatMap(wide => servedIn(layer, wide).toSorted(compareServed))
}

function servedIn(layer: Layer, host: string): readonly ServedHost[] {
  const here = indexOf(layer).get(host) ?? []
  const { below, hidden } = layer
  if (below === undefined) return here
  return [...servedIn(below, host).filter(served => !hidden.has(placeOf(served.namespace, served.name))), ...here]
}

function indexOf(layer: Layer): Index {
  const known = indexes.get(layer)
  if (known !== undefined) return known
  const index = makeIndex(layer.objects)
  indexes.set(layer, index)
  return index
}

function makeIndex(entries: readonly Fields[]): Index {
  const index = new Map<string, ServedHost[]>()
  for (const entry of entries) {
    const { namespace, name } = refOf(entry)
    for (const given of list(dig(entry, 'spec', 'hosts'))) {
      const parsed = parseHost(text(given) ?? '')
      if (!parsed.ok) continue
      const host = parsed.value.text
      const served = { host, namespace, name, entry }
      const others = index.get(host)
      if (others === undefined) index.set(host, [served])
      // An entry that repeats a host serves it no more than once.
      else if (others.at(-1)?.entry !== entry) others.push(served)
    }
  }
  return index
}

/** Returns the host and every whole-label wildcard that covers it, the longest first. */
export function coveringHosts(host: string): readonly string[] {
  const hosts = [host]
  for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
    const wide = `*${host.slice(dot)}`
    if (wide !== host) hosts.push(wide)
  }
  return hosts
}

function compareServed(a: ServedHost, b: ServedHost): number {
  return compareText(a.namespace, b.namespace) || compareText(a.name, b.name)
}
