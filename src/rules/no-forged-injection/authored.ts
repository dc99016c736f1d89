import { enumerate, show } from '../../core/text.ts'
import { matchesImage } from '../../istio/image.ts'
import { type Fields, field, list } from '../../istio/json.ts'
import { judgeEnvironmentSources, judgeVariables } from './environment.ts'
import { judgeHooks } from './hook.ts'
import { judgeMounts } from './mount.ts'
import { authorBounds, judgePrivileges } from './privileges.ts'
import { type Here, isSet, type Scene } from './scene.ts'

/**
 * Fields that an author may set as they like: they change neither what the proxy does nor what it may. `lifecycle` and
 * probes are judged by what they run, and what the API server fills in is fine by its value.
 */
const freeFields: ReadonlySet<string> = new Set([
  'name',
  'resources',
  'ports',
  'imagePullPolicy',
  'terminationMessagePolicy',
  'resizePolicy',
  'lifecycle',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
])

/** Fields with the one value that an author may give them: that of the API server, and that of a native sidecar. */
const fixedFields: ReadonlyMap<string, string> = new Map([
  ['terminationMessagePath', '/dev/termination-log'],
  ['restartPolicy', 'Always'],
])

/**
 * Reports what the author of a pod wrote into a container `istio-proxy` that wins over the injected one and is more than
 * such a container is for. Returns the fields that are reported.
 */
export function judgeAuthored(written: Fields, here: Here, scene: Scene): ReadonlySet<string> {
  const reported = new Set(judgeHooks(written, here, scene))
  for (const key of Object.keys(written)) {
    const isFree = freeFields.has(key) || !isSet(field(written, key)) || isFixed(key, written)
    if (!isFree && judgeField(key, written, here, scene)) reported.add(key)
  }
  return reported
}

/** Returns true for a field with the one value that it may have. */
export function isFixed(key: string, container: unknown): boolean {
  const value = fixedFields.get(key)
  return value !== undefined && value === field(container, key)
}

/** Judges one field of the author's, and returns whether it is reported. */
function judgeField(key: string, written: Fields, here: Here, scene: Scene): boolean {
  switch (key) {
    case 'image':
      return judgeImage(show(field(written, key)), here, scene)
    case 'command':
    case 'args':
      return reportProgram(key, written, here, scene)
    case 'env':
      return judgeEnvironment(written, here, scene)
    case 'envFrom':
      return judgeEnvironmentSources(written, here, scene)
    case 'securityContext':
      return judgePrivileges(written, here, authorBounds, scene)
    case 'volumeMounts':
      return judgeMounts(written, here, scene)
    default:
      return reportField(key, written, here, scene)
  }
}

function judgeImage(value: string, here: Here, scene: Scene): boolean {
  if (value === 'auto' || scene.proxyImages?.some(name => matchesImage(name, value)) === true) return false
  scene.report('foreign-image', { path: here.at('image'), value, slots: { container: here.name } })
  return true
}

/** Reports a command or arguments that are not the template's. */
export function reportProgram(key: 'command' | 'args', written: unknown, here: Here, scene: Scene): boolean {
  const given = field(written, key)
  const value = Array.isArray(given) ? list(given).map(show).join(' ') : show(given)
  const effect = key === 'command' ? `runs "${value}" in place of Istio’s program` : `is told "${value}" by its author`
  scene.report('foreign-program', { path: here.at(key), value, slots: { container: here.name, effect } })
  return true
}

function judgeEnvironment(written: Fields, here: Here, scene: Scene): boolean {
  const { reported, others } = judgeVariables(written, here, scene)
  if (others.length > 0) {
    const what = `${others.length === 1 ? 'variable' : 'variables'} ${enumerate(others)}`
    scene.report('foreign-environment', {
      path: here.at('env'),
      value: others.join(' '),
      slots: { container: here.name, what },
    })
  }
  return reported || others.length > 0
}

/** Reports a field that the template never writes. */
export function reportField(key: string, written: unknown, here: Here, scene: Scene): boolean {
  const value = `${key}: ${show(field(written, key))}`
  scene.report('foreign-field', { path: here.at(key), value, slots: { container: here.name, field: key } })
  return true
}
