import { isAskedFor } from '../../core/proxysettings.ts'
import { show } from '../../core/text.ts'
import { iptablesArguments } from '../../istio/capture.ts'
import { parseGoBool } from '../../istio/injection.ts'
import { type Fields, field, list, text } from '../../istio/json.ts'
import { isForeignVariable } from '../../istio/proxyenv.ts'
import { initContainerName, proxyContainerName } from '../../istio/workload.ts'
import { isAskedVariable } from './annotation.ts'
import { type Here, isSet, once, type Scene } from './scene.ts'

/** A variable with which an injected container no longer does what it is there for. */
interface Harm {
  /** The container that reads it. */
  readonly container: string
  /** Whether a value does harm; undefined is one that is not in the object. */
  does(value: string | undefined): boolean
  readonly effect: string
}

/**
 * Variables by name. Those that stand for flags of `istio-iptables` are no-capture-bypass's to judge, together with the
 * flags. In CNI mode it is the node's environment that counts for the groups of owners, not the pod's.
 *
 * Istio: cni/pkg/plugin/plugin.go (doAddRun), tools/istio-iptables/pkg/constants/constants.go (OwnerGroupsInclude,
 * OwnerGroupsExclude).
 */
const harms: ReadonlyMap<string, Harm> = new Map([
  [
    'DISABLE_ENVOY',
    {
      container: proxyContainerName,
      does: value => value === undefined || value.includes('$(') || parseGoBool(value) === true,
      effect: 'makes the CNI plugin redirect nothing and the agent start no Envoy',
    },
  ],
  [
    'ISTIO_OUTBOUND_OWNER_GROUPS',
    {
      container: initContainerName,
      does: value => value !== '*',
      effect: 'leaves uncaptured what every group sends that it does not name',
    },
  ],
  [
    'ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE',
    {
      container: initContainerName,
      does: value => value !== '',
      effect: 'leaves uncaptured what the groups send that it names',
    },
  ],
])

/** What is known of the variables of a container after those that do harm are reported. */
export interface Variables {
  readonly reported: boolean
  /** Names of those that are neither reported nor accepted. */
  readonly others: readonly string[]
}

/** A variable of a container; undefined stands for a value that is not in the object. */
function readVariable(entry: unknown): { readonly name: string; readonly value: string | undefined } {
  const value = isSet(field(entry, 'valueFrom')) ? undefined : show(field(entry, 'value') ?? '')
  return { name: text(field(entry, 'name')) ?? '', value }
}

function harmOf(name: string, value: string | undefined, here: Here): Harm | undefined {
  const harm = harms.get(name)
  return harm?.container === here.name && harm.does(value) ? harm : undefined
}

/** Reports the variables of a container that do harm. */
export function judgeVariables(written: unknown, here: Here, scene: Scene): Variables {
  const others: string[] = []
  let reported = false
  const places = written === here.container ? undefined : once(() => placesOf(here.container))
  for (const [index, entry] of list(field(written, 'env')).entries()) {
    const { name, value } = readVariable(entry)
    const harm = harmOf(name, value, here)
    if (harm !== undefined && isAskedFor(name, value, scene.pod)) continue
    if (harm !== undefined) {
      reported = true
      scene.report('harmful-variable', {
        path: here.at('env', ...placeOf(name, index, places)),
        value: value === undefined ? name : `${name}=${value}`,
        slots: { name, effect: harm.effect },
      })
    } else if (!scene.params.variables.includes(name)) others.push(name)
  }
  return { reported, others }
}

/** Where the variables of a container are: what is judged may be the author's part of it, told by a record. */
function placesOf(container: Fields): ReadonlyMap<unknown, number> {
  return new Map([...list(field(container, 'env')).entries()].map(([index, entry]) => [field(entry, 'name'), index]))
}

function placeOf(
  name: string,
  index: number,
  places: (() => ReadonlyMap<unknown, number>) | undefined,
): readonly number[] {
  const place = places === undefined ? index : places().get(name)
  return place === undefined ? [] : [place]
}

/**
 * Reports the variables of a final container that mean something to its program and that injection does not write; the
 * proxy and its init container have those of `proxyMetadata` in common.
 */
export function judgeForeignVariables(
  here: Here,
  ofOther: () => ReadonlyMap<string, string | undefined>,
  scene: Scene,
): void {
  for (const [index, entry] of list(field(here.container, 'env')).entries()) {
    if (!isForeignVariable(here.name, entry, ofOther)) continue
    const { name, value } = readVariable(entry)
    if (isAskedVariable(name, scene.pod.annotations) || scene.params.variables.includes(name)) continue
    if (harmOf(name, value, here) !== undefined || isFlagOfInit(name, value, here)) continue
    const slots = { container: here.name, what: `variable ${name}` }
    scene.report('foreign-environment', { path: here.at('env', index), value: name, slots })
  }
}

/** Whether no-capture-bypass judges the variable, by what it has `istio-init` capture. */
function isFlagOfInit(name: string, value: string | undefined, here: Here): boolean {
  if (here.name !== initContainerName) return false
  const run = iptablesArguments(['istio-iptables'], new Map([[name, value]]))
  return !run.ok || run.value.flags.size > 0
}

/** Reports that all variables of a ConfigMap or Secret come into a container; the template never asks for them. */
export function judgeEnvironmentSources(written: unknown, here: Here, scene: Scene): boolean {
  if (!isSet(field(written, 'envFrom'))) return false
  scene.report('foreign-environment', {
    path: here.at('envFrom'),
    value: 'envFrom',
    slots: { container: here.name, what: 'every variable of a ConfigMap or Secret' },
  })
  return true
}
