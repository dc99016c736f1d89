import { dig, list } from '../istio/json.ts'
import { readExportTo } from '../istio/visibility.ts'
import type { Approval, Facts } from './facts.ts'
import { type Inventory, namespaceLabels } from './inventory.ts'
import { defaultServiceExportTo } from './mesh.ts'
import type { Subject } from './rule.ts'

/** Which namespaces may use a ServiceEntry. */
export interface Clients {
  /** Every namespace, also those to come. */
  readonly all: boolean
  /** Governed namespaces by name. */
  readonly governed: readonly string[]
  /** Namespaces of the platform by name. */
  readonly platform: readonly string[]
}

/** Returns which namespaces see the judged ServiceEntry, by its `exportTo` or the default of the mesh. */
export function clientsOf(subject: Subject, facts: Facts, inventory: Inventory): Clients {
  const exportTo = list(dig(subject.object, 'spec', 'exportTo')).filter(entry => typeof entry === 'string')
  const fallback = exportTo.length === 0 ? defaultServiceExportTo(facts, inventory) : undefined
  const visibility = readExportTo(exportTo, 'ServiceEntry', fallback)
  if (visibility === 'public') return { all: true, governed: [], platform: [] }
  if (visibility === 'nobody' || visibility === 'refused') return { all: false, governed: [], platform: [] }
  const names = new Set(visibility.namespaces)
  if (visibility.own) names.add(subject.ref.namespace)
  const sorted = [...names].sort()
  const classOf = (name: string): string =>
    name === subject.ref.namespace
      ? subject.namespaceClass
      : facts.namespaces.classOf(name, namespaceLabels(inventory, name))
  return {
    all: false,
    governed: sorted.filter(name => classOf(name) === 'governed'),
    platform: sorted.filter(name => classOf(name) === 'platform'),
  }
}

/** Returns true where the policy does not care: the owner is outside it, and so is everyone who sees the entry. */
export function isOutsidePolicy(subject: Subject, clients: Clients): boolean {
  return (
    subject.namespaceClass === 'notGoverned' && !clients.all && clients.governed.length + clients.platform.length === 0
  )
}

/** Returns the approvals that cover a canonical host and hold at the moment `now`. */
export function liveApprovals(host: string, facts: Facts, now: number): readonly Approval[] {
  return facts.approvedHosts.covering(host).filter(approval => approval.expires === undefined || now < approval.expires)
}

/** Returns an approved host that a canonical wildcard covers, as `*.com` covers `api.example.com`; undefined where none is. */
export function approvedBelow(wildcard: string, facts: Facts, now: number): string | undefined {
  for (const { host, expires } of facts.approvedHosts.below(wildcard)) {
    if (expires === undefined || now < expires) return host
  }
  return undefined
}

/** Returns the clients for which no single approval both names them and fits: parts of two approvals never add up. */
export function unserved(
  clients: Clients,
  approvals: readonly Approval[],
  fits: (approval: Approval) => boolean,
): readonly string[] {
  return clients.governed.filter(name => !approvals.some(approval => approval.allows(name) && fits(approval)))
}

/** Returns true where every client has an approval that fits; without a client known by name, where any approval does. */
export function serves(
  clients: Clients,
  approvals: readonly Approval[],
  fits: (approval: Approval) => boolean,
): boolean {
  return clients.governed.length === 0 ? approvals.some(fits) : unserved(clients, approvals, fits).length === 0
}
