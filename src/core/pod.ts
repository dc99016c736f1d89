import { dig, type Fields, isFields, text } from '../istio/json.ts'
import { annotationsOf, labelsOf, type PodTemplate, podTemplateOf } from '../istio/workload.ts'
import type { Kind } from './kind.ts'
import type { Path } from './path.ts'
import type { Subject, Tools } from './rule.ts'
import { entryLimit } from './shape.ts'

/** A pod, or the pod that a template would become, as rules look at it. */
export interface Pod {
  readonly template: PodTemplate['template']
  readonly labels: ReadonlyMap<string, string>
  readonly annotations: ReadonlyMap<string, string>
  /** Name of the account it runs under; `default` where it names none. */
  readonly serviceAccount: string
  /** Returns the path inside the judged object of a path inside the pod. */
  at(...segments: Path): Path
}

/** Most characters of all annotations together: Kubernetes stores no more bytes (ValidateAnnotationsSize, 256 KiB). */
export const annotationLimit = 256 * 1024

type Reporter = Pick<Tools<string, unknown>, 'malformed'>

/** What an object was read as: most rules ask for the same pod. */
interface Reading {
  readonly kind: Kind
  readonly pod: Pod | undefined
  readonly faults: readonly Parameters<Reporter['malformed']>[]
}

const readings = new WeakMap<Fields, Reading>()

/**
 * Returns the pod of a Pod or workload, or undefined where the object holds none, or one with more labels or annotations
 * than are judged. Those, and labels and annotations that are not text, are reported as malformed: the API server stores
 * none such.
 */
export function podOf({ kind, object }: Pick<Subject, 'kind' | 'object'>, tools: Reporter): Pod | undefined {
  const known = readings.get(object)
  const reading = known?.kind === kind ? known : read(kind, object)
  for (const fault of reading.faults) tools.malformed(...fault)
  return reading.pod
}

function read(kind: Kind, object: Fields): Reading {
  const faults: Parameters<Reporter['malformed']>[] = []
  const pod = readPod(kind, object, { malformed: (...fault) => faults.push(fault) })
  const reading: Reading = { kind, pod, faults }
  readings.set(object, reading)
  return reading
}

function readPod(kind: Kind, object: Fields, tools: Reporter): Pod | undefined {
  const found = podTemplateOf(kind, object)
  if (found === undefined) return undefined
  const { root, template } = found
  for (const map of ['labels', 'annotations'] as const) {
    const given = dig(template, 'metadata', map)
    if (given === undefined || given === null) continue
    const path = [...root, 'metadata', map]
    if (!isFields(given)) tools.malformed(path, 'must be a mapping')
    else if (!isReadable(given, path, tools)) return undefined
  }
  return {
    template,
    labels: labelsOf(template),
    annotations: annotationsOf(template),
    // The API server takes an empty name for none: of the pod's own field, then of the older one.
    serviceAccount:
      text(dig(template, 'spec', 'serviceAccountName')) || text(dig(template, 'spec', 'serviceAccount')) || 'default',
    at: (...segments) => [...root, ...segments],
  }
}

function isReadable(map: Fields, path: Path, tools: Reporter): boolean {
  const keys = Object.keys(map)
  if (keys.length > entryLimit) {
    tools.malformed(path, `has more than ${entryLimit} entries, the most that is judged`, 'unread')
    return false
  }
  let size = 0
  for (const key of keys) {
    const value = map[key]
    if (typeof value === 'string') size += key.length + value.length
    else tools.malformed([...path, key], 'must be a text')
  }
  if (size <= annotationLimit || path.at(-1) === 'labels') return true
  tools.malformed(path, `has more than ${annotationLimit} characters, the most that Kubernetes stores`, 'unread')
  return false
}
