import { defineMutation } from '../../core/mutation.ts'
import { judgeUncaptured } from '../../core/uncaptured.ts'
import { captureAnnotations, readCapture } from '../../istio/capture.ts'
import { complement, nothing } from '../../istio/cidr.ts'

const annotation = captureAnnotations.includeOutboundIPRanges

export default defineMutation<Record<never, never>>({
  id: 'capture-everything',
  summary: 'Let the proxy capture all destinations of a pod that lists only some',
  detail: [
    `A pod whose annotation \`${annotation}\` leaves addresses beyond the cluster’s own to`,
    'the network gets `"*"` there. A list that leaves out only ranges of pods and Services stays, and so does one that',
    'cannot be read, which is refused. Exclusions are never taken away silently: who wants one is told.',
  ].join(' '),
  enabled: false,
  cures: ['no-capture-bypass/included-ranges'],
  reads: [],
  facts: ['ranges'],
  params: {},
  change({ pod }, tools) {
    if (!pod.annotations.has(annotation)) return []
    const included = readCapture(pod.annotations).includeOutboundIPRanges
    if (!included?.ok) return []
    if (judgeUncaptured(complement(included.value), tools.facts, nothing).leaves !== 'yes') return []
    return [{ map: 'annotations', key: annotation, value: '*' }]
  },
})
