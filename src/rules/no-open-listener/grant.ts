import { gatewayNamespaces } from '../../core/gateway.ts'
import type { Subject } from '../../core/rule.ts'
import { isClusterHost } from '../../istio/host.ts'
import { dig, type Fields, field, list, text } from '../../istio/json.ts'
import type { Judge } from './rule.ts'

/** Kinds of what is lent that traffic is not sent to. */
const credentials: ReadonlySet<unknown> = new Set(['Secret', 'ConfigMap', 'ClusterTrustBundle'])

/**
 * Judges a ReferenceGrant: what it lends is the namespace's own, so only in the namespace of an egress gateway, or where
 * it lends a way out, is there something to say. Routes of the mesh need no grant.
 *
 * Istio: pilot/pkg/config/kube/gateway/conversion.go (buildDestination, enforceRefGrant).
 */
export function judgeGrant(subject: Subject, tools: Judge): void {
  const { namespace } = subject.ref
  const spec = field(subject.object, 'spec')
  const lent = list(field(spec, 'to')).filter(to => !credentials.has(field(to, 'kind')))
  if (lent.length === 0) return
  const isEgress = gatewayNamespaces(tools.facts).includes(namespace)
  const outside = isEgress ? undefined : outsideOf(lent, namespace, tools)
  if (!isEgress && outside === undefined) return
  for (const [i, from] of list(field(spec, 'from')).entries()) {
    const value = text(field(from, 'namespace')) ?? ''
    if (value === namespace) continue
    const path = ['spec', 'from', i, 'namespace']
    if (outside === undefined) tools.report('egress-grant', { path, value })
    else tools.report('grant', { path, value, slots: { what: outside } })
  }
}

/** Services that are other names for hosts outside, by the list of a namespace's Services. */
const known = new WeakMap<readonly Fields[], ReadonlyMap<string, string>>()

function aliasesOf(namespace: string, { facts, inventory }: Judge): ReadonlyMap<string, string> {
  const services = inventory.list('Service', namespace)
  const before = known.get(services)
  if (before !== undefined) return before
  const aliases = new Map<string, string>()
  for (const service of services) {
    const host =
      dig(service, 'spec', 'type') === 'ExternalName' ? text(dig(service, 'spec', 'externalName')) : undefined
    const name = text(dig(service, 'metadata', 'name'))
    if (host === undefined || name === undefined || isClusterHost(host, facts.mesh.clusterDomain)) continue
    aliases.set(name, host)
  }
  known.set(services, aliases)
  return aliases
}

function outsideOf(lent: readonly unknown[], namespace: string, tools: Judge): string | undefined {
  const aliases = aliasesOf(namespace, tools)
  for (const to of lent) {
    if (field(to, 'kind') !== 'Service') continue
    const name = text(field(to, 'name'))
    const [alias, host] = (name === undefined ? [...aliases][0] : [name, aliases.get(name)]) ?? []
    if (alias !== undefined && host !== undefined) return `Service "${alias}" for "${host}"`
  }
  return undefined
}
