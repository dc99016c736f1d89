import { isControlPlane } from '../../core/controlplane.ts'
import { readMeshConfigMap } from '../../core/mesh.ts'
import { proxyConfigAnnotation, proxyConfigOf } from '../../core/proxysettings.ts'
import { captureAnnotations } from '../../istio/capture.ts'
import { field, isFields, list, text } from '../../istio/json.ts'
import { type ProxySetting, readProxyConfig, readProxyConfigValue } from '../../istio/proxyconfig.ts'
import type { Result } from '../../istio/result.ts'
import type { Here, Scene } from './scene.ts'

/** Settings of the proxy's configuration that say which program it runs, and whose configuration it takes. */
const steering = new Set([
  'binaryPath',
  'caCertificatesPem',
  'configPath',
  'customConfigFile',
  'discoveryAddress',
  'interceptionMode',
  'proxyBootstrapTemplatePath',
])

/**
 * Judges the values of variables that the template itself writes into the proxy: with the status annotation forged, the
 * author's container lies over the injected one and may hold others. What an annotation of the pod asks for is for the rules
 * about annotations to judge.
 *
 * Istio: istio-discovery chart, files/injection-template.yaml (env of istio-proxy); pkg/kube/inject/webhook.go
 * (reapplyOverwrittenContainers).
 */
export function judgeWrittenVariables(here: Here, scene: Scene): void {
  for (const [index, entry] of list(field(here.container, 'env')).entries()) {
    const judge = judges.get(text(field(entry, 'name')) ?? '')
    // The template writes each of them out; one whose value is elsewhere is a foreign variable.
    if (judge === undefined || isFields(field(entry, 'valueFrom'))) continue
    const fault = judge(text(field(entry, 'value')) ?? '', scene)
    if (fault === undefined) continue
    const path = here.at('env', index, 'value')
    if (fault.certain) {
      const slots = { name: String(field(entry, 'name')), container: here.name, effect: fault.effect }
      scene.report('foreign-value', { path, value: fault.value, slots })
    } else
      scene.notJudged(
        path,
        `whether ${fault.effect} by the installation’s will`,
        'give the ConfigMaps of Istio with --inventory',
      )
  }
}

/** What is wrong with a value; not certain where the installation is not known. */
interface Fault {
  readonly value: string
  readonly effect: string
  readonly certain: boolean
}

const judges: ReadonlyMap<string, (value: string, scene: Scene) => Fault | undefined> = new Map([
  ['ISTIO_META_INTERCEPTION_MODE', judgeMode],
  ['CA_ADDR', judgeAuthority],
  ['PROXY_CONFIG', judgeConfig],
])

function judgeMode(value: string, { pod }: Scene): Fault | undefined {
  if (value === 'REDIRECT' || value === 'TPROXY') return undefined
  const asked = pod.annotations.get(captureAnnotations.interceptionMode) === value
  if (asked || pod.annotations.has(proxyConfigAnnotation)) return undefined
  return { value, effect: `tells the proxy that mode "${value}" captures its traffic`, certain: true }
}

function judgeAuthority(value: string, scene: Scene): Fault | undefined {
  if (isControlPlane(value, scene.facts)) return undefined
  const values = scene.values()
  const address = values?.caAddress?.value
  if (address?.ok && address.value === value) return undefined
  return { value, effect: `has the proxy take its identity from "${value}"`, certain: values !== undefined }
}

function judgeConfig(value: string, scene: Scene): Fault | undefined {
  const read = readWritten(value)
  if (!read.ok) return { value, effect: `holds what ${read.why}`, certain: true }
  for (const setting of read.value) {
    const name = String(setting.path[0])
    if (!steering.has(name) || isInnocent(name, setting, scene)) continue
    const mesh = meshSettings(scene)
    if (mesh?.some(other => other.path[0] === name && other.value === setting.value)) continue
    return { value: `${name}: ${setting.value}`, effect: `sets ${name} of the proxy`, certain: mesh !== undefined }
  }
  return undefined
}

/** The injector writes JSON; only what is none has to be read as YAML, which takes long. */
function readWritten(value: string): Result<readonly ProxySetting[]> {
  if (value.includes('\\')) return readProxyConfig(value)
  try {
    return readProxyConfigValue(JSON.parse(value))
  } catch {
    return readProxyConfig(value)
  }
}

/** Whether a setting says what holds anyway, or what an annotation of the pod asks for. */
function isInnocent(name: string, { value }: ProxySetting, scene: Scene): boolean {
  if (name === 'discoveryAddress' && typeof value === 'string' && isControlPlane(value, scene.facts)) return true
  if (name === 'interceptionMode') return value !== 'NONE' || judgeMode('NONE', scene) === undefined
  const read = proxyConfigOf(scene.pod)
  return read?.ok === true && read.value.some(({ path }) => path[0] === name)
}

/** Returns what the meshes of the root namespace set for all proxies; undefined where no mesh configuration is known. */
function meshSettings({ meshConfigMaps }: Scene): readonly ProxySetting[] | undefined {
  const maps = meshConfigMaps()
  if (maps.length === 0) return undefined
  return maps.flatMap(map => {
    const read = readMeshConfigMap(map)
    return read.ok ? read.value.defaultConfig : []
  })
}

/** Returns the variables that the meshes of the root namespace set for all proxies. */
export function metadataOfMesh(scene: Scene): Map<string, string | undefined> {
  const variables = new Map<string, string | undefined>()
  for (const { path, value } of meshSettings(scene) ?? []) {
    const [name, key] = path
    if (name === 'proxyMetadata' && key !== undefined) variables.set(key, String(value))
  }
  return variables
}
