import { isEgressPlace } from '../../core/gatewayapi.ts'
import { isInside } from '../../core/outside.ts'
import type { Subject } from '../../core/rule.ts'
import { readReference } from '../../istio/gatewayapi.ts'
import { isClusterHost } from '../../istio/host.ts'
import { dig, field, list, text } from '../../istio/json.ts'
import { entryKind } from '../../istio/kinds.ts'
import type { Judge } from './rule.ts'

/**
 * Judges whom a policy for backends targets, all of its own namespace: Services of the mesh are their owners', the way to
 * what is outside is the platform's.
 *
 * Istio: pilot/pkg/config/kube/gateway/backend_policies.go (BackendTLSPolicyCollection, BackendTrafficPolicyCollection),
 * which knows Services and ServiceEntries.
 */
export function judgePolicy(subject: Subject, tools: Judge): void {
  if (subject.namespaceClass === 'notGoverned' || isEgressPlace(subject, tools.facts)) return
  const { namespace } = subject.ref
  for (const [i, given] of list(dig(subject.object, 'spec', 'targetRefs')).entries()) {
    const { kind, name } = readReference(given, { kind: 'Service', namespace })
    if (kind !== 'Service' && kind !== entryKind) continue
    const target = tools.inventory.find(kind, namespace, name)
    const value = kind === entryKind ? (isInside(field(target, 'spec')) ? undefined : name) : aliasOf(target, tools)
    if (value !== undefined) tools.report('foreign-trust', { path: ['spec', 'targetRefs', i, 'name'], value })
  }
}

function aliasOf(service: unknown, { facts }: Judge): string | undefined {
  const host = dig(service, 'spec', 'type') === 'ExternalName' ? text(dig(service, 'spec', 'externalName')) : undefined
  return host === undefined || isClusterHost(host, facts.mesh.clusterDomain) ? undefined : host
}
