import { refOf } from '../../core/kind.ts'
import { entrySelects, machineLabels, serviceHost, serviceSelects } from '../../core/machine.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { parseHost } from '../../istio/host.ts'
import { dig, type Fields, field, list, stringMap, text } from '../../istio/json.ts'
import { entryKind } from '../../istio/kinds.ts'
import type { Labels } from '../../istio/selector.ts'
import type { Judge } from './rule.ts'

/** The kind of a pattern that WorkloadEntries are made from. */
export const groupKind = 'WorkloadGroup.networking.istio.io'

/** A WorkloadEntry, or the one that a WorkloadGroup is the pattern of. */
export interface Machine {
  readonly root: Path
  readonly spec: unknown
  readonly address: string
  readonly labels: Labels
}

/** Returns what the rule looks at; an address that is no text is reported. */
export function readMachine({ object }: Subject, root: readonly string[], tools: Judge): Machine {
  const spec = dig(object, ...root)
  const given = field(spec, 'address') ?? ''
  if (typeof given !== 'string') tools.malformed([...root, 'address'], 'must be a text')
  const metadata = stringMap(dig(object, 'spec', 'metadata', 'labels'))
  return {
    root,
    spec,
    address: text(given) ?? '',
    labels: root.length === 1 ? machineLabels(object) : new Map([...stringMap(field(spec, 'labels')), ...metadata]),
  }
}

/** What takes a machine in as an endpoint. */
export interface Taker {
  /** As messages name it. */
  readonly name: string
  readonly hosts: readonly string[]
  readonly object: Fields
}

/** Returns the ServiceEntries of the namespace that select the machine. */
export function takingEntries({ labels }: Machine, { ref }: Subject, tools: Judge): readonly Taker[] {
  return tools.inventory
    .list(entryKind, ref.namespace)
    .filter(entry => entrySelects(entry, labels))
    .map(entry => ({ name: `ServiceEntry "${refOf(entry).name}"`, hosts: hostsOf(entry), object: entry }))
}

/** Returns the Services of the namespace that select the machine. */
export function takingServices({ labels }: Machine, { ref }: Subject, tools: Judge): readonly Taker[] {
  return tools.inventory
    .list('Service', ref.namespace)
    .filter(service => serviceSelects(service, labels))
    .map(service => ({
      name: `Service "${refOf(service).name}"`,
      hosts: [serviceHost(service, tools.facts)],
      object: service,
    }))
}

function hostsOf(entry: Fields): readonly string[] {
  return list(dig(entry, 'spec', 'hosts')).flatMap(given => {
    const parsed = parseHost(text(given) ?? '')
    return parsed.ok ? [parsed.value.text] : []
  })
}
