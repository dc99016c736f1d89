import { machineKind } from '../../core/machine.ts'
import { defineRule, type Tools } from '../../core/rule.ts'
import { requireLists, requireMap } from '../../core/shape.ts'
import { groupKind, judgeMachine, judgeSlice, sliceKind } from './endpoint.ts'
import { judgeService, judgeVisibility } from './service.ts'
import { workloadKinds } from './workload.ts'

/** What this rule can say. */
export type Message =
  | 'deleted'
  | 'leads-elsewhere'
  | 'selects-others'
  | 'port-missing'
  | 'hidden'
  | 'extra-slice'
  | 'extra-machine'

/** What this rule judges with. */
export type Judge = Tools<Message, Record<never, never>>

const noLonger = 'or take the gateway out of spec.egressGateways of the policy first'

export default defineRule<Message, Record<never, never>>({
  id: 'no-gateway-tampering',
  summary: 'Disallow changes to the Service of an egress gateway that lead its traffic elsewhere',
  risk: [
    'Every route to the outside ends at the Service of an egress gateway. Whoever changes its selector or type, or adds',
    'endpoints to it, receives the traffic of all approved hosts; whoever takes the Service, a port or its visibility away,',
    'breaks them all. Judged is what the object says, whoever asks, by the policy’s spec.egressGateways.',
  ].join(' '),
  team: [
    'Usually a chart upgrade that renames labels or ports of the gateway. Change the policy’s `egressGateways` first,',
    'then the Service, so that traffic is never without its gateway.',
  ].join(' '),
  judges: ['Service', sliceKind, machineKind, groupKind],
  reads: ['Namespace', 'Service', ...workloadKinds],
  facts: ['egressGateways'],
  operations: ['CREATE', 'UPDATE', 'DELETE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    deleted: {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'without Service "{value}" no approved host can be reached by egress gateway "{gateway}"',
      fix: `keep the Service, ${noLonger}`,
      threats: ['svc/egress-gateway-tamper'],
    },
    'leads-elsewhere': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '{state}, what is sent to egress gateway "{gateway}" does not arrive at its pods',
      fix: 'set spec.type to ClusterIP, and leave spec.clusterIP to Kubernetes',
      threats: ['svc/egress-gateway-tamper'],
    },
    'selects-others': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'the selector does not choose the pods of egress gateway "{gateway}", which bear {labels}',
      fix: 'set spec.selector to labels of the gateway’s pods, as spec.egressGateways of the policy has them',
      threats: ['svc/egress-gateway-tamper'],
    },
    'port-missing': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'routes lead to port {value} of egress gateway "{gateway}", which the Service would not have',
      fix: 'keep the port with protocol TCP, or take it out of spec.egressGateways of the policy first',
      threats: ['svc/egress-gateway-tamper'],
    },
    hidden: {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'exported to "{value}", egress gateway "{gateway}" is unknown to the proxies {whose}',
      fix: 'remove the annotation, so that every namespace sees the Service',
      threats: ['svc/export-to'],
    },
    'extra-slice': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'the slice adds endpoints to egress gateway "{gateway}" that are none of its pods: Kubernetes writes those itself',
      fix: 'remove the slice, or the label {label} from it',
      threats: ['svc/egress-gateway-tamper'],
    },
    'extra-machine': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'its labels make it an endpoint of egress gateway "{gateway}", which then sends what leaves to it',
      fix: 'give it other labels than {labels}',
      threats: ['svc/egress-gateway-tamper', 'we/labels'],
    },
  },
  check(subject, tools) {
    const isStatus = subject.subresource !== ''
    if (isStatus && subject.kind !== 'Service') return
    const gateways = tools.facts.egressGateways?.filter(({ namespace }) => namespace === subject.ref.namespace) ?? []
    if (gateways.length === 0) return
    if (subject.kind === 'Service') {
      const own = gateways.filter(({ service }) => service === subject.ref.name)
      if (own.length === 0 || !requireLists(subject, tools, ['ports']) || !requireMap(subject, tools, selector)) return
      for (const gateway of own) {
        if (isStatus) judgeVisibility(gateway, subject, tools)
        else judgeService(gateway, subject, tools)
      }
    } else if (subject.operation === 'DELETE') return
    else if (subject.kind === sliceKind) judgeSlice(gateways, subject, tools)
    else if (requireLists(subject, tools, [])) judgeMachine(gateways, subject, tools)
  },
})

const selector = ['spec', 'selector']
