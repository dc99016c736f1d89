import { dig, type Fields, field, isFields, list, stringMap, text } from './json.ts'

/** The pod template inside an object: the object's fields that become a pod's `metadata` and `spec`. */
export type PodTemplate = {
  /** Path of the template inside the object; empty where the object itself has the shape of a pod. */
  readonly root: readonly string[]
  readonly template: Fields
}

/** The three lists of a pod that hold containers. */
export type ContainerList = 'initContainers' | 'containers' | 'ephemeralContainers'

/** One container of a pod template and its place there: `spec.<list>[<index>]`. */
export type ContainerEntry = {
  readonly list: ContainerList
  readonly index: number
  /** Empty where the container has no name. */
  readonly name: string
  readonly container: Fields
}

/** Name of the container in which the injector runs Envoy. */
export const proxyContainerName = 'istio-proxy'

/** Name of the injected init container that programs the redirection in the pod. */
export const initContainerName = 'istio-init'

/** Name of the injected init container that checks the redirection which the CNI plugin has programmed. */
export const validationContainerName = 'istio-validation'

/** Annotation that the injector leaves on each pod it has injected. */
export const statusAnnotation = 'sidecar.istio.io/status'

// A Map, since kinds come from outside and a plain object would answer to `constructor`.
const roots: ReadonlyMap<string, readonly string[]> = new Map([
  ['Pod', []],
  ['PodTemplate', ['template']],
  ['ReplicationController', ['spec', 'template']],
  ['Deployment.apps', ['spec', 'template']],
  ['ReplicaSet.apps', ['spec', 'template']],
  ['StatefulSet.apps', ['spec', 'template']],
  ['DaemonSet.apps', ['spec', 'template']],
  ['Job.batch', ['spec', 'template']],
  ['CronJob.batch', ['spec', 'jobTemplate', 'spec', 'template']],
  ['Rollout.argoproj.io', ['spec', 'template']],
  ['DeploymentConfig.apps.openshift.io', ['spec', 'template']],
  ['VirtualMachine.kubevirt.io', ['spec', 'template']],
  ['Service.serving.knative.dev', ['spec', 'template']],
  ['Configuration.serving.knative.dev', ['spec', 'template']],
  ['Revision.serving.knative.dev', []],
])

/** Kinds that are a pod or hold a pod template: `Kind` of the core group, `Kind.group` of any other; sorted. */
export const workloadKinds: readonly string[] = [...roots.keys()].sort()

/**
 * Returns the pod template of an object and where it is, or undefined where the kind holds none or the object lacks it.
 *
 * Root by kind:
 *
 *     Pod, Revision.serving.knative.dev    (the object itself)
 *     PodTemplate                          template
 *     CronJob.batch                        spec.jobTemplate.spec.template
 *     any other of `workloadKinds`         spec.template
 */
export function podTemplateOf(kind: string, object: unknown): PodTemplate | undefined {
  const root = roots.get(kind)
  if (root === undefined) return undefined
  const template = dig(object, ...root)
  return isFields(template) ? { root, template } : undefined
}

/** Containers by the template that holds them: many questions about a pod walk them. */
const containersByTemplate = new WeakMap<object, readonly ContainerEntry[]>()

/**
 * Returns the containers of a pod template in the order in which the kubelet may start them: init containers, containers,
 * ephemeral containers. Entries that are no JSON objects are left out; the index is always that of the list.
 */
export function containersOf(template: unknown): readonly ContainerEntry[] {
  if (!isFields(template)) return []
  const known = containersByTemplate.get(template)
  if (known !== undefined) return known
  const entries: ContainerEntry[] = []
  for (const name of ['initContainers', 'containers', 'ephemeralContainers'] as const) {
    for (const [index, container] of list(dig(template, 'spec', name)).entries()) {
      if (isFields(container))
        entries.push({ list: name, index, name: text(field(container, 'name')) ?? '', container })
    }
  }
  containersByTemplate.set(template, entries)
  return entries
}

/** Returns the labels of an object or pod template; absent and null are empty. */
export function labelsOf(object: unknown): ReadonlyMap<string, string> {
  return stringMap(dig(object, 'metadata', 'labels'))
}

/** Returns the annotations of an object or pod template; absent and null are empty. */
export function annotationsOf(object: unknown): ReadonlyMap<string, string> {
  return stringMap(dig(object, 'metadata', 'annotations'))
}

/** Returns true where a pod of this template runs in the network namespace of its node; absent means false. */
export function usesHostNetwork(template: unknown): boolean {
  return dig(template, 'spec', 'hostNetwork') === true
}

/**
 * Returns true where a pod carries what the injector writes: its status annotation and a container or init container
 * `istio-proxy` with a real image. Neither alone is proof: anyone may set the annotation, and a submitted pod may hold a
 * container of that name with the placeholder image `auto`.
 *
 *     annotation  istio-proxy image     answer
 *     yes         any but auto          true
 *     yes         auto, empty, absent   false
 *     yes         (no such container)   false
 *     no          any                   false
 *
 * Istio: pkg/kube/inject/webhook.go (applyMetadata, reapplyOverwrittenContainers).
 */
export function hasInjectorOutput(template: unknown): boolean {
  if (!annotationsOf(template).has(statusAnnotation)) return false
  for (const { list: where, name, container } of containersOf(template)) {
    if (where === 'ephemeralContainers' || name !== proxyContainerName) continue
    const image = text(field(container, 'image')) ?? ''
    if (image !== '' && image !== 'auto') return true
  }
  return false
}

/**
 * Returns the environment of a container by name; the last entry of a name counts, and undefined stands for a value that
 * is not in the object (`valueFrom`). What `envFrom` adds is not known here.
 */
export function environmentOf(container: unknown): ReadonlyMap<string, string | undefined> {
  if (!isFields(container)) return new Map()
  const known = environments.get(container)
  if (known !== undefined) return known
  const environment = readEnvironment(container)
  environments.set(container, environment)
  return environment
}

/** Environments by container: several questions about a pod look them up. */
const environments = new WeakMap<Fields, ReadonlyMap<string, string | undefined>>()

function readEnvironment(container: Fields): ReadonlyMap<string, string | undefined> {
  const environment = new Map<string, string | undefined>()
  for (const entry of list(field(container, 'env'))) {
    const name = text(field(entry, 'name'))
    if (name === undefined) continue
    environment.set(name, field(entry, 'valueFrom') === undefined ? (text(field(entry, 'value')) ?? '') : undefined)
  }
  return environment
}
