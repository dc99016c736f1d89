import { show } from '../../core/text.ts'
import { captureAnnotations, iptablesArguments } from '../../istio/capture.ts'
import { gatewayArgumentFault, interceptionModeOf, proxyArgumentFault } from '../../istio/injected.ts'
import { dig, field, list } from '../../istio/json.ts'
import { type Override, overridesAnnotation, readOverrides } from '../../istio/overrides.ts'
import { good } from '../../istio/result.ts'
import {
  environmentOf,
  initContainerName,
  proxyContainerName,
  statusAnnotation,
  validationContainerName,
} from '../../istio/workload.ts'
import { isFixed, judgeAuthored, reportField, reportProgram } from './authored.ts'
import { judgeEnvironmentSources, judgeForeignVariables, judgeVariables } from './environment.ts'
import { judgeHooks } from './hook.ts'
import { judgeImages } from './images.ts'
import { judgeMounts } from './mount.ts'
import { type Bounds, judgePrivileges } from './privileges.ts'
import { type Here, isSet, once, type Scene } from './scene.ts'
import { judgeWrittenVariables, metadataOfMesh } from './written.ts'

/** An injected container and its place in the pod. */
export interface Injected extends Here {
  readonly list: 'initContainers' | 'containers'
}

/**
 * Judges the injected containers of a final pod: first what the injector's record says that the author wrote into them,
 * then what the template cannot have written, whoever did. A container without a record may have been written by hand
 * altogether: with the status annotation forged, the injector keeps none.
 */
export function judgeFinal(containers: readonly Injected[], scene: Scene): void {
  judgeOrigin(scene)
  const record = readRecord(scene)
  const ofInit = once(() => environmentOf(containers.find(({ name }) => name !== proxyContainerName)?.container))
  const ofProxy = once(() => environmentOf(containers.find(({ name }) => name === proxyContainerName)?.container))
  const rest: Rest = { all: containers, ofInit, ofProxy, bounds: proxyBounds(containers, ofInit, scene) }
  const judged: Injected[] = []
  const known = new Set<string>()
  for (const container of containers) {
    const fault = placeFault(container, known, containers)
    known.add(container.name)
    if (fault !== undefined) {
      scene.report('misplaced', { path: container.at('name'), value: container.name, slots: { effect: fault } })
    } else if (judgeContainer(container, record.get(container.name), rest, scene)) judged.push(container)
  }
  judgeImages(judged, scene)
}

/** What the other injected containers of a pod say of one of them. */
interface Rest {
  readonly all: readonly Injected[]
  /** What the proxy may have. */
  readonly bounds: Bounds
  /** Environment of the init container, which is `proxyMetadata`. */
  readonly ofInit: () => ReadonlyMap<string, string | undefined>
  /** Environment of the proxy, which has `proxyMetadata` too. */
  readonly ofProxy: () => ReadonlyMap<string, string | undefined>
}

/**
 * The API server writes down which fields came with a request, and not those that webhooks added: so it tells who forged
 * the annotation with which the injector keeps no record.
 *
 * Kubernetes: Server-Side Apply, section "Field management"; k8s.io/apiserver pkg/endpoints/handlers/create.go.
 */
function judgeOrigin({ pod, report }: Scene): void {
  for (const entry of list(dig(pod.template, 'metadata', 'managedFields'))) {
    const annotations = dig(entry, 'fieldsV1', 'f:metadata', 'f:annotations')
    if (field(annotations, `f:${statusAnnotation}`) === undefined) continue
    const path = pod.at('metadata', 'annotations', statusAnnotation)
    report('status-annotation', { path, value: pod.annotations.get(statusAnnotation) ?? '' })
    return
  }
}

/** The first container of each name in the record. */
function readRecord(scene: Scene): ReadonlyMap<string, Override> {
  const record = new Map<string, Override>()
  const value = scene.pod.annotations.get(overridesAnnotation)
  if (value === undefined) return record
  const read = readOverrides(value)
  if (!read.ok) {
    const path = scene.pod.at('metadata', 'annotations', overridesAnnotation)
    scene.report('overrides-annotation', {
      path,
      value,
      slots: { what: `is not what the injector writes (it ${read.why})` },
    })
    return record
  }
  for (const override of read.value) if (!record.has(override.name)) record.set(override.name, override)
  return record
}

/** Returns what is wrong with where a container stands, or undefined. */
function placeFault(
  { name, list: where, container }: Injected,
  known: ReadonlySet<string>,
  all: readonly Injected[],
): string | undefined {
  if (known.has(name)) return 'is there twice, and only one of them is the injector’s'
  const restart = field(container, 'restartPolicy') ?? undefined
  if (name === proxyContainerName) {
    const ends = where === 'initContainers' && restart !== 'Always'
    return ends ? 'does not restart, so the pod runs without it once it ends' : undefined
  }
  if (where === 'containers') return 'runs beside the application, and not before it'
  if (restart !== undefined) return 'restarts, so the next container does not wait for its end'
  const isBoth = name === initContainerName && all.some(other => other.name === validationContainerName)
  return isBoth ? 'stands beside "istio-validation": a pod that has it is left alone by the CNI plugin' : undefined
}

/** Judges one container, and returns whether its image is still to be judged. */
function judgeContainer(here: Injected, override: Override | undefined, rest: Rest, scene: Scene): boolean {
  if (override !== undefined && here.name !== proxyContainerName) {
    reportReserved(here, scene)
    return false
  }
  const said = override === undefined ? nothing : judgeAuthored(override.container, here, scene)
  const { container } = here
  if (!isSet(field(container, 'command'))) {
    if (!said.has('args')) judgeArguments(here, scene)
  } else if (!said.has('command')) reportProgram('command', container, here, scene)
  if (!said.has('env')) {
    judgeVariables(container, here, scene)
    judgeForeignVariables(here, ofOther(here, rest, scene), scene)
    if (here.name === proxyContainerName) judgeWrittenVariables(here, scene)
  }
  if (!said.has('envFrom')) judgeEnvironmentSources(container, here, scene)
  if (!said.has('volumeMounts')) judgeMounts(container, here, scene)
  if (!said.has('securityContext')) judgePrivileges(container, here, boundsFor(here, rest, scene), scene)
  judgeHooks(withoutFields(container, said), here, scene)
  for (const key of foreignFields) {
    if (!said.has(key) && isSet(field(container, key)) && !isFixed(key, container)) {
      reportField(key, container, here, scene)
    }
  }
  return !said.has('image')
}

/** Where the variables stand that the container has of `proxyMetadata`: a gateway has no other container with them. */
function ofOther(here: Injected, { ofInit, ofProxy }: Rest, scene: Scene): Rest['ofInit'] {
  if (scene.isGateway) {
    // A gateway between networks asks for the view of its own.
    const network = ofProxy().get('ISTIO_META_NETWORK')
    return () => metadataOfMesh(scene).set('ISTIO_META_REQUESTED_NETWORK_VIEW', network)
  }
  return here.name === proxyContainerName ? ofInit : ofProxy
}

const nothing: ReadonlySet<string> = new Set()

/** Fields that neither template nor API server write; those that a later Kubernetes may fill in are not among them. */
const foreignFields = [
  'restartPolicyRules',
  'stdin',
  'stdinOnce',
  'terminationMessagePath',
  'tty',
  'volumeDevices',
  'workingDir',
] as const

function withoutFields(container: Here['container'], said: ReadonlySet<string>): Here['container'] {
  if (said.size === 0) return container
  return Object.fromEntries(Object.entries(container).filter(([key]) => !said.has(key)))
}

/** Reports a container of the author that bears the name of one which only the injector may bring. */
export function reportReserved(here: Here, scene: Scene): void {
  const effect =
    here.name === initContainerName
      ? 'replaces the program that redirects traffic, and keeps the CNI plugin from doing so'
      : 'replaces the one check that traffic is redirected'
  scene.report('reserved-name', { path: here.at('name'), value: here.name, slots: { effect } })
}

/** What `istio-init` is told about capture is no-capture-bypass's to judge. */
function judgeArguments(here: Injected, scene: Scene): void {
  const args = field(here.container, 'args')
  if (here.name === validationContainerName) {
    const run = iptablesArguments(list(args).map(show))
    if (run.ok && run.value.flags.get('run-validation') === 'true') return
    const slots = { container: here.name, effect: 'does not check that traffic is redirected' }
    scene.report('foreign-program', { path: here.at('args'), value: list(args).map(show).join(' '), slots })
  } else if (here.name === proxyContainerName) {
    const fault = (scene.isGateway ? gatewayArgumentFault : proxyArgumentFault)(list(args))
    if (fault === undefined) return
    if (fault.kind === 'role') {
      const value = list(args).slice(0, 2).map(show).join(' ')
      const slots = {
        container: here.name,
        effect: `is told "${value}": as no sidecar, so that the CNI plugin redirects nothing to it`,
      }
      scene.report('foreign-program', { path: here.at('args'), value, slots })
    } else {
      const value = show(list(args)[fault.index])
      const slots = { container: here.name, effect: `is told "${value}", which injection never does` }
      scene.report('foreign-program', { path: here.at('args', fault.index), value, slots })
    }
  }
}

/**
 * Returns what the template may give the proxy, by what else it writes in those cases: with TPROXY, with low ports to bind
 * and with the tracing of redirection it runs as root.
 *
 * Istio: istio-discovery chart, files/injection-template.yaml (securityContext).
 */
function proxyBounds(containers: readonly Injected[], ofInit: Rest['ofInit'], scene: Scene): Bounds {
  const proxy = containers.find(({ name }) => name === proxyContainerName)?.container
  const isTransparent = once(
    () =>
      scene.pod.annotations.get(captureAnnotations.interceptionMode) === 'TPROXY' ||
      containers.some(({ container }) => interceptionModeOf(field(container, 'args')) === 'TPROXY'),
  )
  const isTraced = once(() => ofInit().get('IPTABLES_TRACE_LOGGING') === 'true')
  const bindsLowPorts = (): boolean =>
    list(dig(proxy, 'securityContext', 'capabilities', 'add')).includes('NET_BIND_SERVICE')
  return {
    capabilities: () => (isTransparent() || isTraced() ? ['NET_BIND_SERVICE', 'NET_ADMIN'] : ['NET_BIND_SERVICE']),
    root: () => isTransparent() || isTraced() || bindsLowPorts(),
    privileged: () => isTraced() || isPrivileged(containers, scene),
    authored: false,
  }
}

function boundsFor({ name }: Here, { bounds, all }: Rest, scene: Scene): Bounds {
  if (name === proxyContainerName) return bounds
  const capabilities = name === initContainerName ? ['NET_ADMIN', 'NET_RAW'] : []
  return {
    capabilities: () => capabilities,
    root: () => false,
    privileged: () => isPrivileged(all, scene),
    authored: false,
  }
}

/**
 * Whether the values of the installation make injected containers privileged: all of them, or none. Undefined where the
 * values are not known and all containers are.
 */
function isPrivileged(all: readonly Injected[], scene: Scene): boolean | undefined {
  const values = scene.values()
  if (values === undefined) {
    const isFree = ({ container }: Injected): boolean =>
      dig(container, 'securityContext', 'allowPrivilegeEscalation') === true ||
      dig(container, 'securityContext', 'privileged') === true
    return all.every(isFree) ? undefined : false
  }
  const setting = values.privileged?.value ?? good(false)
  return setting.ok ? setting.value : undefined
}
