import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import type { Mutation } from '../core/mutation.ts'
import type { Path } from '../core/path.ts'
import type { Rule } from '../core/rule.ts'
import { enumerate, nearest, shorten, show } from '../core/text.ts'
import { parseSubnet } from '../istio/cidr.ts'
import type { ProblemName } from './problem.ts'
import { type PolicyKind, policyKinds, policySchema } from './schema.ts'

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
    inlineRefs: false,
    code: { optimize: false },
  })
  ajv.addFormat('ip-range', text => parseSubnet(text).ok)
  const validators = new Map<PolicyKind, ValidateFunction>()
  for (const kind of policyKinds) validators.set(kind, ajv.compile(policySchema(kind, rules, mutations)))
  return (kind, document) => {
    const validate = validators.get(kind)
    if (validate === undefined || validate(document)) return []
    return (validate.errors ?? []).map(error => {
      const fault = faultOf(error, document)
      const missing: unknown = error.params['missingProperty']
      return { ...fault, about: typeof missing === 'string' ? [...fault.path, missing] : fault.path }
    })
  }
}

type PlainFault = Omit<Fault, 'about'>

/** Translates ajv's words into ours: the place, what is wrong, and the word probably meant. */
function faultOf(error: ErrorObject, document: unknown): PlainFault {
  const path = pathOf(error.instancePath, document)
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
  return {
    name: 'notOneOf',
    path,
    what: `${given} is none of ${enumerate(words, 'or')}`,
    ...(meant === undefined ? {} : { fix: `did you mean ${JSON.stringify(meant)}?` }),
  }
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
