import { defineRule } from '../../core/rule.ts'
import { annotationsOf } from '../../istio/workload.ts'

export default defineRule<'internal-annotation', Record<never, never>>({
  id: 'no-internal-annotation',
  summary: 'Disallow annotations that Istio keeps for objects of its own making',
  risk: [
    'Istio turns objects of the Gateway API into its own kinds and marks those with annotations below',
    '`internal.istio.io/`. On an object that somebody wrote they change what it does: a VirtualService comes before all',
    'others and matches in another way, a Gateway binds by the name of a Service and passes the checks between namespaces,',
    'or crowds out the Gateways of others. Istio’s own validation refuses only two of them.',
  ].join(' '),
  team: [
    'The object was copied with `kubectl get -o yaml`. Istio writes these annotations on what it generates; remove',
    'them.',
  ].join(' '),
  judges: [
    '*.networking.istio.io',
    '*.security.istio.io',
    '*.telemetry.istio.io',
    '*.extensions.istio.io',
    '*.gateway.networking.k8s.io',
    'Service',
  ],
  reads: [],
  facts: [],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    'internal-annotation': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'Istio keeps "{key}" for objects it generates; here it changes what the object binds to and in which order',
      fix: 'remove the annotation',
      threats: ['vs/internal-annotation', 'gw/internal-annotation'],
    },
  },
  check(subject, tools) {
    if (subject.subresource !== '') return
    for (const [key, value] of annotationsOf(subject.object)) {
      if (!key.startsWith('internal.istio.io/')) continue
      tools.report('internal-annotation', {
        path: ['metadata', 'annotations', key],
        value: `${key}: ${value}`,
        slots: { key },
      })
    }
  },
})
