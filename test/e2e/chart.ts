import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'
import type { Context } from './context.ts'
import type { Item } from './plane/client.ts'

/** A way to install the chart, by the name of its values in `ci/`. */
export interface Scenario {
  readonly name: string
  readonly file: string
  /** Namespaces that must be there. */
  readonly namespaces: readonly string[]
}

/** Returns the scenarios that the chart is tested with. */
export function scenariosOf({ chart }: Pick<Context, 'chart'>): readonly Scenario[] {
  return readdirSync(join(chart, 'ci')).map(entry => {
    const file = join(chart, 'ci', entry)
    const { istio = {} }: { istio?: Record<string, unknown> } = parse(readFileSync(file, 'utf8')) ?? {}
    const agents = istio['agentNamespaces']
    return {
      name: entry.replace('-values.yaml', ''),
      file,
      namespaces: ['istio-system', ...(Array.isArray(agents) ? agents.map(String) : [])],
    }
  })
}

/** What the chart is rendered with. */
export interface Rendering {
  readonly release: string
  readonly namespace: string
  readonly file?: string
  readonly values?: object
}

/** Returns what Helm prints of the chart. */
export async function render(context: Context, { release, namespace, file, values }: Rendering): Promise<string> {
  const extra = join(context.folder, `${release}-values.json`)
  if (values !== undefined) writeFileSync(extra, JSON.stringify(values))
  const given = [file, values === undefined ? undefined : extra].flatMap(path =>
    path === undefined ? [] : ['-f', path],
  )
  const ended = await context.helm([
    'template',
    release,
    context.chart,
    '-n',
    namespace,
    '--kube-version=1.36.3',
    ...given,
  ])
  if (ended.code !== 0) throw new Error(`helm template ended with ${ended.code}: ${ended.stderr}`)
  return ended.stdout
}

/** Returns the objects of a rendered chart. */
export function objectsOf(rendered: string): readonly Item[] {
  return parseAllDocuments(rendered).flatMap(document => {
    const object: Item | null = document.toJS()
    return object === null ? [] : [object]
  })
}

/** Returns the one object of a kind. Throws where there is none. */
export function onlyOf(objects: readonly Item[], kind: string): Item {
  const [object, ...others] = objects.filter(item => item.kind === kind)
  if (object === undefined || others.length > 0) throw new Error(`${others.length + 1} objects of kind ${kind}`)
  return object
}

/** An entry of a webhook configuration. */
export interface WebhookEntry {
  readonly name: string
  readonly rules?: readonly object[]
  readonly clientConfig: Readonly<Record<string, unknown>>
  readonly [key: string]: unknown
}

/** Returns the entries of a webhook configuration. */
export function entriesOf(configuration: Item): readonly WebhookEntry[] {
  return configuration['webhooks'] as readonly WebhookEntry[]
}

/** Returns the rules that wait in the annotation of a configuration, by the name of their entry. */
export function waitingRules({ metadata }: Item): Readonly<Record<string, readonly object[]>> {
  return JSON.parse(metadata.annotations?.['sallyport.dev/rules'] ?? '{}')
}
