import { parse, stringify } from 'yaml'
import { type Fields, isFields } from '../../src/istio/json.ts'
import type { Choose } from './rewrite.ts'

/** Maps with keys of the user's, whose keys are no names of fields. */
const maps = new Set(['proxyMetadata', 'runtimeValues', 'customTags', 'matchLabels', 'labels', 'proxy_metadata'])

/** Enums of which a number is as good as the name, by field and then by name. */
const numbers: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  interceptionMode: { REDIRECT: 0, TPROXY: 1, NONE: 2 },
  mode: { REGISTRY_ONLY: 0, ALLOW_ANY: 1, ALLOW_ANY_DYNAMIC_DNS: 3 },
}

const snake = (name: string): string => name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)

/** Returns a configuration with some names in the spelling of their definition and some enums by number. */
function respell(value: unknown, choose: Choose, isMap = false): unknown {
  if (Array.isArray(value)) return value.map(item => respell(item, choose))
  if (!isFields(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const enumerated = numbers[key]?.[String(inner)]
      // Istio merges defaultConfig by that name alone: default_config has no effect.
      const name = isMap || key === 'defaultConfig' || choose(2) === 0 ? key : snake(key)
      if (enumerated !== undefined && choose(2) === 0) return [name, enumerated]
      return [name, respell(inner, choose, maps.has(key))]
    }),
  )
}

/** Returns a text of configuration written otherwise; unchanged where it is none, or is odd on purpose. */
export function respellText(text: string, choose: Choose): string {
  const value = read(text)
  if (!isFields(value) || /<<|[&*]\w|\\|#|_|\n---/.test(text)) return text
  const other = respell(value, choose)
  return choose(2) === 0 ? JSON.stringify(other) : stringify(other, { version: '1.1' })
}

function read(text: string): unknown {
  try {
    const value = parse(text, { version: '1.1', uniqueKeys: true })
    // What does not come back the same has more to it than its value.
    return isFields(value) &&
      JSON.stringify(parse(stringify(value, { version: '1.1' }), { version: '1.1' })) === JSON.stringify(value)
      ? value
      : undefined
  } catch {
    return undefined
  }
}

/** Returns a list of IPv4 ranges with some of them in two halves, which are the same addresses. */
export function halveRanges(text: string, choose: Choose): string {
  return text
    .split(',')
    .flatMap(range => (choose(2) === 0 ? [range] : halves(range)))
    .join(',')
}

function halves(range: string): string[] {
  const found = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d|[12]\d|3[01])$/.exec(range)
  if (found === null) return [range]
  const [a = 0, b = 0, c = 0, d = 0, length = 0] = found.slice(1).map(Number)
  if ([a, b, c, d].some(part => part > 255)) return [range]
  const size = 2 ** (32 - length)
  const all = ((a * 256 + b) * 256 + c) * 256 + d
  const start = all - (all % size)
  const write = (address: number): string =>
    [2 ** 24, 2 ** 16, 2 ** 8, 1].map(unit => Math.floor(address / unit) % 256).join('.')
  return [`${write(start)}/${length + 1}`, `${write(start + size / 2)}/${length + 1}`]
}

/** Returns a list of ports with leading zeros and spaces, which Istio passes over. */
export function padPorts(text: string, choose: Choose): string {
  if (!/^\d+(,\d+)*$/.test(text)) return text
  return text
    .split(',')
    .map(port => `${' '.repeat(choose(2))}${'0'.repeat(choose(3))}${port}${' '.repeat(choose(2))}`)
    .join(',')
}

/** Annotations of a pod by what their text is. */
const annotations: Readonly<Record<string, (text: string, choose: Choose) => string>> = {
  'proxy.istio.io/config': respellText,
  'traffic.sidecar.istio.io/excludeOutboundIPRanges': halveRanges,
  'traffic.sidecar.istio.io/includeOutboundIPRanges': halveRanges,
  'traffic.sidecar.istio.io/excludeOutboundPorts': padPorts,
}

/** Returns an object whose annotations, and whose mesh configuration, say the same in other words. */
export function respellObject(object: Fields, choose: Choose): Fields {
  return Object.fromEntries(
    Object.entries(object).map(([key, value]) => {
      if (key === 'annotations' && isFields(value)) {
        const texts = Object.entries(value).map(([name, text]) => {
          const write = annotations[name]
          return [name, write !== undefined && typeof text === 'string' ? write(text, choose) : text]
        })
        return [key, Object.fromEntries(texts)]
      }
      if (key === 'data' && isFields(value) && typeof value['mesh'] === 'string') {
        return [key, { ...value, mesh: respellText(value['mesh'], choose) }]
      }
      if (Array.isArray(value)) return [key, value.map(item => (isFields(item) ? respellObject(item, choose) : item))]
      return [key, isFields(value) ? respellObject(value, choose) : value]
    }),
  )
}

/** Returns an object whose hosts have a capital letter or a trailing dot, where those are read in any spelling. */
export function respellHosts(object: Fields, choose: Choose): Fields {
  const spec = object['spec']
  if (!isFields(spec) || !Array.isArray(spec['hosts'])) return object
  const hosts = spec['hosts'].map(host => {
    if (typeof host !== 'string' || !/^(?:\*\.)?[a-z]/.test(host)) return host
    return choose(2) === 0 ? host.toUpperCase() : `${host}.`
  })
  return { ...object, spec: { ...spec, hosts } }
}
