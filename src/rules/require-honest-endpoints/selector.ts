import { refOf } from '../../core/kind.ts'
import { insideRanges, machineAddress, machineKind, machineLabels, whereIs } from '../../core/machine.ts'
import type { Subject } from '../../core/rule.ts'
import type { Ranges } from '../../istio/cidr.ts'
import { type Fields, field, isFields, stringMap } from '../../istio/json.ts'
import { mapSelects } from '../../istio/selector.ts'
import { type Entry, quoteHosts } from './entry.ts'
import type { Judge } from './rule.ts'

const path = ['spec', 'workloadSelector']

/**
 * Judges which WorkloadEntries an entry takes in as endpoints; pods are inside. A name counts with resolution DNS only.
 * Istio: pilot/pkg/serviceregistry/serviceentry/conversion.go (convertWorkloadInstanceToServiceInstance).
 */
export function judgeSelector(entry: Entry, { ref }: Subject, tools: Judge): void {
  const given = field(entry.spec, 'workloadSelector')
  if (!isFields(given)) return
  const selector = stringMap(field(given, 'labels'))
  if (selector.size === 0) tools.report('selects-everything', { path, slots: { hosts: quoteHosts(entry.hosts) } })
  if (!tools.inventory.knows(machineKind)) {
    const unknown = 'which addresses the WorkloadEntries have that the selector takes in'
    return tools.notJudged(path, unknown, 'give the WorkloadEntries of the namespace with --inventory')
  }
  const inside = insideRanges(tools.facts, entry.internalAddresses)
  for (const machine of tools.inventory.list(machineKind, ref.namespace)) {
    if (mapSelects(selector, machineLabels(machine))) judgeMachine(machine, inside, entry, tools)
  }
}

/** Whether the machine is one of the mesh at all is said of the WorkloadEntry itself, and here of what leads to it. */
function judgeMachine(machine: Fields, inside: Ranges, entry: Entry, tools: Judge): void {
  const address = machineAddress(machine)
  if (address === '') return
  const where = whereIs(address, tools.facts, inside)
  const leadsOut = where === 'outside' || where === 'socket' || (where === 'name' && entry.resolution.startsWith('DNS'))
  if (!leadsOut) return
  const { name } = refOf(machine)
  const slots = { entry: name, address, hosts: quoteHosts(entry.hosts) }
  tools.report('selected-outside', { path, value: `${name} at ${address}`, slots })
}
