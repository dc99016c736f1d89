import { machineKind } from '../../core/machine.ts'
import { defineRule, type Tools } from '../../core/rule.ts'
import { requireMap } from '../../core/shape.ts'
import { entryKind } from '../../istio/kinds.ts'
import { judgeAddress } from './address.ts'
import { groupKind, readMachine } from './machine.ts'
import { judgePorts } from './port.ts'
import { judgeStanding } from './standing.ts'

/** What this rule can say. */
export type Message =
  | 'outside-address'
  | 'outside-name'
  | 'socket-address'
  | 'joins-outside'
  | 'foreign-network'
  | 'lent-identity'
  | 'unlisted-group'
  | 'port-mapped'

/** What an organisation may think differently about. */
export interface Params {
  readonly networks: readonly string[]
  readonly accounts: readonly string[]
  readonly groups: readonly string[]
}

/** What this rule judges with. */
export type Judge = Tools<Message, Params>

const names = (what: string): { doc: string; schema: Record<string, unknown>; default: readonly string[] } => ({
  doc: `${what}, each as \`namespace/name\`; \`namespace/*\` is all of a namespace.`,
  schema: { type: 'array', items: { type: 'string', pattern: '^[^/]+/[^/]+$' } },
  default: [],
})

export default defineRule<Message, Params>({
  id: 'require-honest-workload-entries',
  summary: 'Require that a WorkloadEntry is a machine of the mesh',
  risk: [
    'A WorkloadEntry is an endpoint of every Service and ServiceEntry of its namespace that selects its labels, of those of',
    'its metadata too. Its address may be anywhere, so that one label makes an approved host or an internal Service lead',
    'outside. It must lie in spec.ranges.virtualMachines, or in the addresses of the internal host that it serves. What',
    'istiod registers by itself is judged the same: by what it says.',
  ].join(' '),
  team: [
    'A virtual machine joins the mesh. Its address belongs into `spec.ranges.virtualMachines`, or its name with its',
    'addresses into `spec.internalHosts`; its account and group are params of the rule.',
  ].join(' '),
  judges: [machineKind, groupKind],
  reads: ['ConfigMap', 'Namespace', 'Service', entryKind, groupKind],
  facts: ['ranges', 'internalHosts', 'mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {
    networks: {
      doc: 'Networks that WorkloadEntries may name, besides the one that the root namespace is labelled with.',
      schema: { type: 'array', items: { type: 'string', minLength: 1 } },
      default: [],
    },
    accounts: names('Service accounts whose identity machines outside the cluster may have'),
    groups: names('WorkloadGroups that tenants may keep, with machines of the account that they name'),
  },
  messages: {
    'outside-address': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'every Service and ServiceEntry that selects its labels would lead to {value}, outside the cluster',
      fix: 'use an address in spec.ranges.virtualMachines of the policy, or have it added there or to spec.internalHosts',
      threats: ['we/external-address'],
    },
    'outside-name': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'every ServiceEntry with resolution DNS that selects its labels would lead to "{value}", wherever that is',
      fix: 'use the address of the machine, or have the name added to spec.internalHosts of the policy',
      threats: ['we/external-address'],
    },
    'socket-address': {
      severity: 'high',
      enforcementAction: 'deny',
      why: '"{value}" hands the traffic to a process beside the proxy, which may send it anywhere',
      fix: 'use the address of the machine',
      threats: ['we/external-address'],
    },
    'joins-outside': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'its labels make {address} an endpoint of {taker}, to which the policy gives no such address',
      fix: '{remedy}, or have the address added to spec.internalHosts for "{host}"',
      threats: ['we/labels', 'we/external-address', 'svc/selector-joins-workloadentry'],
    },
    'foreign-network': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'network "{value}" sends the traffic through the gateway of that network, whatever the address',
      fix: 'remove the network, or have it added to params.networks',
      threats: ['we/network-locality-weight'],
    },
    'lent-identity': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'a machine outside the cluster would be taken for service account "{value}"',
      fix: 'remove the serviceAccount, or have "{value}" added to params.accounts',
      threats: ['we/service-account'],
    },
    'unlisted-group': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'by the group any machine with a token of its service account becomes an endpoint of the mesh',
      fix: 'keep the group in a namespace of the platform, or have "{value}" added to params.groups',
      threats: ['wg/template'],
    },
    'port-mapped': {
      severity: 'medium',
      enforcementAction: 'dryrun',
      why: 'port {port} of {taker} is port {target} on this machine',
      fix: 'remove the mapping, or give the ServiceEntry the same number',
      threats: ['we/ports'],
    },
  },
  check(subject, tools) {
    // istiod writes whether a machine is healthy.
    if (subject.subresource !== '' || !requireMap(subject, tools, ['spec'])) return
    const isGroup = subject.kind === groupKind
    const root = isGroup ? ['spec', 'template'] : ['spec']
    if (isGroup && !requireMap(subject, tools, root)) return
    if (!requireMap(subject, tools, [...root, 'ports'])) return
    const machine = readMachine(subject, root, tools)
    judgeAddress(machine, subject, tools)
    if (subject.namespaceClass === 'notGoverned') return
    judgePorts(machine, subject, tools)
    if (subject.namespaceClass === 'governed') judgeStanding(machine, isGroup, subject, tools)
  },
})
