import { enumerate } from '../../core/text.ts'
import { overridesAnnotation, readOverrides } from '../../istio/overrides.ts'
import { proxyContainerName, statusAnnotation } from '../../istio/workload.ts'
import { judgeAuthored } from './authored.ts'
import { type Injected, reportReserved } from './final.ts'
import type { Scene } from './scene.ts'

/** Judges a pod that no injector has seen yet: whatever it has of injection, its author wrote. */
export function judgeSubmitted(containers: readonly Injected[], scene: Scene): void {
  judgeAnnotations(scene)
  for (const container of containers) {
    if (container.name === proxyContainerName) judgeAuthored(container.container, container, scene)
    else reportReserved(container, scene)
  }
}

function judgeAnnotations({ pod, report }: Scene): void {
  const path = (key: string): ReturnType<typeof pod.at> => pod.at('metadata', 'annotations', key)
  const status = pod.annotations.get(statusAnnotation)
  if (status !== undefined) report('status-annotation', { path: path(statusAnnotation), value: status })
  const value = pod.annotations.get(overridesAnnotation)
  if (value === undefined) return
  const read = readOverrides(value)
  if (read.ok && read.value.length === 0) return
  const names = read.ok ? read.value.map(({ name }) => `"${name}"`) : []
  const what = read.ok
    ? `defines ${enumerate([...new Set(names)])} unseen in the spec, and wins over what is injected`
    : `is not what the injector writes (it ${read.why})`
  report('overrides-annotation', { path: path(overridesAnnotation), value, slots: { what } })
}
