import { insideRanges, internalAddresses, whereIs } from '../../core/machine.ts'
import type { Subject } from '../../core/rule.ts'
import { giveRanges } from '../../core/uncaptured.ts'
import { nothing, union } from '../../istio/cidr.ts'
import { quote } from '../../istio/text.ts'
import { type Machine, takingEntries, takingServices } from './machine.ts'
import type { Judge } from './rule.ts'

/**
 * Judges where a machine is. Names make endpoints of ServiceEntries with resolution DNS only, addresses of all that
 * selects the machine. Istio: pilot/pkg/serviceregistry/serviceentry/conversion.go (convertWorkloadEntryToWorkloadInstance).
 */
export function judgeAddress(machine: Machine, subject: Subject, tools: Judge): void {
  const { address } = machine
  // One without an address is reached through the gateway of its network, which is judged by itself.
  if (address === '') return
  const path = [...machine.root, 'address']
  const inside = insideRanges(tools.facts)
  const { internalHosts } = tools.facts
  switch (whereIs(address, tools.facts, union(inside, internalHosts.addresses))) {
    case 'inside':
      if (whereIs(address, tools.facts, inside) !== 'inside') judgeTakers(machine, subject, tools)
      return
    case 'outside':
      return tools.report('outside-address', { path, value: address })
    case 'socket':
      return tools.report('socket-address', { path, value: address })
    case 'unknown':
      return tools.notJudged(path, `whether ${address} is inside the cluster`, giveRanges)
    case 'name':
      return tools.report('outside-name', { path, value: address })
    case 'unreadable':
      return tools.malformed(path, `${quote(address)} is neither an address nor a name`)
  }
}

/** An address of an internal host serves that host; all that takes the machine in must be given it. */
function judgeTakers(machine: Machine, subject: Subject, tools: Judge): void {
  const { address } = machine
  for (const taker of [...takingEntries(machine, subject, tools), ...takingServices(machine, subject, tools)]) {
    const host = taker.hosts.find(name => {
      const given = internalAddresses(name, tools.facts) ?? nothing
      return whereIs(address, tools.facts, insideRanges(tools.facts, given)) !== 'inside'
    })
    if (host === undefined) continue
    const slots = { address, taker: taker.name, host }
    tools.report('joins-outside', { path: machine.root, value: `${address} in ${taker.name}`, slots })
  }
}
