import { dataPlaneOf } from '../../core/dataplane.ts'
import { webhookKind } from '../../core/injector.ts'
import { type Pod, podOf } from '../../core/pod.ts'
import { defineRule } from '../../core/rule.ts'
import { mayDeviate } from '../../core/workload.ts'
import { dig } from '../../istio/json.ts'
import { applicationContainersOf, runsAs } from '../../istio/privilege.ts'
import { workloadKinds } from '../../istio/workload.ts'
import { type Setting, settings } from './setting.ts'

interface Params {
  readonly expected: readonly Setting[]
}

export default defineRule<'unstated', Params>({
  id: 'require-stated-privileges',
  summary: 'Require that containers state their user and give up what they do not need',
  risk: [
    'What a container does not state its image and the runtime choose: the image may name the proxy’s user, runtimes grant',
    'SETUID, SETGID and often NET_RAW, and a setuid file makes any user of one. No manifest shows that, so only a stated',
    'user and dropped capabilities close it. Nearly every sample application leaves these out, so the baseline only counts',
    'what it finds (dryrun); set the rule to deny for namespaces that keep Pod Security `restricted`.',
  ].join(' '),
  team: [
    'Nearly every sample says nothing about users and capabilities, so this is only counted. A few lines of',
    '`securityContext` (`runAsNonRoot`, a user, `drop: [ALL]`, `allowPrivilegeEscalation: false`) settle it, and Pod',
    'Security "restricted" asks for the same.',
  ].join(' '),
  judges: workloadKinds,
  reads: ['ConfigMap', 'Namespace', webhookKind],
  facts: ['workloads', 'mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed'],
  outsideLaw: false,
  params: {
    expected: {
      doc: 'What each container must state, itself or by its pod.',
      schema: { type: 'array', items: { enum: Object.keys(settings) } },
      default: ['capabilities.drop', 'allowPrivilegeEscalation', 'runAsNonRoot', 'runAsUser'],
    },
  },
  messages: {
    unstated: {
      severity: 'high',
      enforcementAction: 'dryrun',
      why: 'with {value} unset a process may become the proxy’s user, or send packets past redirection',
      fix: 'set them in securityContext: drop ALL, no escalation, a numeric user other than 0',
      threats: ['pod/image-user-1337', 'pod/root-setuid', 'pod/cap-net-raw'],
    },
  },
  check(subject, tools) {
    // The status of a pod states no privileges.
    if (subject.subresource === 'status') return
    const pod = podOf(subject, tools)
    if (pod === undefined) return
    if (mayDeviate(tools.facts.workloads.mayHavePrivileges, subject.ref.namespace, pod)) return
    const plane = dataPlaneOf(subject, pod, tools)
    if (plane === 'node' || plane === 'none') return
    // To ambient mode one user is like another.
    const asked = tools.params.expected.filter(name => plane === 'sidecar' || name === 'capabilities.drop')
    for (const { list, index, container } of applicationContainersOf(pod.template)) {
      if (saysEnough(pod, container)) continue
      const missing = asked.filter(name => !settings[name](pod, container))
      if (missing.length === 0) continue
      tools.report('unstated', { path: pod.at('spec', list, index, 'securityContext'), value: missing.join(', ') })
    }
  },
})

/** Who is privileged, or root by its own word, hides nothing: `no-escape-privileges` speaks of that. */
function saysEnough(pod: Pod, container: unknown): boolean {
  return (
    dig(container, 'securityContext', 'privileged') === true ||
    runsAs(pod.template, container, 'runAsUser')?.value === 0
  )
}
