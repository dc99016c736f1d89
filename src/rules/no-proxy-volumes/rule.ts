import { podOf } from '../../core/pod.ts'
import { defineRule } from '../../core/rule.ts'
import { mayDeviate } from '../../core/workload.ts'
import { field, list, text } from '../../istio/json.ts'
import { applicationContainersOf } from '../../istio/privilege.ts'
import { usesHostNetwork, workloadKinds } from '../../istio/workload.ts'

type Message = 'proxy-volume'

interface Params {
  readonly volumes: readonly string[]
}

/**
 * Volumes that the template brings for the proxy and that hold its identity or its configuration, and what is gained by
 * each. Roots of trust and what the pod says of itself are no secrets, and not among them.
 *
 * Istio: istio-discovery chart, files/injection-template.yaml (volumes).
 */
const volumes: ReadonlyMap<string, string> = new Map([
  ['credential-socket', 'the socket by which the proxy gets its credentials'],
  ['custom-bootstrap-volume', 'the bootstrap of the proxy'],
  ['gke-workload-certificate', 'the certificate and key of the proxy'],
  ['istio-data', 'the data of the agent'],
  ['istio-envoy', 'the configuration of Envoy and the socket by which it gets certificates'],
  ['istio-token', 'the token by which the proxy proves who it is'],
  ['workload-certs', 'the certificate and key of the proxy'],
  ['workload-socket', 'the socket by which the proxy gets its certificates'],
])

export default defineRule<Message, Params>({
  id: 'no-proxy-volumes',
  summary: 'Disallow application containers that mount the volumes of the proxy',
  risk: [
    'The volumes that injection brings hold what the proxy is in the mesh: its token, its keys and the sockets by which it',
    'gets them, and the configuration it starts with. An application that mounts one by its name can speak to the egress',
    'gateway and to the control plane as the proxy does, without its rules, or change what the proxy runs with.',
  ].join(' '),
  judges: workloadKinds,
  reads: [],
  facts: ['workloads'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed'],
  outsideLaw: false,
  params: {
    volumes: {
      doc: 'Volumes of the proxy that application containers may mount all the same, such as workload-socket with SPIRE.',
      schema: { type: 'array', items: { enum: [...volumes.keys()] } },
      default: [],
    },
  },
  messages: {
    'proxy-volume': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the container mounts volume "{value}" of the proxy: {what}',
      fix: 'remove the mount, or give a volume of your own another name',
      threats: ['pod/injected-volume'],
    },
  },
  check(subject, tools) {
    // The status of a pod mounts nothing.
    if (subject.subresource === 'status') return
    const pod = podOf(subject, tools)
    if (pod === undefined || usesHostNetwork(pod.template)) return
    if (mayDeviate(tools.facts.workloads.mayOptOut, subject.ref.namespace, pod)) return
    for (const { list: of, index, container } of applicationContainersOf(pod.template)) {
      for (const [i, mount] of list(field(container, 'volumeMounts')).entries()) {
        const value = text(field(mount, 'name')) ?? ''
        const what = volumes.get(value)
        if (what === undefined || tools.params.volumes.includes(value)) continue
        tools.report('proxy-volume', {
          path: pod.at('spec', of, index, 'volumeMounts', i, 'name'),
          value,
          slots: { what },
        })
      }
    }
  },
})
