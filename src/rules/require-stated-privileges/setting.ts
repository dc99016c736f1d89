import type { Pod } from '../../core/pod.ts'
import { dig } from '../../istio/json.ts'
import { dropsAll, refusesRoot, runsAs } from '../../istio/privilege.ts'

/** Settings without which image and runtime decide, and whether a container has them. */
export const settings = {
  'capabilities.drop': (_: Pod, container: unknown) => dropsAll(container, ['NET_RAW', 'SETUID', 'SETGID']),
  // Where it is true that is said by itself.
  allowPrivilegeEscalation: (_: Pod, container: unknown) =>
    typeof dig(container, 'securityContext', 'allowPrivilegeEscalation') === 'boolean',
  runAsNonRoot: (pod: Pod, container: unknown) =>
    refusesRoot(pod.template, container) || runsAs(pod.template, container, 'runAsUser') !== undefined,
  runAsUser: (pod: Pod, container: unknown) => runsAs(pod.template, container, 'runAsUser') !== undefined,
  runAsGroup: (pod: Pod, container: unknown) => runsAs(pod.template, container, 'runAsGroup') !== undefined,
} as const

/** A setting that a policy can expect of every container. */
export type Setting = keyof typeof settings
