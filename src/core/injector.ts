import {
  dataplaneModeLabel,
  decideInjection,
  type InjectionDecision,
  type InjectorPolicy,
  injectionLabel,
  revisionLabel,
} from '../istio/injection.ts'
import { type InjectorConfigMap, type InstallValues, readInjectorConfigMap } from '../istio/injector.ts'
import { dig, type Fields, list, stringMap } from '../istio/json.ts'
import type { Facts, NamespaceLabels } from './facts.ts'
import type { Tools } from './rule.ts'

/** Label of a webhook configuration that serves a tag; its revision is the one behind the tag. */
const tagLabel = 'istio.io/tag'

/** Name of the default revision, and of the tag that stands for it. */
const defaultRevision = 'default'

/** The kind in which control planes register their injectors. */
export const webhookKind = 'MutatingWebhookConfiguration.admissionregistration.k8s.io'

/** What the control plane is looked up in. */
type Sources = Pick<Tools<string, unknown>, 'facts' | 'inventory'>

/** Revisions and tags that the organisation's injectors serve, each with the revision behind it. */
export type Served = ReadonlyMap<string, string>

/**
 * Returns what the organisation's injectors serve: by their webhook configurations, as far as the policy names revision
 * or tag; where those are not known by the policy alone; undefined where that is silent too.
 */
export function servedRevisions({ facts, inventory }: Sources): Served | undefined {
  const known = servedBy.get(inventory)
  if (known?.facts === facts) return known.served
  const served = readServed({ facts, inventory })
  servedBy.set(inventory, { facts, served })
  return served
}

/** What was found in an inventory: several rules ask while one object is judged. */
const servedBy = new WeakMap<Sources['inventory'], { readonly facts: Facts; readonly served: Served | undefined }>()

function readServed({ facts, inventory }: Sources): Served | undefined {
  const governed = facts.mesh.revisions
  if (!inventory.knows(webhookKind)) return governed && new Map(governed.map(name => [name, name]))
  const served = new Map<string, string>()
  for (const configuration of inventory.list(webhookKind)) {
    const labels = stringMap(dig(configuration, 'metadata', 'labels'))
    if (labels.get('app') !== 'sidecar-injector') continue
    const revision = labels.get(revisionLabel) ?? defaultRevision
    const name = labels.get(tagLabel) ?? revision
    if (governed !== undefined && !governed.includes(name) && !governed.includes(revision)) continue
    if (!served.has(name)) served.set(name, revision)
    if (servesDefault(configuration) && !served.has(defaultRevision)) served.set(defaultRevision, revision)
  }
  return served
}

/** The default webhooks are those that select namespaces by `istio-injection: enabled`. */
function servesDefault(configuration: Fields): boolean {
  return list(dig(configuration, 'webhooks')).some(webhook =>
    list(dig(webhook, 'namespaceSelector', 'matchExpressions')).some(
      expression =>
        dig(expression, 'key') === injectionLabel &&
        dig(expression, 'operator') === 'In' &&
        list(dig(expression, 'values')).includes('enabled'),
    ),
  )
}

/** Returns the policy of the injector that serves a revision or tag; undefined where it is not known. */
export function injectorPolicy(
  revision: string,
  served: Served | undefined,
  tools: Sources,
): InjectorPolicy | undefined {
  const policy = injectorOf(served?.get(revision) ?? revision, tools)?.policy
  return policy?.ok ? policy.value : undefined
}

/** Returns the values of the installation whose injector serves a revision or tag; undefined where they are not known. */
export function installValues(revision: string, served: Served | undefined, tools: Sources): InstallValues | undefined {
  const values = injectorOf(served?.get(revision) ?? revision, tools)?.values
  return values?.ok ? values.value : undefined
}

/** Returns true where the default injector takes pods too that neither say anything themselves nor by their namespace. */
function injectsByDefault(served: Served | undefined, tools: Sources): boolean {
  const setting = installValues(defaultRevision, served, tools)?.enableNamespacesByDefault?.value
  return setting?.ok === true && setting.value
}

/** What an injector's ConfigMap was read as; an inventory hands out the same object for as long as it is unchanged. */
const readings = new WeakMap<Fields, InjectorConfigMap>()

function injectorOf(revision: string, { facts, inventory }: Sources): InjectorConfigMap | undefined {
  const name = revision === defaultRevision ? 'istio-sidecar-injector' : `istio-sidecar-injector-${revision}`
  const configMap = inventory.find('ConfigMap', facts.mesh.rootNamespace, name)
  if (configMap === undefined) return undefined
  const known = readings.get(configMap)
  if (known !== undefined) return known
  const read = readInjectorConfigMap(configMap)
  readings.set(configMap, read)
  return read
}

/** What a pod is asked about before it is known which injector it falls to. */
export interface InjectionQuestion {
  readonly namespace: string
  readonly namespaceLabels: NamespaceLabels
  readonly labels: ReadonlyMap<string, string>
  readonly annotations: ReadonlyMap<string, string>
}

/**
 * Returns whether a pod that is not on the network of its node is injected, by the webhooks and ConfigMaps that the
 * inventory holds, as far as the policy names their revisions. `served` may be handed in where it is assumed.
 */
export function injectionOf(
  question: InjectionQuestion,
  sources: Sources,
  served: Served | undefined = servedRevisions(sources),
): InjectionDecision {
  const known = decisions.get(question.labels)
  if (known !== undefined && isSame(known, question, sources, served)) return known.decision
  const decision = decide(question, sources, served)
  decisions.set(question.labels, { ...question, inventory: sources.inventory, served, decision })
  return decision
}

/** A decision with what it rests on. */
interface Decided extends InjectionQuestion {
  readonly inventory: Sources['inventory']
  readonly served: Served | undefined
  readonly decision: InjectionDecision
}

/** Decisions by the labels of the pod: several rules ask about the same one. */
const decisions = new WeakMap<InjectionQuestion['labels'], Decided>()

function isSame(known: Decided, asked: InjectionQuestion, { inventory }: Sources, served: Served | undefined): boolean {
  return (
    known.inventory === inventory &&
    known.served === served &&
    known.annotations === asked.annotations &&
    known.namespaceLabels === asked.namespaceLabels &&
    known.namespace === asked.namespace
  )
}

function decide(question: InjectionQuestion, sources: Sources, served: Served | undefined): InjectionDecision {
  const { namespace, namespaceLabels, annotations } = question
  return decideInjection({
    namespace,
    namespaceLabels,
    annotations,
    labels: withoutOwnAmbient(question.labels),
    hostNetwork: false,
    revisions: served,
    defaultTag: served?.has(defaultRevision),
    injector: revision => injectorPolicy(revision, served, sources),
    get enableNamespacesByDefault() {
      return injectsByDefault(served, sources)
    },
  })
}

/** Ambient mode is the platform's to choose, for a namespace: a pod that names itself ambient may be in none. */
function withoutOwnAmbient(labels: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  if (labels.get(dataplaneModeLabel) !== 'ambient') return labels
  return new Map([...labels].filter(([key]) => key !== dataplaneModeLabel))
}
