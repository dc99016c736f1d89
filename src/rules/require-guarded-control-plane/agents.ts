import { sameJson } from '../../core/change.ts'
import { cniNamespaces, excludedIn } from '../../core/cni.ts'
import { installations } from '../../core/installation.ts'
import { namespaceLabels } from '../../core/inventory.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { dig, type Fields, list, text } from '../../istio/json.ts'
import { trimSpace } from '../../istio/text.ts'
import { environmentOf } from '../../istio/workload.ts'
import { configLimit, readYaml } from '../../istio/yaml.ts'
import type { Judge } from './rule.ts'

/** Which pods ambient mode takes. Istio: istio-cni chart, values.yaml (ambient.enablementSelectors). */
const usualSelectors: unknown = [
  { podSelector: { matchLabels: { 'istio.io/dataplane-mode': 'ambient' } } },
  {
    podSelector: { matchExpressions: [{ key: 'istio.io/dataplane-mode', operator: 'NotIn', values: ['none'] }] },
    namespaceSelector: { matchLabels: { 'istio.io/dataplane-mode': 'ambient' } },
  },
]

/** Judges which namespaces and pods istio-cni takes, in its ConfigMap, its DaemonSet or in what installs it. */
export function judgeAgents(subject: Subject, tools: Judge): void {
  const { kind, object, ref, namespaceClass } = subject
  const isAgents = namespaceClass === 'platform' || cniNamespaces.includes(ref.namespace)
  if (kind === 'ConfigMap') {
    if (isAgents) judgeConfigMap(object, tools)
  } else if (kind === 'DaemonSet.apps') {
    if (isAgents && ref.name === 'istio-cni-node') judgeDaemonSet(object, tools)
  } else if (kind === 'IstioCNI.sailoperator.io' || installations.includes(kind)) judgeValues(subject, tools)
}

function judgeConfigMap(object: Fields, tools: Judge): void {
  const read = (key: string): string | undefined => text(dig(object, 'data', key))
  judgeTexts(read, key => ['data', key], tools)
  // Before Istio 1.24 the list stood in the configuration of the plugin itself.
  if (read('EXCLUDE_NAMESPACES') !== undefined) return
  judgeNames(excludedIn(object) ?? [], ['data', 'cni_network_config'], tools)
}

function judgeDaemonSet(object: unknown, tools: Judge): void {
  const path = ['spec', 'template', 'spec', 'containers']
  for (const [i, container] of list(dig(object, ...path)).entries()) {
    const environment = environmentOf(container)
    judgeTexts(
      key => environment.get(key),
      () => [...path, i, 'env'],
      tools,
    )
  }
}

/** Istio: cni/pkg/util/podutil.go (SplitExcludeNamespaces); cni/pkg/plugin/plugin.go compares whole names. */
function judgeTexts(read: (key: string) => string | undefined, at: (key: string) => Path, tools: Judge): void {
  const names = (read('EXCLUDE_NAMESPACES') ?? '').split(',').map(trimSpace)
  judgeNames(names, at('EXCLUDE_NAMESPACES'), tools)
  const selectors = read('AMBIENT_ENABLEMENT_SELECTOR')
  if (selectors === undefined) return
  const value = readYaml(selectors, configLimit)
  if (!value.ok || !sameJson(value.value, usualSelectors)) {
    tools.report('ambient-selectors', { path: at('AMBIENT_ENABLEMENT_SELECTOR'), value: selectors })
  }
}

function judgeValues({ kind, object }: Subject, tools: Judge): void {
  const roots = kind === 'IstioOperator.install.istio.io' ? ['values', 'unvalidatedValues'] : ['values']
  for (const root of roots) {
    const path = ['spec', root, 'cni']
    const names = list(dig(object, ...path, 'excludeNamespaces'))
    judgeNames(names, [...path, 'excludeNamespaces'], tools)
    const selectors = dig(object, ...path, 'ambient', 'enablementSelectors') ?? undefined
    if (selectors !== undefined && !sameJson(selectors, usualSelectors)) {
      tools.report('ambient-selectors', { path: [...path, 'ambient', 'enablementSelectors'] })
    }
  }
}

function judgeNames(names: readonly unknown[], path: Path, tools: Judge): void {
  for (const name of new Set(names)) {
    if (typeof name !== 'string' || name === '') continue
    const labels = namespaceLabels(tools.inventory, name)
    if (tools.facts.namespaces.classOf(name, labels) === 'governed') tools.report('cni-excludes', { path, value: name })
  }
}
