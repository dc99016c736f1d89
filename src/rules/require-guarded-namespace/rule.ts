import { reachesMetadata } from '../../core/change.ts'
import { ambientAgents, cniExcludedNamespaces } from '../../core/cni.ts'
import { injectionOf, servedRevisions, webhookKind } from '../../core/injector.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { enumerate } from '../../core/text.ts'
import {
  dataplaneModeLabel,
  type InjectionDecision,
  injectionLabel,
  reservedNamespaces,
  revisionLabel,
} from '../../istio/injection.ts'
import { labelsOf } from '../../istio/workload.ts'
import { isolates } from './isolation.ts'

type Message =
  | 'injection-off'
  | 'injection-beats-revision'
  | 'both-labels'
  | 'not-asked'
  | 'unserved'
  | 'dataplane-mode'
  | 'ambient-off'
  | 'ambient-unseen'
  | 'reserved-name'
  | 'cni-excluded'
  | 'no-default-deny'

type Judge = Tools<Message, Record<never, never>>

/** The kind by which a namespace is closed. */
const networkPolicy = 'NetworkPolicy.networking.k8s.io'

export default defineRule<Message, Record<never, never>>({
  id: 'require-guarded-namespace',
  summary: 'Require that governed namespaces ask for the proxy, or for ambient mode, in words that count',
  risk: [
    'Labels of a namespace decide for all its pods whether a proxy sees their traffic. They are compared as exact',
    'texts: any value of `istio-injection` but `enabled` switches injection off, that by `istio.io/rev` too; a',
    'revision that nobody serves injects nothing; a mode other than `ambient` is none. Sallyport decides as Istio’s',
    'webhooks do, for a pod that says nothing itself. Some names are passed by whatever the labels say.',
  ].join(' '),
  team: [
    'A new namespace needs one label, `istio-injection: enabled` or that of a revision. A namespace that is not',
    'meant to be in the mesh is listed under `spec.namespaces.notGoverned` by the platform; single workloads that',
    'run without a proxy stand under `spec.workloads.mayOptOut`.',
  ].join(' '),
  judges: ['Namespace'],
  reads: ['ConfigMap', webhookKind, networkPolicy],
  facts: ['mesh', 'waypoints', 'workloads'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed'],
  outsideLaw: false,
  params: {},
  messages: {
    'injection-off': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'only "enabled" asks for injection, so with "{value}" no pod of the namespace gets the proxy',
      fix: 'set the label to "enabled", or remove it and set istio.io/rev',
      threats: ['ns/injection-off'],
    },
    'injection-beats-revision': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'istio-injection "{value}" beats istio.io/rev "{revision}", so no pod gets the proxy, even one that asks for it',
      fix: 'remove label istio-injection, so that the revision counts',
      threats: ['ns/injection-beats-rev'],
    },
    'both-labels': {
      severity: 'low',
      enforcementAction: 'warn',
      why: 'istio-injection "enabled" beats istio.io/rev "{value}", which has no effect',
      fix: 'remove the one that is not meant',
      threats: ['ns/injection-beats-rev'],
    },
    'not-asked': {
      severity: 'critical',
      enforcementAction: 'warn',
      why: 'the namespace asks neither for injection nor for ambient mode, so only pods that ask themselves get the proxy',
      fix: 'label the namespace istio-injection: enabled, istio.io/rev or istio.io/dataplane-mode: ambient, or list it under spec.namespaces.notGoverned',
      threats: ['ns/injection-off'],
    },
    unserved: {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'no injector of the organisation serves "{value}", so no pod of the namespace gets its proxy',
      fix: 'set one that is served ({served}), or name it under spec.mesh.revisions',
      threats: ['ns/rev-unguarded'],
    },
    'dataplane-mode': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'only "ambient" puts the namespace into ambient mode, so with "{value}" nothing takes the traffic of its pods',
      fix: 'set the label to "ambient", or ask for injection',
      threats: ['ns/dataplane-mode'],
    },
    'ambient-off': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'istio-cni is installed without ambient mode, so nothing takes the traffic of the pods',
      fix: 'set label istio-injection: enabled instead, or have ambient.enabled set for istio-cni first',
      threats: ['ns/dataplane-mode'],
    },
    'ambient-unseen': {
      severity: 'high',
      enforcementAction: 'warn',
      why: 'no istio-cni is seen in the cluster, without which ambient mode takes the traffic of no pod',
      fix: 'set label istio-injection: enabled instead, or have istio-cni installed with ambient.enabled first',
      threats: ['ns/dataplane-mode'],
    },
    'reserved-name': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the injector passes namespace "{value}" by for its name, whatever its labels say',
      fix: 'name it otherwise, or list it under spec.namespaces.notGoverned',
      threats: ['ns/reserved-name'],
    },
    'cni-excluded': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'istio-cni redirects nothing in namespace "{value}", which is on its list of excluded names',
      fix: 'name it otherwise, or take it off the list of istio-cni',
      threats: ['ns/reserved-name'],
    },
    'no-default-deny': {
      severity: 'critical',
      enforcementAction: 'dryrun',
      why: 'no NetworkPolicy holds back the egress of all pods, so UDP and whatever escapes the proxy goes out',
      fix: 'apply a NetworkPolicy with podSelector {} and policyTypes [Egress] that allows the cluster and the gateway',
      threats: ['netpol/default-deny-missing'],
    },
  },
  check(subject, tools) {
    if (!reachesMetadata(subject)) return
    const { name } = subject.ref
    if (tools.facts.workloads.mayOptOut.some(fact => fact.namespace === name && fact.serviceAccounts.includes('*')))
      return
    const path = ['metadata', 'name']
    if (reservedNamespaces.has(name)) tools.report('reserved-name', { path, value: name })
    else judgeLabels(subject, tools)
    if (cniExcludedNamespaces(tools.facts, tools.inventory)?.includes(name))
      tools.report('cni-excluded', { path, value: name })
    // It is only counted, so where NetworkPolicies are not known there is nothing to say.
    const isKnown = tools.inventory.knows(networkPolicy)
    if (isKnown && !tools.inventory.list(networkPolicy, name).some(isolates)) tools.report('no-default-deny', { path })
  },
})

function judgeLabels(subject: Subject, tools: Judge): void {
  const labels = labelsOf(subject.object)
  const question = { namespace: subject.ref.name, namespaceLabels: labels, labels: new Map(), annotations: new Map() }
  const served = servedRevisions(tools)
  const decision = injectionOf(question, tools, served)
  if (decision.outcome === 'ambient') judgeAmbient(tools)
  if (decision.outcome === 'not-injected') judgeOff(decision, labels, [...(served?.keys() ?? [])], tools)
  const injection = labels.get(injectionLabel)
  const revision = labels.get(revisionLabel)
  const isMoot = decision.outcome === 'ambient' || decision.outcome === 'not-injected'
  if (!isMoot && injection !== undefined && revision !== undefined) {
    tools.report('both-labels', { path: ['metadata', 'labels', revisionLabel], value: revision })
  }
  if (decision.because === 'revisions-unknown' && injection === undefined) {
    const unknown = `whether revision "${revision}" is served`
    tools.notJudged(['metadata', 'labels', revisionLabel], unknown, 'name the revisions under spec.mesh.revisions')
  }
}

/** A label takes nobody into ambient mode where no agent of the node reads it. Whoever lists waypoints has such agents. */
function judgeAmbient(tools: Judge): void {
  const path = ['metadata', 'labels', dataplaneModeLabel]
  const agents = ambientAgents(tools.facts, tools.inventory)
  if (agents === 'off') tools.report('ambient-off', { path, value: 'ambient' })
  else if (agents === 'unseen' && tools.facts.waypoints === undefined) {
    tools.report('ambient-unseen', { path, value: 'ambient' })
  }
}

function judgeOff(
  decision: InjectionDecision,
  labels: ReadonlyMap<string, string>,
  served: readonly string[],
  tools: Judge,
): void {
  const { key = '', value = '' } = decision.where
  const path = ['metadata', 'labels', key]
  const mode = labels.get(dataplaneModeLabel)
  switch (decision.because) {
    case 'namespace-disabled': {
      const revision = labels.get(revisionLabel)
      if (revision === undefined) tools.report('injection-off', { path, value })
      else tools.report('injection-beats-revision', { path, value, slots: { revision } })
      break
    }
    case 'default-unserved':
    case 'namespace-revision-unserved':
      tools.report('unserved', { path, value, slots: { served: enumerate(served, 'or') } })
      break
    case 'not-asked':
      if (mode === undefined) tools.report('not-asked', { path: ['metadata', 'labels'] })
      else tools.report('dataplane-mode', { path: ['metadata', 'labels', dataplaneModeLabel], value: mode })
      break
    default:
      // What the injector's own policy says of all pods is its ConfigMap's fault.
      break
  }
}
