import type { Mutation } from '../core/mutation.ts'
import type { JsonSchema, Param, Rule } from '../core/rule.ts'
import { factSchemas } from './organisation.ts'
import { date, definitions, listOf, namespaceName, object, ranges, shared, string, stringMap } from './part.ts'

/** `apiVersion` of every document a user writes. */
export const policyApiVersion = 'sallyport.dev/v1alpha1'

/** The kinds of documents a user writes. */
export const policyKinds = ['EgressPolicy', 'ApprovedHosts', 'EgressExemptions'] as const

/** A kind of document a user writes. */
export type PolicyKind = (typeof policyKinds)[number]

function paramsSchema(params: Readonly<Record<string, Param<unknown>>>, description: string): JsonSchema {
  const properties = Object.entries(params).map(([name, param]): [string, JsonSchema] => [
    name,
    { ...param.schema, description: param.doc, default: param.default },
  ])
  return object(Object.fromEntries(properties), [], description)
}

function ruleSchema(rule: Rule): JsonSchema {
  return object(
    {
      enforcementAction: { ...shared('action'), description: 'For every message of the rule.' },
      onUnknown: {
        enum: ['deny', 'warn', 'allow'],
        description: 'What a fact does that is in neither policy nor inventory; warn where nothing is said.',
      },
      params: paramsSchema(rule.params, 'Opinions of the rule.'),
      overrides: listOf(
        object(
          {
            namespaces: shared('namespaces'),
            messages: listOf({ enum: Object.keys(rule.messages) }, 'Only these messages; absent: all of the rule.'),
            enforcementAction: shared('action'),
          },
          ['enforcementAction'],
          'An action for some namespaces or messages.',
        ),
        'In order, the last match wins.',
      ),
    },
    [],
    rule.summary,
  )
}

function mutationSchema(mutation: Mutation): JsonSchema {
  return object(
    {
      enabled: { type: 'boolean', description: 'Whether it is made.', default: mutation.enabled },
      params: paramsSchema(mutation.params, 'Opinions of the mutation.'),
      overrides: listOf(
        object(
          { namespaces: shared('namespaces'), enabled: { type: 'boolean', description: 'Whether it is made there.' } },
          ['namespaces', 'enabled'],
          'Some namespaces.',
        ),
        'In order, the last match wins.',
      ),
    },
    [],
    mutation.summary,
  )
}

const approvalFields: Readonly<Record<string, JsonSchema>> = {
  ports: listOf(shared('port'), 'Ports and protocols that are approved.'),
  namespaces: listOf(namespaceName, 'Namespaces that may use the host; absent: every governed namespace.'),
  gateway: string('Name of the egress gateway to take; absent: any of the policy’s.'),
  owner: string('Who answers for it.'),
  ticket: string('Where it was decided.'),
  expires: date,
}

function specOf(kind: PolicyKind, rules: readonly Rule[], mutations: readonly Mutation[]): JsonSchema {
  switch (kind) {
    case 'EgressPolicy':
      return object(
        {
          ...factSchemas(),
          rules: object(
            Object.fromEntries(rules.map(rule => [rule.id, ruleSchema(rule)])),
            [],
            'What is done about each rule; what is not named stays at the baseline.',
          ),
          mutations: object(
            Object.fromEntries(mutations.map(mutation => [mutation.id, mutationSchema(mutation)])),
            [],
            'What is put right in pods; what is not named stays at the baseline.',
          ),
        },
        [],
        'Facts about the organisation, and what it wants done.',
      )
    case 'ApprovedHosts':
      return object(
        {
          defaults: object(approvalFields, [], 'For every host of this document that does not say otherwise.'),
          hosts: listOf(
            object(
              {
                host: string('A host; `*.x` covers every depth below x, not x itself.'),
                addresses: ranges('Fixed addresses that a ServiceEntry may give the host.'),
                ...approvalFields,
              },
              ['host'],
              'One approved host.',
            ),
            'Approved external hosts.',
          ),
        },
        ['hosts'],
        'Approved external hosts; documents add up.',
      )
    case 'EgressExemptions':
      return object(
        {
          defaults: object(
            { owner: string('Who answers for it.'), expires: date },
            [],
            'For every exemption of this document.',
          ),
          exemptions: listOf(exemptionSchema(rules), 'Recorded, scoped, expiring permissions to deviate.'),
        },
        ['exemptions'],
        'Recorded, scoped, expiring permissions to deviate.',
      )
  }
}

function exemptionSchema(rules: readonly Rule[]): JsonSchema {
  const target = object(
    {
      group: string('The API group; absent: the one the kind is known by.', { minLength: 0 }),
      kind: string('The kind, such as Deployment.'),
      namespace: string('The namespace, exact, or an explicit `*`; absent for cluster-scoped kinds.'),
      name: string('The name, exact, or an explicit `*`.'),
    },
    ['kind', 'name'],
    'What it reaches.',
  )
  return object(
    {
      name: string('What reports call it.'),
      rule: { enum: rules.map(rule => rule.id), description: 'The rule it permits to break.' },
      object: { ...target, description: 'Reaches this object alone.' },
      workload: { ...target, description: 'Reaches this workload and the pods that its controllers make for it.' },
      path: string('The path of the finding; of a workload, as seen from its pods. `[*]` stands for any index.'),
      value: { type: 'string', description: 'The exact value of the finding; empty where something is missing.' },
      specDigest: string('Instead of path and value: digest of the whole spec.', { pattern: '^sha256:[0-9a-f]{64}$' }),
      owner: string('Who answers for it.'),
      reason: string('Why it is permitted.'),
      expires: date,
    },
    ['name', 'rule', 'reason'],
    'One exemption.',
  )
}

/** Returns the JSON Schema (2020-12) of a kind of document, for checking and for editors. */
export function policySchema(
  kind: PolicyKind,
  rules: readonly Rule[],
  mutations: readonly Mutation[] = [],
): JsonSchema {
  const root = object(
    {
      apiVersion: { const: policyApiVersion, description: 'The version of this format.' },
      kind: { const: kind, description: 'The kind of this document.' },
      metadata: {
        type: 'object',
        description: 'Its name; labels and annotations are not looked at.',
        properties: {
          name: string('Shown in refusals and reports.'),
          labels: stringMap('Not looked at.'),
          annotations: stringMap('Not looked at.'),
        },
        required: ['name'],
      },
      spec: specOf(kind, rules, mutations),
    },
    ['apiVersion', 'kind', 'metadata', 'spec'],
    `A ${kind} document of Sallyport.`,
  )
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', title: kind, ...root, $defs: definitions }
}
