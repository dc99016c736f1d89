import type { Subject } from '../../core/rule.ts'
import { dig, field, isFields, list, text } from '../../istio/json.ts'
import { portNumber } from '../../istio/port.ts'
import { type Machine, takingEntries } from './machine.ts'
import type { Judge } from './rule.ts'

/**
 * Judges the numbers that a machine gives the named ports of the ServiceEntries that take it in: they go before those of
 * the entry. Istio: pilot/pkg/serviceregistry/serviceentry/conversion.go (convertWorkloadInstanceToServiceInstance).
 */
export function judgePorts(machine: Machine, subject: Subject, tools: Judge): void {
  const mapped = field(machine.spec, 'ports')
  if (!isFields(mapped) || Object.keys(mapped).length === 0) return
  for (const taker of takingEntries(machine, subject, tools)) {
    for (const port of list(dig(taker.object, 'spec', 'ports'))) {
      const name = text(field(port, 'name')) ?? ''
      const target = portNumber(field(mapped, name))
      const number = portNumber(field(port, 'number'))
      if (!target.ok || !number.ok || target.value === number.value) continue
      const slots = { port: String(number.value), target: String(target.value), taker: taker.name }
      const value = `${name} of ${taker.name} from ${number.value} to ${target.value}`
      tools.report('port-mapped', { path: [...machine.root, 'ports', name], value, slots })
    }
  }
}
