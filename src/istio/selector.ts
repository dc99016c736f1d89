import { field, isFields, list, text } from './json.ts'
import { bad, good, type Result } from './result.ts'
import { quote } from './text.ts'

/** Labels of an object. */
export type Labels = ReadonlyMap<string, string>

/** One condition of a label selector that parsed. */
export type Requirement =
  /** The label is there, and its value is one of these. */
  | { readonly operator: 'In'; readonly key: string; readonly values: ReadonlySet<string> }
  /** The label is not there, or its value is none of these. */
  | { readonly operator: 'NotIn'; readonly key: string; readonly values: ReadonlySet<string> }
  /** The label is there. */
  | { readonly operator: 'Exists'; readonly key: string }
  /** The label is not there. */
  | { readonly operator: 'DoesNotExist'; readonly key: string }

/** A label selector that parsed: all requirements must hold, so that one without any selects everything. */
export type Selector = readonly Requirement[]

/**
 * Returns a Kubernetes LabelSelector (`matchLabels`, `matchExpressions`) in parsed form, or what the API server would
 * refuse in it. An absent selector means nothing in some places and everything in others, so that undefined and null
 * are errors here. As k8s.io/apimachinery `meta/v1/helpers.go`, `LabelSelectorAsSelector`.
 */
export function parseSelector(value: unknown): Result<Selector> {
  if (!isFields(value)) return bad('is no label selector')
  const selector: Requirement[] = []
  const labels = field(value, 'matchLabels') ?? {}
  if (!isFields(labels)) return bad('has matchLabels that are no map')
  for (const key of Object.keys(labels)) {
    const requirement = readRequirement(key, 'In', [labels[key]])
    if (!requirement.ok) return requirement
    selector.push(requirement.value)
  }
  const expressions = field(value, 'matchExpressions') ?? []
  if (!Array.isArray(expressions)) return bad('has matchExpressions that are no list')
  for (const expression of expressions) {
    const key = text(field(expression, 'key'))
    if (key === undefined) return bad('has an expression without a key')
    const requirement = readRequirement(key, field(expression, 'operator'), list(field(expression, 'values')))
    if (!requirement.ok) return requirement
    selector.push(requirement.value)
  }
  return good(selector)
}

function readRequirement(key: string, operator: unknown, given: readonly unknown[]): Result<Requirement> {
  if (!isLabelKey(key)) return bad(`names ${quote(key)}, which is no label key`)
  const values = new Set<string>()
  for (const value of given) {
    if (typeof value !== 'string') return bad(`has a value for ${quote(key)} that is no text`)
    if (!isLabelValue(value)) return bad(`has ${quote(value)} for ${quote(key)}, which is no label value`)
    values.add(value)
  }
  switch (operator) {
    case 'In':
    case 'NotIn':
      return values.size > 0 ? good({ operator, key, values }) : bad(`has ${operator} without values for ${quote(key)}`)
    case 'Exists':
    case 'DoesNotExist':
      return values.size === 0 ? good({ operator, key }) : bad(`has ${operator} with values for ${quote(key)}`)
    default:
      return bad(`has no operator In, NotIn, Exists or DoesNotExist for ${quote(key)}`)
  }
}

/**
 * Returns true where all requirements of the selector hold for the labels.
 *
 *     requirement            {a: x}   {a: y}   {}
 *     a In (x)               true     false    false
 *     a NotIn (x)            false    true     true
 *     a Exists               true     true     false
 *     a DoesNotExist         false    false    true
 */
export function matchesLabels(selector: Selector, labels: Labels): boolean {
  return selector.every(requirement => holds(requirement, labels.get(requirement.key)))
}

function holds(requirement: Requirement, value: string | undefined): boolean {
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && requirement.values.has(value)
    case 'NotIn':
      return value === undefined || !requirement.values.has(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
  }
}

/**
 * Returns true where the labels have every entry of the map, as Istio's workload selectors and a Gateway's `selector`
 * ask; an empty map selects everything. As istio.io/istio `pkg/config/labels/instance.go`, `SubsetOf`. The selector of
 * a Service is different in one thing: an empty one selects nothing.
 */
export function mapSelects(selector: Labels, labels: Labels): boolean {
  for (const [key, value] of selector) {
    if (labels.get(key) !== value) return false
  }
  return true
}

const LONGEST_NAME = 63
const LONGEST_PREFIX = 253

function isLabelKey(key: string): boolean {
  const slash = key.indexOf('/')
  if (slash >= 0 && !isSubdomain(key.slice(0, slash))) return false
  const name = key.slice(slash + 1)
  return name !== '' && isLabelValue(name)
}

function isLabelValue(value: string): boolean {
  return value.length <= LONGEST_NAME && /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/.test(value)
}

function isSubdomain(prefix: string): boolean {
  return (
    prefix.length <= LONGEST_PREFIX && prefix.split('.').every(label => /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/.test(label))
  )
}
