import { cniConfigName, cniNamespaces } from '../../core/cni.ts'
import type { Kind } from '../../core/kind.ts'
import { isMeshConfigMap } from '../../core/mesh.ts'
import { isRegistration } from '../../core/registration.ts'
import type { Subject } from '../../core/rule.ts'
import { dig, text } from '../../istio/json.ts'
import { meshGroups } from '../../istio/kinds.ts'
import { labelsOf } from '../../istio/workload.ts'

/** Whether a kind belongs to Kubernetes' registry of admission webhooks and policies. */
const admissionKinds: readonly Kind[] = [
  'MutatingAdmissionPolicy',
  'MutatingAdmissionPolicyBinding',
  'MutatingWebhookConfiguration',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
  'ValidatingWebhookConfiguration',
].map(kind => `${kind}.admissionregistration.k8s.io`)

/** Kinds of which only some objects are the mesh's. */
export const sharedKinds: readonly Kind[] = [
  ...admissionKinds,
  'APIService.apiregistration.k8s.io',
  'ClusterTrustBundle.certificates.k8s.io',
  'CustomResourceDefinition.apiextensions.k8s.io',
  'DaemonSet.apps',
  'Deployment.apps',
  'GatewayClass.gateway.networking.k8s.io',
  'NetworkAttachmentDefinition.k8s.cni.cncf.io',
  'Secret',
  'Service',
]

/** What an object is to the mesh, and whether its controllers write it too. */
export interface MeshObject {
  /** A clause's subject, such as `the root certificate of the mesh`. */
  readonly what: string
  readonly isControllers: boolean
}

/** What the root certificate is for. */
const trust = 'what proxies trust the control plane by'

/** The groups whose definitions and API services are the platform's: those of the mesh and the guard's own. */
const guardedGroups: ReadonlySet<string> = new Set([...meshGroups, 'sallyport.dev'])

/**
 * Returns what an object is to the mesh, judged before and after a change; undefined where it is nobody's but its
 * owner's.
 */
export function meshObjectOf(subject: Subject, rootNamespace: string): MeshObject | undefined {
  const { object, oldObject } = subject
  const known = describe(subject, object, rootNamespace)
  return known ?? (oldObject === undefined ? undefined : describe(subject, oldObject, rootNamespace))
}

function describe(subject: Subject, object: unknown, root: string): MeshObject | undefined {
  const { kind, ref } = subject
  const isRoot = ref.namespace === root
  const isAgents = isRoot || agentNamespaces.includes(ref.namespace)
  switch (kind) {
    case 'ConfigMap':
      return describeConfigMap(subject, object, { isRoot, isAgents })
    case 'Secret':
      return isRoot ? describeSecret(object, ref.name) : undefined
    case 'DaemonSet.apps':
      return isAgents && isAgent(ref.name) ? own('an agent that takes the traffic of pods') : undefined
    case 'Deployment.apps':
    case 'Service':
      return isRoot && isControlPlane(object, ref.name) ? own('the control plane') : undefined
    case 'CustomResourceDefinition.apiextensions.k8s.io':
    case 'APIService.apiregistration.k8s.io':
      return describeGroup(object)
    case 'ClusterTrustBundle.certificates.k8s.io':
      // Istio: pilot/pkg/config/kube/clustertrustbundle/controller.go.
      return ref.name.startsWith('istio.io:') ? kept(trust) : undefined
    case 'NetworkAttachmentDefinition.k8s.cni.cncf.io':
      // Istio: istio-cni chart, templates/network-attachment-definition.yaml; injection-template.yaml names it in full.
      return ref.namespace === 'default' && ref.name === 'istio-cni'
        ? own('what redirects the traffic of pods')
        : undefined
    case 'GatewayClass.gateway.networking.k8s.io': {
      const controller = text(dig(object, 'spec', 'controllerName')) ?? ''
      return controller.startsWith('istio.io/') ? kept('a class of gateways that Istio runs') : undefined
    }
    default:
      return admissionKinds.includes(kind) && isRegistration(object, ref.name)
        ? kept('part of how injection and the guard are registered')
        : undefined
  }
}

/** Where agents of the nodes are installed; the Sail operator gives ztunnel a namespace of its own. */
const agentNamespaces: readonly string[] = [...cniNamespaces, 'ztunnel']

/** Istio: charts istio-cni and ztunnel, templates/daemonset.yaml. */
function isAgent(name: string): boolean {
  return name === 'istio-cni-node' || name === 'ztunnel'
}

/**
 * Whether a Deployment makes pods that answer for the control plane, or a Service leads to them. Istio: istio-discovery
 * chart, templates/deployment.yaml, service.yaml: without a revision the pods are selected by `app: istiod` and
 * `istio: pilot`, with one by `app: istiod` and the revision.
 */
function isControlPlane(object: unknown, name: string): boolean {
  if (/^istiod(-|$)/.test(name)) return true
  return dig(object, 'spec', 'template', 'metadata', 'labels', 'app') === 'istiod'
}

function own(what: string): MeshObject {
  return { what, isControllers: false }
}

/** Something that a controller of the mesh keeps itself. */
function kept(what: string): MeshObject {
  return { what, isControllers: true }
}

function describeConfigMap(
  { ref: { name }, namespaceClass }: Subject,
  object: unknown,
  { isRoot, isAgents }: { readonly isRoot: boolean; readonly isAgents: boolean },
): MeshObject | undefined {
  // Istio: pilot/pkg/features (PILOT_CA_CERT_CONFIGMAP, PILOT_CRL_CONFIGMAP); istiod writes them into every namespace.
  const isTrust = name === 'istio-ca-root-cert' || name === 'istio-ca-crl'
  if (isTrust && namespaceClass !== 'notGoverned') return kept(trust)
  if (isAgents && name === cniConfigName) return own('the configuration of istio-cni')
  // Istio: pilot/pkg/config/kube/gatewaycommon/gateway_utils.go (GatewayClassDefaults), of the root namespace only.
  if (isRoot && labelsOf(object).has('gateway.istio.io/defaults-for-class')) {
    return own('what every gateway of a class is made from')
  }
  return undefined
}

function describeSecret(object: unknown, name: string): MeshObject | undefined {
  // Istio: istio-discovery chart, templates/deployment.yaml (KUBECONFIG, volume istio-kubeconfig).
  if (name === 'istio-kubeconfig') return own('the cluster that the control plane takes everything from')
  if (name === 'cacerts' || name === 'istio-ca-secret') return kept('the certificate authority of the mesh')
  // Istio: pkg/kube/multicluster/secretcontroller.go (MultiClusterSecretLabel).
  return labelsOf(object).get('istio/multiCluster') === 'true' ? own('another cluster of the mesh') : undefined
}

function describeGroup(object: unknown): MeshObject | undefined {
  const group = text(dig(object, 'spec', 'group')) ?? ''
  return guardedGroups.has(group) ? own(`what kinds of ${group} are, and who serves them`) : undefined
}

/**
 * Most ConfigMaps of the root namespace are bookkeeping of controllers; what control planes and injectors read is the
 * mesh.
 */
export function steersMesh(subject: Subject, rootNamespace: string): boolean {
  if (subject.kind !== 'ConfigMap') return true
  if (subject.ref.namespace !== rootNamespace) return false
  if (/^istio-sidecar-injector(-|$)/.test(subject.ref.name)) return true
  // The mesh ConfigMap by its name, a shared one of any name by its keys.
  return [subject.object, subject.oldObject].some(
    object =>
      isMeshConfigMap(object, rootNamespace) ||
      dig(object, 'data', 'mesh') !== undefined ||
      dig(object, 'data', 'meshNetworks') !== undefined,
  )
}
