import { installations } from '../../core/installation.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { show } from '../../core/text.ts'
import { parseGoBool } from '../../istio/injection.ts'
import { dig, type Fields, field, isFields, list, text } from '../../istio/json.ts'
import { environmentOf } from '../../istio/workload.ts'
import type { Judge } from './rule.ts'

/**
 * Settings of istiod that verdicts of Sallyport count on, with Istio's own defaults; some only older releases know. Istio:
 * pilot/pkg/features.
 */
export const usualEnvironment: Readonly<Record<string, string>> = {
  ENABLE_DEBUG_ENDPOINT_AUTH: 'true',
  ENABLE_ENHANCED_DESTINATIONRULE_MERGE: 'true',
  ENABLE_EXTERNAL_NAME_ALIAS: 'true',
  ENABLE_WILDCARD_HOST_SERVICE_ENTRIES_FOR_TLS: 'false',
  ENABLE_XDS_API_GENERATOR_AUTH: 'true',
  ISTIO_WORKLOAD_ENTRY_VALIDATE_IDENTITY: 'true',
  JWKS_RESOLVER_INSECURE_SKIP_VERIFY: 'false',
  PILOT_ENABLE_ALPHA_GATEWAY_API: 'false',
  PILOT_ENABLE_GATEWAY_API: 'true',
  PILOT_ENABLE_IP_AUTOALLOCATE: 'true',
  PILOT_ENABLE_STRICT_GATEWAY_MERGING: 'true',
  PILOT_ENABLE_XDS_IDENTITY_CHECK: 'true',
  PILOT_IGNORE_RESOURCES: '',
  PILOT_INSECURE_MULTICLUSTER_KUBECONFIG_OPTIONS: '',
  PILOT_JWT_ENABLE_REMOTE_JWKS: 'false',
  PILOT_SKIP_VALIDATE_TRUST_DOMAIN: 'false',
  PILOT_UNIFIED_SIDECAR_SCOPE: 'true',
  UNSAFE_ENABLE_ADMIN_ENDPOINTS: 'false',
  XDS_AUTH: 'true',
}

/** What sets variables and arguments of istiod, and where. */
interface Source {
  readonly path: Path
  /** By name; undefined where the value is not in the object. */
  readonly variables: ReadonlyMap<string, string | undefined>
  readonly argumentPath: Path
  readonly arguments: readonly unknown[]
}

/** Judges what istiod is told by variables and arguments, in its Deployment or in what installs it. */
export function judgeEnvironment(subject: Subject, tools: Judge): void {
  // Who states one variable on purpose means to judge the others still.
  const environment = { ...usualEnvironment, ...tools.params.environment }
  for (const source of sourcesOf(subject, tools.facts.mesh.rootNamespace)) {
    for (const [name, expected] of Object.entries(environment)) {
      if (source.variables.has(name)) judgeVariable(name, expected, source, tools)
    }
    judgeArguments(source, tools)
  }
}

function judgeVariable(name: string, expected: string, { path, variables }: Source, tools: Judge): void {
  const value = variables.get(name)
  if (value === undefined) {
    tools.notJudged(path, `what ${name} is set to`, 'write the value into the manifest')
    return
  }
  if (isSame(name, value, expected)) return
  tools.report('environment', { path, value: `${name}=${value}`, slots: { expected } })
}

/** A variable that has words besides true and false; the first of them means false. */
const remoteKeys = { name: 'PILOT_JWT_ENABLE_REMOTE_JWKS', words: ['istiod', 'envoy', 'hybrid'] }

/**
 * Whether a value is what is expected; what is no boolean leaves the default in force where one is wanted, and the
 * default is what is expected. Istio: pkg/env/var.go (BoolVar.Lookup); pilot/pkg/features/pilot.go.
 */
function isSame(name: string, value: string, expected: string): boolean {
  if (value === expected) return true
  const wanted = parseGoBool(expected)
  if (wanted === undefined) return false
  const word = name === remoteKeys.name ? remoteKeys.words.indexOf(value) : -1
  return (word < 0 ? (parseGoBool(value) ?? wanted) : word > 0) === wanted
}

/**
 * Arguments that name files. Istio: pilot/cmd/pilot-discovery/app/cmd.go (addFlags); each has a default that the
 * chart's ConfigMaps fill, but for `configDir`.
 */
const fileArguments: ReadonlyMap<string, string> = new Map([
  ['configDir', ''],
  ['meshConfig', './etc/istio/config/mesh'],
  ['networksConfig', './etc/istio/config/meshNetworks'],
])

function judgeArguments({ argumentPath, arguments: given }: Source, tools: Judge): void {
  for (const [i, item] of given.entries()) {
    const match = /^--?([A-Za-z]+)(?:=(.*))?$/s.exec(text(item) ?? '')
    const usual = fileArguments.get(match?.[1] ?? '')
    if (match === null || usual === undefined) continue
    const value = match[2] ?? text(given[i + 1]) ?? ''
    if (value !== usual) tools.report('argument', { path: argumentPath, value: `--${match[1]}=${value}` })
  }
}

function sourcesOf({ kind, ref, object }: Subject, rootNamespace: string): readonly Source[] {
  if (kind === 'Deployment.apps') {
    const isControlPlane = ref.namespace === rootNamespace && /^istiod(-|$)/.test(ref.name)
    return isControlPlane ? ofContainers(object) : []
  }
  if (!installations.includes(kind)) return []
  const isOperator = kind === 'IstioOperator.install.istio.io'
  const roots = isOperator ? ['values', 'unvalidatedValues'] : ['values']
  const sources = roots.flatMap(root => [ofValues(object, ['spec', root, 'pilot']), ofValues(object, ['spec', root])])
  if (!isOperator) return sources
  const path = ['spec', 'components', 'pilot', 'k8s']
  const variables = environmentOf(dig(object, ...path))
  return [...sources, { path: [...path, 'env'], variables, argumentPath: path, arguments: [] }]
}

function ofContainers(object: Fields): readonly Source[] {
  const path = ['spec', 'template', 'spec', 'containers']
  return list(dig(object, ...path)).map((container, i) => ({
    path: [...path, i, 'env'],
    variables: environmentOf(container),
    argumentPath: [...path, i, 'args'],
    arguments: [...list(field(container, 'command')), ...list(field(container, 'args'))],
  }))
}

/** Values of the chart istiod, which older ones keep below `pilot`. Istio: templates/zzy_descope_legacy.yaml. */
function ofValues(object: Fields, path: readonly string[]): Source {
  const given = dig(object, ...path, 'env')
  const entries = isFields(given) ? Object.entries(given) : []
  return {
    path: [...path, 'env'],
    // A null takes a value away, and the chart prints any other scalar as a text.
    variables: new Map(entries.filter(([, value]) => value !== null).map(([name, value]) => [name, show(value)])),
    argumentPath: [...path, 'extraContainerArgs'],
    arguments: list(dig(object, ...path, 'extraContainerArgs')),
  }
}
