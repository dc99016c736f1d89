import type { Pod } from '../../core/pod.ts'
import {
  proxiedPodOf,
  proxyConfigAnnotation,
  proxyConfigOf,
  proxySettingKinds,
  settingsOfMany,
  settingsOfPod,
} from '../../core/proxysettings.ts'
import { defineRule } from '../../core/rule.ts'
import { captureAnnotations } from '../../istio/capture.ts'
import { judgeAnnotations } from './annotation.ts'
import { type Judge, type Message, messages, type Params } from './message.ts'
import { judgeSettings } from './setting.ts'

const names = { type: 'array', items: { type: 'string', minLength: 1 } }

export default defineRule<Message, Params>({
  id: 'no-proxy-reconfiguration',
  summary: 'Disallow settings that hand the proxy to somebody else',
  risk: [
    'Nearly everything about a proxy can be set from the pod that it guards: the control plane it believes, its bootstrap,',
    'the program it runs, volumes that lie over its files, and the environment of the container that sets up redirection,',
    'by which that can be switched off. A ProxyConfig does the same for a namespace, `defaultConfig` of the mesh',
    'configuration for all. Settings and variables that are known to be harmless pass, such as concurrency, draining,',
    'sampling and DNS capture; of telemetry it is judged where it goes.',
  ].join(' '),
  team: [
    '`holdApplicationUntilProxyStarts`, `concurrency`, drain times, tags and sampling pass. Anything else in',
    '`proxy.istio.io/config` changes what the proxy obeys: ask the platform to set it for the mesh, or to accept the',
    'setting (`params.settings`).',
  ].join(' '),
  judges: proxySettingKinds,
  reads: ['Service'],
  facts: ['approvedHosts', 'mesh', 'ranges', 'telemetryProviders', 'workloads'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {
    discoveryAddresses: {
      doc: 'Control planes that proxies may use besides those of the root namespace, such as that of an external installation.',
      schema: names,
      default: [],
    },
    settings: {
      doc: [
        'Fields of the proxy’s configuration that may be set besides harmless ones, by name from the top, with all below:',
        'such as `readinessProbe` or `tracing.zipkin.address`.',
      ].join(' '),
      schema: names,
      default: [],
    },
    variables: {
      doc: 'Variables that `proxyMetadata` and ProxyConfigs may hold besides those that Istio documents for users.',
      schema: names,
      default: [],
    },
    volumeTypes: {
      doc: 'Types of volumes that a pod may give its proxy, such as secret or configMap.',
      schema: names,
      default: [],
    },
    mountPaths: {
      doc: 'Paths at which a pod may mount volumes into its proxy, exact.',
      schema: { type: 'array', items: { type: 'string', pattern: '^/.' } },
      default: [],
    },
  },
  messages,
  check(subject, tools) {
    const { namespace } = subject.ref
    const pod = proxiedPodOf(subject, tools)
    if (pod === undefined) {
      for (const held of settingsOfMany(subject, tools)) judgeSettings(held, namespace, tools)
      return
    }
    judgeAnnotations(pod, subject.phase === 'final', tools)
    judgeReadable(pod, tools)
    for (const held of settingsOfPod(pod)) judgeSettings(held, namespace, tools)
  },
})

/** Where a pod says its mode elsewhere, no-capture-bypass does not ask the annotation, and so does not see its faults. */
function judgeReadable(pod: Pod, tools: Judge): void {
  const read = proxyConfigOf(pod)
  if (read === undefined || read.ok || !pod.annotations.has(captureAnnotations.interceptionMode)) return
  const value = String(pod.annotations.get(proxyConfigAnnotation))
  tools.report('unreadable', {
    path: pod.at('metadata', 'annotations', proxyConfigAnnotation),
    value,
    slots: { problem: read.why },
  })
}
