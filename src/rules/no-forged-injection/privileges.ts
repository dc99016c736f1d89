import { show } from '../../core/text.ts'
import { dig, field, list } from '../../istio/json.ts'
import { initContainerName } from '../../istio/workload.ts'
import { type Here, isSet, type Scene } from './scene.ts'

/** What a security context may give a container; asked for only where it gives something. */
export interface Bounds {
  readonly capabilities: () => readonly string[]
  /** Whether it may run as root. */
  readonly root: () => boolean
  /** Whether it may be privileged; undefined where the values of the installation say, and are not known. */
  readonly privileged: () => boolean | undefined
  /** True for what the author of a pod wrote, before the injector. */
  readonly authored: boolean
}

/** What the author of a pod may give an `istio-proxy` container: nothing that it does not have by injection. */
export const authorBounds: Bounds = {
  capabilities: () => [],
  root: () => false,
  privileged: () => false,
  authored: true,
}

/**
 * Reports what a security context gives an injected container beyond the bounds, and returns whether anything was. What
 * takes privileges away is fine, as is the user that injection gives the proxy: of that user traffic is not captured, so
 * another one would free what else runs as it.
 */
export function judgePrivileges(written: unknown, here: Here, bounds: Bounds, scene: Scene): boolean {
  const context = field(written, 'securityContext')
  if (!isSet(context)) return false
  const found: (readonly [path: readonly string[], value: unknown, effect: string])[] = []
  for (const capability of list(dig(context, 'capabilities', 'add'))) {
    if (bounds.capabilities().includes(show(capability))) continue
    const effect = `gets capability ${show(capability)}, which injection does not give`
    found.push([['capabilities', 'add'], capability, effect])
  }
  const free = field(context, 'privileged') === true ? 'privileged' : 'allowPrivilegeEscalation'
  const mayBeFree = field(context, free) !== true || bounds.privileged()
  if (mayBeFree === undefined) askForValues(free, here, scene)
  else if (!mayBeFree) found.push([[free], true, `runs with ${free}: true, which injection does not ask for`])
  if (here.name !== initContainerName) found.push(...identities(context, here, bounds, scene))
  found.push(...confinement(context, here, bounds, scene))
  for (const [path, value, effect] of found) {
    scene.report('foreign-privileges', {
      path: here.at('securityContext', ...path),
      value: `${path.at(-1)}: ${show(value)}`,
      slots: { container: here.name, effect },
    })
  }
  return found.length > 0
}

function askForValues(name: string, here: Here, scene: Scene): void {
  scene.notJudged(
    here.at('securityContext', name),
    `whether the installation gives "${here.name}" that`,
    'give ConfigMap istio-sidecar-injector with --inventory',
  )
}

type Excess = readonly [path: readonly string[], value: unknown, effect: string]

/** Lowest number that OpenShift gives the pods of a namespace, where nothing else is configured. */
const openShiftUsers = 1_000_000_000

function* identities(context: unknown, here: Here, bounds: Bounds, scene: Scene): Generator<Excess> {
  for (const [key, ids, noun] of [
    ['runAsUser', 'users', 'user'],
    ['runAsGroup', 'groups', 'group'],
  ] as const) {
    const id = field(context, key) ?? undefined
    if (id === undefined || id === 1337 || (key === 'runAsUser' && id === 0 && bounds.root())) continue
    if (typeof id === 'number') {
      if (scene.proxyIds()[ids].has(id) || (bounds.authored && isFilledIn(context, scene))) continue
      if (id >= openShiftUsers && scene.namespaceAnnotations() === undefined) {
        const unknown = `whether ${noun} ${id} is the one that OpenShift gives the proxy in this namespace`
        scene.notJudged(here.at('securityContext', key), unknown, 'give the Namespace with --inventory')
        continue
      }
    }
    const effect =
      id === 0
        ? `runs as ${noun} 0, root’s`
        : `runs as ${noun} ${show(id)}, and what that ${noun} sends is not captured`
    yield [[key], id, effect]
  }
}

function isFilledIn(context: unknown, scene: Scene): boolean {
  const user = scene.filledInUser()
  return user !== undefined && user === field(context, 'runAsUser')
}

function* confinement(context: unknown, here: Here, bounds: Bounds, scene: Scene): Generator<Excess> {
  const drop = dig(context, 'capabilities', 'drop')
  // OpenShift fills in what it wants dropped.
  if (isSet(drop) && !list(drop).includes('ALL') && scene.filledInUser() === undefined) {
    yield [['capabilities', 'drop'], list(drop).map(show).join(' '), 'keeps capabilities that injection takes from it']
  }
  if (here.name !== initContainerName) {
    if (field(context, 'readOnlyRootFilesystem') === false) {
      yield [['readOnlyRootFilesystem'], false, 'may write where its program is']
    }
    if (field(context, 'runAsNonRoot') === false && !bounds.root()) {
      yield [['runAsNonRoot'], false, 'may run as root']
    }
  }
  if ((field(context, 'procMount') ?? 'Default') !== 'Default') {
    yield [['procMount'], field(context, 'procMount'), 'sees the whole of /proc']
  }
  if (dig(context, 'windowsOptions', 'hostProcess') === true) {
    yield [['windowsOptions', 'hostProcess'], true, 'runs as a process of the node']
  }
  for (const key of ['user', 'role', 'type']) {
    const value = dig(context, 'seLinuxOptions', key)
    if (isSet(value)) yield [['seLinuxOptions', key], value, `runs with SELinux ${key} ${show(value)}`]
  }
  for (const key of ['seccompProfile', 'appArmorProfile']) {
    if (dig(context, key, 'type') === 'Unconfined') yield [[key, 'type'], 'Unconfined', `runs without ${key}`]
  }
}
