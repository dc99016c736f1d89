import { defineRule } from '../../core/rule.ts'
import { requireLists } from '../../core/shape.ts'
import { field, isFields, list } from '../../istio/json.ts'
import { isGatewayPolicy } from './gateway.ts'
import { type Judge, judgeRule, type Message, type Params } from './peer.ts'

export default defineRule<Message, Params>({
  id: 'no-open-networkpolicy',
  summary: 'Disallow NetworkPolicies that let pods other than the egress gateway out of the cluster',
  risk: [
    'A NetworkPolicy holds back what no proxy sees: UDP, processes that escaped capture, raw addresses. But policies',
    'add up, so one of them that allows an outside range opens again what all the others closed. Judged is what the',
    'rules of `egress` allow, whatever the spelling: no `to` at all, ports alone, `0.0.0.0/0` in halves or with',
    'exceptions, IPv6. Only pods of the egress gateway, and namespaces whose pods may all opt out of the proxy, may',
    'be let out.',
  ].join(' '),
  team: [
    'A pod must reach something outside, and its NetworkPolicy was opened for that. Allow the egress gateway',
    'instead, by the name of its namespace and its pod labels, and let the route lead there. Nodes and the API',
    'server are stated once by the platform, in `params.internalRanges`.',
  ].join(' '),
  judges: ['NetworkPolicy.networking.k8s.io'],
  reads: ['Namespace'],
  facts: ['egressGateways', 'nameservers', 'ranges', 'workloads'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform'],
  outsideLaw: false,
  params: {
    internalRanges: {
      doc: 'Addresses of the organisation that pods may be let reach besides those of pods, Services and virtual machines: nodes, the API server.',
      schema: { type: 'array', items: { type: 'string', format: 'ip-range' } },
      default: [],
    },
  },
  messages: {
    'opens-range': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'policies add up, so this peer lets the pods reach {outside} whatever other policies say',
      fix: 'name the egress gateway and the namespaces that are meant, or state inside ranges under spec.ranges or params.internalRanges',
      threats: ['netpol/additive-allow'],
    },
    'opens-everything': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'a rule without peers lets the pods reach every address{ports}, whatever other policies say',
      fix: 'name the peers under to, such as the namespaces that are meant and the egress gateway',
      threats: ['netpol/additive-allow'],
    },
    'dns-anywhere': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: 'port 53 is open to {outside}, so data can leave inside of DNS queries',
      fix: 'name the pods of the cluster DNS as peer, or state outside nameservers under spec.nameservers',
      threats: ['netpol/additive-allow'],
    },
    'gateway-by-label': {
      severity: 'high',
      enforcementAction: 'warn',
      why: 'any pod whose author writes {value} counts as the egress gateway here, in any namespace with such labels',
      fix: 'name the namespace by label kubernetes.io/metadata.name: {namespace}, beside the pod labels',
      threats: ['netpol/gateway-labels'],
    },
    'egress-ignored': {
      severity: 'high',
      enforcementAction: 'warn',
      why: 'policyTypes leaves out Egress, so these egress rules hold nothing back',
      fix: 'name Egress under spec.policyTypes, or remove the egress rules',
      threats: ['netpol/policy-types'],
    },
  },
  check(subject, tools) {
    if (subject.subresource !== '' || !requireLists(subject, tools, ['policyTypes', 'egress'])) return
    const spec = field(subject.object, 'spec')
    const rules = list(field(spec, 'egress'))
    if (rules.length === 0) return
    const types = list(field(spec, 'policyTypes'))
    if (types.length > 0 && !types.includes('Egress')) {
      // What is ignored opens nothing either.
      if (subject.namespaceClass === 'governed') tools.report('egress-ignored', { path: ['spec', 'policyTypes'] })
      return
    }
    const mayOpen = subject.namespaceClass === 'platform' || isFree(subject.ref.namespace, tools)
    const isFreed = mayOpen || isGatewayPolicy(subject, tools.facts)
    for (const [i, rule] of rules.entries()) {
      const path = ['spec', 'egress', i]
      if (isFields(rule)) judgeRule(rule, path, { isFreed, namespace: subject.ref.namespace }, tools)
      else tools.malformed(path, 'must be a mapping')
    }
  },
})

/** A namespace whose every pod may opt out of the proxy is free to reach what it likes. */
function isFree(namespace: string, { facts }: Judge): boolean {
  return facts.workloads.mayOptOut.some(fact => fact.namespace === namespace && fact.serviceAccounts.includes('*'))
}
