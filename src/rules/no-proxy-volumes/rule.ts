import { type Pod, podOf } from '../../core/pod.ts'
import { defineRule, type Tools } from '../../core/rule.ts'
import { mayDeviate } from '../../core/workload.ts'
import { dig, field, isFields, list, text } from '../../istio/json.ts'
import { applicationContainersOf } from '../../istio/privilege.ts'
import { usesHostNetwork, workloadKinds } from '../../istio/workload.ts'

type Message = 'proxy-volume' | 'replaced-volume'

type Judge = Tools<Message, Params>

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
  team: [
    'A sidecar of the application wants the mesh’s certificates. Use cert-manager’s CSI driver or a certificate of',
    'its own: who holds the proxy’s key is the proxy.',
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
    'replaced-volume': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'volume "{value}" of the author’s stays in the place of the proxy’s, which takes its identity from there',
      fix: 'give the volume another name',
      threats: ['pod/injected-volume', 'pod/user-volume'],
    },
  },
  check(subject, tools) {
    // The status of a pod mounts nothing.
    if (subject.subresource === 'status') return
    const pod = podOf(subject, tools)
    if (pod === undefined || usesHostNetwork(pod.template)) return
    if (mayDeviate(tools.facts.workloads.mayOptOut, subject.ref.namespace, pod)) return
    judgeMounts(pod, tools)
    judgeVolumes(pod, tools)
  },
})

function judgeMounts(pod: Pod, tools: Judge): void {
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
}

/**
 * Volumes that the template writes as an `emptyDir` of nothing, which takes nothing away: a source of the author's stays. For
 * the others two sources come together, and the API server refuses the pod.
 */
const replaceable: ReadonlySet<string> = new Set(['credential-socket', 'workload-certs', 'workload-socket'])

/** Driver that shows a pod the socket of SPIRE, which Istio documents in the place of its own. */
const spireDriver = 'csi.spiffe.io'

function judgeVolumes(pod: Pod, tools: Judge): void {
  for (const [i, volume] of list(dig(pod.template, 'spec', 'volumes')).entries()) {
    const value = text(field(volume, 'name')) ?? ''
    if (!replaceable.has(value) || !isFields(volume) || tools.params.volumes.includes(value)) continue
    const isReplaced = Object.keys(volume).some(key => key !== 'name' && key !== 'emptyDir' && isFields(volume[key]))
    if (!isReplaced || dig(volume, 'csi', 'driver') === spireDriver) continue
    tools.report('replaced-volume', { path: pod.at('spec', 'volumes', i), value })
  }
}
