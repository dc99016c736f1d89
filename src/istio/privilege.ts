import { dig, field, list } from './json.ts'
import {
  type ContainerEntry,
  containersOf,
  initContainerName,
  proxyContainerName,
  validationContainerName,
} from './workload.ts'

/** Names of the containers that the injector brings, whose privileges are the template's to choose. */
const injectedNames: ReadonlySet<string> = new Set([proxyContainerName, initContainerName, validationContainerName])

/**
 * Returns the containers of a pod template that are the author's own, as `containersOf` does: all but those that bear the
 * name of an injected one. A debug container is always the author's: the injector brings none.
 */
export function applicationContainersOf(template: unknown): readonly ContainerEntry[] {
  return containersOf(template).filter(({ list, name }) => list === 'ephemeralContainers' || !injectedNames.has(name))
}

/** A field of a security context that a container may have of its own or inherit from its pod. */
export type Inherited<T> = {
  readonly value: T
  /** True where the container has none of its own. */
  readonly ofPod: boolean
}

/**
 * Returns the user or group that a container starts with, where the pod states one; else the image chooses. What the
 * container says wins over what the pod says (Kubernetes: Configure a Security Context for a Pod or Container).
 *
 *     pod     container   answer
 *     1337    -           1337, of the pod
 *     1337    4201        4201
 *     -       0           0
 *     -       -           undefined
 */
export function runsAs(
  template: unknown,
  container: unknown,
  key: 'runAsUser' | 'runAsGroup',
): Inherited<number> | undefined {
  const own = dig(container, 'securityContext', key)
  if (typeof own === 'number') return { value: own, ofPod: false }
  const inherited = dig(template, 'spec', 'securityContext', key)
  return typeof inherited === 'number' ? { value: inherited, ofPod: true } : undefined
}

/** Returns true where the kubelet refuses to start the container as root; the container's own word wins. */
export function refusesRoot(template: unknown, container: unknown): boolean {
  const own = dig(container, 'securityContext', 'runAsNonRoot')
  return (typeof own === 'boolean' ? own : dig(template, 'spec', 'securityContext', 'runAsNonRoot')) === true
}

/**
 * Returns the capability that a text under `capabilities.add` may stand for: upper case, without prefix. containerd
 * upper-cases and puts `CAP_` before it, CRI-O and cri-dockerd take it with the prefix too, and all take `ALL` in any case.
 *
 *     NET_ADMIN, net_admin, CAP_NET_ADMIN, cap_net_admin    NET_ADMIN
 *     ALL, all, CAP_ALL                                     ALL
 */
export function capabilityOf(text: string): string {
  const upper = text.toUpperCase()
  return upper.startsWith('CAP_') ? upper.slice('CAP_'.length) : upper
}

/**
 * Returns true where a container drops every one of the capabilities, by name or by `ALL`, whatever runtime reads it: with
 * the prefix `CAP_` a name means nothing to containerd, so that it drops nothing.
 */
export function dropsAll(container: unknown, capabilities: readonly string[]): boolean {
  const drop = list(field(dig(container, 'securityContext', 'capabilities'), 'drop'))
  if (drop.length === 0) return false
  const dropped = drop.map(entry => (typeof entry === 'string' ? entry.toUpperCase() : ''))
  return dropped.includes('ALL') || capabilities.every(capability => dropped.includes(capability))
}
