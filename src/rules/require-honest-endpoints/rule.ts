import { clientsOf, isOutsidePolicy } from '../../core/clients.ts'
import { machineKind } from '../../core/machine.ts'
import { defineRule, type Tools } from '../../core/rule.ts'
import { requireFewCombinations, requireLists } from '../../core/shape.ts'
import { judgeAddresses, judgeResolution } from './address.ts'
import { judgeEndpoints } from './endpoint.ts'
import { readEntry } from './entry.ts'
import { judgeHabits } from './habit.ts'
import { judgeSelector } from './selector.ts'

/** What this rule can say. */
export type Message =
  | 'no-resolution'
  | 'wildcard-without-resolution'
  | 'any-address'
  | 'address-range'
  | 'cluster-address'
  | 'foreign-endpoint'
  | 'socket-endpoint'
  | 'short-gateway'
  | 'internal-outside'
  | 'endpoint-network'
  | 'port-remapped'
  | 'selected-outside'
  | 'selects-everything'
  | 'internal-unplaced'
  | 'udp-port'
  | 'no-automatic-address'
  | 'identity-moved'

/** Lists that are judged together: each host on each port, for each namespace, at each endpoint. */
const combined = ['hosts', 'ports', 'exportTo', 'endpoints']

/** What this rule judges with. */
export type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'require-honest-endpoints',
  summary: 'Require that a ServiceEntry leads where its hosts say',
  risk: [
    'The hosts of a ServiceEntry are labels. Where its traffic goes is decided by `resolution`, `addresses`, `endpoints`',
    'and `targetPort`: without resolution the client picks the address, an endpoint may be any machine on the internet,',
    'and an approved port may be another one in reality. An approved name then opens the way to anywhere.',
  ].join(' '),
  team: [
    '`resolution` was left out, or an address was given to avoid a look-up. Set `resolution: DNS` and leave addresses',
    'and endpoints out; fixed addresses are approved with the host (`addresses` in ApprovedHosts).',
  ].join(' '),
  judges: ['ServiceEntry.networking.istio.io'],
  reads: ['ConfigMap', 'Namespace', machineKind],
  facts: ['approvedHosts', 'ranges', 'egressGateways', 'internalHosts', 'mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    'no-resolution': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '{state}: the client picks the address on port {port}, and nothing compares it with the host',
      fix: 'set spec.resolution to DNS, for a wildcard to DYNAMIC_DNS',
      threats: ['se/resolution-none'],
    },
    'wildcard-without-resolution': {
      severity: 'high',
      enforcementAction: 'warn',
      why: '{state}: a client that names a host below "{host}" reaches any address on port {port}',
      fix: 'name the hosts and set spec.resolution to DNS, or set it to DYNAMIC_DNS',
      threats: ['se/resolution-none'],
    },
    'any-address': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'port {value} has no address of its own, so the entry takes the traffic of every address on that port',
      fix: 'give the entry single addresses of its own in spec.addresses, or use protocol TLS where the client speaks it',
      threats: ['se/tcp-no-address'],
    },
    'address-range': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '"{value}" opens a whole range, which no approval of the hosts covers',
      fix: 'name single addresses, or have the range approved (addresses of the host in ApprovedHosts)',
      threats: ['se/cidr-address'],
    },
    'cluster-address': {
      severity: 'high',
      enforcementAction: 'deny',
      why: '"{value}" would take traffic that is meant for the cluster’s own pods or Services',
      fix: 'use an address outside spec.ranges of the policy, or none',
      threats: ['se/address-claims-foreign-ip'],
    },
    'foreign-endpoint': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'traffic for {hosts} would go to "{value}", which is neither approved for it nor the egress gateway',
      fix: '{remedy}',
      threats: ['se/endpoint-mismatch'],
    },
    'socket-endpoint': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '"{value}" hands the traffic to a process in the pod, which may send it anywhere',
      fix: 'remove the endpoint and set spec.resolution to DNS',
      threats: ['se/endpoint-mismatch'],
    },
    'short-gateway': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'Istio does not expand "{value}": the proxy asks DNS for just that name',
      fix: 'write "{full}"',
      threats: ['se/endpoint-mismatch'],
    },
    'internal-outside': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the entry says MESH_INTERNAL, but "{value}" is no address of the cluster or of its virtual machines',
      fix: 'use an address in spec.ranges.virtualMachines of the policy, or have the range added there',
      threats: ['se/mesh-internal-external'],
    },
    'endpoint-network': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'network "{value}" sends the traffic through the gateway of that network, whatever the address',
      fix: 'remove the network of the endpoint',
      threats: ['se/endpoint-network'],
    },
    'port-remapped': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'port {port} is port {target} in reality, which is not approved for "{host}"',
      fix: 'remove the mapping, or have port {target} approved (ApprovedHosts)',
      threats: ['se/port-remap'],
    },
    'selected-outside': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the selector takes in WorkloadEntry "{entry}", so traffic for {hosts} would go to "{address}"',
      fix: 'remove spec.workloadSelector and name the endpoints, or give the WorkloadEntry other labels',
      threats: ['se/workload-selector'],
    },
    'selects-everything': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: 'without labels the selector makes every pod and WorkloadEntry of the namespace an endpoint of {hosts}',
      fix: 'give spec.workloadSelector the labels of the workloads that are meant',
      threats: ['se/workload-selector'],
    },
    'internal-unplaced': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: 'where "{value}" leads is left to DNS, not to the addresses that the policy gives it',
      fix: 'give the entry endpoints within the addresses of the host in spec.internalHosts',
      threats: ['se/mesh-internal-external'],
    },
    'udp-port': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: 'the proxy takes no UDP, so what is sent to port {value} leaves the pod directly, to any address',
      fix: 'remove the port, and have a NetworkPolicy keep UDP to the outside in',
      threats: ['pod/non-tcp'],
    },
    'no-automatic-address': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'without an address of its own the entry shares its ports with all others, and a waypoint does not see its traffic',
      fix: 'remove the label, or give the entry spec.addresses',
      threats: ['se/autoallocate-label'],
    },
    'identity-moved': {
      severity: 'low',
      enforcementAction: 'warn',
      why: 'the other side may prove to be "{value}" instead of {hosts}',
      fix: 'remove the name from spec.subjectAltNames',
      threats: ['se/san'],
    },
  },
  check(subject, tools) {
    // A request for the status changes nothing else.
    if (subject.subresource !== '') return
    if (
      !requireLists(subject, tools, ['addresses', 'subjectAltNames', ...combined]) ||
      !requireFewCombinations(subject, tools, combined)
    ) {
      return
    }
    const clients = clientsOf(subject, tools.facts, tools.inventory)
    if (isOutsidePolicy(subject, clients)) return
    const entry = readEntry(subject, clients, tools)
    judgeResolution(entry, tools)
    judgeAddresses(entry, tools)
    judgeEndpoints(entry, subject, tools)
    judgeSelector(entry, subject, tools)
    judgeHabits(entry, subject, tools)
  },
})
