import { isForOwnServices } from '../../core/export.ts'
import type { Subject } from '../../core/rule.ts'
import { dig, list } from '../../istio/json.ts'
import { bindsMesh } from '../../istio/virtualservice.ts'
import { bindingsOf } from './gateway.ts'
import type { Judge } from './rule.ts'

/**
 * Judges the namespaces to which a tenant's VirtualService for sidecars is exported by name. Routes for one's own Services
 * are the owner's to give, and a Gateway must see the routes that are bound to it.
 */
export function judgeExport(subject: Subject, tools: Judge): void {
  const exportTo = list(dig(subject.object, 'spec', 'exportTo'))
  if (exportTo.length === 0 || !bindsMesh(subject.object) || isForOwnServices(subject, tools)) return
  const own = subject.ref.namespace
  const bound = new Set([...bindingsOf(subject)].map(({ namespace }) => namespace))
  for (const [i, foreign] of exportTo.entries()) {
    if (typeof foreign !== 'string' || ['', '.', '*', '~', own].includes(foreign) || bound.has(foreign)) continue
    tools.report('exported-to-foreign', { path: ['spec', 'exportTo', i], value: foreign, slots: { foreign } })
  }
}
