import { sameJson } from '../../core/change.ts'
import type { Clients } from '../../core/clients.ts'
import { namespaceLabels } from '../../core/inventory.ts'
import { defaultServiceExportTo } from '../../core/mesh.ts'
import type { Path } from '../../core/path.ts'
import type { FindServed, ServedHost } from '../../core/registry.ts'
import type { Subject } from '../../core/rule.ts'
import { dig, type Fields, field, list } from '../../istio/json.ts'
import { readExportTo, visibleIn } from '../../istio/visibility.ts'
import type { Judge } from './rule.ts'

/** One host of the judged entry. */
interface Question {
  readonly subject: Subject
  readonly tools: Judge
  readonly clients: Clients
  readonly find: FindServed
  readonly path: Path
  readonly host: string
}

/** Judges which other entries serve a host: each message once, by the first entry in order. */
export function judgeHost(question: Question): void {
  const { subject, tools, path, host } = question
  const { namespace, name } = subject.ref
  const others = question.find(host).filter(served => served.namespace !== namespace || served.name !== name)
  if (others.length === 0) return
  const second = others.find(served => served.namespace === namespace && isOther(served, host, subject.object))
  if (second !== undefined) {
    tools.report('second-entry', { path, value: host, slots: { owner: nameOf(second), host } })
  }
  // What the platform defines twice is its own affair, and where it takes place the namespace decides.
  if (subject.namespaceClass === 'platform') return
  for (const served of others) {
    const client = served.namespace === namespace ? undefined : clientOf(served, question)
    if (client === undefined) continue
    const what = served.host === host ? `"${host}"` : `"${host}" by "${served.host}"`
    const slots = { owner: nameOf(served), host: what, client }
    return tools.report('shadows-entry', { path, value: host, slots })
  }
}

/**
 * Entries of one namespace for one host are one service: their endpoints unite, the oldest decides the resolution. Two that
 * lead to the same endpoints, with different ports maybe, are as good as one. Istio:
 * pilot/pkg/serviceregistry/serviceentry/conversion.go (mergeServicesInstancesByNamespaceHost).
 */
function isOther(served: ServedHost, host: string, object: Fields): boolean {
  if (served.host !== host) return false
  const [one, other] = [served.entry, object].map(entry => field(entry, 'spec'))
  return ['resolution', 'endpoints', 'workloadSelector'].some(
    key => !sameJson(field(one, key) ?? null, field(other, key) ?? null),
  )
}

/**
 * Returns the namespace where the judged entry would take another's place: of those that see both, the first; undefined
 * where no namespace under the policy does. Entries from outside the policy have no place to lose, nor has a tenant's that
 * is there for everybody, which is refused for that: else one breach would keep others from what is approved. Istio:
 * pilot/pkg/model/sidecar.go (selectServices).
 */
function clientOf(served: ServedHost, { subject, tools, clients }: Question): string | undefined {
  const { facts, inventory } = tools
  const owner = facts.namespaces.classOf(served.namespace, namespaceLabels(inventory, served.namespace))
  if (owner === 'notGoverned') return undefined
  const exportTo = list(dig(served.entry, 'spec', 'exportTo')).filter(entry => typeof entry === 'string')
  const fallback = exportTo.length === 0 ? defaultServiceExportTo(facts, inventory) : undefined
  const visibility = readExportTo(exportTo, 'ServiceEntry', fallback)
  if (owner === 'governed' && visibility === 'public') return undefined
  const names = clients.all ? [subject.ref.namespace] : [...clients.governed, ...clients.platform]
  return names.find(name => visibleIn(visibility, served.namespace, name))
}

function nameOf({ namespace, name }: ServedHost): string {
  return `${namespace}/${name}`
}
