import { dig, isFields, text } from '../istio/json.ts'
import { annotationsOf, labelsOf, type PodTemplate, podTemplateOf } from '../istio/workload.ts'
import type { Path } from './path.ts'
import type { Subject, Tools } from './rule.ts'

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

/**
 * Returns the pod of a Pod or workload, or undefined where the object holds none. Labels and annotations that are not
 * text are reported as malformed: the API server stores none such.
 */
export function podOf(
  subject: Pick<Subject, 'kind' | 'object'>,
  tools: Pick<Tools<string, unknown>, 'malformed'>,
): Pod | undefined {
  const found = podTemplateOf(subject.kind, subject.object)
  if (found === undefined) return undefined
  const { root, template } = found
  for (const map of ['labels', 'annotations'] as const) {
    const given = dig(template, 'metadata', map)
    if (given === undefined || given === null) continue
    if (!isFields(given)) tools.malformed([...root, 'metadata', map], 'must be a mapping')
    else {
      for (const key of Object.keys(given)) {
        if (typeof given[key] !== 'string') tools.malformed([...root, 'metadata', map, key], 'must be a text')
      }
    }
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
