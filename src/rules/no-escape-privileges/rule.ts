import { type DataPlane, dataPlaneOf } from '../../core/dataplane.ts'
import { webhookKind } from '../../core/injector.ts'
import { type Pod, podOf } from '../../core/pod.ts'
import { defineRule } from '../../core/rule.ts'
import { mayDeviate } from '../../core/workload.ts'
import { dig, field, isFields, list, text } from '../../istio/json.ts'
import { gatewayApiKind } from '../../istio/kinds.ts'
import { workloadKinds } from '../../istio/workload.ts'
import { judgeContainers } from './container.ts'
import { acceptsPath } from './hostpath.ts'
import { type Judge, type Message, messages, type Params } from './message.ts'

export default defineRule<Message, Params>({
  id: 'no-escape-privileges',
  summary: 'Disallow privileges with which a container can undo the capture of its traffic',
  risk: [
    'Redirection is a handful of rules in the network of the pod, and a user that they leave alone. A process that may',
    'rewrite the rules, become that user, send raw packets or reach into the node walks past them. Root, capabilities,',
    'namespaces and paths of the node are judged by what they can do, in every spelling that container runtimes take; a',
    'container counts with what it inherits from its pod. Node agents that need such rights stand under',
    '`spec.workloads.mayHavePrivileges`.',
  ].join(' '),
  team: [
    'An image that runs as root or asks for a capability it inherited from a tutorial. Most run with `drop: [ALL]`',
    'and a user of their own; to listen below port 1024 use a higher port and let the Service map it. Node agents',
    'belong to `spec.workloads.mayHavePrivileges`.',
  ].join(' '),
  judges: workloadKinds,
  reads: ['ConfigMap', 'Namespace', webhookKind, gatewayApiKind],
  facts: ['workloads', 'mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed'],
  outsideLaw: false,
  params: {
    capabilities: {
      doc: 'Capabilities that containers may add all the same, such as SYS_NICE.',
      schema: { type: 'array', items: { type: 'string', minLength: 1 } },
      default: [],
    },
    hostPaths: {
      doc: 'Paths of the node that pods may mount, with everything below them; never what is above.',
      schema: { type: 'array', items: { type: 'string', minLength: 1 } },
      default: [],
    },
    nodePathDrivers: {
      doc: 'CSI drivers that show pods paths of the node which the pod names: add what the cluster has of that kind.',
      schema: { type: 'array', items: { type: 'string', minLength: 1 } },
      default: ['hostpath.csi.k8s.io'],
    },
  },
  messages,
  check(subject, tools) {
    // The status of a pod gives it no rights.
    if (subject.subresource === 'status') return
    const pod = podOf(subject, tools)
    if (pod === undefined) return
    if (mayDeviate(tools.facts.workloads.mayHavePrivileges, subject.ref.namespace, pod)) return
    const plane = dataPlaneOf(subject, pod, tools)
    judgePod(pod, plane, tools)
    judgeVolumes(pod, tools)
    judgeContainers(subject, pod, plane, tools)
  },
})

const hostNamespaces = [
  ['hostPID', 'all processes'],
  ['hostIPC', 'memory of processes'],
] as const

function judgePod(pod: Pod, plane: DataPlane, tools: Judge): void {
  const spec = field(pod.template, 'spec')
  const account = pod.serviceAccount
  for (const [key, shared] of hostNamespaces) {
    if (field(spec, key) !== true) continue
    tools.report('host-namespace', { path: pod.at('spec', key), value: 'true', slots: { shared, account } })
  }
  // Processes of the node hold those of the pod already.
  if (plane === 'sidecar' && field(spec, 'shareProcessNamespace') === true && field(spec, 'hostPID') !== true) {
    tools.report('shared-processes', { path: pod.at('spec', 'shareProcessNamespace'), value: 'true' })
  }
  if (dig(spec, 'securityContext', 'windowsOptions', 'hostProcess') === true) {
    const path = pod.at('spec', 'securityContext', 'windowsOptions', 'hostProcess')
    tools.report('privileged', { path, value: 'true', slots: { account } })
  }
}

function judgeVolumes(pod: Pod, tools: Judge): void {
  for (const [i, volume] of list(dig(pod.template, 'spec', 'volumes')).entries()) {
    judgeDriver(pod, i, text(dig(volume, 'csi', 'driver')), tools)
    const hostPath = field(volume, 'hostPath')
    if (!isFields(hostPath)) continue
    const value = text(field(hostPath, 'path')) ?? ''
    if (acceptsPath(tools.params.hostPaths, value)) continue
    const path = pod.at('spec', 'volumes', i, 'hostPath', 'path')
    tools.report('host-path', { path, value, slots: { account: pod.serviceAccount } })
  }
}

function judgeDriver(pod: Pod, i: number, value: string | undefined, tools: Judge): void {
  if (value === undefined || !tools.params.nodePathDrivers.includes(value)) return
  const path = pod.at('spec', 'volumes', i, 'csi', 'driver')
  tools.report('node-driver', { path, value, slots: { account: pod.serviceAccount } })
}
