import { podOf } from '../../core/pod.ts'
import { defineRule } from '../../core/rule.ts'
import { few } from '../../core/uncaptured.ts'
import { usesHostNetwork, workloadKinds } from '../../istio/workload.ts'
import { readNetworks } from './network.ts'

type Message = 'second-network' | 'other-route'

interface Params {
  readonly networks: readonly string[]
}

/** Annotations of Multus: networks beside the cluster's, and one in its place. */
const annotations = ['k8s.v1.cni.cncf.io/networks', 'v1.multus-cni.io/default-network'] as const

/** The network by which Istio's CNI plugin is run on OpenShift; the injector names it in each pod. */
const istioNetwork = 'default/istio-cni'

export default defineRule<Message, Params>({
  id: 'no-second-network',
  summary: 'Disallow networks of pods beside the one whose traffic is guarded',
  risk: [
    'With Multus a pod gets further interfaces, or another network in place of the cluster’s. What leaves by them is mostly',
    'not seen by NetworkPolicies, and of what is not TCP the proxy sees nothing. Networks that an organisation has looked',
    'at, such as one for storage, are accepted by name. The one by which the injector has Istio’s CNI plugin run passes.',
  ].join(' '),
  team: [
    'A device or storage network by Multus. The platform accepts it by name (`params.networks`) where NetworkPolicy',
    'reaches it as well.',
  ].join(' '),
  judges: workloadKinds,
  reads: [],
  facts: [],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed'],
  outsideLaw: false,
  params: {
    networks: {
      doc: 'Networks that pods may be in, as `namespace/name` of their NetworkAttachmentDefinition.',
      schema: { type: 'array', items: { type: 'string', pattern: '^[^/]+/[^/]+$' } },
      default: [],
    },
  },
  messages: {
    'second-network': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'by network {outside} traffic leaves that NetworkPolicies, and but for TCP the proxy, do not see',
      fix: 'remove the network, or have it accepted (params.networks)',
      threats: ['pod/multus-network'],
    },
    'other-route': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'network "{value}" takes the place of the cluster’s for all that leaves the pod',
      fix: 'remove default-route from the network',
      threats: ['pod/multus-network'],
    },
  },
  check(subject, tools) {
    const pod = podOf(subject, tools)
    // Multus leaves the network of the node alone: no-host-network speaks of that.
    if (pod === undefined || usesHostNetwork(pod.template)) return
    for (const annotation of annotations) {
      const value = pod.annotations.get(annotation)
      if (value === undefined) continue
      const path = pod.at('metadata', 'annotations', annotation)
      const networks = readNetworks(value, subject.ref.namespace)
      const isAccepted = (name: string): boolean => name === istioNetwork || tools.params.networks.includes(name)
      const outside = networks.filter(({ name }) => !isAccepted(name)).map(({ name }) => `"${name}"`)
      if (outside.length > 0) tools.report('second-network', { path, value, slots: { outside: few(outside) } })
      const other = networks.find(({ name, takesDefaultRoute }) => takesDefaultRoute && isAccepted(name))
      if (other !== undefined) tools.report('other-route', { path, value: other.name })
    }
  },
})
