import type { Path } from '../../core/path.ts'
import { defineRule, type Tools } from '../../core/rule.ts'
import { dig, list, text } from '../../istio/json.ts'
import { type PodTemplate, podTemplateOf, usesHostNetwork, workloadKinds } from '../../istio/workload.ts'
import { probeHostsOf } from './probe.ts'
import { remoteVolume } from './volume.ts'

type Message = 'probe-host' | 'remote-volume'

interface Params {
  readonly volumeSources: readonly string[]
  readonly csiDrivers: readonly string[]
}

type Judge = Tools<Message, Params>

export default defineRule<Message, Params>({
  id: 'no-node-egress',
  summary: 'Disallow pods that make their node connect to the outside',
  risk: [
    'Some of what a pod asks for the node does itself, from its own network, which no proxy sees: it calls the host of a',
    'probe or hook, and fetches network volumes. With the right host that is a way to send, and with a volume one to carry',
    'any data. Volumes by a claim are the platform’s to configure and are not judged. Images are pulled by the node too;',
    'which registries it may reach is for its container runtime and firewall.',
  ].join(' '),
  team: [
    'A health check that probes the public name of the service. Leave `host` out, and the kubelet asks the pod',
    'itself. File servers that are known are accepted with `params.volumeSources`.',
  ].join(' '),
  judges: workloadKinds,
  reads: [],
  facts: [],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed'],
  outsideLaw: false,
  params: {
    volumeSources: {
      doc: 'Where network volumes may come from: servers, portals, monitors and the like, exactly as pods write them.',
      schema: { type: 'array', items: { type: 'string', minLength: 1 } },
      default: [],
    },
    csiDrivers: {
      doc: 'CSI drivers whose inline volumes stay on the node, or reach only what the platform configured.',
      schema: { type: 'array', items: { type: 'string', minLength: 1 } },
      default: ['csi.cert-manager.io', 'csi.spiffe.io', 'secrets-store.csi.k8s.io'],
    },
  },
  messages: {
    'probe-host': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'the node connects to "{value}", not to the pod, and no proxy sees it',
      fix: 'remove host, so that the pod itself is asked',
      threats: ['pod/kubelet-egress'],
    },
    'remote-volume': {
      severity: 'medium',
      enforcementAction: 'deny',
      why: 'the node itself fetches the volume, from "{value}", and no proxy sees it',
      fix: 'use a claim of a storage class that the platform provides, or have the source accepted (params.volumeSources)',
      threats: ['pod/kubelet-egress'],
    },
  },
  check(subject, tools) {
    // The status of a pod asks nothing of its node.
    if (subject.subresource === 'status') return
    const pod = podTemplateOf(subject.kind, subject.object)
    if (pod === undefined) return
    judgeProbes(pod, tools)
    for (const [i, volume] of list(dig(pod.template, 'spec', 'volumes')).entries()) {
      judgeVolume(volume, [...pod.root, 'spec', 'volumes', i], tools)
    }
  },
})

/** In the network of the node the node's own addresses are the pod's too. */
const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/i

function judgeProbes({ root, template }: PodTemplate, tools: Judge): void {
  for (const { path, host } of probeHostsOf(template)) {
    if (usesHostNetwork(template) && loopback.test(host)) continue
    tools.report('probe-host', { path: [...root, ...path], value: host })
  }
}

function judgeVolume(volume: unknown, at: Path, { params, report, notJudged }: Judge): void {
  const driver = text(dig(volume, 'csi', 'driver'))
  if (driver !== undefined && params.csiDrivers.includes(driver)) return
  const remote = remoteVolume(volume)
  if (remote !== undefined) {
    const { path, sources } = remote
    const foreign = sources.filter(source => !params.volumeSources.includes(source))
    if (sources.length > 0 && foreign.length === 0) return
    report('remote-volume', { path: [...at, ...path], value: foreign.join(', ') })
  } else if (driver !== undefined) {
    const unknown = `whether CSI driver "${driver}" connects to the outside`
    const fix = 'name the driver in params.csiDrivers where it does not, else use a claim'
    notJudged([...at, 'csi', 'driver'], unknown, fix)
  }
}
