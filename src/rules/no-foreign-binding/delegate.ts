import { egressGatewayOf } from '../../core/egressobjects.ts'
import { namespaceLabels } from '../../core/inventory.ts'
import type { Subject } from '../../core/rule.ts'
import { dig, field, isFields, list, text } from '../../istio/json.ts'
import { bindsMesh } from '../../istio/virtualservice.ts'
import { bindingsOf } from './gateway.ts'
import type { Judge } from './rule.ts'

/**
 * Judges the delegates of a VirtualService whose routes sidecars or the egress gateway use: they must stand in its own
 * namespace or in one of the platform. For callers from outside anybody's will do, as a gateway's routes are commonly
 * shared out. As istio.io/istio `pilot/pkg/model/virtualservice.go` (mergeVirtualServicesIfNeeded): without a namespace
 * the root's own.
 */
export function judgeDelegates(subject: Subject, tools: Judge): void {
  const own = subject.ref.namespace
  let isOut: boolean | undefined
  for (const [i, route] of list(dig(subject.object, 'spec', 'http')).entries()) {
    const delegate = field(route, 'delegate')
    if (!isFields(delegate)) continue
    const foreign = text(field(delegate, 'namespace')) || own
    if (foreign === own) continue
    isOut ??= leadsOut(subject, tools)
    if (!isOut) return
    if (tools.facts.namespaces.classOf(foreign, namespaceLabels(tools.inventory, foreign)) === 'platform') continue
    const value = `${foreign}/${text(field(delegate, 'name')) ?? ''}`
    tools.report('foreign-delegate', {
      path: ['spec', 'http', i, 'delegate', 'namespace'],
      value,
      slots: { foreign, own },
    })
  }
}

function leadsOut(subject: Subject, tools: Judge): boolean {
  if (bindsMesh(subject.object)) return true
  return [...bindingsOf(subject)].some(({ namespace, name }) => {
    const object = tools.inventory.find('Gateway.networking.istio.io', namespace, name)
    return egressGatewayOf({ namespace, name, object }, tools)?.selection === 'yes'
  })
}
