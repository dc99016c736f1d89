import type { Subject } from '../../core/rule.ts'
import { dig, field, list, text } from '../../istio/json.ts'
import { labelsOf } from '../../istio/workload.ts'
import { configLimit, readYaml } from '../../istio/yaml.ts'
import type { Judge } from './rule.ts'

/** Names the class whose generated gateways a ConfigMap of the root namespace shapes. */
const defaultsLabel = 'gateway.istio.io/defaults-for-class'

/**
 * Judges what a ConfigMap lays over the Deployments of generated gateways: an image, an account or the network of the
 * node make something else of them. Their pods are judged as all others are, whoever makes them.
 *
 * Istio: pilot/pkg/config/kube/gatewaycommon/deploymentcontroller.go (render, applyOverlay).
 */
export function judgeOverlay({ object, ref }: Subject, tools: Judge): void {
  if (ref.namespace !== tools.facts.mesh.rootNamespace || !labelsOf(object).has(defaultsLabel)) return
  const overlay = text(dig(object, 'data', 'deployment'))
  if (overlay === undefined) return
  const path = ['data', 'deployment']
  const read = readYaml(overlay, configLimit)
  if (!read.ok) {
    tools.malformed(path, read.why)
    return
  }
  for (const what of changesOf(dig(read.value, 'spec', 'template'))) {
    tools.report('gateway-overlay', { path, value: what, slots: { what } })
  }
}

function* changesOf(template: unknown): Generator<string> {
  const spec = field(template, 'spec')
  if (field(spec, 'hostNetwork') === true) yield 'the network of its node'
  for (const key of ['serviceAccountName', 'serviceAccount']) {
    const account = text(field(spec, key))
    if (account !== undefined) yield `service account ${account}`
  }
  for (const key of ['initContainers', 'containers']) {
    for (const container of list(field(spec, key))) {
      const image = text(field(container, 'image'))
      if (image !== undefined && image !== 'auto') yield `image ${image}`
    }
  }
}
