import { gatewayClassKind } from '../../core/gatewayapi.ts'
import { defineRule, type Tools } from '../../core/rule.ts'
import { requireLists, requireMap } from '../../core/shape.ts'
import { entryKind, gatewayApiKind } from '../../istio/kinds.ts'

import { judgeEntry } from './entry.ts'
import { judgeGateway, judgeGatewayClass } from './gateway.ts'
import { judgeNamespace, judgeService } from './place.ts'

/** What this rule can say. */
export type Message =
  | 'opted-out'
  | 'missing-waypoint'
  | 'unlisted-waypoint'
  | 'unfit-waypoint'
  | 'no-waypoint'
  | 'canary-waypoint'
  | 'service-waypoint'
  | 'not-steered'
  | 'export-ignored'
  | 'takes-no-services'
  | 'waypoint-deleted'

/** What this rule judges with. */
export type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'require-known-waypoint',
  summary: 'Require that what leaves an ambient namespace takes a waypoint that is there and that the policy knows',
  risk: [
    'In ambient mode no route leads to the egress gateway but a label: the waypoint that a ServiceEntry or its namespace',
    'chooses. A waypoint that does not exist, refuses the namespace or takes no Services is no error: the traffic then leaves',
    'directly, and `REGISTRY_ONLY` is not asked. `none` opts out, by exactly that word. Nor is `exportTo` heeded: only a',
    'NetworkPolicy that leaves workloads nothing outside but their waypoints on port 15008 holds them. In namespaces',
    'without ambient mode the labels have no effect, and nothing is said. A waypoint that is not there is a warning, since',
    'deployment tools apply Namespaces and ServiceEntries before the Gateway that they name; a scan finds it until it is.',
  ].join(' '),
  team: [
    'A label was copied, or the waypoint has another name here. Use the one that the refusal names, or remove the',
    'label, so that the namespace’s own waypoint holds.',
  ].join(' '),
  judges: ['Namespace', 'Service', entryKind, gatewayApiKind, gatewayClassKind],
  reads: ['ConfigMap', gatewayApiKind, gatewayClassKind, 'Namespace', entryKind],
  facts: ['mesh', 'waypoints'],
  operations: ['CREATE', 'UPDATE', 'DELETE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    'opted-out': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '"{value}" takes {what} out of every waypoint, so that traffic from ambient namespaces leaves directly',
      fix: 'remove the label{remedy}',
      threats: ['amb/use-waypoint', 'ns/use-waypoint', 'se/waypoint-labels'],
    },
    'missing-waypoint': {
      severity: 'critical',
      enforcementAction: 'warn',
      why: 'there is no waypoint "{value}", and without one traffic from ambient namespaces leaves directly',
      fix: 'name a waypoint that is there{known}',
      threats: ['amb/use-waypoint', 'ns/use-waypoint', 'se/waypoint-labels'],
    },
    'unlisted-waypoint': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'waypoint "{value}" is none by which traffic of namespace "{namespace}" may leave',
      fix: 'name a waypoint of the policy{known}, or have this one listed under spec.waypoints',
      threats: ['amb/use-waypoint', 'ns/use-waypoint', 'se/waypoint-labels'],
    },
    'unfit-waypoint': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'waypoint "{value}" {problem}, so that traffic from ambient namespaces leaves directly',
      fix: 'name another waypoint, or correct {remedy}',
      threats: ['amb/use-waypoint', 'amb/waypoint-for', 'mesh/service-entry-visibility'],
    },
    'no-waypoint': {
      severity: 'high',
      enforcementAction: 'warn',
      why: 'without a waypoint traffic from ambient namespaces leaves directly for the hosts of this entry',
      fix: 'label it with istio.io/use-waypoint{known}',
      threats: ['amb/use-waypoint'],
    },
    'canary-waypoint': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'a share of {weight} % of the traffic would take waypoint "{value}", which the policy does not list',
      fix: 'remove the canary, or have the waypoint listed under spec.waypoints of the policy',
      threats: ['amb/waypoint-canary'],
    },
    'service-waypoint': {
      severity: 'medium',
      enforcementAction: 'dryrun',
      why: 'the label {problem}, so that what a waypoint decides about this Service does not hold',
      fix: 'remove the label, or name a waypoint that is there',
      threats: ['svc/use-waypoint-labels'],
    },
    'not-steered': {
      severity: 'high',
      enforcementAction: 'warn',
      why: 'an entry with {problem} gets no address of its own, by which its traffic would be known and taken to the waypoint',
      fix: '{remedy}',
      threats: ['amb/se-shape'],
    },
    'export-ignored': {
      severity: 'high',
      enforcementAction: 'warn',
      why: 'ambient mode does not heed exportTo: workloads of "{namespace}" reach the hosts of this entry too',
      fix: 'keep a NetworkPolicy in each ambient namespace that leaves only the waypoints open, on port 15008',
      threats: ['amb/export-to', 'amb/networkpolicy-15008'],
    },
    'takes-no-services': {
      severity: 'high',
      enforcementAction: 'deny',
      why: '"{value}" lets {what} take no ServiceEntries, whose traffic then leaves directly',
      fix: 'set {label} to service or all',
      threats: ['amb/waypoint-for'],
    },
    'waypoint-deleted': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'without waypoint "{value}" the traffic of every ServiceEntry that chose it leaves directly',
      fix: 'keep the waypoint while spec.waypoints of the policy lists it',
      threats: ['amb/use-waypoint'],
    },
  },
  check(subject, tools) {
    // Status is written by istiod: addresses of waypoints and of entries.
    if (subject.subresource !== '') return
    for (const map of ['labels', 'annotations']) if (!requireMap(subject, tools, ['metadata', map])) return
    if (subject.kind === gatewayApiKind) return judgeGateway(subject, tools)
    if (subject.operation === 'DELETE') return
    if (subject.kind === gatewayClassKind) return judgeGatewayClass(subject, tools)
    if (subject.kind === 'Namespace') return judgeNamespace(subject, tools)
    if (subject.kind === 'Service') return judgeService(subject, tools)
    if (requireLists(subject, tools, ['hosts', 'exportTo', 'addresses'])) judgeEntry(subject, tools)
  },
})
