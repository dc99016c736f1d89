import { liveApprovals } from '../../core/clients.ts'
import type { Subject } from '../../core/rule.ts'
import { covers, parseHost } from '../../istio/host.ts'
import { field, isFields, list, text } from '../../istio/json.ts'
import { labelsOf } from '../../istio/workload.ts'
import { type Entry, quoteHosts } from './entry.ts'
import type { Judge } from './rule.ts'

const label = 'networking.istio.io/enable-autoallocate-ip'

/** Judges by what an entry is found, and what it takes for the other side. */
export function judgeHabits(entry: Entry, subject: Subject, tools: Judge): void {
  judgeAutomaticAddress(entry, subject, tools)
  judgeNames(entry, tools)
  for (const port of entry.ports) {
    if (port.protocol !== 'udp' || entry.internal) continue
    tools.report('udp-port', { path: [...port.path, 'protocol'], value: String(port.number) })
  }
  judgePlace(entry, tools)
}

/**
 * Where the label switches it off an entry gets no address of its own; with addresses, or with resolution NONE, it gets none
 * anyway. Istio: pilot/pkg/networking/serviceentry/ip_autoallocation.go (shouldV2AutoAllocateIPFromPieces).
 */
function judgeAutomaticAddress(entry: Entry, { object }: Subject, tools: Judge): void {
  const value = labelsOf(object).get(label)
  if (value?.toLowerCase() !== 'false' || entry.resolution === 'NONE') return
  if (list(field(entry.spec, 'addresses')).length > 0) return
  tools.report('no-automatic-address', { path: ['metadata', 'labels', label], value })
}

/**
 * Whoever has a certificate with one of these names is the other side. The hosts themselves only make the check stricter,
 * and machines of the mesh prove their service accounts. Istio: pilot/pkg/networking/core/cluster_tls.go.
 */
function judgeNames(entry: Entry, tools: Judge): void {
  for (const [i, given] of list(field(entry.spec, 'subjectAltNames')).entries()) {
    const value = text(given) ?? ''
    if (entry.internal && value.startsWith('spiffe://')) continue
    const parsed = parseHost(value)
    const name = parsed.ok ? parsed.value.text : value
    if (entry.hosts.some(host => covers(host, name))) continue
    tools.report('identity-moved', {
      path: ['spec', 'subjectAltNames', i],
      value,
      slots: { hosts: quoteHosts(entry.hosts) },
    })
  }
}

/** A host that nobody approved, since it is of the mesh itself, must be where the policy says. */
function judgePlace(entry: Entry, tools: Judge): void {
  const isPlaced = list(field(entry.spec, 'endpoints')).length > 0 || isFields(field(entry.spec, 'workloadSelector'))
  // Without resolution the client picks the address, which is another finding.
  if (isPlaced || entry.resolution === 'NONE') return
  for (const host of entry.hosts) {
    if (tools.facts.internalHosts.covering(host).length === 0) continue
    if (liveApprovals(host, tools.facts, tools.now).length > 0) continue
    tools.report('internal-unplaced', { path: ['spec', 'resolution'], value: host })
    return
  }
}
