import { type Fields, field, isFields } from './json.ts'
import { bad, good, type Result } from './result.ts'
import { quote } from './text.ts'
import { readYaml } from './yaml.ts'

/** One field that a proxy configuration sets. */
export type ProxySetting = {
  /** Names down to the field, in lowerCamelCase; keys of maps such as `proxyMetadata` as they are. */
  readonly path: readonly string[]
  /** The same names as they are written. */
  readonly written: readonly string[]
  /** A text, number or boolean, a list as a whole, or an empty object; enums by name. */
  readonly value: unknown
}

/** Fields that are maps with keys of the user's, so that their keys are no names of fields. */
const mapFields: ReadonlySet<string> = new Set([
  'proxyMetadata',
  'runtimeValues',
  'customTags',
  'matchLabels',
  'includeAdditionalHeadersInCheck',
  'labels',
  'to',
])

/** Fields whose two names are not those of the rule, by the name in JSON: `LabelSelector` and `MeshConfig.mesh_mTLS`. */
const irregularNames: ReadonlyMap<string, string> = new Map([
  ['matchLabels', 'matchLabels'],
  ['matchExpressions', 'matchExpressions'],
  ['meshMTLS', 'mesh_mTLS'],
])

/** Names of enums by their number, by the path of the field. */
const proxyEnums: ReadonlyMap<string, readonly string[]> = new Map([
  ['interceptionMode', ['REDIRECT', 'TPROXY', 'NONE']],
  ['controlPlaneAuthPolicy', ['NONE', 'MUTUAL_TLS']],
  ['tracingServiceName', ['APP_LABEL_AND_NAMESPACE', 'CANONICAL_NAME_ONLY', 'CANONICAL_NAME_AND_NAMESPACE']],
])

/** An annotation sets some fields; several rules read each annotation. */
const tokenLimit = 4_000

/**
 * Returns the fields that a proxy configuration sets, as the annotation `proxy.istio.io/config` holds it: YAML or JSON of
 * the message `ProxyConfig`. Each field may be written in lowerCamelCase or with the underscores of its definition, enums
 * by name or by number. Null leaves a field unset; in a map it is an empty text.
 *
 * Fields that Istio does not know are listed like any other (Istio ignores them). Fails where the text is no YAML that
 * has one reading, where it is no map, where both names of a field are there, and where `interceptionMode` is a text that
 * is no mode.
 *
 * Istio: pkg/config/mesh/mesh.go (MergeProxyConfig), pkg/util/protomarshal/protomarshal.go (ApplyYAML);
 * istio.io/api mesh/v1alpha1/proxy.proto.
 */
export function readProxyConfig(text: string): Result<readonly ProxySetting[]> {
  const value = readYaml(text, tokenLimit)
  return value.ok ? readProxyConfigValue(value.value) : value
}

/** Returns the fields that a proxy configuration sets which is parsed already, such as `defaultConfig` of the mesh. */
export function readProxyConfigValue(value: unknown): Result<readonly ProxySetting[]> {
  const fault = findFault(value, false)
  if (fault !== undefined) return bad(fault)
  if (value === null || value === undefined) return good([])
  if (!isFields(value)) return bad('is no map of fields')
  const settings: ProxySetting[] = []
  collect(value, { path: [], written: [], isMap: false }, settings)
  const mode = settings.find(({ path }) => path.join('.') === 'interceptionMode')?.value
  if (typeof mode !== 'string' || proxyEnums.get('interceptionMode')?.includes(mode)) return good(settings)
  return bad(`has interceptionMode ${quote(mode)}, which is none of REDIRECT, TPROXY, NONE`)
}

function collect(
  value: unknown,
  place: { readonly path: readonly string[]; readonly written: readonly string[]; readonly isMap: boolean },
  into: ProxySetting[],
): void {
  const { path, written, isMap } = place
  if (isFields(value) && Object.keys(value).length > 0) {
    for (const key of Object.keys(value)) {
      const child = field(value, key)
      if (child === null && !isMap) continue
      const name = isMap ? key : jsonName(key)
      collect(
        child ?? '',
        { path: [...path, name], written: [...written, key], isMap: mapFields.has(name) && !isMap },
        into,
      )
    }
    return
  }
  if (path.length === 0) return
  const names = proxyEnums.get(path.join('.'))
  into.push({ path, written, value: (typeof value === 'number' ? names?.[value] : undefined) ?? value })
}

/**
 * Returns a configuration with every field under its name in JSON, lowerCamelCase; keys of maps stay as they are.
 *
 * Fails where both names of a field are there: which one counts would depend on the reader.
 */
export function foldNames(fields: Fields): Result<Fields> {
  const fault = findFault(fields, false)
  return fault === undefined ? good(foldFields(fields, false)) : bad(fault)
}

function foldFields(fields: Fields, isMap: boolean): Fields {
  // fromEntries makes own properties of whatever keys there are, `__proto__` too.
  return Object.fromEntries(
    Object.keys(fields).map(key => {
      const name = isMap ? key : jsonName(key)
      return [name, foldValue(field(fields, key), mapFields.has(name) && !isMap)]
    }),
  )
}

function foldValue(value: unknown, isMap: boolean): unknown {
  if (Array.isArray(value)) return value.map(item => foldValue(item, false))
  return isFields(value) ? foldFields(value, isMap) : value
}

/** No configuration is nested that deep; what follows its structure may then recurse. */
const deepest = 64

/** Returns what is wrong with the names of fields or their nesting, or undefined. */
function findFault(value: unknown, isMap: boolean, depth = 0): string | undefined {
  if (depth > deepest) return `is nested deeper than ${deepest} levels`
  if (Array.isArray(value))
    return firstFault(
      value.map(item => [item, false]),
      depth,
    )
  if (!isFields(value)) return undefined
  const keys = Object.keys(value)
  const twice = isMap ? undefined : keys.find(key => jsonName(key) !== key && Object.hasOwn(value, jsonName(key)))
  if (twice !== undefined) return `has both ${quote(twice)} and ${quote(jsonName(twice))}, two names of one field`
  return firstFault(
    keys.map(key => [field(value, key), !isMap && mapFields.has(jsonName(key))]),
    depth,
  )
}

function firstFault(children: readonly (readonly [unknown, boolean])[], depth: number): string | undefined {
  for (const [child, isMap] of children) {
    const fault = findFault(child, isMap, depth + 1)
    if (fault !== undefined) return fault
  }
  return undefined
}

/**
 * Returns the name in JSON of a field of a protobuf message that may be written with underscores, as its definition has
 * it. What is neither of the two names of a field is returned as it is.
 *
 *     outbound_traffic_policy   outboundTrafficPolicy
 *     outboundTrafficPolicy     outboundTrafficPolicy
 *     outboundTraffic_policy    outboundTraffic_policy   (a name of nothing)
 *     match_labels              match_labels             (its definition has matchLabels)
 */
export function jsonName(key: string): string {
  if (!key.includes('_')) return key
  const name = key.replace(/_([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase())
  const original = irregularNames.get(name) ?? name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
  return original === key && /^[a-z]/.test(key) ? name : key
}
