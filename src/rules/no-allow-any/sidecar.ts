import { gatewayOfHost } from '../../core/gateway.ts'
import { meshMode } from '../../core/mesh.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { dig, stringMap, text } from '../../istio/json.ts'
import { sidecarOutboundPolicy } from '../../istio/meshconfig.ts'
import { resolveHost } from '../../istio/name.ts'
import type { Judge } from './rule.ts'

const path: Path = ['spec', 'outboundTrafficPolicy']

/** Judges what a Sidecar does with traffic to destinations that are not in the registry. */
export function judgeSidecar(subject: Subject, tools: Judge): void {
  const isRoot = subject.ref.namespace === tools.facts.mesh.rootNamespace
  if (subject.namespaceClass === 'notGoverned' && !isRoot) return
  const policy = sidecarOutboundPolicy(dig(subject.object, 'spec'))
  const selected = selectedBy(subject.object)
  if (policy.absent) return judgeSilence(selected, tools)
  if (policy.mode === 'REGISTRY_ONLY') return
  const proxy = policy.egressProxy
  // In the mode that looks names up, plain HTTP goes where its host says, whatever the proxy: pilot/pkg/networking/core/
  // httproute.go (buildCatchAllVirtualHost).
  if (proxy !== undefined && policy.mode === 'ALLOW_ANY') {
    // Sending the rest to the egress gateway is a way to use it, not one around it.
    if (isEgressGateway(proxy.host, subject.ref.namespace, tools)) return
    tools.report('egress-proxy', { path: [...path, 'egressProxy', 'host'], value: proxy.host })
    return
  }
  const mode = text(dig(subject.object, 'spec', 'outboundTrafficPolicy', 'mode')) ?? policy.mode
  const namespace = isRoot ? 'every namespace without a Sidecar of its own' : `namespace "${subject.ref.namespace}"`
  const whose = selected === '' ? namespace : `pods with ${selected} in namespace "${subject.ref.namespace}"`
  // The selector is part of the breach: taking it away opens the whole namespace.
  const value = selected === '' ? mode : `${mode} for ${selected}`
  tools.report('sidecar-allow-any', { path: [...path, 'mode'], value, slots: { mode, whose } })
}

function judgeSilence(selected: string, tools: Judge): void {
  const mode = meshMode(tools.facts, tools.inventory)
  if (mode === 'REGISTRY_ONLY') return
  if (mode !== undefined) return tools.report('sidecar-silent', { path: ['spec'], value: selected })
  const fix = 'set the mode, or spec.mesh.outboundTrafficPolicy in the policy'
  tools.notJudged(path, 'which mode the mesh gives a Sidecar that names none', fix)
}

/** Returns the labels that a Sidecar selects pods by; empty where it is for all of its namespace. */
function selectedBy(sidecar: unknown): string {
  const labels = stringMap(dig(sidecar, 'spec', 'workloadSelector', 'labels'))
  return [...labels]
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(',')
}

function isEgressGateway(host: string, namespace: string, tools: Judge): boolean {
  return gatewayOfHost(resolveHost(host, namespace, tools.facts.mesh.clusterDomain), tools.facts) !== undefined
}
