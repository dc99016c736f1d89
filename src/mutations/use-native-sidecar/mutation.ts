import { defineMutation } from '../../core/mutation.ts'
import { containersOf } from '../../istio/workload.ts'

/** Annotation that chooses the layout: exactly `false` is the classic one, with the proxy beside the application. */
const annotation = 'sidecar.istio.io/nativeSidecar'

export default defineMutation<Record<never, never>>({
  id: 'use-native-sidecar',
  summary: 'Let the proxy start before the init containers of a pod that asks for the classic layout',
  detail: [
    `A pod with init containers of its own and the annotation \`${annotation}: "false"\` gets \`"true"\`, so that`,
    'what runs before the application is captured too. Enable it where every node runs Kubernetes 1.33 or newer; it',
    'changes how the containers of Jobs end, for the better.',
  ].join(' '),
  enabled: false,
  cures: ['require-early-capture/classic-layout'],
  reads: [],
  facts: [],
  params: {},
  change({ pod }) {
    if (pod.annotations.get(annotation) !== 'false') return []
    for (const { list } of containersOf(pod.template)) {
      if (list === 'initContainers') return [{ map: 'annotations', key: annotation, value: 'true' }]
    }
    return []
  },
})
