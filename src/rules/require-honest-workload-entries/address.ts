import { insideRanges, internalAddresses, type Whereabouts, whereIs } from '../../core/machine.ts'
import type { Subject } from '../../core/rule.ts'
import { isEntrySeen, isServiceSeen } from '../../core/sight.ts'
import { giveRanges } from '../../core/uncaptured.ts'
import { nothing, union } from '../../istio/cidr.ts'
import { dig, text } from '../../istio/json.ts'
import { quote } from '../../istio/text.ts'
import { type Machine, type Taker, takingEntries, takingServices } from './machine.ts'
import type { Judge } from './rule.ts'

/**
 * Judges where a machine is. Names make endpoints of ServiceEntries with resolution DNS only, addresses of all that
 * selects the machine. Istio: pilot/pkg/serviceregistry/serviceentry/conversion.go (convertWorkloadEntryToWorkloadInstance).
 * In a namespace outside the policy it counts where namespaces under the policy see what selects the machine.
 */
export function judgeAddress(machine: Machine, subject: Subject, tools: Judge): void {
  const { address } = machine
  // One without an address is reached through the gateway of its network, which is judged by itself.
  if (address === '') return
  const inside = insideRanges(tools.facts)
  if (whereIs(address, tools.facts, inside) === 'inside') return
  const where = whereIs(address, tools.facts, union(inside, tools.facts.internalHosts.addresses))
  const takers = where === 'name' ? namedTakers(machine, subject, tools) : takersOf(machine, subject, tools)
  if (subject.namespaceClass === 'notGoverned' && takers.length === 0) return
  // Other labels do not help a machine that may not be there at all.
  const isOwn = where === 'inside' || subject.namespaceClass === 'notGoverned'
  const remedy = isOwn ? 'give it other labels' : 'use an address in spec.ranges.virtualMachines of the policy'
  const report = (): boolean => reportTakers(machine, takers, remedy, tools)
  if (where !== 'outside') return reportPlace(machine, where, report, tools)
  // What it makes lead outside is the graver half, and changes with the labels.
  if (!report()) tools.report('outside-address', { path: [...machine.root, 'address'], value: address })
}

function reportPlace(machine: Machine, where: Whereabouts, reportJoined: () => boolean, tools: Judge): void {
  const { address } = machine
  const path = [...machine.root, 'address']
  switch (where) {
    case 'inside':
      reportJoined()
      return
    case 'socket':
      return tools.report('socket-address', { path, value: address })
    case 'unknown':
      return tools.notJudged(path, `whether ${address} is inside the cluster`, giveRanges)
    case 'name':
      return tools.report('outside-name', { path, value: address })
    default:
      return tools.malformed(path, `${quote(address)} is neither an address nor a name`)
  }
}

/** An address of an internal host serves that host; all that takes the machine in must be given it. */
function reportTakers(machine: Machine, takers: readonly Taker[], remedy: string, tools: Judge): boolean {
  const { address } = machine
  let found = false
  for (const taker of takers) {
    const host = taker.hosts.find(name => {
      const given = internalAddresses(name, tools.facts) ?? nothing
      return whereIs(address, tools.facts, insideRanges(tools.facts, given)) !== 'inside'
    })
    if (host === undefined) continue
    found = true
    const slots = { address, taker: taker.name, host, remedy }
    tools.report('joins-outside', { path: machine.root, value: `${address} in ${taker.name}`, slots })
  }
  return found
}

/** Returns what takes a machine in; of a namespace outside the policy, what namespaces under it see. */
function takersOf(machine: Machine, subject: Subject, tools: Judge): readonly Taker[] {
  const entries = takingEntries(machine, subject, tools)
  const services = takingServices(machine, subject, tools)
  if (subject.namespaceClass !== 'notGoverned') return [...entries, ...services]
  return [
    ...entries.filter(({ object }) => isEntrySeen(object, tools)),
    ...services.filter(({ object }) => isServiceSeen(object, tools)),
  ]
}

function namedTakers(machine: Machine, subject: Subject, tools: Judge): readonly Taker[] {
  return takersOf(machine, subject, tools).filter(({ object }) =>
    text(dig(object, 'spec', 'resolution'))?.startsWith('DNS'),
  )
}
