import { parseHost } from '../istio/host.ts'
import { dig, type Fields, list, text } from '../istio/json.ts'
import { entryKind } from '../istio/kinds.ts'
import { compareText } from './finding.ts'
import { type Inventory, originOf, placeOf } from './inventory.ts'
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

/** The hosts of a list of ServiceEntries: its own, over those of the list that it was made from. */
interface Layer {
  readonly own: Index
  readonly below: Layer | undefined
  /** Places of the entries below that are replaced or gone. */
  readonly hidden: ReadonlySet<string>
}

/** Hosts by the list of all ServiceEntries, the same while nothing is stored. */
const layers = new WeakMap<readonly Fields[], Layer>()

/** Finds the hosts of ServiceEntries that serve a canonical host. */
export type FindServed = (host: string) => readonly ServedHost[]

/**
 * Returns what finds the hosts of ServiceEntries that serve a canonical host: the same host, or a wildcard that covers it;
 * the most specific first, then by namespace and name. The cost of finding grows with neither the entries nor their hosts.
 */
export function servedHosts(inventory: Inventory): FindServed {
  const layer = layerOf(inventory.list(entryKind))
  return host => coveringHosts(host).flatMap(wide => servedIn(layer, wide).toSorted(compareServed))
}

function servedIn({ own, below, hidden }: Layer, host: string): readonly ServedHost[] {
  const here = own.get(host) ?? []
  if (below === undefined) return here
  return [...servedIn(below, host).filter(served => !hidden.has(placeOf(served.namespace, served.name))), ...here]
}

function layerOf(entries: readonly Fields[]): Layer {
  const known = layers.get(entries)
  if (known !== undefined) return known
  const layer = makeLayer(entries)
  layers.set(entries, layer)
  return layer
}

function makeLayer(entries: readonly Fields[]): Layer {
  const origin = originOf(entries)
  if (origin === undefined) return { own: indexOf(entries), below: undefined, hidden: new Set() }
  const { base, changes } = origin
  return {
    own: indexOf(changes.flatMap(({ object }) => (object === undefined ? [] : [object]))),
    below: layerOf(base),
    hidden: new Set(changes.map(({ ref }) => placeOf(ref.namespace, ref.name))),
  }
}

function indexOf(entries: readonly Fields[]): Index {
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
