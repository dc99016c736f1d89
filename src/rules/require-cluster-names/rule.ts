import { authoredContainersOf } from '../../core/dataplane.ts'
import { webhookKind } from '../../core/injector.ts'
import { type Pod, podOf } from '../../core/pod.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { show } from '../../core/text.ts'
import { giveRanges, judgeUncaptured } from '../../core/uncaptured.ts'
import { mayDeviate } from '../../core/workload.ts'
import { nothing, parseAddress, rangesOf, union } from '../../istio/cidr.ts'
import { dig, field, list, text } from '../../istio/json.ts'
import { gatewayApiKind } from '../../istio/kinds.ts'
import { usesHostNetwork, workloadKinds } from '../../istio/workload.ts'
import { judgeAliases } from './alias.ts'

/** What this rule can say. */
export type Message = 'outside-nameserver' | 'node-names' | 'forced-address' | 'host-alias' | 'mounted-names'

/** What this rule judges with. */
export type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'require-cluster-names',
  summary: 'Require that pods learn addresses from the cluster’s own name service',
  risk: [
    'Whoever answers for names chooses addresses, and what a pod asks may itself carry data out: names go over UDP, which',
    'the proxy does not see but with DNS capture. A pod can name other nameservers, and write names into its own',
    '`/etc/hosts`. Where a proxy takes the address from the application (headless services, entries without resolution,',
    'ambient mode) such a line decides where a connection goes. Nameservers in the cluster and those under',
    '`spec.nameservers` pass.',
  ].join(' '),
  team: [
    'A resolver of the office, or a fixed address for a name that moved. Have the resolver added to',
    '`spec.nameservers`; for a name register a ServiceEntry.',
  ].join(' '),
  judges: workloadKinds,
  reads: ['ConfigMap', 'Namespace', 'Service', webhookKind, gatewayApiKind],
  facts: ['approvedHosts', 'mesh', 'nameservers', 'ranges', 'workloads'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed'],
  outsideLaw: false,
  params: {},
  messages: {
    'outside-nameserver': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'the pod asks {value} for names, outside the cluster: an answer can be false, and a question carries data out',
      fix: 'remove the nameserver, or have it listed under spec.nameservers',
      threats: ['pod/dns-policy'],
    },
    'node-names': {
      severity: 'low',
      enforcementAction: 'warn',
      why: 'the pod asks the nameservers of its node, which know no Services and may be outside',
      fix: 'set dnsPolicy to ClusterFirst',
      threats: ['pod/dns-policy'],
    },
    'forced-address': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: '"{name}" is {what}, and to this pod it is at {value}, whatever the name service says',
      fix: 'remove the name from hostAliases',
      threats: ['pod/host-aliases'],
    },
    'host-alias': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: '"{name}" is at {value} to this pod alone, which neither its proxy nor the name service knows',
      fix: 'remove the name from hostAliases, and give it a Service or ServiceEntry',
      threats: ['pod/host-aliases'],
    },
    'mounted-names': {
      severity: 'medium',
      enforcementAction: 'warn',
      why: 'what is mounted at {value} says where names are, and is not in the pod to be judged',
      fix: 'remove the mount',
      threats: ['pod/host-aliases', 'pod/dns-policy'],
    },
  },
  check(subject, tools) {
    // The status of a pod says nothing of names.
    if (subject.subresource === 'status') return
    const pod = podOf(subject, tools)
    if (pod === undefined || usesHostNetwork(pod.template)) return
    const { namespace } = subject.ref
    if (mayDeviate(tools.facts.workloads.mayOptOut, namespace, pod)) return
    judgeNameservers(pod, tools)
    judgeAliases(pod, namespace, tools)
    judgeMounts(subject, pod, tools)
  },
})

/** Where NodeLocal DNSCache listens on each node by default. */
const nodeCache = rangesOf('169.254.20.10/32')

/** Nameservers count with every dnsPolicy: they are added to those that it stands for. */
function judgeNameservers(pod: Pod, tools: Judge): void {
  if (dig(pod.template, 'spec', 'dnsPolicy') === 'Default') {
    tools.report('node-names', { path: pod.at('spec', 'dnsPolicy'), value: 'Default' })
  }
  const nameservers = list(dig(pod.template, 'spec', 'dnsConfig', 'nameservers'))
  if (nameservers.length === 0) return
  const { facts } = tools
  const accepted = union(union(facts.nameservers ?? nothing, facts.ranges.virtualMachines ?? nothing), nodeCache)
  for (const [i, given] of nameservers.entries()) {
    const value = show(given)
    const path = pod.at('spec', 'dnsConfig', 'nameservers', i)
    const address = parseAddress(value)
    // The API server refuses what is no address.
    if (!address.ok) continue
    const answer = judgeUncaptured(address.value, facts, accepted)
    if (answer.leaves === 'yes') tools.report('outside-nameserver', { path, value })
    if (answer.leaves === 'unknown')
      tools.notJudged(path, `whether ${answer.outside} is inside the cluster`, giveRanges)
  }
}

/** Files that the kubelet writes for a pod, and directories that hold them. */
const nameFiles: ReadonlySet<string> = new Set(['/etc', '/etc/hosts', '/etc/nsswitch.conf', '/etc/resolv.conf'])

function judgeMounts(subject: Subject, pod: Pod, tools: Judge): void {
  for (const { list: of, index, container } of authoredContainersOf(subject, pod, tools)) {
    for (const [i, mount] of list(field(container, 'volumeMounts')).entries()) {
      const value = cleanPath(text(field(mount, 'mountPath')) ?? '')
      if (!nameFiles.has(value)) continue
      tools.report('mounted-names', { path: pod.at('spec', of, index, 'volumeMounts', i, 'mountPath'), value })
    }
  }
}

/** Returns a path as the container runtime takes it: from the root, without dots and repeated slashes. */
function cleanPath(path: string): string {
  const names: string[] = []
  for (const name of path.split('/')) {
    if (name === '..') names.pop()
    else if (name !== '' && name !== '.') names.push(name)
  }
  return `/${names.join('/')}`
}
