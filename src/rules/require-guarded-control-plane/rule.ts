import { cniConfigName } from '../../core/cni.ts'
import { webhookKind } from '../../core/injector.ts'
import { installations } from '../../core/installation.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { judgeAgents } from './agents.ts'
import { judgeEnvironment, usualEnvironment } from './environment.ts'
import { judgeOverlay } from './overlay.ts'
import { judgeWebhooks } from './webhooks.ts'

/** What this rule can say. */
export type Message =
  | 'environment'
  | 'argument'
  | 'cni-excludes'
  | 'ambient-selectors'
  | 'injector-ignored'
  | 'injector-unregistered'
  | 'gateway-overlay'

/** Opinions of this rule. */
export interface Params {
  readonly environment: Readonly<Record<string, string>>
}

/** What this rule judges with. */
export type Judge = Tools<Message, Params>

export default defineRule<Message, Params>({
  id: 'require-guarded-control-plane',
  summary: 'Require that the control plane, istio-cni and the injector run as the guard counts on',
  risk: [
    'What a manifest means depends on how Istio was installed: variables of istiod switch kinds, checks and',
    'identities on and off, istio-cni passes by the namespaces on its list, and an injector whose webhook may fail',
    'lets pods start without proxy. Sallyport judges these settings where they are written: Deployments and',
    'ConfigMaps in the root namespace, values of IstioOperator and Sail, webhook configurations.',
  ].join(' '),
  team: [
    'It concerns those who install the mesh. A variable set on purpose is stated in `params.environment`; a',
    'namespace that istio-cni must leave alone is listed under `spec.namespaces.notGoverned`, so that no other rule',
    'takes it for guarded.',
  ].join(' '),
  judges: ['ConfigMap', 'DaemonSet.apps', 'Deployment.apps', 'IstioCNI.sailoperator.io', ...installations, webhookKind],
  reads: ['Namespace'],
  facts: ['mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['platform', 'governed', 'notGoverned'],
  outsideLaw: false,
  params: {
    environment: {
      doc: 'Variables of istiod and the value each must have where it is set; true and false in any spelling that Go takes. What a policy states comes on top of the default.',
      schema: { type: 'object', additionalProperties: { type: 'string' } },
      default: usualEnvironment,
    },
  },
  messages: {
    environment: {
      severity: 'high',
      enforcementAction: 'warn',
      why: 'with {value} the control plane reads configuration otherwise than the guard judges it, which counts on "{expected}"',
      fix: 'remove the variable, or state the value that is meant in params.environment',
      threats: ['istiod/env', 'sail/values', 'operator/iop'],
    },
    argument: {
      severity: 'high',
      enforcementAction: 'warn',
      why: 'with {value} the control plane takes configuration from files, which nobody judges',
      fix: 'remove the argument, and keep the configuration in the ConfigMap istio',
      threats: ['istiod/env', 'sail/values', 'operator/iop'],
    },
    'cni-excludes': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'istio-cni redirects nothing in namespace "{value}", which is governed',
      fix: 'take the namespace off the list, or list it under spec.namespaces.notGoverned',
      threats: ['cni/config', 'sail/values', 'operator/iop'],
    },
    'ambient-selectors': {
      severity: 'high',
      enforcementAction: 'warn',
      why: 'ambient mode takes other pods than label istio.io/dataplane-mode says, by which everything is judged',
      fix: 'remove the selectors, so that those of Istio hold',
      threats: ['cni/config', 'sail/values'],
    },
    'injector-ignored': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'while the injector does not answer, pods start without a proxy',
      fix: 'set failurePolicy to Fail',
      threats: ['webhookcfg/istio'],
    },
    'injector-unregistered': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'no webhook of this configuration is called for new pods, so nothing is injected',
      fix: 'keep the webhooks and rules that Istio’s chart writes',
      threats: ['webhookcfg/istio'],
    },
    'gateway-overlay': {
      severity: 'high',
      enforcementAction: 'warn',
      why: 'every gateway of the class gets {what}, made by the control plane in its own name',
      fix: 'remove it, or have the overlay recorded (EgressExemptions)',
      threats: ['gwclass/defaults'],
    },
  },
  check(subject, tools) {
    if (subject.subresource !== '') return
    if (subject.kind === webhookKind) judgeWebhooks(subject, tools)
    else if (subject.kind === 'ConfigMap') judgeConfigMap(subject, tools)
    else {
      judgeEnvironment(subject, tools)
      judgeAgents(subject, tools)
    }
  },
})

function judgeConfigMap(subject: Subject, tools: Judge): void {
  if (subject.ref.name === cniConfigName) judgeAgents(subject, tools)
  else judgeOverlay(subject, tools)
}
