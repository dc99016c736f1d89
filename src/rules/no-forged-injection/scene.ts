import type { Facts } from '../../core/facts.ts'
import type { Path } from '../../core/path.ts'
import type { Pod } from '../../core/pod.ts'
import type { Place } from '../../core/rule.ts'
import type { InstallValues } from '../../istio/injector.ts'
import type { Fields } from '../../istio/json.ts'
import type { ProxyIds } from '../../istio/proxyuser.ts'
import type { Message, Params } from './rule.ts'

/** What is known while the injected containers of one pod are judged; what costs something is looked up when asked for. */
export interface Scene {
  readonly pod: Pod
  readonly params: Params
  /** Whether it is a pod that istiod made for a Gateway: a proxy alone, with no application to capture. */
  readonly isGateway: boolean
  readonly facts: Facts
  /** The mesh configurations of the root namespace; none where they are not known. */
  readonly meshConfigMaps: () => readonly Fields[]
  /** Images that the policy names as those of the proxy; undefined where it is silent. */
  readonly proxyImages: readonly string[] | undefined
  /** Values of the installation that injects the pod; undefined where they are not known. */
  readonly values: () => InstallValues | undefined
  /** Values of the installation that the pod itself says it is of; undefined where they are not known. */
  readonly claimedValues: () => InstallValues | undefined
  /** Annotations of the namespace; undefined where it is not known. */
  readonly namespaceAnnotations: () => ReadonlyMap<string, string> | undefined
  /** Mounts of the proxy that an annotation of the pod asks for: path by volume. */
  readonly userMounts: () => ReadonlyMap<string, string>
  /** The user that OpenShift has given all containers, which the injector takes from the author's `istio-proxy` again. */
  readonly filledInUser: () => unknown
  /** Users and groups that injection gives the proxy in this namespace. */
  readonly proxyIds: () => ProxyIds
  report(message: Message, place: Place): void
  notJudged(path: Path, unknown: string, fix: string): void
}

/** One injected container of the judged object. */
export interface Here {
  readonly name: string
  readonly container: Fields
  /** Returns the path in the judged object of a path in the container. */
  at(...segments: Path): Path
}

/** Returns a function that makes a value when it is first asked for. */
export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

/** Returns true for a value that says something: not null, no empty text, list or mapping, not false. */
export function isSet(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === false) return false
  if (Array.isArray(value)) return value.length > 0
  return typeof value !== 'object' || Object.keys(value).length > 0
}
