import { isGeneratedGateway } from '../../core/generated.ts'
import { injectionOf, injectorPolicy, installValues, servedRevisions, webhookKind } from '../../core/injector.ts'
import { meshConfigMaps } from '../../core/mesh.ts'
import { type Pod, podOf } from '../../core/pod.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { mayDeviate } from '../../core/workload.ts'
import { isInjectedName } from '../../istio/injected.ts'
import { resolveTemplates } from '../../istio/injection.ts'
import { dig } from '../../istio/json.ts'
import { gatewayApiKind } from '../../istio/kinds.ts'
import { overridesAnnotation } from '../../istio/overrides.ts'
import { proxyIdsOf } from '../../istio/proxyuser.ts'
import { annotationsOf, containersOf, statusAnnotation, usesHostNetwork, workloadKinds } from '../../istio/workload.ts'
import { userVolumeMounts } from './annotation.ts'
import { type Injected, judgeFinal } from './final.ts'
import { once, type Scene } from './scene.ts'
import { judgeSubmitted } from './submitted.ts'

/** What a policy may think about what authors write into the proxy. */
export interface Params {
  readonly commands: readonly string[]
  readonly mountPaths: readonly string[]
  readonly variables: readonly string[]
}

/** What this rule can say. */
export type Message =
  | 'status-annotation'
  | 'overrides-annotation'
  | 'reserved-name'
  | 'misplaced'
  | 'foreign-image'
  | 'different-images'
  | 'foreign-program'
  | 'foreign-environment'
  | 'foreign-value'
  | 'harmful-variable'
  | 'executed-command'
  | 'foreign-privileges'
  | 'foreign-mount'
  | 'foreign-field'

export default defineRule<Message, Params>({
  id: 'no-forged-injection',
  summary: 'Disallow parts of injection that the author of a pod wrote',
  risk: [
    'What the author of a pod writes into containers `istio-proxy`, `istio-init` and `istio-validation`, or into the',
    'annotations with which the injector remembers what it did, wins over the injection template: another image, command',
    'or privilege for the one user whose traffic is not captured, or no redirection at all. Before the injector, an own',
    '`istio-proxy` container may say how much it needs, which ports it has and how it is asked whether it lives, and',
    'nothing else. After it, what was injected is compared with what the template writes, whoever wrote the rest.',
  ].join(' '),
  team: [
    'Resources, a `preStop` sleep or a log level for the proxy. An `istio-proxy` container with `image: auto` and',
    'just those is the way Istio documents, and passes; what was copied from a running pod (`kubectl get -o yaml`) is',
    'not needed and goes.',
  ].join(' '),
  judges: workloadKinds,
  reads: ['Namespace', 'ConfigMap', webhookKind, gatewayApiKind],
  facts: ['workloads', 'mesh'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed'],
  outsideLaw: false,
  params: {
    commands: {
      doc: [
        'Commands that hooks and probes of the proxy may run, words with one space between; `N` stands for a whole number.',
        'Name here what `global.proxy.lifecycle` of the installation has.',
      ].join(' '),
      schema: { type: 'array', items: { type: 'string', pattern: '^[^ ]+( [^ ]+)*$' } },
      default: ['sleep N', '/bin/sleep N', '/usr/bin/sleep N', 'sh -c sleep N', '/bin/sh -c sleep N'],
    },
    mountPaths: {
      doc: [
        'Paths besides those of Istio’s template at which something may be mounted into injected containers, exact: what',
        'templates of the organisation add, and webhooks that give every container an identity of the cloud.',
      ].join(' '),
      schema: { type: 'array', items: { type: 'string', pattern: '^/.' } },
      default: [
        '/var/run/secrets/azure/tokens',
        '/var/run/secrets/eks.amazonaws.com/serviceaccount',
        '/var/run/secrets/pods.eks.amazonaws.com/serviceaccount',
      ],
    },
    variables: {
      doc: 'Names of variables that the proxy may be given besides those of Istio’s template and of the mesh configuration.',
      schema: { type: 'array', items: { type: 'string', minLength: 1 } },
      default: [],
    },
  },
  messages: {
    'status-annotation': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the pod passes for injected already, so the injector no longer records what its author wrote into the proxy',
      fix: 'remove the annotation and the containers of injection: apply a manifest of your own, not what kubectl get printed',
      threats: ['pod/status-annotation-forged'],
    },
    'overrides-annotation': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'the annotation {what}',
      fix: 'remove the annotation; the injector writes it by itself',
      threats: ['pod/overrides-annotation'],
    },
    'reserved-name': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'a container "{value}" of the author’s {effect}',
      fix: 'remove the container, or give it another name',
      threats: ['pod/container-istio-init', 'pod/container-istio-validation', 'pod/overrides-annotation'],
    },
    misplaced: {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'container "{value}" {effect}',
      fix: 'remove what the injector did not write, and leave the order of containers to it',
      threats: [
        'pod/container-istio-init',
        'pod/container-istio-validation',
        'pod/container-istio-proxy',
        'pod/missing-sidecar-final',
      ],
    },
    'foreign-image': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '"{container}" would run {value}, not the organisation’s proxy, and what it sends is not captured',
      fix: 'write image: auto, so that the injector names its own, or have the image listed under spec.mesh.proxyImages',
      threats: [
        'pod/container-istio-proxy',
        'pod/missing-sidecar-final',
        'pod/image-update-live',
        'pod/overrides-annotation',
      ],
    },
    'different-images': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '"{container}" runs {value} but "{other}" runs {image}, though one installation injects both',
      fix: 'keep the images that the injector writes, or name them under spec.mesh.proxyImages',
      threats: ['pod/missing-sidecar-final', 'pod/image-update-live'],
    },
    'foreign-program': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '"{container}" {effect}',
      fix: 'remove it: the injector writes what the container runs',
      threats: [
        'pod/container-istio-proxy',
        'pod/container-istio-init',
        'pod/container-istio-validation',
        'pod/missing-sidecar-final',
        'pod/overrides-annotation',
      ],
    },
    'foreign-environment': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '{what} in "{container}" may say where the proxy takes its configuration from, and what it sends is not captured',
      fix: 'remove it; settings of the proxy belong into the mesh configuration',
      threats: ['pod/container-istio-proxy', 'pod/overrides-annotation'],
    },
    'foreign-value': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'variable {name} of "{container}" {effect}, and what it sends is not captured',
      fix: 'remove the variable from the container: the injector writes it',
      threats: ['pod/container-istio-proxy', 'pod/status-annotation-forged'],
    },
    'harmful-variable': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'variable {name} {effect}',
      fix: 'remove {name} from the container, or from the proxyMetadata that it comes from',
      threats: ['pod/disable-envoy-env', 'pod/outbound-owner-groups'],
    },
    'executed-command': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '{hook} of "{container}" runs "{value}" as the user whose traffic is not captured',
      fix: 'use a probe by HTTP, TCP or gRPC or the hook sleep, or have the command accepted (params.commands)',
      threats: ['pod/container-istio-proxy', 'pod/overrides-annotation'],
    },
    'foreign-privileges': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '"{container}" {effect}',
      fix: 'remove it: the injector writes the securityContext',
      threats: ['pod/container-istio-proxy', 'pod/proxy-uid', 'pod/proxy-gid', 'pod/overrides-annotation'],
    },
    'foreign-mount': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'volume "{volume}" at {value} may lie over the program or the configuration of "{container}"',
      fix: 'remove the mount, or have the path accepted (params.mountPaths)',
      threats: ['pod/container-istio-proxy', 'pod/overrides-annotation'],
    },
    'foreign-field': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '{field} of the author’s is not for "{container}", whose traffic is not captured',
      fix: 'remove it: beside image: auto, such a container may have resources, ports and probes',
      threats: ['pod/container-istio-proxy', 'pod/overrides-annotation'],
    },
  },
  check(subject, tools) {
    const pod = podOf(subject, tools)
    // The network of the node is never injected: no-host-network speaks of that.
    if (pod === undefined || usesHostNetwork(pod.template)) return
    const containers = injectedContainers(pod)
    const isFinal = subject.phase === 'final'
    if (containers.length === 0 && (isFinal || !hasOwnAnnotations(pod))) return
    if (mayDeviate(tools.facts.workloads.mayOptOut, subject.ref.namespace, pod)) return
    const scene = sceneOf(subject, pod, tools)
    if (isFinal || scene.isGateway) judgeFinal(containers, scene)
    else judgeSubmitted(containers, scene)
  },
})

function hasOwnAnnotations({ annotations }: Pod): boolean {
  return annotations.has(statusAnnotation) || annotations.has(overridesAnnotation)
}

function injectedContainers(pod: Pod): readonly Injected[] {
  const injected: Injected[] = []
  for (const { list, index, name, container } of containersOf(pod.template)) {
    if (list === 'ephemeralContainers' || !isInjectedName(name)) continue
    injected.push({ list, name, container, at: (...segments) => pod.at('spec', list, index, ...segments) })
  }
  return injected
}

function sceneOf(subject: Subject, pod: Pod, tools: Tools<Message, Params>): Scene {
  const { namespaceLabels, ref } = subject
  const { labels, annotations, template } = pod
  const served = once(() => servedRevisions(tools))
  const decision = once(() =>
    injectionOf({ namespace: ref.namespace, namespaceLabels, labels, annotations }, tools, served()),
  )
  const namespaceAnnotations = once(() => {
    const namespace = tools.inventory.find('Namespace', '', ref.namespace)
    return namespace && annotationsOf(namespace)
  })
  const isGateway = isGeneratedGateway(ref.namespace, pod, tools.inventory)
  const claimedValues = once(() => installValues(annotations.get(revisionAnnotation) ?? 'default', undefined, tools))
  // Whether a pod is injected at all, and with the sidecar, is require-injection's to judge.
  const isSidecar = once(() => {
    if (isGateway) return true
    const { outcome, templates, revision } = decision()
    if (outcome !== 'unknown') return outcome === 'injected' && templates.includes('sidecar')
    return resolveTemplates(annotations, injectorPolicy(revision ?? 'default', served(), tools)).includes('sidecar')
  })
  return {
    pod,
    params: tools.params,
    isGateway,
    facts: tools.facts,
    proxyImages: tools.facts.mesh.proxyImages,
    meshConfigMaps: once(() => meshConfigMaps(tools.facts, tools.inventory)),
    values: once(() => {
      if (isGateway) return claimedValues()
      const { revision } = decision()
      return revision === undefined ? undefined : installValues(revision, served(), tools)
    }),
    claimedValues,
    namespaceAnnotations,
    filledInUser: once(() => filledInUser(template, namespaceAnnotations())),
    userMounts: once(() => userVolumeMounts(annotations)),
    proxyIds: once(() => proxyIdsOf(undefined, namespaceAnnotations())),
    report: (message, place) => {
      if (isSidecar()) tools.report(message, place)
    },
    notJudged: (path, unknown, fix) => {
      if (isSidecar()) tools.notJudged(path, unknown, fix)
    },
  }
}

/** Annotation in which the injector writes its revision. Istio: files/injection-template.yaml (metadata.annotations). */
const revisionAnnotation = 'istio.io/rev'

/** OpenShift's annotation of a namespace with the users that its pods may have. */
const userRange = 'openshift.io/sa.scc.uid-range'

/**
 * Returns the user that OpenShift gave the application, and with it an author's `istio-proxy` container; undefined where
 * the namespace is none of OpenShift's. Istio: pkg/kube/inject/webhook.go (isSidecarUserMatchingAppUser).
 */
function filledInUser(template: unknown, namespace: ReadonlyMap<string, string> | undefined): unknown {
  if (namespace?.has(userRange) !== true) return undefined
  let user: unknown
  for (const { list, name, container } of containersOf(template)) {
    if (list === 'ephemeralContainers' || isInjectedName(name)) continue
    user = dig(container, 'securityContext', 'runAsUser') ?? user
  }
  return user
}
