import { dig, field, isFields, list, text } from '../src/istio/json.ts'
import { readYaml } from '../src/istio/yaml.ts'

/** What a case says a rule must find. */
export interface ExpectedFinding {
  readonly message: string
  readonly path: string
  readonly value?: string
  /** The threat that this case proves; the message's first where absent. */
  readonly threat?: string
  readonly enforcementAction?: string
  readonly preexisting?: boolean
  readonly exempt?: boolean
}

/** One case of a rule: an object in a state, and what the rule says of it. */
export interface Case {
  readonly name: string
  /** Documents of a policy: `EgressPolicy`, `ApprovedHosts` and `EgressExemptions` specs by kind. */
  readonly policy: readonly unknown[]
  readonly inventory: readonly unknown[]
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE'
  readonly phase: 'submitted' | 'final'
  readonly subresource: string
  readonly as: string | undefined
  readonly groups: readonly string[]
  readonly object: unknown
  readonly oldObject: unknown
  /** Empty for a case that passes. */
  readonly expect: readonly ExpectedFinding[]
  /** Paths at which something must be said not to be judged. */
  readonly notJudged: readonly string[]
  /** Paths at which the object must be said to be malformed. */
  readonly malformed: readonly string[]
}

/**
 * Reads a `cases.yaml`: `given` (policy, inventory, phase for all cases), `finds` and `passes`. A case's own policy and
 * inventory come after what is given. Throws where the file is not of that shape: a bad case proves nothing.
 */
export function readCases(source: string): readonly Case[] {
  const read = readYaml(source)
  if (!read.ok) throw new Error(read.why)
  const given = field(read.value, 'given')
  const entries = (kind: 'finds' | 'passes'): Case[] =>
    list(field(read.value, kind)).map(entry => readCase(entry, given, kind))
  return [...entries('finds'), ...entries('passes')]
}

const known = new Set([
  'name',
  'policy',
  'inventory',
  'operation',
  'phase',
  'subresource',
  'as',
  'groups',
  'object',
  'oldObject',
  'expect',
  'notJudged',
  'malformed',
  'without',
])

function readCase(entry: unknown, given: unknown, kind: 'finds' | 'passes'): Case {
  const name = text(field(entry, 'name'))
  if (!isFields(entry) || name === undefined) throw new Error('a case without a name')
  const unknown = Object.keys(entry).find(key => !known.has(key))
  if (unknown !== undefined) throw new Error(`case "${name}" has the unknown key "${unknown}"`)
  const expect = list(field(entry, 'expect')).map(expected => readExpected(expected, name))
  const without = list(field(entry, 'without'))
  const shared = (key: 'policy' | 'inventory'): readonly unknown[] =>
    without.includes(key) ? [] : list(field(given, key))
  const notJudged = texts(field(entry, 'notJudged'))
  const malformed = texts(field(entry, 'malformed'))
  if (kind === 'finds' && expect.length + notJudged.length + malformed.length === 0) {
    throw new Error(`case "${name}" finds nothing`)
  }
  if (kind === 'passes' && expect.length + notJudged.length + malformed.length > 0) {
    throw new Error(`case "${name}" passes and yet expects something`)
  }
  return {
    name,
    policy: [...shared('policy'), ...list(field(entry, 'policy'))],
    inventory: [...shared('inventory'), ...list(field(entry, 'inventory'))],
    operation: one(field(entry, 'operation'), ['CREATE', 'UPDATE', 'DELETE'], 'CREATE', name),
    phase: one(field(entry, 'phase') ?? field(given, 'phase'), ['submitted', 'final'], 'final', name),
    subresource: text(field(entry, 'subresource')) ?? '',
    as: text(field(entry, 'as')),
    groups: texts(field(entry, 'groups')),
    object: field(entry, 'object'),
    oldObject: field(entry, 'oldObject'),
    expect,
    notJudged,
    malformed,
  }
}

function readExpected(expected: unknown, name: string): ExpectedFinding {
  const message = text(field(expected, 'message'))
  const path = text(field(expected, 'path'))
  if (message === undefined || path === undefined) throw new Error(`case "${name}" expects without message or path`)
  const value = text(field(expected, 'value'))
  const threat = text(field(expected, 'threat'))
  const enforcementAction = text(field(expected, 'enforcementAction'))
  return {
    message,
    path,
    ...(value !== undefined && { value }),
    ...(threat !== undefined && { threat }),
    ...(enforcementAction !== undefined && { enforcementAction }),
    ...(dig(expected, 'preexisting') === true && { preexisting: true }),
    ...(dig(expected, 'exempt') === true && { exempt: true }),
  }
}

function texts(value: unknown): string[] {
  return list(value).filter(item => typeof item === 'string')
}

function one<T extends string>(value: unknown, allowed: readonly T[], fallback: T, name: string): T {
  if (value === undefined) return fallback
  const found = allowed.find(word => word === value)
  if (found === undefined) throw new Error(`case "${name}" has ${JSON.stringify(value)}, none of ${allowed.join(', ')}`)
  return found
}
