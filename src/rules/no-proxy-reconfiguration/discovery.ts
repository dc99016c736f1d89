import { controlPlaneOf } from '../../core/controlplane.ts'
import type { Path } from '../../core/path.ts'
import type { HeldSettings } from '../../core/proxysettings.ts'
import { show } from '../../core/text.ts'
import type { Judge } from './message.ts'

/**
 * Reports a control plane that is not the organisation's. One in the root namespace is; a pod may name only a revision
 * that is governed, while the mesh configuration of a revision is the platform's to write.
 *
 * Istio: pilot/cmd/pilot-agent/config/config.go (applyAnnotations).
 */
export function judgeDiscovery(given: unknown, of: HeldSettings['of'], path: Path, tools: Judge): void {
  const value = show(given)
  if (value === '' || tools.params.discoveryAddresses.includes(value)) return
  const revision = controlPlaneOf(value, tools.facts)
  const { revisions } = tools.facts.mesh
  const isGoverned = revision === 'default' || of === 'mesh' || revisions === undefined
  if (revision !== undefined && (isGoverned || revisions.includes(revision))) return
  tools.report('control-plane', { path, value })
}
