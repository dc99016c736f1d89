import { dig, type Fields, field, isFields, list, text } from '../istio/json.ts'
import { bad, good, type Result } from '../istio/result.ts'

/** The annotation of a webhook configuration that says what its entries judge: `{entry name: rules}`, JSON. */
export const rulesAnnotation = 'sallyport.dev/rules'

/** Annotations by which cert-manager writes CAs into all entries. */
const injectors = ['cert-manager.io/inject-ca-from', 'cert-manager.io/inject-ca-from-secret'] as const

/** What is written into entries besides their rules. */
export interface Serving {
  /** The CAs that the serving certificate is signed by, PEM; undefined where another party writes them. */
  readonly authorities: string | undefined
}

/** One step of a JSON patch (RFC 6902). */
export interface Operation {
  readonly op: 'test' | 'add' | 'replace'
  readonly path: string
  readonly value: unknown
}

/** What is to be written into a configuration. */
export interface RegistrationPlan {
  /** Empty where nothing differs. */
  readonly patch: readonly Operation[]
  /** Entries that differ. */
  readonly entries: readonly string[]
  /** Entries that the annotation names and that are not there. */
  readonly missing: readonly string[]
  /** Entries that wait for the CA that another party writes. */
  readonly waiting: readonly string[]
}

/**
 * Returns what must be written so that each live entry has the rules of the annotation and the CAs, or why the annotation
 * cannot be read. Entries that the annotation does not name stay as they are.
 */
export function planRegistration(configuration: Fields, { authorities }: Serving): Result<RegistrationPlan> {
  const wanted = readRules(configuration)
  if (!wanted.ok) return wanted
  const injected = injectors.some(key => dig(configuration, 'metadata', 'annotations', key) !== undefined)
  const caBundle = authorities === undefined || injected ? undefined : Buffer.from(authorities).toString('base64')
  const live = list(field(configuration, 'webhooks'))
  const tests: Operation[] = []
  const writes: Operation[] = []
  const entries: string[] = []
  const missing: string[] = []
  const waiting: string[] = []
  for (const [name, rules] of wanted.value) {
    const at = live.findIndex(entry => field(entry, 'name') === name)
    const entry = live[at]
    if (entry === undefined) {
      missing.push(name)
      continue
    }
    // An entry with rules is asked, and without the CA every question would fail.
    if (injected && !dig(entry, 'clientConfig', 'caBundle')) {
      waiting.push(name)
      continue
    }
    const differing = differences({ entry, path: `/webhooks/${at}`, rules, caBundle })
    if (differing.length === 0) continue
    entries.push(name)
    // The order of entries may have changed since they were read.
    tests.push({ op: 'test', path: `/webhooks/${at}/name`, value: name })
    writes.push(...differing)
  }
  const version = dig(configuration, 'metadata', 'resourceVersion')
  const fence: Operation = { op: 'replace', path: '/metadata/resourceVersion', value: version }
  return good({ patch: writes.length === 0 ? [] : [fence, ...tests, ...writes], entries, missing, waiting })
}

interface Comparison {
  readonly entry: unknown
  readonly path: string
  readonly rules: readonly Fields[]
  readonly caBundle: string | undefined
}

function differences({ entry, path, rules, caBundle }: Comparison): readonly Operation[] {
  const found: Operation[] = []
  if (caBundle !== undefined && dig(entry, 'clientConfig', 'caBundle') !== caBundle) {
    found.push({ op: 'add', path: `${path}/clientConfig/caBundle`, value: caBundle })
  }
  if (meaningOf(list(field(entry, 'rules'))) !== meaningOf(rules)) {
    found.push({ op: 'add', path: `${path}/rules`, value: rules })
  }
  return found
}

/** Lists of a rule, which the API server wants filled. */
const ruleLists = ['apiGroups', 'apiVersions', 'operations', 'resources'] as const

const scopes: readonly unknown[] = [undefined, '*', 'Cluster', 'Namespaced']

/** Returns one text for all spellings of the same rules: no order matters, and the API server writes defaults out. */
function meaningOf(rules: readonly unknown[]): string {
  const spelled = rules.map(rule =>
    JSON.stringify([...ruleLists.map(key => [...list(field(rule, key))].sort()), field(rule, 'scope') ?? '*']),
  )
  return [...new Set(spelled)].sort().join('\n')
}

function readRules(configuration: Fields): Result<ReadonlyMap<string, readonly Fields[]>> {
  const annotation = text(dig(configuration, 'metadata', 'annotations', rulesAnnotation))
  if (annotation === undefined) return bad(`it has no annotation ${rulesAnnotation}`)
  const parsed = parse(annotation)
  if (!isFields(parsed)) return bad(`annotation ${rulesAnnotation} is no JSON object`)
  const wanted = new Map<string, readonly Fields[]>()
  for (const name of Object.keys(parsed)) {
    const rules = parsed[name]
    if (!Array.isArray(rules) || !rules.every(isRule)) {
      return bad(`annotation ${rulesAnnotation}: ${name} is no list of webhook rules`)
    }
    wanted.set(name, rules)
  }
  return good(wanted)
}

function isRule(value: unknown): value is Fields {
  if (!isFields(value) || !scopes.includes(value['scope'])) return false
  if (Object.keys(value).some(key => key !== 'scope' && !ruleLists.some(known => known === key))) return false
  return ruleLists.every(key => {
    const items = list(value[key])
    // The core group is the empty text.
    return items.length > 0 && items.every(item => typeof item === 'string' && (item !== '' || key === 'apiGroups'))
  })
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}
