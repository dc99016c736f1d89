import { podOf } from '../../core/pod.ts'
import { defineRule } from '../../core/rule.ts'
import { mayDeviate } from '../../core/workload.ts'
import { usesHostNetwork, workloadKinds } from '../../istio/workload.ts'

export default defineRule<'host-network', Record<never, never>>({
  id: 'no-host-network',
  summary: 'Disallow pods in the network of their node',
  risk: [
    'A pod with `hostNetwork: true` shares the network of its node. The injector leaves it out, the CNI plugin is not run',
    'for it and ambient mode does not take it, so whatever it sends leaves the cluster as traffic of the node.',
  ].join(' '),
  team: [
    'A metrics or log agent wants to see the node. If it really does, the platform names its service account under',
    '`spec.workloads.mayUseHostNetwork`; an application that only wanted a fixed port uses a Service instead.',
  ].join(' '),
  judges: workloadKinds,
  reads: [],
  facts: ['workloads'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed'],
  outsideLaw: false,
  params: {},
  messages: {
    'host-network': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'the pod uses the network of its node, where no proxy sees its traffic',
      fix: 'remove spec.hostNetwork, or name the service account "{account}" under spec.workloads.mayUseHostNetwork',
      threats: ['pod/host-network', 'pod/owner-reference-forged'],
    },
  },
  check(subject, tools) {
    const pod = podOf(subject, tools)
    if (pod === undefined || !usesHostNetwork(pod.template)) return
    if (mayDeviate(tools.facts.workloads.mayUseHostNetwork, subject.ref.namespace, pod)) return
    tools.report('host-network', {
      path: pod.at('spec', 'hostNetwork'),
      value: 'true',
      slots: { account: pod.serviceAccount },
    })
  },
})
