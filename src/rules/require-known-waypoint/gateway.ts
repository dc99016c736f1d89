import { classServes, gatewayClassKind, gatewayServes } from '../../core/gatewayapi.ts'
import type { Subject } from '../../core/rule.ts'
import { dig } from '../../istio/json.ts'
import { takesServices, waypointFor, waypointForLabel } from '../../istio/waypoint.ts'
import { labelsOf } from '../../istio/workload.ts'
import type { Judge } from './rule.ts'

const path = ['metadata', 'labels', waypointForLabel]

/** Judges a waypoint of the policy: that it stays, and takes what it is there for. */
export function judgeGateway(subject: Subject, tools: Judge): void {
  const { namespace, name } = subject.ref
  const isListed = tools.facts.waypoints?.some(waypoint => waypoint.namespace === namespace && waypoint.name === name)
  if (isListed !== true) return
  if (subject.operation === 'DELETE') {
    tools.report('waypoint-deleted', { path: ['metadata', 'name'], value: `${namespace}/${name}` })
    return
  }
  if (gatewayServes(subject.object, tools.inventory) === 'other') return
  const className = String(dig(subject.object, 'spec', 'gatewayClassName'))
  const value = waypointFor(subject.object, tools.inventory.find(gatewayClassKind, '', className))
  if (takesServices(value)) return
  const at = labelsOf(subject.object).has(waypointForLabel) ? path : ['metadata']
  tools.report('takes-no-services', { path: at, value, slots: { what: 'this waypoint', label: waypointForLabel } })
}

/** Judges what a class makes its waypoints take where they say nothing themselves. */
export function judgeGatewayClass(subject: Subject, tools: Judge): void {
  if (classServes(subject.ref.name, tools.inventory) !== 'waypoint') return
  const value = waypointFor(undefined, subject.object)
  if (takesServices(value)) return
  tools.report('takes-no-services', { path, value, slots: { what: 'waypoints of the class', label: waypointForLabel } })
}
