import type { Verdict } from '../core/finding.ts'
import { dig, type Fields, field, isFields, list, text } from '../istio/json.ts'
import { readYaml } from '../istio/yaml.ts'
import { readExpiry } from './date.ts'
import { policyApiVersion, policyKinds } from './schema.ts'
import { strings } from './value.ts'

/** What a case says a rule must find. */
export interface ExpectedFinding {
  /** The rule, where the case does not say it for all. */
  readonly rule?: string
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
  /** The only rule that judges; undefined: all of them do. */
  readonly rule: string | undefined
  /** The one of its list that the rule's page shows. */
  readonly example: boolean
  /** What must come out; undefined where only the findings count. */
  readonly verdict: Verdict | undefined
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

/** When a case takes place that does not say. */
const defaultNow = '2026-10-01T12:00:00Z'

/**
 * Reads a `cases.yaml`. Throws where the file is not of this shape: a bad case proves nothing.
 *
 *     rule: no-host-network      only this rule judges; absent: all do, and what they warn of or refuse is compared
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
 *       example: true            the one of its list that the rule's page shows; else the shortest
 *       verdict: warn            what comes out of it; may stand alone, then findings are not compared
 *       expect:                  every finding of the rule and no other, in any order
 *       - rule: no-host-network  where the file names none
 *         message: not-approved
 *         path: spec.hosts[0]
 *         value: a.example       compared where it is given
 *         threat: se/wildcard    which of the message's threats this proves; the first where absent
 *         enforcementAction: warn
 *         preexisting: true
 *         exempt: true
 *       notJudged: []            every path at which something is said not to be judged
 *       malformed: []            every path that is said to be malformed
 *     passes:                    cases in which the rule says nothing at all; of all rules: nothing is refused or warned of
 */
export function readCases(source: string): readonly Case[] {
  const read = readYaml(source)
  if (!read.ok) throw new Error(read.why)
  if (!isFields(read.value)) throw new Error('holds no cases: a mapping with "finds" and "passes" is wanted')
  const unknown = Object.keys(read.value).find(key => !knownOfFile.has(key))
  if (unknown !== undefined) throw new Error(`has the unknown key "${unknown}"`)
  const given = field(read.value, 'given')
  const rule = text(field(read.value, 'rule'))
  const entries = (kind: 'finds' | 'passes'): Case[] =>
    list(field(read.value, kind)).map(entry => readCase(entry, { given, rule }, kind))
  return [...entries('finds'), ...entries('passes')]
}

const knownOfFile = new Set(['rule', 'given', 'finds', 'passes'])

const known = new Set([
  'name',
  'verdict',
  'example',
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

interface Shared {
  readonly given: unknown
  readonly rule: string | undefined
}

function readCase(entry: unknown, { given, rule }: Shared, kind: 'finds' | 'passes'): Case {
  const name = text(field(entry, 'name'))
  if (!isFields(entry) || name === undefined) throw new Error('a case without a name')
  const unknown = Object.keys(entry).find(key => !known.has(key))
  if (unknown !== undefined) throw new Error(`case "${name}" has the unknown key "${unknown}"`)
  const expect = list(field(entry, 'expect')).map(expected => readExpected(expected, name))
  const without = list(field(entry, 'without'))
  const shared = (key: 'policy' | 'inventory'): readonly unknown[] =>
    without.includes(key) ? [] : list(field(given, key))
  const notJudged = strings(field(entry, 'notJudged'))
  const malformed = strings(field(entry, 'malformed'))
  const verdict = text(field(entry, 'verdict'))
  if (kind === 'finds' && verdict === undefined && expect.length + notJudged.length + malformed.length === 0) {
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
    rule,
    example: field(entry, 'example') === true,
    verdict: verdict === undefined ? undefined : one<Verdict>(verdict, ['allow', 'warn', 'deny'], 'allow', name),
    policy: [...shared('policy'), ...list(field(entry, 'policy'))].flatMap(document => readPolicy(document, name)),
    inventory: [...shared('inventory'), ...list(field(entry, 'inventory'))].map(object => readObject(object, name)),
    knows: [...strings(field(given, 'knows')), ...strings(field(entry, 'knows'))],
    operation,
    of: readOf(field(entry, 'of'), operation === 'CONNECT', name),
    phase: one(field(entry, 'phase') ?? field(given, 'phase'), ['submitted', 'final'], 'final', name),
    subresource: text(field(entry, 'subresource')) ?? '',
    as: text(field(entry, 'as')),
    groups: strings(field(entry, 'groups')),
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

/** Returns the object that a case holds. */
export function readObject(value: unknown, name: string): Fields {
  if (!isFields(value)) throw new Error(`case "${name}" has something that is no object, where one is wanted`)
  return value
}

/** Returns the policy documents that a case gives: specs by kind, or whole documents. */
export function readPolicy(value: unknown, name: string): Fields[] {
  const entry = readObject(value, name)
  const documents: Fields[] =
    field(entry, 'spec') === undefined ? Object.entries(entry).map(([kind, spec]) => ({ kind, spec })) : [entry]
  for (const { kind } of documents) one(kind, policyKinds, 'EgressPolicy', name)
  return documents.map(document => ({ apiVersion: policyApiVersion, metadata: { name: 'acme' }, ...document }))
}

const knownExpected = new Set([
  'rule',
  'message',
  'path',
  'value',
  'threat',
  'enforcementAction',
  'preexisting',
  'exempt',
])

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
  const rule = text(field(expected, 'rule'))
  const threat = text(field(expected, 'threat'))
  const enforcementAction = text(field(expected, 'enforcementAction'))
  return {
    ...(rule !== undefined && { rule }),
    message,
    path,
    ...(value !== undefined && { value }),
    ...(threat !== undefined && { threat }),
    ...(enforcementAction !== undefined && { enforcementAction }),
    ...(dig(expected, 'preexisting') === true && { preexisting: true }),
    ...(dig(expected, 'exempt') === true && { exempt: true }),
  }
}

function one<T extends string>(value: unknown, allowed: readonly T[], fallback: T, name: string): T {
  if (value === undefined) return fallback
  const found = allowed.find(word => word === value)
  if (found === undefined) throw new Error(`case "${name}" has ${JSON.stringify(value)}, none of ${allowed.join(', ')}`)
  return found
}
