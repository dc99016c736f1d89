import { approvedBelow, liveApprovals } from '../../core/clients.ts'
import { gatewayPlace } from '../../core/gateway.ts'
import type { Subject } from '../../core/rule.ts'
import { dig, field, isFields, list } from '../../istio/json.ts'
import { readExportTo, visibleIn } from '../../istio/visibility.ts'
import { type Destination, settingsOf } from './place.ts'
import type { Judge } from './rule.ts'

/**
 * Judges whose rule a tenant's DestinationRule hides: for clients of a namespace one of their own comes first, with the
 * most specific host, and nothing is merged across namespaces. Istio: pilot/pkg/model/push_context.go (destinationRule).
 */
export function judgeHost(destination: Destination, subject: Subject, tools: Judge): void {
  if (subject.namespaceClass === 'platform' || !holdsAtHome(subject)) return
  const { host, gateway } = destination
  const place = gatewayPlace(tools.facts)
  const at = { path: ['spec', 'host'], value: host }
  if (gateway !== undefined) tools.report('gateway-rule', { ...at, slots: { gateway: gateway.name, place } })
  else if (isApproved(destination, tools) && changesTheWay(subject.object)) {
    tools.report('approved-host-rule', { ...at, slots: { place } })
  }
}

/** A rule exported only elsewhere does not hold in its own namespace; one for chosen workloads holds nowhere else. */
function holdsAtHome({ object, ref }: Subject): boolean {
  if (isFields(dig(object, 'spec', 'workloadSelector'))) return true
  const exportTo = list(dig(object, 'spec', 'exportTo')).filter(entry => typeof entry === 'string')
  return visibleIn(readExportTo(exportTo, 'DestinationRule', undefined), ref.namespace, ref.namespace)
}

function isApproved({ host, isWide, isOutside }: Destination, tools: Judge): boolean {
  if (!isOutside) return false
  if (liveApprovals(host, tools.facts, tools.now).length > 0) return true
  return isWide && approvedBelow(host, tools.facts, tools.now) !== undefined
}

/** Settings that shape load and leave the way alone. */
const harmless: ReadonlySet<string> = new Set([
  'connectionPool',
  'outlierDetection',
  'loadBalancer',
  'portLevelSettings',
  'port',
  'retryBudget',
  'proxyProtocol',
])

/** Whether a rule has more than settings of load: TLS, a tunnel, subsets that routes may name. */
function changesTheWay(object: unknown): boolean {
  if (list(dig(object, 'spec', 'subsets')).length > 0) return true
  for (const { policy } of settingsOf(object)) {
    if (!isFields(policy)) continue
    if (Object.keys(policy).some(key => !harmless.has(key) && (field(policy, key) ?? undefined) !== undefined))
      return true
  }
  return false
}
