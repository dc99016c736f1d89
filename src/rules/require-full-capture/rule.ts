import type { Path } from '../../core/path.ts'
import type { Pod } from '../../core/pod.ts'
import { proxiedPodOf, proxyConfigAnnotation } from '../../core/proxysettings.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { meets, rangesOf } from '../../istio/cidr.ts'
import { parseGoBool } from '../../istio/injection.ts'
import { workloadKinds } from '../../istio/workload.ts'
import { proxyConfigKind, variableOf } from './variable.ts'

type Message = 'names-not-captured' | 'second-family-not-captured'

type Judge = Tools<Message, Record<never, never>>

const everyIPv4 = rangesOf('0.0.0.0/0')
const everyIPv6 = rangesOf('::/0')

export default defineRule<Message, Record<never, never>>({
  id: 'require-full-capture',
  summary: 'Require capture of names, and of both address families in dual-stack clusters',
  risk: [
    'Without DNS capture a pod asks the name service past its proxy: hosts of ServiceEntries without an address share one',
    'listener, and addresses that Istio allocates are never used. Where pods have an address of each family, only the first',
    'decides which rules of redirection are written, unless dual stack is switched on: what goes to the other family leaves',
    'uncaptured. Both are set in the mesh configuration, for a namespace or for a pod; final pods show what came of it.',
  ].join(' '),
  team: [
    'The cluster has two address families, or the policy relies on names that only DNS capture gives. One setting for',
    'the whole mesh (`ISTIO_DUAL_STACK`, `ISTIO_META_DNS_CAPTURE`) serves every team.',
  ].join(' '),
  judges: workloadKinds,
  reads: ['ConfigMap', proxyConfigKind],
  facts: ['mesh', 'ranges', 'workloads'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed'],
  outsideLaw: false,
  params: {},
  messages: {
    'names-not-captured': {
      severity: 'medium',
      enforcementAction: 'off',
      why: 'names are asked for past the proxy, so that hosts without an address of their own are told apart badly',
      fix: 'set proxyMetadata ISTIO_META_DNS_CAPTURE to "true" in defaultConfig of the mesh configuration',
      threats: ['pod/dns-capture-off'],
    },
    'second-family-not-captured': {
      severity: 'high',
      enforcementAction: 'warn',
      why: 'pods have addresses of both families, and only that of the first is redirected to the proxy',
      fix: 'set proxyMetadata ISTIO_DUAL_STACK to "true" in defaultConfig of the mesh configuration',
      threats: ['pod/ipv6-uncaptured'],
    },
  },
  check(subject, tools) {
    // The status of a pod captures nothing.
    if (subject.subresource === 'status') return
    const pod = proxiedPodOf(subject, tools)
    if (pod === undefined) return
    judge('names-not-captured', 'ISTIO_META_DNS_CAPTURE', { subject, pod, tools })
    const { pods } = tools.facts.ranges
    const isDual = pods !== undefined && meets(pods, everyIPv4) && meets(pods, everyIPv6)
    if (isDual) judge('second-family-not-captured', 'ISTIO_DUAL_STACK', { subject, pod, tools })
  },
})

interface Scene {
  readonly subject: Subject
  readonly pod: Pod
  readonly tools: Judge
}

/** Istio: cni/pkg/plugin/sidecar_redirect.go (NewRedirect); tools/common/config/config.go (getLocalIP). */
function judge(message: Message, name: string, { subject, pod, tools }: Scene): void {
  const variable = variableOf(name, subject, pod, tools)
  if (variable === 'unknown' || parseGoBool(variable.value) === true) return
  const path: Path = variable.ofPod ? pod.at('metadata', 'annotations', proxyConfigAnnotation) : pod.at('spec')
  tools.report(message, { path, value: variable.value })
}
