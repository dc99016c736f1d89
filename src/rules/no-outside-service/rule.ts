import { machineKind } from '../../core/machine.ts'
import { defineRule, type Tools } from '../../core/rule.ts'
import { requireLists, requireMap } from '../../core/shape.ts'
import { judgeAddresses } from './address.ts'
import { judgeAlias, judgeIngress } from './alias.ts'
import { judgeEndpoints } from './endpoint.ts'
import { judgeNetwork } from './network.ts'

/** What this rule can say. */
export type Message =
  | 'alias-outside'
  | 'alias-approved'
  | 'udp-alias'
  | 'ingress-to-alias'
  | 'external-addresses'
  | 'balancer-address'
  | 'network-gateway'
  | 'selects-outside'
  | 'hidden-at-home'
  | 'headless-http'
  | 'imported-service'

/** What an organisation may think differently about. */
export interface Params {
  readonly externalAddresses: readonly string[]
  readonly imports: boolean
}

/** What this rule judges with. */
export type Judge = Tools<Message, Params>

/** The Service of several clusters (Multi-Cluster Services API). */
export const importKind = 'ServiceImport.multicluster.x-k8s.io'

export default defineRule<Message, Params>({
  id: 'no-outside-service',
  summary: 'Disallow Services that give what is outside the cluster a name or an address inside',
  risk: [
    'What a Service leads to looks like a part of the cluster. With `type: ExternalName` it is an alias of any host, with',
    '`externalIPs` it takes the traffic of any address, with a network label its address becomes the way into another',
    'network, and its selector takes in WorkloadEntries. An Ingress to an alias makes the ingress gateway a reverse proxy.',
  ].join(' '),
  team: [
    'An ExternalName gives an outside API a short name. Call the host by its own name, approved and registered with a',
    'ServiceEntry; names of the cluster pass.',
  ].join(' '),
  judges: ['Service', 'Ingress.networking.k8s.io', importKind],
  reads: ['ConfigMap', 'Namespace', 'Service', machineKind],
  facts: ['approvedHosts', 'internalHosts', 'ranges', 'mesh', 'eastWestGateways'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {
    externalAddresses: {
      doc: 'Ranges of which Services may take addresses with `externalIPs`, such as those of a load balancer in the data centre.',
      schema: { type: 'array', items: { type: 'string', minLength: 1 } },
      default: [],
    },
    imports: {
      doc: 'Whether Services of other clusters may be imported (ServiceImport), where the organisation runs them.',
      schema: { type: 'boolean' },
      default: false,
    },
  },
  messages: {
    'alias-outside': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the Service is an alias of "{value}", {reason}',
      fix: '{remedy}',
      threats: ['svc/external-name'],
    },
    'alias-approved': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: 'what is sent to the alias goes to "{value}" by the routes of that host, and the egress gateway does not know the alias',
      fix: 'remove the Service and use "{value}" in the application, with a ServiceEntry for it',
      threats: ['svc/external-name'],
    },
    'udp-alias': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: 'the proxy takes no {protocol}, so what is sent to "{host}" on {protocol} port {value} leaves the pod directly',
      fix: 'remove the port, and have a NetworkPolicy keep {protocol} to the outside in',
      threats: ['pod/non-tcp'],
    },
    'ingress-to-alias': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: '"{value}" is an alias of "{host}", so the ingress gateway would be a reverse proxy to it',
      fix: 'route to a Service that selects pods',
      threats: ['ing/external-backend'],
    },
    'external-addresses': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'every node would hand traffic to {value} to this Service, whoever the address belongs to',
      fix: 'remove spec.externalIPs and use type LoadBalancer, or have the range added to params.externalAddresses',
      threats: ['svc/external-ips'],
    },
    'balancer-address': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'nodes would hand traffic to {value}, an address of the cluster’s own pods or Services, to this Service',
      fix: 'remove the address: a load balancer has one outside spec.ranges of the policy',
      threats: ['svc/external-ips'],
    },
    'network-gateway': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the label makes this Service the way into network "{value}": all traffic to endpoints there is sent to it',
      fix: 'remove the label, or have the namespace added to spec.eastWestGateways of the policy',
      threats: ['svc/network-gateway'],
    },
    'selects-outside': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the selector takes in WorkloadEntry "{entry}", so the Service leads to {address}, outside the cluster',
      fix: 'give the WorkloadEntry other labels, or have the address added to spec.internalHosts for "{host}"',
      threats: ['svc/selector-joins-workloadentry'],
    },
    'hidden-at-home': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: 'exported to "{value}", the Service is unknown to the proxies of its own namespace',
      fix: 'set the annotation to ".", with the namespaces that use the Service',
      threats: ['svc/export-to'],
    },
    'headless-http': {
      severity: 'high',
      enforcementAction: 'dryrun',
      why: 'on a headless HTTP port a request that names the Service reaches whatever address the client picks',
      fix: 'use a clusterIP where clients need no single pods, and have a NetworkPolicy keep egress in',
      threats: ['svc/headless'],
    },
    'imported-service': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'the endpoints of "{value}" are in another cluster, where nothing here judges them',
      fix: 'remove the import, or have imports allowed (params.imports)',
      threats: ['svc/service-import'],
    },
  },
  check(subject, tools) {
    if (subject.kind === importKind) {
      if (subject.namespaceClass === 'governed' && !tools.params.imports) {
        tools.report('imported-service', { path: ['metadata', 'name'], value: subject.ref.name })
      }
      return
    }
    if (subject.kind !== 'Service') {
      if (subject.namespaceClass === 'notGoverned') return
      if (subject.subresource === '' && requireLists(subject, tools, ['rules'])) judgeIngress(subject, tools)
      return
    }
    if (!requireLists(subject, tools, ['ports', 'externalIPs', 'clusterIPs'])) return
    judgeAddresses(subject, tools)
    // A request for the status may change labels and annotations too.
    judgeNetwork(subject, tools)
    if (subject.subresource === 'status') return
    if (subject.namespaceClass !== 'notGoverned') judgeAlias(subject, tools)
    if (!requireMap(subject, tools, ['spec', 'selector'])) return
    judgeEndpoints(subject, tools)
  },
})
