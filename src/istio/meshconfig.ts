import { dig, field, isFields, text } from './json.ts'
import { foldNames, type ProxySetting, readProxyConfigValue } from './proxyconfig.ts'
import { bad, good, type Result } from './result.ts'
import { quote } from './text.ts'
import { configLimit, readYaml } from './yaml.ts'

/** What a proxy does with traffic to destinations that are not in the registry. */
export type OutboundMode =
  /** Refuses it. */
  | 'REGISTRY_ONLY'
  /** Lets it through. */
  | 'ALLOW_ANY'
  /** Lets it through, after looking the name up itself. */
  | 'ALLOW_ANY_DYNAMIC_DNS'
  /** A number that names no mode, or in a Sidecar a value that Kubernetes would refuse. */
  | 'UNRECOGNIZED'

/** The parts of the mesh configuration that egress rests on; undefined where Istio's default holds. */
export type MeshConfig = {
  /** Undefined where the block is absent; an empty block is REGISTRY_ONLY. */
  readonly outboundMode: OutboundMode | undefined
  readonly rootNamespace: string | undefined
  readonly trustDomain: string | undefined
  readonly trustDomainAliases: readonly string[] | undefined
  readonly defaultServiceExportTo: readonly string[] | undefined
  readonly defaultVirtualServiceExportTo: readonly string[] | undefined
  readonly defaultDestinationRuleExportTo: readonly string[] | undefined
  /** LabelSelectors as written; empty or undefined selects all namespaces. */
  readonly discoverySelectors: readonly unknown[] | undefined
  readonly proxyHttpPort: number | undefined
  readonly defaultConfig: readonly ProxySetting[]
  /** All fields, these included, under their names in JSON all the way down. */
  readonly fields: ReadonlyMap<string, unknown>
}

/** Root namespace of a mesh whose configuration names none. Istio: pkg/config/mesh/mesh.go (DefaultMeshConfig). */
export const defaultRootNamespace = 'istio-system'

/** Trust domain of a mesh whose configuration names none. */
export const defaultTrustDomain = 'cluster.local'

const modes: readonly (OutboundMode | undefined)[] = ['REGISTRY_ONLY', 'ALLOW_ANY', undefined, 'ALLOW_ANY_DYNAMIC_DNS']

/**
 * Returns the mesh configuration in the key `mesh` of the ConfigMap `istio`: YAML or JSON of the message `MeshConfig`. Each
 * field may be written in lowerCamelCase or with the underscores of its definition, enums by name or by number, and a
 * null is as good as absent.
 *
 *     outboundTrafficPolicy        outboundMode
 *     (absent), null               undefined: ALLOW_ANY
 *     {}, {mode: null}, {mode: 0}  REGISTRY_ONLY
 *     {mode: 1}                    ALLOW_ANY
 *     {mode: 3}                    ALLOW_ANY_DYNAMIC_DNS
 *     {mode: 2}                    UNRECOGNIZED
 *     {mode: "1"}, {mode: no}      failure
 *
 * Two ways of Istio's are kept: fields that it does not know are no failure, and `default_config` has no effect, since it
 * is merged by its other name. Fails on what Istio refuses in the fields above, on YAML that could be read in two ways,
 * and where both names of a field are there.
 *
 * Istio: pkg/config/mesh/mesh.go (ApplyMeshConfig); istio.io/api mesh/v1alpha1/config.proto.
 */
export function readMeshConfig(yaml: string): Result<MeshConfig> {
  const value = readYaml(yaml, configLimit)
  return value.ok ? readMeshConfigValue(value.value) : value
}

/** Returns a mesh configuration that is parsed already, such as `spec.meshConfig` of an IstioOperator. */
export function readMeshConfigValue(value: unknown): Result<MeshConfig> {
  const given = value ?? {}
  if (!isFields(given)) return bad('is no map of fields')
  const folded = foldNames(given)
  if (!folded.ok) return folded
  const fields = folded.value
  const mode = readMode(field(fields, 'outboundTrafficPolicy'))
  if (!mode.ok) return mode
  const port = readPort(field(fields, 'proxyHttpPort'))
  if (!port.ok) return port
  const defaultConfig = readProxyConfigValue(field(given, 'defaultConfig'))
  if (!defaultConfig.ok) return bad(`has a defaultConfig that ${defaultConfig.why}`)
  const texts = readEach(fields, ['rootNamespace', 'trustDomain'], isText, 'no text')
  if (!texts.ok) return texts
  const lists = readEach(fields, listNames, isTextList, 'no list of texts')
  if (!lists.ok) return lists
  const selectors = readEach(fields, ['discoverySelectors'], isSelectorList, 'no list of selectors')
  if (!selectors.ok) return selectors
  return good({
    outboundMode: mode.value,
    rootNamespace: texts.value.get('rootNamespace'),
    trustDomain: texts.value.get('trustDomain'),
    trustDomainAliases: lists.value.get('trustDomainAliases'),
    defaultServiceExportTo: lists.value.get('defaultServiceExportTo'),
    defaultVirtualServiceExportTo: lists.value.get('defaultVirtualServiceExportTo'),
    defaultDestinationRuleExportTo: lists.value.get('defaultDestinationRuleExportTo'),
    discoverySelectors: selectors.value.get('discoverySelectors'),
    proxyHttpPort: port.value,
    defaultConfig: defaultConfig.value,
    fields: new Map(Object.entries(fields)),
  })
}

const listNames = [
  'trustDomainAliases',
  'defaultServiceExportTo',
  'defaultVirtualServiceExportTo',
  'defaultDestinationRuleExportTo',
] as const

const isText = (value: unknown): value is string => typeof value === 'string'
const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value)
const isSelectorList = (value: unknown): value is readonly unknown[] =>
  isList(value) && value.every(item => item === null || isFields(item))
const isTextList = (value: unknown): value is readonly string[] => isList(value) && value.every(isText)

function readEach<N extends string, T>(
  fields: unknown,
  names: readonly N[],
  fits: (value: unknown) => value is T,
  otherwise: string,
): Result<ReadonlyMap<N, T>> {
  const values = new Map<N, T>()
  for (const name of names) {
    const value = field(fields, name) ?? undefined
    if (value === undefined) continue
    if (!fits(value)) return bad(`has ${otherwise} in ${name}`)
    values.set(name, value)
  }
  return good(values)
}

function readMode(policy: unknown): Result<OutboundMode | undefined> {
  if (policy === undefined || policy === null) return good(undefined)
  if (!isFields(policy)) return bad('has an outboundTrafficPolicy that is no map of fields')
  const mode = field(policy, 'mode') ?? 0
  if (typeof mode === 'number' && Number.isInteger(mode)) return good(modes[mode] ?? 'UNRECOGNIZED')
  const known = modes.find(name => name === mode)
  if (known !== undefined) return good(known)
  return bad(
    `has outboundTrafficPolicy.mode ${typeof mode === 'string' ? quote(mode) : 'that is no text'}, which is no mode`,
  )
}

// A whole number may come as a text, as protobuf's JSON has it.
function readPort(value: unknown): Result<number | undefined> {
  if (value === undefined || value === null) return good(undefined)
  const port = typeof value === 'string' && /^-?(?:0|[1-9][0-9]*)$/.test(value) ? Number(value) : value
  return Number.isInteger(port) ? good(Number(port)) : bad('has a proxyHttpPort that is no whole number')
}

/** Returns the mode that holds for a mesh: ALLOW_ANY where the configuration says nothing. */
export function outboundMode(config: MeshConfig): OutboundMode {
  return config.outboundMode ?? 'ALLOW_ANY'
}

/** What a Sidecar says about traffic to destinations that are not in the registry. */
export type SidecarOutboundPolicy =
  /** Nothing: the mode of the mesh holds, not that of a Sidecar in the root namespace. */
  | { readonly absent: true }
  | {
      readonly absent: false
      readonly mode: OutboundMode
      /** Where that traffic is sent instead; has an effect with ALLOW_ANY only. */
      readonly egressProxy?: { readonly host: string; readonly port?: number; readonly subset?: string }
    }

/**
 * Returns the outbound traffic policy in the `spec` of a Sidecar.
 *
 *     outboundTrafficPolicy          answer
 *     (absent), null                 absent
 *     {}, {mode: null}               REGISTRY_ONLY
 *     {mode: REGISTRY_ONLY}, 0       REGISTRY_ONLY
 *     {mode: ALLOW_ANY}, 1           ALLOW_ANY
 *     any other value                UNRECOGNIZED
 *
 * Kubernetes admits only the two names; numbers and what is no map come before its check.
 *
 * Istio: pilot/pkg/model/sidecar.go (initSidecarScopeInternalIndexes); Sidecar reference, OutboundTrafficPolicy.
 */
export function sidecarOutboundPolicy(spec: unknown): SidecarOutboundPolicy {
  const policy = field(spec, 'outboundTrafficPolicy') ?? undefined
  if (policy === undefined) return { absent: true }
  const mode = isFields(policy) ? (field(policy, 'mode') ?? 0) : undefined
  const known = mode === 0 || mode === 1 ? modes[mode] : modes.slice(0, 2).find(name => name === mode)
  const proxy = field(policy, 'egressProxy') ?? undefined
  const port = dig(proxy, 'port', 'number')
  const subset = text(field(proxy, 'subset'))
  return {
    absent: false,
    mode: known ?? 'UNRECOGNIZED',
    ...(proxy === undefined
      ? {}
      : {
          egressProxy: {
            host: text(field(proxy, 'host')) ?? '',
            ...(typeof port === 'number' ? { port } : {}),
            ...(subset === undefined ? {} : { subset }),
          },
        }),
  }
}
