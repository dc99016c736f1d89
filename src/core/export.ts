import { dig, isFields, list } from '../istio/json.ts'
import { resolveHost } from '../istio/name.ts'
import { bindsMesh } from '../istio/virtualservice.ts'
import { readExportTo } from '../istio/visibility.ts'
import { namespaceLabels } from './inventory.ts'
import type { Subject, Tools } from './rule.ts'

/**
 * Returns whether a VirtualService or DestinationRule holds for clients of other namespaces that the policy cares for: it
 * is then its affair, whoever owns it. One for chosen workloads holds nowhere but at home. Istio:
 * pilot/pkg/model/push_context.go (initVirtualServices, setDestinationRules).
 *
 *     exportTo            answer, for an object of lab
 *     absent, [*]         true
 *     [.], [lab], [~]     false
 *     [shop]              where shop is governed or of the platform
 */
export function isSeenByOthers(
  { object, ref }: Subject,
  kind: 'VirtualService' | 'DestinationRule',
  { facts, inventory }: Pick<Tools<string, unknown>, 'facts' | 'inventory'>,
): boolean {
  if (kind === 'DestinationRule' && isFields(dig(object, 'spec', 'workloadSelector'))) return false
  const exportTo = list(dig(object, 'spec', 'exportTo')).filter(entry => typeof entry === 'string')
  const visibility = readExportTo(exportTo, kind, undefined)
  if (typeof visibility === 'string') return visibility === 'public'
  return [...visibility.namespaces].some(
    name =>
      name !== ref.namespace && facts.namespaces.classOf(name, namespaceLabels(inventory, name)) !== 'notGoverned',
  )
}

/**
 * Returns whether a VirtualService routes what clients of others send to hosts that are not its namespace's own Services:
 * for those, which may pass on what they are sent anyway, the routes are the owner's to give.
 */
export function routesForOthers(subject: Subject, tools: Pick<Tools<string, unknown>, 'facts' | 'inventory'>): boolean {
  const { object } = subject
  return bindsMesh(object) && !isForOwnServices(subject, tools) && isSeenByOthers(subject, 'VirtualService', tools)
}

/** Returns whether every host of a VirtualService is a Service of its own namespace. */
export function isForOwnServices({ object, ref }: Subject, { facts }: Pick<Tools<string, unknown>, 'facts'>): boolean {
  const domain = facts.mesh.clusterDomain
  const zone = `.${ref.namespace}.svc.${domain}`
  return list(dig(object, 'spec', 'hosts')).every(
    host => typeof host === 'string' && resolveHost(host, ref.namespace, domain).endsWith(zone),
  )
}
