import type { JsonSchema } from '../core/rule.ts'

/** Returns the schema of a text that is not empty. */
export const string = (description: string, more: JsonSchema = {}): JsonSchema => ({
  type: 'string',
  minLength: 1,
  description,
  ...more,
})
/** Returns the schema of a list. */
export const listOf = (items: JsonSchema, description: string): JsonSchema => ({ type: 'array', items, description })
/** Returns the schema of a mapping with these keys and no other. */
export const object = (
  properties: Readonly<Record<string, JsonSchema>>,
  required: readonly string[],
  description: string,
): JsonSchema => ({ type: 'object', properties, required, additionalProperties: false, description })

const action: JsonSchema = {
  enum: ['deny', 'warn', 'dryrun', 'off'],
  description: 'deny refuses, warn admits with a warning, dryrun only counts, off does not evaluate.',
}

/** A namespace by name or pattern. */
export const namespaceName = string('A namespace, or a pattern with one trailing `*`.', {
  pattern: '^([a-z0-9]([-a-z0-9]*[a-z0-9])?|[a-z0-9][-a-z0-9]*\\*|\\*)$',
})

/** Returns the schema of a mapping of texts, such as labels. */
export const stringMap = (description: string): JsonSchema => ({
  type: 'object',
  additionalProperties: { type: 'string' },
  description,
})

const labelSelector = object(
  {
    matchLabels: stringMap('Labels that must all have these values.'),
    matchExpressions: listOf(
      object(
        {
          key: string('A label key.'),
          operator: { enum: ['In', 'NotIn', 'Exists', 'DoesNotExist'], description: 'How the label is compared.' },
          values: listOf({ type: 'string' }, 'Values for In and NotIn.'),
        },
        ['key', 'operator'],
        'One condition.',
      ),
      'Conditions that must all hold.',
    ),
  },
  [],
  'A label selector as Kubernetes knows it.',
)

const namespaceMatch: JsonSchema = {
  type: ['object', 'array'],
  description:
    'Namespaces: a list of names and patterns, or `names` and a `selector` on labels that tenants cannot write.',
  items: namespaceName,
  properties: {
    names: listOf(namespaceName, 'Exact names, and patterns with one trailing `*`.'),
    selector: labelSelector,
  },
  additionalProperties: false,
}

const port = object(
  {
    number: { type: 'integer', minimum: 1, maximum: 65535, description: 'The port number.' },
    protocol: {
      enum: ['HTTP', 'HTTPS', 'HTTP2', 'GRPC', 'TLS', 'TCP', 'MONGO', 'MYSQL', 'REDIS'],
      description: 'The protocol on it, as in a ServiceEntry.',
    },
  },
  ['number', 'protocol'],
  'A port with its protocol.',
)

/** Returns the schema of a list of address ranges. */
export const ranges = (description: string): JsonSchema => listOf(string('A range such as 10.0.0.0/16.'), description)

/** A day or a moment. */
export const date = string('A day (2027-06-30, valid to its end in UTC) or a moment (2027-06-30T12:00:00Z).')

const serviceAccounts = listOf(
  object(
    {
      namespace: string('The namespace, exact.'),
      serviceAccounts: listOf(string('A service account, or an explicit `*`.'), 'Whose workloads are meant.'),
    },
    ['namespace', 'serviceAccounts'],
    'Workloads by namespace and service account.',
  ),
  'Workloads by namespace and service account.',
)

/** What several places of a document have in common: written, and compiled, once. */
export const definitions = { action, namespaces: namespaceMatch, port, serviceAccounts } as const

/** Returns the reference to a definition. */
export function shared(name: keyof typeof definitions): JsonSchema {
  return { $ref: `#/$defs/${name}` }
}
