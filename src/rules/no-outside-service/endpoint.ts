import { refOf } from '../../core/kind.ts'
import {
  insideRanges,
  internalAddresses,
  machineAddress,
  machineKind,
  machineLabels,
  serviceHost,
  serviceSelects,
  whereIs,
} from '../../core/machine.ts'
import type { Subject } from '../../core/rule.ts'
import { isServiceSeen } from '../../core/sight.ts'
import { dig, field, list, text } from '../../istio/json.ts'
import { protocolClass, servicePortProtocol } from '../../istio/protocol.ts'
import type { Judge } from './rule.ts'

/** Judges which endpoints a Service takes in that are no pods, and whether clients pick them themselves. */
export function judgeEndpoints(subject: Subject, tools: Judge): void {
  const isOutside = subject.namespaceClass === 'notGoverned'
  // What only namespaces outside the policy see is their own affair.
  if (!isOutside || isServiceSeen(subject.object, tools)) judgeMachines(subject, tools)
  if (isOutside) return
  if (field(field(subject.object, 'spec'), 'clusterIP') === 'None') judgeHeadless(subject, tools)
}

/**
 * WorkloadEntries of the namespace that the selector takes in are endpoints as pods are; names yield none. Istio:
 * pilot/pkg/serviceregistry/kube/controller/controller.go (WorkloadInstanceHandler).
 */
function judgeMachines({ object, ref }: Subject, tools: Judge): void {
  const machines = tools.inventory.list(machineKind, ref.namespace)
  if (machines.length === 0) return
  const host = serviceHost(object, tools.facts)
  const inside = insideRanges(tools.facts, internalAddresses(host, tools.facts))
  for (const machine of machines) {
    if (!serviceSelects(object, machineLabels(machine))) continue
    const address = machineAddress(machine)
    if (whereIs(address, tools.facts, inside) !== 'outside') continue
    const entry = refOf(machine).name
    tools.report('selects-outside', {
      path: ['spec', 'selector'],
      value: `${entry} at ${address}`,
      slots: { entry, address, host },
    })
  }
}

/**
 * On the HTTP ports of a headless Service the proxy connects to whatever address the client picked, as long as the request
 * names the Service; other ports listen on the addresses of pods only. Istio: pilot/pkg/networking/core/cluster.go
 * (convertResolution).
 */
function judgeHeadless({ object }: Subject, tools: Judge): void {
  for (const [i, port] of list(dig(object, 'spec', 'ports')).entries()) {
    const number = field(port, 'port')
    const protocol = servicePortProtocol({
      number: typeof number === 'number' ? number : 0,
      name: text(field(port, 'name')),
      appProtocol: text(field(port, 'appProtocol')),
      protocol: text(field(port, 'protocol')),
    })
    if (protocolClass(protocol) === 'http') {
      tools.report('headless-http', { path: ['spec', 'ports', i], value: String(number) })
    }
  }
}
