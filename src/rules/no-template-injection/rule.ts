import type { Path } from '../../core/path.ts'
import type { Pod } from '../../core/pod.ts'
import {
  type HeldSettings,
  proxiedPodOf,
  proxySettingKinds,
  settingsOfMany,
  settingsOfPod,
} from '../../core/proxysettings.ts'
import { defineRule, type Tools } from '../../core/rule.ts'
import { show } from '../../core/text.ts'
import { dig, type Fields, field, isFields, list, text } from '../../istio/json.ts'
import { parseJsonText } from '../../istio/jsontext.ts'
import { applicationContainersOf } from '../../istio/privilege.ts'
import { breakIn, breakInName, type Writing } from './text.ts'

type Message = 'raw-text'

type Judge = Tools<Message, Record<never, never>>

export default defineRule<Message, Record<never, never>>({
  id: 'no-template-injection',
  summary: 'Disallow text by which a pod adds to what the injection template writes',
  risk: [
    'The injection template of Istio prints some strings of a pod into YAML as they are, or between quotes without',
    'escaping them. A line break or quote in such a string ends the value it stands in, and what follows are keys, arguments',
    'or variables of the author’s in the injected containers. Judged is what the template prints: line breaks and quotes',
    'of JSON and YAML in an annotation that is read first do no harm, those in a value inside it do.',
  ].join(' '),
  team: [
    'Hardly ever a team. A value has a quote or line break that would end up in the configuration of the proxy: write',
    'it plainly.',
  ].join(' '),
  judges: proxySettingKinds,
  reads: [],
  facts: ['mesh', 'workloads'],
  operations: ['CREATE', 'UPDATE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    'raw-text': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'the injection template prints {what} as it is, and {fault} in it lets the author write into the injected part',
      fix: 'remove {fault} from {what}',
      threats: [
        'pod/datadog-otel-yaml-injection',
        'pod/proxy-image-type',
        'pod/proxy-metadata-env',
        'pod/proxy-image',
        'pc/environment',
      ],
    },
  },
  check(subject, tools) {
    const pod = proxiedPodOf(subject, tools)
    if (pod === undefined) return judgeMetadata(settingsOfMany(subject, tools), tools)
    judgeAnnotations(pod, tools)
    judgeRest(pod, tools)
    judgeMetadata(settingsOfPod(pod), tools)
  },
})

function judge(value: string, fault: string | undefined, what: string, path: Path, tools: Judge): void {
  if (fault !== undefined) tools.report('raw-text', { path, value, slots: { what, fault } })
}

/**
 * Annotations that the template prints, and how. Those that the injector checks before are not among them, nor are ports to
 * include, which no-capture-bypass reads.
 *
 * Istio: istio-discovery chart, files/injection-template.yaml; pkg/kube/inject/validate.go (AnnotationValidation),
 * template.go (otelResourceAttributes, appendMultusNetwork).
 */
const printed: readonly (readonly [annotation: string, writing: Writing])[] = [
  ['sidecar.istio.io/proxyImageType', 'double'],
  ['sidecar.istio.io/logLevel', 'plain'],
  ['sidecar.istio.io/componentLogLevel', 'plain'],
  ['sidecar.istio.io/agentLogLevel', 'plain'],
  ['sidecar.istio.io/bootstrapOverride', 'plain'],
  ['resource.opentelemetry.io/service.namespace', 'double'],
  ['resource.opentelemetry.io/service.version', 'double'],
  ['resource.opentelemetry.io/service.instance.id', 'double'],
  ['k8s.v1.cni.cncf.io/networks', 'single'],
]

const imageAnnotation = 'sidecar.istio.io/proxyImage'
const datadogAnnotation = 'apm.datadoghq.com/env'
const volumeAnnotations = ['sidecar.istio.io/userVolume', 'sidecar.istio.io/userVolumeMount'] as const

function judgeAnnotations({ annotations, at }: Pod, tools: Judge): void {
  if (annotations.size === 0) return
  const path = (name: string): Path => at('metadata', 'annotations', name)
  for (const [name, writing] of printed) {
    const value = annotations.get(name)
    if (value !== undefined) judge(value, breakIn(value, writing), name, path(name), tools)
  }
  const image = annotations.get(imageAnnotation)
  // Another image than one with a slash is not heeded.
  if (image?.includes('/')) judge(image, breakIn(image, 'double'), imageAnnotation, path(imageAnnotation), tools)
  for (const name of volumeAnnotations) {
    for (const key of Object.keys(readMap(name, annotations, path(name), tools))) {
      judge(key, breakIn(key, 'double'), `names in ${name}`, path(name), tools)
    }
  }
  const variables = readMap(datadogAnnotation, annotations, path(datadogAnnotation), tools)
  for (const key of Object.keys(variables)) {
    judgeVariable(key, show(field(variables, key)), datadogAnnotation, path(datadogAnnotation), tools)
  }
}

/** Returns a JSON map; what is none has no entries, since the injector refuses the pod. With escapes that is not certain. */
function readMap(name: string, annotations: Pod['annotations'], path: Path, tools: Judge): Fields {
  const given = annotations.get(name)
  if (given === undefined) return {}
  const read = parseJsonText(given)
  if (!read.ok && given.includes('\\u')) judge(given, 'what cannot be read', name, path, tools)
  return read.ok && isFields(read.value) ? read.value : {}
}

function judgeVariable(name: string, value: string, of: string, path: Path, tools: Judge): void {
  judge(name, breakInName(name), `names in ${of}`, path, tools)
  judge(value, breakIn(value, 'double'), `values in ${of}`, path, tools)
}

const workloadLabel = 'service.istio.io/workload-name'

/** Other strings of the pod: the API server looks at some only after the injector has seen them, at owners never. */
function judgeRest({ labels, template, at }: Pod, tools: Judge): void {
  const label = labels.get(workloadLabel)
  if (label !== undefined) {
    judge(label, breakIn(label, 'double'), workloadLabel, at('metadata', 'labels', workloadLabel), tools)
  }
  for (const [i, owner] of list(dig(template, 'metadata', 'ownerReferences')).entries()) {
    for (const key of ['name', 'kind', 'apiVersion'] as const) {
      const value = text(field(owner, key)) ?? ''
      judge(value, breakIn(value, 'plain'), 'owners', at('metadata', 'ownerReferences', i, key), tools)
    }
  }
  for (const { list: of, index, container } of applicationContainersOf(template)) {
    if (of !== 'containers') continue
    for (const key of ['name', 'image'] as const) {
      const value = text(field(container, key)) ?? ''
      judge(value, breakIn(value, 'double'), `${key}s of containers`, at('spec', of, index, key), tools)
    }
  }
}

/** Variables of proxies, which the template prints into the proxy and its init container. */
function judgeMetadata(held: readonly HeldSettings[], tools: Judge): void {
  for (const { settings, at } of held) {
    for (const setting of settings) {
      const [top, name] = setting.path
      if (top !== 'proxyMetadata' || name === undefined) continue
      judgeVariable(name, show(setting.value), 'proxyMetadata', at(setting), tools)
    }
  }
}
