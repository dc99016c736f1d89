import { insideRanges, internalAddresses, whereIs } from '../../core/machine.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { entryLimit } from '../../core/shape.ts'
import { exportToKey, isServiceSeen } from '../../core/sight.ts'
import { giveRanges } from '../../core/uncaptured.ts'
import { isControllersSlice, isKubernetes } from '../../core/writer.ts'
import { dig, field, list, stringMap, text } from '../../istio/json.ts'
import { quote } from '../../istio/text.ts'
import { labelsOf } from '../../istio/workload.ts'
import type { Judge } from './rule.ts'

/** The kind that Istio reads endpoints of Services from; Endpoints are mirrored into it. */
export const sliceKind = 'EndpointSlice.discovery.k8s.io'

interface Address {
  readonly path: Path
  readonly value: string
}

/** Addresses that an object gives a Service. */
export interface Scene {
  /** Name of the Service; empty where the object belongs to none. */
  readonly service: string
  /** Full name of the Service. */
  readonly host: string
  /** What the author can do instead. */
  readonly remedy: string
  readonly isName: boolean
  /** Whether a controller of Kubernetes keeps the object as it must be. */
  readonly kept: 'yes' | 'no' | 'unknown'
  /** Returns the addresses; read only where they count. */
  readonly addresses: () => readonly Address[]
}

const serviceLabel = 'kubernetes.io/service-name'

/** Returns the addresses of a slice. Istio: pilot/pkg/serviceregistry/kube/controller/endpointslice.go. */
export function sliceOf(subject: Subject, tools: Judge): Scene {
  const { object, ref } = subject
  const service = labelsOf(object).get(serviceLabel) ?? ''
  const addresses = (): readonly Address[] =>
    addressesIn(listAt(object, 'endpoints', tools), ['endpoints'], tools, (endpoint, path, add) => {
      for (const [i, address] of listAt(endpoint, 'addresses', tools, path).entries())
        add([...path, 'addresses', i], address)
    })
  return {
    service,
    host: `${service}.${ref.namespace}.svc.${tools.facts.mesh.clusterDomain}`,
    isName: field(object, 'addressType') === 'FQDN',
    remedy: remedyFor(subject, service),
    addresses,
    kept: keeperOf(subject, service, tools),
  }
}

/** Returns the addresses of an object of the older kind, which is mirrored for a Service without a selector. */
export function endpointsOf(subject: Subject, tools: Judge): Scene {
  const { object, ref } = subject
  const addresses = (): readonly Address[] =>
    addressesIn(listAt(object, 'subsets', tools), ['subsets'], tools, (subset, path, add) => {
      for (const key of ['addresses', 'notReadyAddresses']) {
        for (const [i, address] of listAt(subset, key, tools, path).entries()) {
          add([...path, key, i, 'ip'], field(address, 'ip'))
        }
      }
    })
  return {
    service: ref.name,
    host: `${ref.name}.${ref.namespace}.svc.${tools.facts.mesh.clusterDomain}`,
    isName: false,
    remedy: remedyFor(subject, ref.name),
    addresses,
    kept: hasSelector(subject, ref.name, tools) === true ? 'yes' : 'no',
  }
}

type Add = (path: Path, address: unknown) => void

function addressesIn(
  groups: readonly unknown[],
  at: Path,
  tools: Judge,
  walk: (group: unknown, path: Path, add: Add) => void,
): readonly Address[] {
  const addresses: Address[] = []
  for (const [i, group] of groups.entries()) {
    walk(group, [...at, i], (path, address) => addresses.push({ path, value: text(address) ?? '' }))
    if (addresses.length <= entryLimit) continue
    tools.malformed(at, `holds more than ${entryLimit} addresses, the most that is judged`, 'unread')
    return []
  }
  return addresses
}

function listAt(value: unknown, key: string, tools: Judge, at: Path = []): readonly unknown[] {
  const found = field(value, key) ?? []
  if (!Array.isArray(found)) tools.malformed([...at, key], 'must be a list')
  if (list(found).length <= entryLimit) return list(found)
  tools.malformed([...at, key], `has more than ${entryLimit} entries, the most that is judged`, 'unread')
  return []
}

/**
 * The EndpointSlice controller rewrites its slices of a Service with a selector; the label alone proves nothing, since it
 * leaves those of other Services as they are, and is late where somebody forges one again and again. What is mirrored from Endpoints is judged like any other: Endpoints may have
 * been written while the Service had a selector, when nothing mirrored them.
 */
function keeperOf(subject: Subject, service: string, tools: Judge): 'yes' | 'no' | 'unknown' {
  if (!isControllersSlice(subject.object, subject.requester)) return 'no'
  const selects = hasSelector(subject, service, tools)
  if (selects !== undefined) return selects ? 'yes' : 'no'
  return tools.inventory.knows('Service') ? 'no' : 'unknown'
}

/** Whether pods are chosen for a Service by their labels; undefined where the Service is not known. */
function hasSelector({ ref }: Subject, name: string, tools: Judge): boolean | undefined {
  const service = tools.inventory.find('Service', ref.namespace, name)
  if (service === undefined) return undefined
  return stringMap(dig(service, 'spec', 'selector')).size > 0 && dig(service, 'spec', 'type') !== 'ExternalName'
}

/** Returns true in namespaces of Kubernetes itself, whose Services lead to nodes: to kubelets and the control plane. */
export function isOfKubernetes({ ref, namespaceClass }: Subject): boolean {
  return namespaceClass !== 'governed' && ref.namespace.startsWith('kube-')
}

/** Returns true for what the API server writes again and again for itself: the addresses of its nodes. */
export function isApiServersOwn({ ref, requester }: Subject, { service }: Scene): boolean {
  if (ref.namespace !== 'default' || ref.name !== 'kubernetes' || service !== ref.name) return false
  return requester === undefined || isKubernetes(requester)
}

/** Returns true where namespaces under the policy see the Service of a namespace outside it. */
export function isSeen({ ref }: Subject, { service }: Scene, tools: Judge): boolean {
  return isServiceSeen(tools.inventory.find('Service', ref.namespace, service), tools)
}

function remedyFor({ namespaceClass }: Subject, service: string): string {
  if (namespaceClass !== 'notGoverned') return 'use a ServiceEntry for the host'
  return `set annotation ${exportToKey} of Service "${service}" to "."`
}

/** Judges each address of an object that no controller keeps; what is not known is said once. */
export function judge(scene: Scene, tools: Judge): void {
  if (scene.kept === 'yes') return
  const inside = insideRanges(tools.facts, internalAddresses(scene.host, tools.facts))
  const open: Address[] = []
  for (const address of scene.addresses()) {
    if (whereIs(address.value, tools.facts, inside) !== 'inside') open.push(address)
  }
  const [first] = open
  if (first === undefined) return
  if (scene.kept === 'unknown') {
    const unknown = `whether Service "${scene.service}" has a selector, so that Kubernetes keeps its endpoints`
    return tools.notJudged(first.path, unknown, 'give the Services of the namespace with --inventory')
  }
  let said = false
  for (const { path, value } of open) {
    const where = whereIs(value, tools.facts, inside)
    const slots = { service: scene.service, host: scene.host, address: value, remedy: scene.remedy }
    // With the Service: the same address behind another one is another breach.
    const at = { path, value: `${scene.service} at ${value}`, slots }
    if (where === 'name' && scene.isName) tools.report('outside-name', at)
    else if (where === 'outside') tools.report('outside-address', at)
    else if (where !== 'unknown') tools.malformed(path, `${quote(value)} is no address that Kubernetes takes here`)
    else if (!said) {
      said = true
      tools.notJudged(path, `whether ${value} is inside the cluster`, giveRanges)
    }
  }
}
