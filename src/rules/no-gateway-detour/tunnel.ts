import { liveApprovals } from '../../core/clients.ts'
import { isApprovedFor } from '../../core/outside.ts'
import { parseHost } from '../../istio/host.ts'
import { field, isFields, text } from '../../istio/json.ts'
import { portNumber } from '../../istio/port.ts'
import type { Result } from '../../istio/result.ts'
import type { Settings } from './place.ts'
import type { Scene } from './setting.ts'

/**
 * Judges a tunnel: its target must be approved, and what it leads through be the egress gateway or, for the platform, a
 * proxy that is approved itself. Istio: DestinationRule reference, TunnelSettings; an empty protocol is CONNECT.
 */
export function judgeTunnel({ path, policy }: Settings, scene: Scene): void {
  const tunnel = field(policy, 'tunnel')
  if (!isFields(tunnel)) return
  const host = text(field(tunnel, 'targetHost')) ?? ''
  const port = portNumber(field(tunnel, 'targetPort'))
  const target = port.ok ? `${host}:${port.value}` : host
  const reason = reasonAgainst(host, port, scene)
  if (reason === undefined) return
  const value = `${target} by ${scene.destination.host}`
  scene.tools.report('tunnel', { path: [...path, 'tunnel', 'targetHost'], value, slots: { target, reason } })
}

function reasonAgainst(
  given: string,
  port: Result<number>,
  { destination, subject, tools }: Scene,
): string | undefined {
  const parsed = parseHost(given)
  const isOfTenant = subject.namespaceClass !== 'platform'
  // Host, port and namespace must come from one approval.
  const approvals = parsed.ok ? liveApprovals(parsed.value.text, tools.facts, tools.now) : []
  const isApproved = approvals.some(
    approval =>
      (!isOfTenant || approval.allows(subject.ref.namespace)) &&
      approval.ports.some(fact => port.ok && fact.number === port.value),
  )
  if (!isApproved) return 'is not approved on that port'
  if (destination.gateway !== undefined) return undefined
  const isProxy = !isOfTenant && destination.isOutside && isApprovedFor(destination.host, subject, tools)
  return isProxy ? undefined : `is not reached by the egress gateway but by "${destination.host}"`
}
