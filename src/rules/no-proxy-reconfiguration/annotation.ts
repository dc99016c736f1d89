import type { Path } from '../../core/path.ts'
import type { Pod } from '../../core/pod.ts'
import { show } from '../../core/text.ts'
import { isTemplateVolume, readMount } from '../../istio/injected.ts'
import { field, isFields } from '../../istio/json.ts'
import { judgeDiscovery } from './discovery.ts'
import type { Judge } from './message.ts'
import { isHarmlessVariable, reportVariable } from './variable.ts'

const discoveryAnnotation = 'sidecar.istio.io/discoveryAddress'
const bootstrapAnnotation = 'sidecar.istio.io/bootstrapOverride'
const volumeAnnotation = 'sidecar.istio.io/userVolume'
const mountAnnotation = 'sidecar.istio.io/userVolumeMount'
const lowPortsAnnotation = 'sidecar.istio.io/capNetBindService'
const datadogAnnotation = 'apm.datadoghq.com/env'

/**
 * Judges the annotations that each set one thing of a pod's proxy.
 *
 * Istio: istio-discovery chart, files/injection-template.yaml.
 */
export function judgeAnnotations(pod: Pod, isFinal: boolean, tools: Judge): void {
  const read = (name: string, judge: (value: string, path: Path) => void): void => {
    const value = pod.annotations.get(name)
    if (value !== undefined) judge(value, pod.at('metadata', 'annotations', name))
  }
  read(discoveryAnnotation, (value, path) => judgeDiscovery(value, 'pod', path, tools))
  read(bootstrapAnnotation, (value, path) => tools.report('bootstrap-override', { path, value }))
  read(volumeAnnotation, (value, path) => judgeEntries(value, path, volumes, tools))
  read(mountAnnotation, (value, path) => judgeEntries(value, path, mounts, tools))
  read(lowPortsAnnotation, (value, path) => {
    if (value === 'true') tools.report('low-ports', { path, value })
  })
  // In a final pod they are variables of the container, which no-forged-injection judges.
  if (!isFinal) read(datadogAnnotation, (value, path) => judgeDatadog(value, path, tools))
}

/** What is judged of one entry of an annotation with volumes or mounts. */
interface Entries {
  readonly param: string
  /** What such an entry is, for people. */
  readonly noun: string
  /** Returns what an entry is accepted by. */
  keysOf(entry: unknown): readonly string[]
  accepted(tools: Judge): readonly string[]
}

const volumes: Entries = {
  param: 'params.volumeTypes',
  noun: 'volume',
  keysOf: entry => (isFields(entry) ? Object.keys(entry).filter(key => key !== 'name') : []),
  accepted: ({ params }) => params.volumeTypes,
}

const mounts: Entries = {
  param: 'params.mountPaths',
  noun: 'mount',
  keysOf: entry => [readMount(entry).path],
  accepted: ({ params }) => params.mountPaths,
}

/**
 * Reports the volumes or mounts of an annotation that the policy does not accept: a map by name, or as some documents have it
 * a list. The injector refuses a pod of which it cannot read this.
 */
function judgeEntries(given: string, path: Path, { param, noun, keysOf, accepted }: Entries, tools: Judge): void {
  const value = parse(given)
  const entries = Array.isArray(value) || isFields(value) ? Object.entries(value) : [['', value] as const]
  for (const [index, entry] of entries) {
    const name = typeof entry === 'object' && Array.isArray(value) ? show(field(entry, 'name')) : index
    const keys = keysOf(entry)
    const isAccepted = keys.length > 0 && keys.every(key => accepted(tools).includes(key))
    // Of the template's own names none is accepted: such a volume would be in the place of the proxy's.
    if (isAccepted && (noun === 'mount' || !isTemplateVolume(name))) continue
    const what = `${noun} "${name}"${keys.length === 0 ? '' : ` (${keys.join(', ')})`}`
    tools.report('user-volume', { path, value: name === '' ? given : name, slots: { what, param } })
  }
}

/** Datadog's own variables are for its tracer in the proxy; others would be variables of the proxy. */
function judgeDatadog(given: string, path: Path, tools: Judge): void {
  const value = parse(given)
  if (!isFields(value)) return
  for (const name of Object.keys(value)) {
    const variable = field(value, name)
    if (!name.startsWith('DD_') && !isHarmlessVariable(name, variable, tools))
      reportVariable(name, variable, path, tools)
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
