import { defineRule, type Tools } from '../../core/rule.ts'
import { judgeDestinations } from './destination.ts'
import { judgeEntry } from './entry.ts'
import { routeKinds, virtualService } from './route.ts'

/** What this rule can say. */
export type Message =
  | 'not-approved'
  | 'wildcard-not-approved'
  | 'dynamic-dns'
  | 'partial-wildcard'
  | 'cluster-host'
  | 'approval-expired'
  | 'namespace-not-approved'
  | 'port-not-approved'
  | 'exported-to-all'
  | 'exported-beyond-approval'
  | 'exported-to-gateway'
  | 'claimed-as-internal'
  | 'destination-not-approved'
  | 'mirror-not-approved'
  | 'no-gateway-route'

/** What this rule judges with. */
export type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'require-approved-hosts',
  summary: 'Require that every external host, port and namespace was approved together',
  risk: [
    'Under `REGISTRY_ONLY` a ServiceEntry *is* the permission to reach a host: whoever may write one may open the mesh to',
    'any destination. Each host of an entry must be covered by an approval that also covers the port with its protocol',
    'and the namespace that would use it; the parts of two approvals never add up. Whether the traffic then takes the',
    'egress gateway is a question of routes, which this version does not trace: it is said as not judged. Where no route',
    'to the egress gateway names the host at all, the traffic leaves directly, and that is said.',
  ].join(' '),
  team: [
    'A service needs somebody’s API. Ask the owner of the approved hosts for host, port and namespace together (the',
    'refusal names all three), then apply again; nothing else has to change.',
  ].join(' '),
  judges: ['ServiceEntry.networking.istio.io', virtualService],
  reads: ['ConfigMap', 'Namespace', 'Service', 'ServiceEntry.networking.istio.io', ...routeKinds],
  facts: ['approvedHosts', 'internalHosts', 'mesh', 'egressGateways', 'waypoints'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    'not-approved': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'host "{value}" is not approved, and this entry would let workloads reach it',
      fix: '{remedy}',
      threats: ['se/host-not-approved'],
    },
    'wildcard-not-approved': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '"{value}" admits every name with that ending, and no approved wildcard covers it',
      fix: 'name each host, or have a wildcard approved that covers this one (ApprovedHosts)',
      threats: ['se/wildcard'],
    },
    'dynamic-dns': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the proxy would look up whatever name a client sends under "{value}", which no approved wildcard covers',
      fix: 'name each host and use resolution DNS, or have "{value}" approved (ApprovedHosts)',
      threats: ['se/dynamic-dns'],
    },
    'partial-wildcard': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'a star beside other characters makes Envoy refuse the whole listener on a TLS port: an outage for all',
      fix: 'use "*" only as the whole first label, or name each host',
      threats: ['se/partial-wildcard'],
    },
    'cluster-host': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '"{value}" is a name of the cluster itself; in this namespace the entry would win over the real Service',
      fix: 'remove the host; a Service needs no ServiceEntry',
      threats: ['se/shadow-cluster-host'],
    },
    'approval-expired': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'the approval of "{value}" expired {expires}',
      fix: 'have it renewed (ApprovedHosts, owner {owner}), or remove the host',
      threats: ['se/host-not-approved'],
    },
    'namespace-not-approved': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'host "{host}" is approved for {approved}, not for namespace "{namespace}"',
      fix: '{remedy}',
      threats: ['se/host-not-approved'],
    },
    'port-not-approved': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'host "{host}" is approved on {approved}{whose}, not on {port}',
      fix: 'use an approved port and protocol, or have this one approved (ApprovedHosts)',
      threats: ['se/network-scope-ports'],
    },
    'exported-to-all': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'without a limit this entry becomes the definition of "{value}" for the whole mesh',
      fix: 'set spec.exportTo to ["."]',
      threats: ['se/export-to'],
    },
    'claimed-as-internal': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '"{value}" is approved as a host outside, and namespaces that see this entry may be led to its endpoints instead',
      fix: 'set spec.exportTo to ["."], or have the name added to spec.internalHosts of the policy',
      threats: ['se/shadow-approved-host'],
    },
    'exported-beyond-approval': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: 'every namespace sees the entry, but host "{value}" is approved for {approved} only',
      fix: 'name the namespaces in spec.exportTo, with "." for its own',
      threats: ['se/export-to'],
    },
    'exported-to-gateway': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'in namespace "{gateway}" this entry may become what the egress gateway itself connects to for "{host}"',
      fix: 'take "{gateway}" out of spec.exportTo: what the egress gateway connects to is defined by the platform',
      threats: ['se/gateway-ns-export'],
    },
    'destination-not-approved': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'traffic would be sent to "{value}", a host that is not approved{whose}',
      fix: '{remedy}',
      threats: ['vs/mesh-leg-direct', 'vs/weights', 'vs/gateway-leg-destination'],
    },
    'mirror-not-approved': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'copies of requests would be sent to "{value}", a host that is not approved{whose}',
      fix: 'mirror to a Service of the mesh, or have the host approved (ApprovedHosts)',
      threats: ['vs/mirror', 'vs/gateway-leg-destination'],
    },
    'no-gateway-route': {
      severity: 'critical',
      enforcementAction: 'warn',
      why: 'nothing leads "{value}" to the egress gateway, so it leaves directly from every pod',
      fix: 'apply a VirtualService for "{host}" with a route of gateway mesh to {gateway}, or have the endpoints be that Service',
      threats: ['se/no-egress-route'],
    },
  },
  check(subject, tools) {
    // A request for the status changes nothing else.
    if (subject.subresource !== '') return
    if (subject.kind === virtualService) judgeDestinations(subject, tools)
    else judgeEntry(subject, tools)
  },
})
