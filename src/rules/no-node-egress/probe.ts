import type { Path } from '../../core/path.ts'
import { dig, field, isFields, text } from '../../istio/json.ts'
import { containersOf } from '../../istio/workload.ts'

/** A host that the kubelet connects to for a pod. */
export interface ProbeHost {
  /** Path below the pod. */
  readonly path: Path
  readonly host: string
}

const probes = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const
const actions = ['httpGet', 'tcpSocket'] as const
const hooks = ['postStart', 'preStop'] as const

/**
 * Yields the hosts that probes and hooks of a pod name. Without a host the kubelet connects to the pod's own address. It
 * connects from the node: `localhost` there is the node, never the pod. A hook with `tcpSocket` is never run.
 *
 * Istio's injector redirects probes by path and port alone, and a host stays (pkg/kube/inject/app_probe.go). Kubernetes:
 * pkg/probe/http/request.go (NewRequestForHTTPGetAction), pkg/kubelet/prober/prober.go (runProbe),
 * pkg/kubelet/lifecycle/handlers.go (runHTTPHandler).
 */
export function* probeHostsOf(template: unknown): Generator<ProbeHost, void, undefined> {
  for (const { list, index, container } of containersOf(template)) {
    for (const probe of probes) {
      const given = field(container, probe)
      if (!isFields(given)) continue
      for (const action of actions) {
        const host = text(field(field(given, action), 'host'))
        if (host) yield { path: ['spec', list, index, probe, action, 'host'], host }
      }
    }
    const lifecycle = field(container, 'lifecycle')
    if (!isFields(lifecycle)) continue
    for (const hook of hooks) {
      const host = text(dig(lifecycle, hook, 'httpGet', 'host'))
      if (host) yield { path: ['spec', list, index, 'lifecycle', hook, 'httpGet', 'host'], host }
    }
  }
}
