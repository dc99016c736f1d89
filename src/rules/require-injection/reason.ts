import type { Pod } from '../../core/pod.ts'
import type { Place } from '../../core/rule.ts'
import { enumerate } from '../../core/text.ts'
import { dataplaneModeLabel, type InjectionDecision, injectKey, revisionLabel } from '../../istio/injection.ts'
import { statusAnnotation } from '../../istio/workload.ts'
import type { Message } from './rule.ts'

/** What a pod is told that is not injected. */
export interface Explanation {
  readonly message: Message
  readonly place: Place
}

/** What is known of a pod beside the decision about it. */
export interface Circumstances {
  /** What becomes of the pod: a clause. */
  readonly consequence: string
  /** Revisions and tags that are served. */
  readonly served: readonly string[]
}

/** Returns why a pod is not injected and where that is written. */
export function explain(decision: InjectionDecision, pod: Pod, { consequence, served }: Circumstances): Explanation {
  const value = decision.where.value ?? ''
  const account = pod.serviceAccount
  const label = (key: string): Place['path'] => pod.at('metadata', 'labels', key)
  const annotation = (key: string): Place['path'] => pod.at('metadata', 'annotations', key)
  switch (decision.because) {
    case 'label-false':
      return { message: 'opted-out', place: { path: label(injectKey), value, slots: { account } } }
    case 'annotation-false':
      return { message: 'opted-out', place: { path: annotation(injectKey), value, slots: { account } } }
    case 'odd-label':
      return { message: 'odd-value', place: oddPlace(pod, value, `no webhook selects it, so ${consequence}`) }
    case 'pod-revision-unserved': {
      const slots = { consequence, remedy: revisionRemedy(served) }
      return { message: 'unserved-revision', place: { path: label(revisionLabel), value, slots } }
    }
    case 'reserved-namespace':
      return {
        message: 'ignored-namespace',
        place: { path: pod.at('metadata'), value, slots: { consequence, account } },
      }
    case 'never-selector': {
      const slots = { consequence, selector: String(decision.where.key) }
      return { message: 'never-selected', place: { path: pod.at('metadata', 'labels'), slots } }
    }
    case 'ambient-opt-out': {
      const slots = { thing: `label ${dataplaneModeLabel}` }
      return { message: 'ambient-opt-out', place: { path: label(dataplaneModeLabel), value, slots } }
    }
    case 'ambient-sidecar-status': {
      const slots = { thing: `annotation ${statusAnnotation}` }
      return { message: 'ambient-opt-out', place: { path: annotation(statusAnnotation), value, slots } }
    }
    default: {
      const [reason, remedy] = askedOf(decision)
      const slots = { reason, remedy, consequence }
      return { message: 'not-asked', place: { path: pod.at('metadata'), slots } }
    }
  }
}

const askOnPod = 'set label sidecar.istio.io/inject to "true" on the pod'

/** What the namespace or the injector does that keeps the proxy out, and what helps. */
function askedOf({ because, where }: InjectionDecision): readonly [reason: string, remedy: string] {
  const value = where.value ?? ''
  switch (because) {
    case 'namespace-disabled':
      return [`its namespace says istio-injection: "${value}"`, 'label the namespace istio-injection: enabled']
    case 'namespace-revision-unserved':
      return [
        `no injector of the organisation serves revision "${value}" of its namespace`,
        'label the namespace with a revision that is served',
      ]
    case 'default-unserved':
      return [
        'no injector serves the default revision',
        'label the namespace istio.io/rev with a revision that is served, in place of istio-injection',
      ]
    case 'policy-disabled':
      return ['the injector’s policy is "disabled"', askOnPod]
    case 'policy-invalid':
      return [
        `the injector’s policy is "${value}", with which it injects nothing`,
        'set the policy in ConfigMap istio-sidecar-injector to enabled',
      ]
    default:
      return [
        'neither pod nor namespace asks for injection',
        `${askOnPod}, or label the namespace istio-injection: enabled`,
      ]
  }
}

function revisionRemedy(served: readonly string[]): string {
  if (served.length === 0) return 'remove the label'
  const names = served.toSorted().map(name => `"${name}"`)
  return `remove the label, or name ${enumerate(names, 'or')}`
}

/** Returns where a pod says neither yes nor no: its label, which hides its annotation, else the annotation. */
export function oddPlace(pod: Pod, value: string, consequence: string): Place {
  const map = pod.labels.has(injectKey) ? 'labels' : 'annotations'
  return { path: pod.at('metadata', map, injectKey), value, slots: { consequence } }
}
