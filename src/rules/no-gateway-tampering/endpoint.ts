import type { EgressGateway } from '../../core/facts.ts'
import { machineKind, machineLabels } from '../../core/machine.ts'
import type { Subject } from '../../core/rule.ts'
import { few } from '../../core/uncaptured.ts'
import { isControllersSlice } from '../../core/writer.ts'
import { dig, field, list, stringMap } from '../../istio/json.ts'
import { type Labels, mapSelects } from '../../istio/selector.ts'
import { labelsOf } from '../../istio/workload.ts'
import type { Judge } from './rule.ts'

export const sliceKind = 'EndpointSlice.discovery.k8s.io'
export const groupKind = 'WorkloadGroup.networking.istio.io'

const serviceLabel = 'kubernetes.io/service-name'

/**
 * Judges a slice of a gateway's Service: all slices with its name are taken together, and only those that the controller of
 * Kubernetes keeps hold the gateway's pods. Istio: pilot/pkg/serviceregistry/kube/controller/endpointslice.go.
 */
export function judgeSlice(gateways: readonly EgressGateway[], subject: Subject, tools: Judge): void {
  if (isControllersSlice(subject.object, subject.requester)) return
  const service = labelsOf(subject.object).get(serviceLabel)
  if (list(field(subject.object, 'endpoints')).length === 0) return
  for (const gateway of gateways.filter(candidate => candidate.service === service)) {
    tools.report('extra-slice', {
      path: ['metadata', 'labels', serviceLabel],
      value: gateway.service,
      slots: { gateway: gateway.name, label: serviceLabel },
    })
  }
}

/** Judges a WorkloadEntry, or the group that such are made from: the Service takes it in where its selector does. */
export function judgeMachine(gateways: readonly EgressGateway[], subject: Subject, tools: Judge): void {
  const isGroup = subject.kind !== machineKind
  const labels = isGroup ? groupLabels(subject.object) : machineLabels(subject.object)
  for (const gateway of gateways) {
    const service = tools.inventory.find('Service', gateway.namespace, gateway.service)
    const selector = stringMap(dig(service, 'spec', 'selector'))
    const taken = [selector, gateway.podLabels].find(some => some.size > 0 && mapSelects(some, labels))
    if (taken === undefined) continue
    const value = few([...taken].map(([key, wanted]) => `${key}=${wanted}`))
    const slots = { gateway: gateway.name, labels: value }
    tools.report('extra-machine', { path: ['spec'], value, slots })
  }
}

/** Istio: pilot/pkg/autoregistration/controller.go (workloadEntryFromGroup). */
function groupLabels(group: unknown): Labels {
  return new Map([
    ...stringMap(dig(group, 'spec', 'template', 'labels')),
    ...stringMap(dig(group, 'spec', 'metadata', 'labels')),
  ])
}
