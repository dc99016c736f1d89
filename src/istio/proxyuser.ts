import { dig } from './json.ts'
import { containersOf, proxyContainerName } from './workload.ts'

/** User and group of the proxy where nothing says otherwise. Istio: tools/istio-iptables/pkg/constants/constants.go. */
const defaultProxyId = 1337

/** Users and groups whose traffic is left alone so that the proxy does not meet its own. */
export type ProxyIds = {
  readonly users: ReadonlySet<number>
  readonly groups: ReadonlySet<number>
}

const onlyDefault: ReadonlySet<number> = new Set([defaultProxyId])
const defaultIds: ProxyIds = { users: onlyDefault, groups: onlyDefault }

/** OpenShift's annotations of a namespace with the numbers that its pods may use. */
const userRange = 'openshift.io/sa.scc.uid-range'
const groupRange = 'openshift.io/sa.scc.supplemental-groups'

/**
 * Returns the users and groups that redirection may leave alone in a pod: 1337, what its container `istio-proxy` runs as,
 * and on OpenShift the ends of the ranges that the namespace is given. All of them, since a pod that is yet to be injected
 * does not show which of them its proxy gets.
 *
 * Every user is among the groups too: `istio-iptables` takes the user's number for the group where it is told none, and
 * the template of `istio-init` tells none. A proxy that runs as root is left alone by the default's number.
 *
 * Istio: pkg/kube/inject/inject.go (GetProxyIDs), pkg/kube/inject/webhook.go (adjustInitContainerUser),
 * cni/pkg/plugin/kubernetes.go (ExtractPodInfo), cni/pkg/plugin/sidecar_redirect.go (NewRedirect),
 * tools/common/config/config.go (FillConfigFromEnvironment).
 */
export function proxyIdsOf(template: unknown, namespaceAnnotations: ReadonlyMap<string, string> | undefined): ProxyIds {
  const users: number[] = []
  const groups: number[] = []
  for (const { list, name, container } of containersOf(template)) {
    if (name !== proxyContainerName || list === 'ephemeralContainers') continue
    addId(users, dig(container, 'securityContext', 'runAsUser'))
    addId(groups, dig(container, 'securityContext', 'runAsGroup'))
  }
  const user = namespaceAnnotations?.get(userRange)
  const group = namespaceAnnotations?.get(groupRange) ?? user
  if (user !== undefined) addId(users, endOfBlock(user))
  if (group !== undefined) addId(groups, endOfFirst(group))
  if (users.length + groups.length === 0) return defaultIds
  return { users: new Set([defaultProxyId, ...users]), groups: new Set([defaultProxyId, ...groups, ...users]) }
}

/** Adds what differs from the default; redirection is never told to leave root alone. */
function addId(ids: number[], id: unknown): void {
  if (typeof id === 'number' && id !== 0 && id !== defaultProxyId) ids.push(id)
}

/** Returns the end of the first of several blocks; none where any of them cannot be read. */
function endOfFirst(blocks: string): number | undefined {
  const ends = blocks.split(',').map(endOfBlock)
  return ends.includes(undefined) ? undefined : ends[0]
}

const largest = 2 ** 32

/**
 * Returns the last number of a block, or undefined where Istio cannot read it. What follows the numbers is passed over, as
 * Go's `Sscanf` does, and numbers wrap as `uint32` does.
 *
 *     1000680000/10000         1000689999
 *     1000680000-1000689999    1000689999
 *
 * Istio: pkg/kube/inject/openshift.go (ParseBlock).
 */
function endOfBlock(block: string): number | undefined {
  const isSized = block.includes('/')
  const found = (isSized ? /^[^\S\n]*(\d+)\/[^\S\n]*(\d+)/ : /^[^\S\n]*(\d+)-[^\S\n]*(\d+)/).exec(block)
  const start = Number(found?.[1])
  const second = Number(found?.[2])
  if (!(start < largest && second < largest)) return undefined
  return isSized ? (start + second - 1 + largest) % largest : second
}
