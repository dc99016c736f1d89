import type { Subject } from '../../core/rule.ts'
import { bundleVersionAnnotation, isBelow, minimumVersions } from '../../istio/bundle.ts'
import { annotationsOf } from '../../istio/workload.ts'
import type { Judge } from './rule.ts'

/** Judges whether Istio reads less of the Gateway API after a change than before. */
export function judgeDefinition({ ref, object, oldObject }: Subject, tools: Judge): void {
  const minimum = minimumVersions.get(ref.name)
  if (minimum === undefined || oldObject === undefined) return
  const before = annotationsOf(oldObject).get(bundleVersionAnnotation)
  const after = annotationsOf(object).get(bundleVersionAnnotation)
  if (isBelow(before, minimum.version) || !isBelow(after, minimum.version)) return
  tools.report('version-lowered', {
    path: after === undefined ? ['metadata'] : ['metadata', 'annotations', bundleVersionAnnotation],
    ...(after !== undefined && { value: after }),
    slots: { minimum: minimum.version.join('.'), kind: minimum.kind, before: String(before) },
  })
}
