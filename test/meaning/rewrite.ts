import { type Document, isMap, isSeq, stringify, visit, Document as YamlDocument } from 'yaml'
import { type Fields, isFields } from '../../src/istio/json.ts'

/** Chooses a number below `limit`. */
export type Choose = (limit: number) => number

/** Returns a copy with the keys of every mapping in another order. */
export function shuffleKeys(value: unknown, choose: Choose): unknown {
  if (Array.isArray(value)) return value.map(item => shuffleKeys(item, choose))
  if (!isFields(value)) return value
  const entries = Object.entries(value)
  for (let i = entries.length - 1; i > 0; i--) {
    const j = choose(i + 1)
    const [a, b] = [entries[i], entries[j]]
    if (a !== undefined && b !== undefined) {
      entries[i] = b
      entries[j] = a
    }
  }
  return Object.fromEntries(entries.map(([key, inner]) => [key, shuffleKeys(inner, choose)]))
}

/** Ways to write an object down as a manifest that all read the same. */
export const writings: readonly (readonly [string, (object: Fields, choose: Choose) => string])[] = [
  ['as JSON', object => JSON.stringify(object)],
  ['as YAML in blocks', object => stringify(object, yaml)],
  ['as YAML in flow', (object, choose) => flowing(object, choose)],
  [
    'with anchors for what stands twice',
    object => stringify(repeated(object), { ...yaml, aliasDuplicateObjects: true }),
  ],
  ['with every text quoted', object => stringify(object, { ...yaml, defaultStringType: 'QUOTE_DOUBLE', lineWidth: 0 })],
  ['with merge keys', object => merged(object)],
  ['as an item of a List', object => stringify({ apiVersion: 'v1', kind: 'List', items: [object] }, yaml)],
  ['as the second of two documents', object => `# nothing\n---\n${stringify(object, yaml)}`],
]

// Kubernetes reads YAML 1.1, in which more words than true and false need quotes.
const yaml = { version: '1.1', aliasDuplicateObjects: false } as const

function flowing(object: Fields, choose: Choose): string {
  const document: Document = new YamlDocument(object, yaml)
  visit(document, {
    Collection: (_, node) => {
      if ((isMap(node) || isSeq(node)) && choose(2) === 0) node.flow = true
    },
  })
  // Plain text in brackets that begins with a colon, such as ::1, is more than Go's YAML and ours agree on.
  return document.toString({ defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'QUOTE_DOUBLE' })
}

/** Returns a copy in which equal parts are one and the same, so that they are written once and referred to. */
function repeated(value: unknown, known = new Map<string, unknown>()): unknown {
  if (typeof value !== 'object' || value === null) return value
  const text = JSON.stringify(value)
  const found = known.get(text)
  if (found !== undefined) return found
  const copy = Array.isArray(value)
    ? value.map(item => repeated(item, known))
    : Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, repeated(inner, known)]))
  if (text.length > 2) known.set(text, copy)
  return copy
}

/** Writes metadata and spec as mappings that take all they hold from one above them in the same file. */
function merged(object: Fields): string {
  const parts = Object.entries(object).filter(([, value]) => isFields(value) && Object.keys(value).length > 0)
  const rest = Object.entries(object).filter(([key]) => !parts.some(([name]) => name === key))
  // The mapping that is referred to must stand in the object itself; the last one wins, and says the same.
  return [
    stringify(Object.fromEntries(rest), yaml),
    ...parts.map(([key, value]) => {
      const [[first, firstValue] = ['', undefined], ...others] = Object.entries(isFields(value) ? value : {})
      const whole = JSON.stringify({ [first]: firstValue })
      const own = others.map(([name, inner]) => `  ${JSON.stringify(name)}: ${JSON.stringify(inner)}\n`).join('')
      return `${JSON.stringify(key)}:\n  <<: ${whole}\n${own}`
    }),
  ].join('')
}

/** Versions in which the API server takes objects of a group and kind; each of them means the same. */
export const served: Readonly<Record<string, readonly string[]>> = {
  'networking.istio.io': ['v1', 'v1beta1', 'v1alpha3'],
  'security.istio.io': ['v1', 'v1beta1'],
  'telemetry.istio.io': ['v1', 'v1alpha1'],
  'gateway.networking.k8s.io': ['v1', 'v1beta1', 'v1alpha2'],
  'networking.k8s.io': ['v1', 'v1beta1'],
  'discovery.k8s.io': ['v1', 'v1beta1'],
  batch: ['v1', 'v1beta1'],
  apps: ['v1', 'v1beta2'],
}

/** Returns the object in another version of its group, or as it is where there is none. */
export function inVersion(object: Fields, at: number): Fields {
  const [group = '', version] = String(object['apiVersion']).split('/')
  const versions = served[group]
  if (version === undefined || versions === undefined) return object
  return { ...object, apiVersion: `${group}/${versions[at % versions.length]}` }
}

/** What tools and the API server write on objects, and what says nothing about traffic. */
export function decorate(object: Fields): Fields {
  const metadata = isFields(object['metadata']) ? object['metadata'] : {}
  const labels = isFields(metadata['labels']) ? metadata['labels'] : {}
  const annotations = isFields(metadata['annotations']) ? metadata['annotations'] : {}
  return {
    ...object,
    metadata: {
      ...metadata,
      labels: {
        'app.kubernetes.io/managed-by': 'Helm',
        'app.kubernetes.io/part-of': 'acme',
        'helm.sh/chart': 'acme-1.2.3',
        ...labels,
      },
      annotations: {
        'argocd.argoproj.io/tracking-id': 'acme:apps/Deployment:shop/web',
        'kubectl.kubernetes.io/last-applied-configuration': '{"apiVersion":"v1"}\n',
        'meta.helm.sh/release-name': 'acme',
        ...annotations,
      },
      uid: '6c1f1b9e-7a3c-4a57-9d0e-2f6a8f0d1e11',
      resourceVersion: '4711',
      generation: 3,
      creationTimestamp: metadata['creationTimestamp'] ?? '2026-01-01T00:00:00Z',
      managedFields: [
        ...(Array.isArray(metadata['managedFields']) ? metadata['managedFields'] : []),
        { manager: 'kubectl', operation: 'Update', fieldsType: 'FieldsV1', fieldsV1: {} },
      ],
    },
  }
}
