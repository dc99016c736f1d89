import { Ajv2020, type AnySchema, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import type { Mutation } from '../core/mutation.ts'
import type { Path } from '../core/path.ts'
import type { JsonSchema, Rule } from '../core/rule.ts'
import { enumerate, nearest, shorten, show } from '../core/text.ts'
import { parseSubnet } from '../istio/cidr.ts'
import { dig, field, isFields } from '../istio/json.ts'
import type { ProblemName } from './problem.ts'
import { type PolicyKind, policySchema } from './schema.ts'

/** One fault that a schema found. */
export interface Fault {
  readonly name: ProblemName
  readonly path: Path
  /** What is wrong: the place itself, or the key that it lacks. */
  readonly about: Path
  readonly what: string
  readonly fix?: string
}

/** Checks a document of a kind against its schema. */
export type CheckDocument = (kind: PolicyKind, document: unknown) => readonly Fault[]

/**
 * Checkers by the rules and mutations that their schemas were made from: to compile schemas is the slow part of loading a
 * policy.
 */
const checkers = new WeakMap<readonly Rule[], WeakMap<readonly Mutation[], CheckDocument>>()

/** Returns the checker for the documents of a policy with these rules and mutations. */
export function documentChecker(rules: readonly Rule[], mutations: readonly Mutation[]): CheckDocument {
  const ofRules = checkers.get(rules) ?? new WeakMap<readonly Mutation[], CheckDocument>()
  checkers.set(rules, ofRules)
  const checker = ofRules.get(mutations) ?? compileChecker(rules, mutations)
  ofRules.set(mutations, checker)
  return checker
}

function compileChecker(rules: readonly Rule[], mutations: readonly Mutation[]): CheckDocument {
  const ajv = new Ajv2020({
    allErrors: true,
    strict: true,
    allowUnionTypes: true,
    strictRequired: false,
    verbose: true,
    // Compiling is most of the time that the command takes to start, and each schema is used for a few documents only.
    validateSchema: false,
    inlineRefs: false,
    code: { optimize: false },
  })
  ajv.addFormat('ip-range', text => parseSubnet(text).ok)
  const validators = new Map<string, ValidateFunction>()
  const validatorOf = (name: string, schema: () => AnySchema): ValidateFunction => {
    const validate = validators.get(name) ?? ajv.compile(schema())
    validators.set(name, validate)
    return validate
  }
  return (kind, document) => {
    const full = (): JsonSchema => policySchema(kind, rules, mutations)
    const faults = faultsOf(
      validatorOf(kind, () => withoutSections(full())),
      document,
      [],
    )
    for (const [section, entries] of sectionsOf({ rules, mutations })) {
      if (kind !== 'EgressPolicy') break
      const given = dig(document, 'spec', section)
      for (const id of entries) {
        const value = field(given, id)
        if (value === undefined) continue
        const validate = validatorOf(`${section}/${id}`, () => entrySchema(full(), section, id))
        faults.push(...faultsOf(validate, value, ['spec', section, id]))
      }
    }
    return faults
  }
}

/** Keys of `spec` with an entry for each rule or mutation: long, and most policies name a few of them. */
function sectionsOf(
  known: Readonly<Record<'rules' | 'mutations', readonly { readonly id: string }[]>>,
): [string, string[]][] {
  return (['rules', 'mutations'] as const).map(section => [section, known[section].map(({ id }) => id)])
}

/** Returns the schema with the entries of rules and mutations named, but not described. */
function withoutSections(schema: JsonSchema): JsonSchema {
  const spec = fieldsAt(schema, 'properties', 'spec')
  const properties = Object.entries(fieldsAt(spec, 'properties')).map(([key, value]): [string, unknown] => {
    if (key !== 'rules' && key !== 'mutations') return [key, value]
    const named = Object.keys(fieldsAt(value, 'properties')).map(id => [id, true])
    return [key, { ...fieldsAt(value), properties: Object.fromEntries(named) }]
  })
  const outline = { ...spec, properties: Object.fromEntries(properties) }
  return { ...schema, properties: { ...fieldsAt(schema, 'properties'), spec: outline } }
}

function entrySchema(schema: JsonSchema, section: string, id: string): JsonSchema {
  const entry = fieldsAt(schema, 'properties', 'spec', 'properties', section, 'properties', id)
  return { ...entry, $defs: field(schema, '$defs') }
}

function fieldsAt(value: unknown, ...keys: readonly string[]): JsonSchema {
  const found = dig(value, ...keys)
  return isFields(found) ? found : {}
}

function faultsOf(validate: ValidateFunction, value: unknown, at: Path): Fault[] {
  if (validate(value)) return []
  return (validate.errors ?? []).map(error => {
    const fault = faultOf(error, value, at)
    const missing: unknown = error.params['missingProperty']
    return { ...fault, about: typeof missing === 'string' ? [...fault.path, missing] : fault.path }
  })
}

type PlainFault = Omit<Fault, 'about'>

/** Translates ajv's words into ours: the place, what is wrong, and the word probably meant. */
function faultOf(error: ErrorObject, document: unknown, at: Path): PlainFault {
  const path = [...at, ...pathOf(error.instancePath, document)]
  const params: Readonly<Record<string, unknown>> = error.params
  const given = JSON.stringify(shorten(show(error.data), 60))
  switch (error.keyword) {
    case 'additionalProperties':
      return unknownKey(path, String(params['additionalProperty']), Object.keys(propertiesOf(error)))
    case 'required':
      return {
        name: 'missingKey',
        path,
        what: `${JSON.stringify(params['missingProperty'])} is missing`,
        fix: 'add it',
      }
    case 'enum':
      return notOneOf(path, error, given)
    case 'const':
      return { name: 'notOneOf', path, what: `${given} is not ${JSON.stringify(params['allowedValue'])}` }
    case 'type':
      return { name: 'wrongType', path, what: `must be ${typesOf(params['type'])}` }
    case 'minimum':
    case 'maximum':
      return { name: 'badValue', path, what: `${given} must be ${params['comparison']} ${params['limit']}` }
    case 'minLength':
      return { name: 'badValue', path, what: 'must not be empty' }
    case 'format':
      return { name: 'badRange', path, what: `${given} is no address range`, fix: 'write it like 10.0.0.0/16' }
    case 'pattern':
      return { name: 'badValue', path, what: `${given} is not of the form ${String(params['pattern'])}` }
    default:
      return { name: 'badValue', path, what: error.message ?? error.keyword }
  }
}

function unknownKey(path: Path, key: string, known: readonly string[]): PlainFault {
  const meant = nearest(key, known)
  const inRules = path.length === 2 && path[0] === 'spec' && path[1] === 'rules'
  const inMutations = path.length === 2 && path[0] === 'spec' && path[1] === 'mutations'
  return {
    name: inRules ? 'noSuchRule' : 'unknownKey',
    path: [...path, key],
    what: inRules ? 'no such rule' : inMutations ? 'no such mutation' : 'no such key',
    fix: meant === undefined ? `use one of ${enumerate(known, 'or')}` : `did you mean ${JSON.stringify(meant)}?`,
  }
}

function notOneOf(path: Path, error: ErrorObject, given: string): PlainFault {
  const allowed: readonly unknown[] = Array.isArray(error.schema) ? error.schema : []
  const words = allowed.map(String)
  const meant = nearest(show(error.data), words)
  const fix = unquotedFix(error.data, words) ?? (meant && `did you mean ${JSON.stringify(meant)}?`)
  return {
    name: 'notOneOf',
    path,
    what: `${given} is none of ${enumerate(words, 'or')}`,
    ...(fix === undefined ? {} : { fix }),
  }
}

/** Kubernetes reads YAML in which the bare word off is false. */
function unquotedFix(value: unknown, words: readonly string[]): string | undefined {
  return value === false && words.includes('off') ? 'write "off" in quotes, without which it is false' : undefined
}

function propertiesOf(error: ErrorObject): object {
  const properties: unknown = error.parentSchema?.['properties']
  return typeof properties === 'object' && properties !== null ? properties : {}
}

const articles: Readonly<Record<string, string>> = {
  string: 'a text',
  integer: 'a whole number',
  object: 'a mapping',
  array: 'a list',
}

function typesOf(type: unknown): string {
  const types: readonly unknown[] = Array.isArray(type) ? type : [type]
  return enumerate(
    types.map(name => articles[String(name)] ?? String(name)),
    'or',
  )
}

/** Turns a JSON pointer into a path; a segment is an index where it leads into a list. */
function pathOf(pointer: string, document: unknown): Path {
  const path: (string | number)[] = []
  let here: unknown = document
  for (const segment of pointer.split('/').slice(1)) {
    const key = segment.replaceAll('~1', '/').replaceAll('~0', '~')
    if (Array.isArray(here)) {
      path.push(Number(key))
      here = here[Number(key)]
    } else {
      path.push(key)
      here = typeof here === 'object' && here !== null ? Reflect.get(here, key) : undefined
    }
  }
  return path
}
