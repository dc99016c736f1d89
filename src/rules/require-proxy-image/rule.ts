import { injectionOf, installValues, servedRevisions, webhookKind } from '../../core/injector.ts'
import type { Path } from '../../core/path.ts'
import type { Pod } from '../../core/pod.ts'
import {
  type HeldSettings,
  proxiedPodOf,
  proxySettingKinds,
  settingsOfMany,
  settingsOfPod,
} from '../../core/proxysettings.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { show } from '../../core/text.ts'
import { matchesImage, repositoryOf } from '../../istio/image.ts'
import { installedImage } from '../../istio/injector.ts'
import { foreignImages, heldValues } from './installed.ts'

type Message = 'foreign-image' | 'installed-image' | 'image-type'

interface Params {
  readonly imageTypes: readonly string[]
}

type Judge = Tools<Message, Params>

const imageAnnotation = 'sidecar.istio.io/proxyImage'
const typeAnnotation = 'sidecar.istio.io/proxyImageType'

export default defineRule<Message, Params>({
  id: 'require-proxy-image',
  summary: 'Require that proxies run the images the organisation chose',
  risk: [
    'The proxy and the container that sets up redirection run as what is not captured, so whoever chooses their image',
    'chooses what leaves unseen. An annotation of the pod replaces both images; another one, the proxy’s configuration or a',
    'ProxyConfig chooses the type, of which `debug` brings a shell. Accepted are the images under `spec.mesh.proxyImages`,',
    'or where the policy names none, the repositories that the values of the installation name.',
  ].join(' '),
  team: [
    'A debug image or a registry mirror. Have the mirror listed under `spec.mesh.proxyImages`; for debugging,',
    '`kubectl debug` with an image of its own leaves the proxy alone.',
  ].join(' '),
  judges: proxySettingKinds,
  reads: ['ConfigMap', 'Namespace', webhookKind],
  facts: ['mesh', 'workloads'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {
    imageTypes: {
      doc: 'Types of the proxy’s image that may be chosen. Where debugging in the proxy is wanted, add debug.',
      schema: { type: 'array', items: { type: 'string', minLength: 1 } },
      default: ['default', 'distroless'],
    },
  },
  messages: {
    'foreign-image': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'proxy and redirection would run {value}, not the organisation’s image, and what that sends is not captured',
      fix: 'remove the annotation, or have the image listed under spec.mesh.proxyImages, best by its digest',
      threats: ['pod/proxy-image'],
    },
    'installed-image': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'every pod would get {value}, which is none of the images of the policy',
      fix: 'name an image of spec.mesh.proxyImages, or have this one listed there',
      threats: ['injector/values', 'operator/iop', 'sail/values'],
    },
    'image-type': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'type "{value}" makes another image of the proxy’s: {consequence}',
      fix: 'remove it, or have the type accepted (params.imageTypes)',
      threats: ['pod/proxy-image-type', 'pod/proxy-config', 'pc/environment', 'mesh/default-config'],
    },
  },
  check(subject, tools) {
    const pod = proxiedPodOf(subject, tools)
    if (pod === undefined) {
      judgeSettings(settingsOfMany(subject, tools), tools)
      return judgeInstallation(subject, tools)
    }
    judgeImage(subject, pod, tools)
    const type = pod.annotations.get(typeAnnotation)
    // The annotation of its own wins over the type in the proxy's configuration.
    if (type === undefined) judgeSettings(settingsOfPod(pod), tools)
    else judgeType(type, pod.at('metadata', 'annotations', typeAnnotation), tools)
  },
})

/**
 * An image without a slash is not heeded. Where the policy names no images, the version is free and the repository is not:
 * pods outlive installations.
 *
 * Istio: istio-discovery chart, files/injection-template.yaml (image).
 */
function judgeImage(subject: Subject, pod: Pod, tools: Judge): void {
  const value = pod.annotations.get(imageAnnotation)
  if (value === undefined || !value.includes('/')) return
  const names = tools.facts.mesh.proxyImages ?? installedRepositories(subject, pod, tools)
  if (names.some(name => matchesImage(name, value))) return
  tools.report('foreign-image', { path: pod.at('metadata', 'annotations', imageAnnotation), value })
}

function installedRepositories({ ref, namespaceLabels }: Subject, pod: Pod, tools: Judge): readonly string[] {
  const served = servedRevisions(tools)
  const { labels, annotations } = pod
  const { revision } = injectionOf({ namespace: ref.namespace, namespaceLabels, labels, annotations }, tools, served)
  const values = installValues(revision ?? 'default', served, tools)
  const image = values && installedImage('proxyImage', values)
  return image === undefined ? [] : [repositoryOf(image)]
}

function judgeSettings(held: readonly HeldSettings[], tools: Judge): void {
  for (const { settings, at } of held) {
    for (const setting of settings) {
      if (setting.path[0] === 'image' && setting.path[1] === 'imageType') judgeType(setting.value, at(setting), tools)
    }
  }
}

/**
 * The values of an installation choose image and type for all proxies and their init containers; those of the injector
 * stand as one text in its ConfigMap. Istio: pkg/kube/inject/inject.go (proxyImageURL).
 */
function judgeInstallation(subject: Subject, tools: Judge): void {
  for (const { values, at } of heldValues(subject, tools.facts.mesh.rootNamespace)) {
    const { variant } = values
    if (variant?.value.ok) judgeType(variant.value.value, at(variant.path), tools)
    const names = tools.facts.mesh.proxyImages
    if (names === undefined) continue
    for (const { value, path } of foreignImages(values, names)) {
      tools.report('installed-image', { path: at(path), value })
    }
  }
}

/** An empty type takes the one of the installation. Istio: pkg/kube/inject/inject.go (updateImageTypeIfPresent). */
function judgeType(given: unknown, path: Path, tools: Judge): void {
  const value = show(given)
  if (value === '' || tools.params.imageTypes.includes(value)) return
  const consequence =
    value === 'debug'
      ? 'it has a shell, which runs as the user that is not captured'
      : 'the text becomes part of its name as it stands'
  tools.report('image-type', { path, value, slots: { consequence } })
}
