import { gatewayNamespaces } from '../../core/gateway.ts'
import { refOf } from '../../core/kind.ts'
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
  const isEgress = gatewayNamespaces(tools.facts).includes(namespace)
  const lent = list(field(spec, 'to')).filter(to => !isCredential(to, isEgress))
  if (lent.length === 0) return
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

/** A certificate by its name is lent on purpose; all that an egress gateway has are not. */
function isCredential(to: unknown, isEgress: boolean): boolean {
  return credentials.has(field(to, 'kind')) && !(isEgress && field(to, 'name') === undefined)
}

/** Services that are other names for hosts, by the list of a namespace's Services, the same while nothing changes. */
const known = new WeakMap<readonly Fields[], ReadonlyMap<string, string>>()

function aliasesOf(services: readonly Fields[]): ReadonlyMap<string, string> {
  const before = known.get(services)
  if (before !== undefined) return before
  const aliases = new Map<string, string>()
  for (const service of services) {
    if (dig(service, 'spec', 'type') !== 'ExternalName') continue
    aliases.set(refOf(service).name, String(dig(service, 'spec', 'externalName')))
  }
  known.set(services, aliases)
  return aliases
}

/** Returns the first way out that is lent: without a name all Services of the namespace are. */
function outsideOf(lent: readonly unknown[], namespace: string, { facts, inventory }: Judge): string | undefined {
  const aliases = aliasesOf(inventory.list('Service', namespace))
  for (const to of lent) {
    if (field(to, 'kind') !== 'Service') continue
    const name = text(field(to, 'name'))
    for (const [alias, host] of aliases) {
      if ((name ?? alias) !== alias || isClusterHost(host, facts.mesh.clusterDomain)) continue
      return `Service "${alias}" for "${host}"`
    }
  }
  return undefined
}
