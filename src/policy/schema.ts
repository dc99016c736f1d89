import type { Mutation } from '../core/mutation.ts'
import type { JsonSchema, Param, Rule } from '../core/rule.ts'
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

function factSchemas(): Readonly<Record<string, JsonSchema>> {
  return {
    namespaces: object(
      { platform: shared('namespaces'), governed: shared('namespaces'), notGoverned: shared('namespaces') },
      [],
      'Which namespaces are the platform’s, under the policy, and outside it; what nothing names is governed, except kube-*.',
    ),
    egressGateways: listOf(
      object(
        {
          name: string('What approvals call it.'),
          namespace: string('Its namespace.'),
          service: string('Name of the Service before its pods.'),
          podLabels: stringMap('Labels of its pods, all of them.'),
          gateways: listOf(
            string('Name of an Istio Gateway in its namespace.'),
            'The Istio Gateways that configure it.',
          ),
          ports: listOf(shared('port'), 'Ports it listens on for egress.'),
        },
        ['name', 'namespace', 'service', 'podLabels'],
        'An egress gateway.',
      ),
      'The workloads that traffic must leave by.',
    ),
    ranges: object(
      {
        pods: ranges('Addresses of pods.'),
        services: ranges('Addresses of Services.'),
        virtualMachines: ranges('Addresses of machines outside the cluster that belong to the mesh.'),
      },
      [],
      'Internal address ranges.',
    ),
    identities: object(
      {
        platform: object(
          {
            users: listOf(string('A user name.'), 'Users, exact.'),
            groups: listOf(string('A group.'), 'Groups, exact.'),
            serviceAccounts: listOf(string('namespace/name.', { pattern: '^[^/]+/[^/]+$' }), 'Service accounts.'),
          },
          [],
          'Who may edit platform namespaces.',
        ),
      },
      [],
      'Who is who.',
    ),
    workloads: object(
      {
        mayOptOut: shared('serviceAccounts'),
        mayUseHostNetwork: shared('serviceAccounts'),
        mayHavePrivileges: shared('serviceAccounts'),
      },
      [],
      'Workloads that may deviate: run without a proxy, in the network of the node, with privileges that undo capture.',
    ),
    mesh: object(
      {
        rootNamespace: string('Where mesh-wide Istio objects live; istio-system where absent.'),
        clusterDomain: string('Domain of the cluster; cluster.local where absent.'),
        revisions: listOf(string('A revision or tag.'), 'Revisions and tags whose injector the organisation runs.'),
        proxyImages: listOf(
          string('`registry/name:tag`, `registry/name` for any tag, or a beginning with one trailing `*`.', {
            pattern: '^[^*\\s]+\\*?$',
          }),
          'Images that the proxy and its init containers may run.',
        ),
        outboundTrafficPolicy: {
          enum: ['REGISTRY_ONLY', 'ALLOW_ANY'],
          description: 'The mesh configuration’s mode, where the inventory does not show it.',
        },
      },
      [],
      'The mesh.',
    ),
  }
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
