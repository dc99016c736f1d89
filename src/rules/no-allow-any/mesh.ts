import { isMeshConfigMap } from '../../core/mesh.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { readInjectorConfigMap } from '../../istio/injector.ts'
import { dig, text } from '../../istio/json.ts'
import { outboundMode, readMeshConfig } from '../../istio/meshconfig.ts'
import { judgeValues } from './install.ts'
import type { Judge } from './rule.ts'

const meshPath: Path = ['data', 'mesh']

/** Judges the ConfigMaps of the root namespace from which control planes and their injectors read. */
export function judgeConfigMap(subject: Subject, tools: Judge): void {
  const { rootNamespace } = tools.facts.mesh
  if (subject.ref.namespace !== rootNamespace) return
  const isMesh = [subject.object, subject.oldObject].some(object => isMeshConfigMap(object, rootNamespace))
  if (subject.operation === 'DELETE') {
    if (isMesh) tools.report('mesh-deleted', { path: ['metadata', 'name'], value: subject.ref.name })
  } else if (isMesh) judgeMesh(subject, tools)
  else if (/^istio-sidecar-injector(-|$)/.test(subject.ref.name)) judgeInjector(subject, tools)
  else judgeSharedMesh(subject, tools)
}

function judgeMesh(subject: Subject, tools: Judge): void {
  const mesh = dig(subject.object, 'data', 'mesh')
  if (mesh === undefined) {
    tools.report('mesh-allow-any', { path: ['data'], slots: { state: 'the ConfigMap has no key "mesh"' } })
    return
  }
  const read = readMeshConfig(text(mesh) ?? '')
  if (!read.ok) {
    reportUnreadable(meshPath, mesh, read.why, tools)
    return
  }
  const mode = outboundMode(read.value)
  if (mode === 'REGISTRY_ONLY') return
  const said = read.value.outboundMode
  const state = said === undefined ? 'no outboundTrafficPolicy means ALLOW_ANY' : `mode "${said}" is set`
  tools.report('mesh-allow-any', { path: meshPath, value: said ?? '', slots: { state } })
}

/** A second source of the mesh configuration fills what the primary leaves out; its silence changes nothing. */
function judgeSharedMesh(subject: Subject, tools: Judge): void {
  const mesh = text(dig(subject.object, 'data', 'mesh'))
  if (mesh === undefined) return
  const read = readMeshConfig(mesh)
  if (!read.ok) {
    reportUnreadable(meshPath, mesh, read.why, tools)
    return
  }
  const mode = read.value.outboundMode
  if (mode === undefined || mode === 'REGISTRY_ONLY') return
  tools.report('shared-mesh-allow-any', { path: meshPath, value: mode })
}

function judgeInjector(subject: Subject, tools: Judge): void {
  const { policy, values } = readInjectorConfigMap(subject.object)
  for (const [key, read] of [
    ['config', policy],
    ['values', values],
  ] as const) {
    if (read?.ok === false) reportUnreadable(['data', key], dig(subject.object, 'data', key), read.why, tools)
  }
  if (policy?.ok && policy.value.policy !== 'enabled') {
    tools.report('injector-off', {
      path: ['data', 'config'],
      value: policy.value.policy,
      slots: { setting: 'policy' },
    })
  }
  // The values are text inside the ConfigMap, so that is where every finding points.
  if (values?.ok) judgeValues(values.value, () => ['data', 'values'], tools)
}

/** The whole text is the value: what cannot be read may say anything, so no change of it was there before. */
function reportUnreadable(path: Path, given: unknown, problem: string, tools: Judge): void {
  tools.report('unreadable', { path, value: String(given), slots: { problem } })
}
