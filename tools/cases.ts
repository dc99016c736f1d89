import { dig, type Fields, field, isFields, list, text } from '../src/istio/json.ts'
import { readYaml } from '../src/istio/yaml.ts'
import { readExpiry } from '../src/policy/date.ts'
import { policyApiVersion, policyKinds } from '../src/policy/schema.ts'

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
  /** Whole documents of a policy. */
  readonly policy: readonly Fields[]
  readonly inventory: readonly Fields[]
  /** Kinds of which the inventory is known to hold everything, besides those that it holds. */
  readonly knows: readonly string[]
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'
  /** Which object is meant where it does not say so itself: the options of a CONNECT have no metadata. */
  readonly of: { readonly namespace: string; readonly name: string } | undefined
  readonly phase: 'submitted' | 'final'
  readonly subresource: string
  readonly as: string | undefined
  readonly groups: readonly string[]
  /** Moment of judging, milliseconds since the epoch. */
  readonly now: number
  /** The object after the request, on a DELETE the one that is deleted. */
  readonly object: Fields
  readonly oldObject: Fields | undefined
  /** Empty for a case that passes. */
  readonly expect: readonly ExpectedFinding[]
  /** Paths at which something must be said not to be judged. */
  readonly notJudged: readonly string[]
  /** Paths at which the object must be said to be malformed. */
  readonly malformed: readonly string[]
}

/** One case of a mutation: a pod in a state, and what becomes of it. */
export interface MutationCase {
  readonly name: string
  readonly policy: readonly Fields[]
  readonly inventory: readonly Fields[]
  readonly object: Fields
  /** The whole JSON Patch; empty where nothing is changed. */
  readonly patch: readonly unknown[]
  /** Findings, as `rule/message`, that are there without the mutation and not with it. */
  readonly cures: readonly string[]
}

/**
 * Reads the `cases.yaml` of a mutation: `given` as in those of rules, then cases of which each has a name, an object, and
 * maybe a policy and an inventory. Throws where the file is not of this shape.
 *
 *     changes:                   cases in which the mutation is made
 *     - name: a sentence
 *       object: {}               a Pod, or an object with a template, which is patched only to be judged
 *       patch:                   the whole JSON Patch of the pod, in order
 *       - {op: add, path: /metadata/labels/a, value: b}
 *       cures: [rule/message]    what it takes away; absent: nothing
 *     leaves:                    cases in which nothing is changed
 */
export function readMutationCases(source: string): readonly MutationCase[] {
  const read = readYaml(source)
  if (!read.ok) throw new Error(read.why)
  const given = field(read.value, 'given')
  return (['changes', 'leaves'] as const).flatMap(kind =>
    list(field(read.value, kind)).map(entry => {
      const name = text(field(entry, 'name'))
      if (!isFields(entry) || name === undefined) throw new Error('a case without a name')
      const unknown = Object.keys(entry).find(key => !knownOfMutations.has(key))
      if (unknown !== undefined) throw new Error(`case "${name}" has the unknown key "${unknown}"`)
      const patch = list(field(entry, 'patch'))
      if ((kind === 'changes') !== patch.length > 0) throw new Error(`case "${name}" does not do what its list says`)
      const both = (key: string): unknown[] => [...list(field(given, key)), ...list(field(entry, key))]
      return {
        name,
        policy: both('policy').flatMap(document => readPolicy(document, name)),
        inventory: both('inventory').map(object => readObject(object, name)),
        object: readObject(field(entry, 'object'), name),
        patch,
        cures: texts(field(entry, 'cures')),
      }
    }),
  )
}

const knownOfMutations = new Set(['name', 'policy', 'inventory', 'object', 'patch', 'cures'])

/** When a case takes place that does not say. */
const defaultNow = '2026-10-01T12:00:00Z'

/**
 * Reads a `cases.yaml`. Throws where the file is not of this shape: a bad case proves nothing.
 *
 *     given:                     for all cases; a case's own come after it, and replace objects of the same name
 *       policy: []
 *       inventory: []
 *       knows: []
 *       phase: submitted
 *     finds:                     cases in which the rule says something: expect, notJudged or malformed
 *     - name: a sentence         the title of the test and of the coverage table
 *       policy:                  specs by kind, or whole documents of which apiVersion and metadata may be left out
 *       - EgressPolicy: {mesh: {revisions: [default]}}
 *       - {kind: ApprovedHosts, spec: {hosts: []}}
 *       inventory: []            objects; the kinds that they are of are known, all others are not …
 *       knows: [Service]         … except these, of which there are no more than the inventory holds
 *       without: [policy]        what is given, but not for this case: policy, inventory
 *       operation: UPDATE        CREATE where absent
 *       of: shop/checkout        CONNECT only: the object whose subresource is asked for
 *       phase: final             final where neither the case nor what is given says so
 *       subresource: status
 *       as: system:node:a        who asks; nobody where absent
 *       groups: [system:nodes]
 *       now: 2026-10-01          a day means its end
 *       object: {}               on a DELETE the object that is deleted
 *       oldObject: {}            UPDATE only
 *       expect:                  every finding of the rule and no other, in any order
 *       - message: not-approved
 *         path: spec.hosts[0]
 *         value: a.example       compared where it is given
 *         threat: se/wildcard    which of the message's threats this proves; the first where absent
 *         enforcementAction: warn
 *         preexisting: true
 *         exempt: true
 *       notJudged: []            every path at which something is said not to be judged
 *       malformed: []            every path that is said to be malformed
 *     passes:                    cases in which the rule says nothing at all
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
  'knows',
  'operation',
  'phase',
  'subresource',
  'of',
  'as',
  'groups',
  'now',
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
  const operation = one(field(entry, 'operation'), ['CREATE', 'UPDATE', 'DELETE', 'CONNECT'], 'CREATE', name)
  const oldObject = field(entry, 'oldObject')
  if ((operation === 'UPDATE') !== isFields(oldObject)) {
    throw new Error(`case "${name}": an UPDATE has an oldObject, and nothing else has one`)
  }
  return {
    name,
    policy: [...shared('policy'), ...list(field(entry, 'policy'))].flatMap(document => readPolicy(document, name)),
    inventory: [...shared('inventory'), ...list(field(entry, 'inventory'))].map(object => readObject(object, name)),
    knows: [...texts(field(given, 'knows')), ...texts(field(entry, 'knows'))],
    operation,
    of: readOf(field(entry, 'of'), operation === 'CONNECT', name),
    phase: one(field(entry, 'phase') ?? field(given, 'phase'), ['submitted', 'final'], 'final', name),
    subresource: text(field(entry, 'subresource')) ?? '',
    as: text(field(entry, 'as')),
    groups: texts(field(entry, 'groups')),
    now: readNow(field(entry, 'now'), name),
    object: readObject(field(entry, 'object'), name),
    oldObject: isFields(oldObject) ? oldObject : undefined,
    expect,
    notJudged,
    malformed,
  }
}

function readOf(value: unknown, isConnect: boolean, name: string): Case['of'] {
  const [namespace, objectName] = text(value)?.split('/') ?? []
  if (isConnect !== (objectName !== undefined))
    throw new Error(`case "${name}": a CONNECT says of what, nothing else does`)
  return namespace === undefined || objectName === undefined ? undefined : { namespace, name: objectName }
}

function readNow(value: unknown, name: string): number {
  const moment = readExpiry(value === undefined ? defaultNow : String(value))
  if (moment === undefined) throw new Error(`case "${name}" has a "now" that is no date`)
  return moment
}

function readObject(value: unknown, name: string): Fields {
  if (!isFields(value)) throw new Error(`case "${name}" has something that is no object, where one is wanted`)
  return value
}

function readPolicy(value: unknown, name: string): Fields[] {
  const entry = readObject(value, name)
  const documents: Fields[] =
    field(entry, 'spec') === undefined ? Object.entries(entry).map(([kind, spec]) => ({ kind, spec })) : [entry]
  for (const { kind } of documents) one(kind, policyKinds, 'EgressPolicy', name)
  return documents.map(document => ({ apiVersion: policyApiVersion, metadata: { name: 'acme' }, ...document }))
}

const knownExpected = new Set(['message', 'path', 'value', 'threat', 'enforcementAction', 'preexisting', 'exempt'])

function readExpected(expected: unknown, name: string): ExpectedFinding {
  const message = text(field(expected, 'message'))
  const path = text(field(expected, 'path'))
  if (!isFields(expected) || message === undefined || path === undefined) {
    throw new Error(`case "${name}" expects without message or path`)
  }
  const unknown = Object.keys(expected).find(key => !knownExpected.has(key))
  if (unknown !== undefined) throw new Error(`case "${name}" expects the unknown key "${unknown}"`)
  const value = field(expected, 'value')
  if (value !== undefined && typeof value !== 'string')
    throw new Error(`case "${name}" expects a value that is no text`)
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
