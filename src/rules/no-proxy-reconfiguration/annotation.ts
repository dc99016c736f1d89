import type { Path } from '../../core/path.ts'
import type { Pod } from '../../core/pod.ts'
import { show } from '../../core/text.ts'
import { isTemplateVolume, readMount } from '../../istio/injected.ts'
import { type Fields, field, isFields } from '../../istio/json.ts'
import { parseJsonText } from '../../istio/jsontext.ts'
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
  /** Returns what an entry is, for people. */
  show(entry: unknown): string
  isAccepted(name: string, entry: Fields, tools: Judge): boolean
}

const volumes: Entries = {
  param: 'params.volumeTypes',
  noun: 'volume',
  show: entry => (isFields(entry) ? Object.keys(entry).join(', ') : ''),
  isAccepted: (name, entry, { params }) => {
    const types = Object.keys(entry)
    // One of the template's own names would be in the place of the proxy's.
    return types.length > 0 && types.every(type => params.volumeTypes.includes(type)) && !isTemplateVolume(name)
  },
}

/** Fields of a mount beside its volume and path; in another case they would be read too, after these. */
const mountFields: ReadonlySet<string> = new Set(['mountPath', 'readOnly', 'subPath'])

const mounts: Entries = {
  param: 'params.mountPaths',
  noun: 'mount',
  show: entry => readMount(entry).path,
  isAccepted: (_, entry, { params }) =>
    params.mountPaths.includes(readMount(entry).path) && Object.keys(entry).every(key => mountFields.has(key)),
}

/**
 * Reports the volumes or mounts of an annotation that the policy does not accept: a map by name. Of a list, as some documents
 * have it, the injector makes names of its own, so that none is accepted; of what it cannot read it refuses the pod.
 */
function judgeEntries(given: string, path: Path, { param, noun, ...of }: Entries, tools: Judge): void {
  const read = parseJsonText(given)
  const value = read.ok ? read.value : undefined
  const isMap = isFields(value)
  const entries = isMap || Array.isArray(value) ? Object.entries(value) : [['', value] as const]
  for (const [key, entry] of entries) {
    if (isMap && isFields(entry) && of.isAccepted(key, entry, tools)) continue
    const name = isMap || !isFields(entry) ? key : show(field(entry, 'name'))
    const what = `${noun} "${name}" (${of.show(entry)})`
    tools.report('user-volume', { path, value: name === '' ? given : name, slots: { what, param } })
  }
}

/** Datadog's own variables are for its tracer in the proxy; others would be variables of the proxy. */
function judgeDatadog(given: string, path: Path, tools: Judge): void {
  const read = parseJsonText(given)
  if (!read.ok || !isFields(read.value)) return
  for (const name of Object.keys(read.value)) {
    const variable = field(read.value, name)
    if (!name.startsWith('DD_') && !isHarmlessVariable(name, variable, tools))
      reportVariable(name, variable, path, tools)
  }
}
