import { parseIncludedRanges } from './capture.ts'
import { parseCidrList, type Ranges } from './cidr.ts'
import type { InjectorPolicy } from './injection.ts'
import { dig, type Fields, field, isFields } from './json.ts'
import { type MeshConfig, readMeshConfigValue } from './meshconfig.ts'
import { parsePortList } from './port.ts'
import { bad, good, type Result } from './result.ts'
import { quote } from './text.ts'
import { configLimit, readYaml } from './yaml.ts'

/** One value of an installation, and its path below the values. */
export type InstallSetting<T> = { readonly path: readonly string[]; readonly value: Result<T> }

/** The values of an installation that egress rests on; undefined where the chart's default holds. */
export type InstallValues = {
  readonly includeIPRanges: InstallSetting<Ranges> | undefined
  readonly excludeIPRanges: InstallSetting<Ranges> | undefined
  readonly includeOutboundPorts: InstallSetting<readonly number[]> | undefined
  readonly excludeOutboundPorts: InstallSetting<readonly number[]> | undefined
  /** Becomes the injector's policy. */
  readonly autoInject: InstallSetting<string> | undefined
  readonly privileged: InstallSetting<boolean> | undefined
  readonly proxyImage: InstallSetting<string> | undefined
  readonly proxyInitImage: InstallSetting<string> | undefined
  readonly hub: InstallSetting<string> | undefined
  readonly tag: InstallSetting<string> | undefined
  /** Type of the images. */
  readonly variant: InstallSetting<string> | undefined
  readonly cniEnabled: InstallSetting<boolean> | undefined
  /** Where proxies get their certificates, if not from the control plane. */
  readonly caAddress: InstallSetting<string> | undefined
  readonly enableNamespacesByDefault: InstallSetting<boolean> | undefined
  readonly neverInjectSelector: InstallSetting<readonly unknown[]> | undefined
  readonly alwaysInjectSelector: InstallSetting<readonly unknown[]> | undefined
  readonly defaultTemplates: InstallSetting<readonly string[]> | undefined
  readonly revision: InstallSetting<string> | undefined
  readonly revisionTags: InstallSetting<readonly string[]> | undefined
  readonly meshConfig: InstallSetting<MeshConfig> | undefined
}

/** What the injector's ConfigMap holds; undefined where the key is absent. */
export type InjectorConfigMap = {
  readonly policy: Result<InjectorPolicy> | undefined
  readonly values: Result<InstallValues> | undefined
}

/** Returns what a ConfigMap `istio-sidecar-injector` or `istio-sidecar-injector-<revision>` tells the injector. */
export function readInjectorConfigMap(configMap: unknown): InjectorConfigMap {
  const config = dig(configMap, 'data', 'config')
  const values = dig(configMap, 'data', 'values')
  return {
    policy: typeof config === 'string' ? readInjectorConfig(config) : undefined,
    values: typeof values === 'string' ? readInjectorValues(values) : undefined,
  }
}

/**
 * Returns which pods the injector injects, and with which templates, from the key `config` of its ConfigMap. An absent
 * policy is an empty one, with which the injector injects nothing; scalars in the place of text are text.
 *
 * Fails where the text is no YAML that has one reading, where a field has the wrong shape, and where the name of a field
 * differs from the right one in case only, since the injector reads that too.
 *
 * Istio: pkg/kube/inject/inject.go (Config, UnmarshalConfig).
 */
export function readInjectorConfig(yaml: string): Result<InjectorPolicy> {
  const read = readYaml(yaml, configLimit)
  if (!read.ok) return read
  const config = read.value ?? {}
  if (!isFields(config)) return bad('is no map of fields')
  const odd = oddSpelling(config, configNames)
  if (odd !== undefined) return bad(odd)
  const policy = asText(field(config, 'policy') ?? '')
  const never = asSelectors(field(config, 'neverInjectSelector') ?? [])
  const always = asSelectors(field(config, 'alwaysInjectSelector') ?? [])
  const templates = asTexts(field(config, 'defaultTemplates') ?? [])
  const aliases = readAliases(field(config, 'aliases') ?? {})
  if (!policy.ok) return bad(`has a policy that ${policy.why}`)
  if (!never.ok) return bad(`has a neverInjectSelector that ${never.why}`)
  if (!always.ok) return bad(`has an alwaysInjectSelector that ${always.why}`)
  if (!templates.ok) return bad(`has a list defaultTemplates that ${templates.why}`)
  if (!aliases.ok) return bad(`has a map aliases that ${aliases.why}`)
  return good({
    policy: policy.value,
    neverInjectSelector: never.value,
    alwaysInjectSelector: always.value,
    defaultTemplates: templates.value.length > 0 ? templates.value : ['sidecar'],
    aliases: aliases.value,
  })
}

const configNames = [
  'policy',
  'defaultTemplates',
  'templates',
  'aliases',
  'neverInjectSelector',
  'alwaysInjectSelector',
  'injectedAnnotations',
] as const

function readAliases(value: unknown): Result<ReadonlyMap<string, readonly string[]>> {
  if (!isFields(value)) return bad('is no map')
  const aliases = new Map<string, readonly string[]>()
  for (const [name, templates] of Object.entries(value)) {
    const names = asTexts(templates ?? [])
    if (!names.ok) return names
    aliases.set(name, names.value)
  }
  return good(aliases)
}

/**
 * Returns the values of the installation from the key `values` of the injector's ConfigMap: JSON, as Istio's chart writes
 * it, or YAML. Fails where that is no YAML that has one reading, or no map.
 */
export function readInjectorValues(yaml: string): Result<InstallValues> {
  const read = readYaml(yaml, configLimit)
  if (!read.ok) return read
  return isFields(read.value) ? good(readInstallValues(read.value)) : bad('is no map of values')
}

/**
 * Returns the values of an installation: of the injector's ConfigMap, of a Helm release of the chart `istiod`, `spec.values`
 * of an IstioOperator or of Sail's Istio and IstioRevision. A value that is null counts as absent, one of a wrong type is
 * a failure. Paths are below `values`; what the chart takes from `pilot` is looked for there first.
 *
 * Istio: istio-discovery chart, values.yaml and templates/zzy_descope_legacy.yaml; files/injection-template.yaml.
 */
export function readInstallValues(values: unknown): InstallValues {
  const read = <T>(
    parse: (value: unknown) => Result<T>,
    ...paths: readonly (readonly string[])[]
  ): InstallSetting<T> | undefined => {
    for (const path of paths) {
      const value = dig(values, ...path) ?? undefined
      if (value !== undefined) return { path, value: parse(value) }
    }
    return undefined
  }
  const proxy = (name: string): readonly string[] => ['global', 'proxy', name]
  const webhook = (name: string): readonly string[] => ['sidecarInjectorWebhook', name]
  return {
    includeIPRanges: read(textThen(parseIncludedRanges), proxy('includeIPRanges')),
    excludeIPRanges: read(textThen(parseCidrList), proxy('excludeIPRanges')),
    includeOutboundPorts: read(textThen(parsePortList), proxy('includeOutboundPorts')),
    excludeOutboundPorts: read(textThen(parsePortList), proxy('excludeOutboundPorts')),
    autoInject: read(asText, proxy('autoInject')),
    privileged: read(asBoolean, proxy('privileged')),
    proxyImage: read(asText, proxy('image')),
    proxyInitImage: read(asText, ['global', 'proxy_init', 'image']),
    hub: read(asText, ['global', 'hub']),
    tag: read(asText, ['global', 'tag']),
    variant: read(asText, ['global', 'variant'], proxy('variant')),
    caAddress: read(asText, ['global', 'caAddress']),
    cniEnabled: read(asBoolean, ['pilot', 'cni', 'enabled'], ['cni', 'enabled']),
    enableNamespacesByDefault: read(asBoolean, webhook('enableNamespacesByDefault')),
    neverInjectSelector: read(asSelectors, webhook('neverInjectSelector')),
    alwaysInjectSelector: read(asSelectors, webhook('alwaysInjectSelector')),
    defaultTemplates: read(asTexts, webhook('defaultTemplates')),
    revision: read(asText, ['revision']),
    revisionTags: read(asTexts, ['revisionTags']),
    meshConfig: read(readMeshConfigValue, ['meshConfig']),
  }
}

/**
 * Returns the image that an installation names: one with a slash as it is, else the name in the hub with the tag; undefined
 * where the hub is not known.
 *
 * Istio: istio-discovery chart, files/injection-template.yaml (image); pkg/kube/inject/inject.go (proxyImageURL).
 */
export function installedImage(of: 'proxyImage' | 'proxyInitImage', values: InstallValues): string | undefined {
  const name = textOf(values[of]) || 'proxyv2'
  if (name.includes('/')) return name
  const hub = textOf(values.hub)
  return hub === '' ? undefined : `${hub}/${name}:${textOf(values.tag)}`
}

function textOf(setting: InstallSetting<string> | undefined): string {
  return setting?.value.ok ? setting.value.value : ''
}

function textThen<T>(parse: (text: string) => Result<T>): (value: unknown) => Result<T> {
  return value => {
    const read = asText(value)
    return read.ok ? parse(read.value) : read
  }
}

// Go's YAML reader, the chart's templates too, make text of any scalar that stands where text is wanted.
function asText(value: unknown): Result<string> {
  if (typeof value === 'string') return good(value)
  return typeof value === 'number' || typeof value === 'boolean' ? good(String(value)) : bad('is no text')
}

function asBoolean(value: unknown): Result<boolean> {
  return typeof value === 'boolean' ? good(value) : bad('is neither true nor false')
}

function asTexts(value: unknown): Result<readonly string[]> {
  if (!Array.isArray(value)) return bad('is no list')
  const texts: string[] = []
  for (const item of value) {
    const read = asText(item ?? '')
    if (!read.ok) return bad(`holds an item that ${read.why}`)
    texts.push(read.value)
  }
  return good(texts)
}

function asSelectors(value: unknown): Result<readonly unknown[]> {
  if (!Array.isArray(value)) return bad('is no list')
  const selectors: unknown[] = []
  for (const item of value) {
    const selector = readSelector(item ?? {})
    if (!selector.ok) return bad(`holds an item that ${selector.why}`)
    selectors.push(selector.value)
  }
  return good(selectors)
}

/** Returns a label selector in which scalars that stand for text are text, as Go reads them. */
function readSelector(selector: unknown): Result<unknown> {
  if (!isFields(selector)) return bad('is no label selector')
  const odd = oddSpelling(selector, ['matchLabels', 'matchExpressions'])
  if (odd !== undefined) return bad(odd)
  const labels = field(selector, 'matchLabels') ?? {}
  if (!isFields(labels)) return bad('has matchLabels that are no map')
  const matchLabels: [string, string][] = []
  for (const [key, value] of Object.entries(labels)) {
    const label = asText(value ?? '')
    if (!label.ok) return bad(`has a value for ${quote(key)} that ${label.why}`)
    matchLabels.push([key, label.value])
  }
  const expressions = field(selector, 'matchExpressions') ?? []
  if (!Array.isArray(expressions)) return bad('has matchExpressions that are no list')
  const matchExpressions: unknown[] = []
  for (const item of expressions) {
    const expression = item ?? {}
    if (!isFields(expression)) return bad('has an expression that is no map')
    const wrong = oddSpelling(expression, ['key', 'operator', 'values'])
    if (wrong !== undefined) return bad(wrong)
    const values = asTexts(field(expression, 'values') ?? [])
    if (!values.ok) return bad('has an expression with values that are no texts')
    const key = asText(field(expression, 'key') ?? '')
    const operator = asText(field(expression, 'operator') ?? '')
    if (!key.ok || !operator.ok) return bad('has an expression whose key or operator is no text')
    matchExpressions.push({ key: key.value, operator: operator.value, values: values.value })
  }
  return good({ matchLabels: Object.fromEntries(matchLabels), matchExpressions })
}

/**
 * Returns what is wrong with the first key that differs from a name in case only, or undefined: Go's JSON reader takes it
 * for that name, and which one counts where both are there is a matter of order.
 */
function oddSpelling(fields: Fields, names: readonly string[]): string | undefined {
  for (const key of Object.keys(fields)) {
    const name = names.find(known => foldCase(known) === foldCase(key))
    if (name !== undefined && name !== key) return `has ${quote(key)}, which the injector takes for ${quote(name)}`
  }
  return undefined
}

// Both ways, since Go also takes the long s for an s and the Kelvin sign for a k.
function foldCase(text: string): string {
  return text.toLowerCase().toUpperCase()
}
