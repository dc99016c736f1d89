import { authoredContainersOf, type DataPlane } from '../../core/dataplane.ts'
import type { Path } from '../../core/path.ts'
import type { Pod } from '../../core/pod.ts'
import type { Subject } from '../../core/rule.ts'
import { dig, field, isFields, list, text } from '../../istio/json.ts'
import { dropsAll, runsAs } from '../../istio/privilege.ts'
import { type ContainerEntry, proxyContainerName } from '../../istio/workload.ts'
import { powerOf } from './capability.ts'
import type { Judge } from './message.ts'

/** Judges every container of the author's own, with what it inherits from its pod. */
export function judgeContainers(subject: Subject, pod: Pod, plane: DataPlane, tools: Judge): void {
  let inherited: 'root' | 'root-confined' | undefined
  for (const entry of authoredContainersOf(subject, pod, tools)) {
    const at = (...segments: Path): Path => pod.at('spec', entry.list, entry.index, 'securityContext', ...segments)
    // A privileged container has every right: nothing of what follows adds to that.
    if (judgeWalls(pod, entry, at, tools)) continue
    judgeCapabilities(entry, plane, at, tools)
    // What only makes a container like the proxy's means nothing where there is none.
    if (plane !== 'sidecar') continue
    if (entry.list === 'ephemeralContainers') judgeTarget(pod, entry, tools)
    const root = rootOf(pod, entry)
    if (root === undefined) {
      judgeEscalation(entry, at, tools)
    } else if (!root.ofPod) {
      tools.report(root.message, { path: at('runAsUser'), value: '0' })
    } else if (inherited !== 'root') {
      inherited = root.message
    }
  }
  // Said once, where it stands, with the worst of what the containers that inherit it make of it.
  if (inherited !== undefined) {
    tools.report(inherited, { path: pod.at('spec', 'securityContext', 'runAsUser'), value: '0' })
  }
}

/** Returns true where it reports a container that has no walls around it. */
function judgeWalls(pod: Pod, { container }: ContainerEntry, at: Pod['at'], tools: Judge): boolean {
  const context = field(container, 'securityContext')
  if (!isFields(context)) return false
  const slots = { account: pod.serviceAccount }
  if (field(context, 'privileged') === true) {
    tools.report('privileged', { path: at('privileged'), value: 'true', slots })
    return true
  }
  if (dig(context, 'windowsOptions', 'hostProcess') === true) {
    tools.report('privileged', { path: at('windowsOptions', 'hostProcess'), value: 'true', slots })
    return true
  }
  if (field(context, 'procMount') === 'Unmasked') {
    tools.report('privileged', { path: at('procMount'), value: 'Unmasked', slots })
  }
  return false
}

function judgeCapabilities({ container }: ContainerEntry, plane: DataPlane, at: Pod['at'], tools: Judge): void {
  for (const [i, added] of list(dig(container, 'securityContext', 'capabilities', 'add')).entries()) {
    if (typeof added !== 'string') continue
    const power = powerOf(added, plane, tools.params.capabilities)
    if (power === undefined) continue
    tools.report('added-capability', { path: at('capabilities', 'add', i), value: added, slots: { power } })
  }
}

function judgeTarget(pod: Pod, { list: of, index, container }: ContainerEntry, tools: Judge): void {
  if (text(field(container, 'targetContainerName')) !== proxyContainerName) return
  const path = pod.at('spec', of, index, 'targetContainerName')
  tools.report('shared-processes', { path, value: proxyContainerName })
}

/**
 * Returns what a container makes of being root, where it says that it is. Without SETUID and SETGID it cannot switch to the
 * proxy's user, and with escalation off no setuid file does it for it (root can make one, of any owner).
 *
 *     drops SETUID and SETGID, or ALL   allowPrivilegeEscalation   answer
 *     yes                               false                      root-confined
 *     yes                               true, absent               root
 *     no                                any                        root
 */
function rootOf(
  pod: Pod,
  { container }: ContainerEntry,
): { readonly message: 'root' | 'root-confined'; readonly ofPod: boolean } | undefined {
  const user = runsAs(pod.template, container, 'runAsUser')
  if (user === undefined || user.value !== 0) return undefined
  const isConfined =
    dropsAll(container, ['SETUID', 'SETGID']) && dig(container, 'securityContext', 'allowPrivilegeEscalation') === false
  return { message: isConfined ? 'root-confined' : 'root', ofPod: user.ofPod }
}

function judgeEscalation({ container }: ContainerEntry, at: Pod['at'], tools: Judge): void {
  if (dig(container, 'securityContext', 'allowPrivilegeEscalation') !== true) return
  tools.report('privilege-escalation', { path: at('allowPrivilegeEscalation'), value: 'true' })
}
