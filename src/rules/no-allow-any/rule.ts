import { gatewayOfHost } from '../../core/gateway.ts'
import { isMeshConfigMap, meshMode } from '../../core/mesh.ts'
import type { Path } from '../../core/path.ts'
import { defineRule, type Subject, type Tools } from '../../core/rule.ts'
import { giveRanges, judgeUncaptured } from '../../core/uncaptured.ts'
import { complement, formatRanges, nothing, type Ranges } from '../../istio/cidr.ts'
import {
  type InstallSetting,
  type InstallValues,
  readInjectorConfigMap,
  readInstallValues,
} from '../../istio/injector.ts'
import { dig, text } from '../../istio/json.ts'
import { outboundMode, readMeshConfig, readMeshConfigValue, sidecarOutboundPolicy } from '../../istio/meshconfig.ts'
import { resolveHost } from '../../istio/name.ts'
import type { Result } from '../../istio/result.ts'

type Message =
  | 'sidecar-allow-any'
  | 'sidecar-silent'
  | 'egress-proxy'
  | 'mesh-allow-any'
  | 'mesh-deleted'
  | 'shared-mesh-allow-any'
  | 'install-allow-any'
  | 'injector-ranges'
  | 'injector-ports'
  | 'injector-off'
  | 'unreadable'

type Judge = Tools<Message, Record<never, never>>

const sidecar = 'Sidecar.networking.istio.io'
const operator = 'IstioOperator.install.istio.io'
const sail = ['Istio.sailoperator.io', 'IstioRevision.sailoperator.io']

export default defineRule<Message, Record<never, never>>({
  id: 'no-allow-any',
  summary: 'Disallow settings that let traffic to unknown destinations out of the mesh',
  risk: [
    'With the outbound traffic policy `ALLOW_ANY`, which is also what holds where nothing is said, a sidecar passes every',
    'connection to a destination that is not in the registry: nothing is approved, nothing is routed. The mesh',
    'configuration sets the mode for all, a `Sidecar` for its namespace; a Sidecar that says nothing takes the mode of',
    'the mesh, never that of the root namespace. Ranges and ports left out in the injector’s values do the same for all',
    'pods, past the proxy.',
  ].join(' '),
  judges: [sidecar, 'ConfigMap', operator, ...sail],
  reads: [],
  facts: ['mesh', 'egressGateways', 'ranges'],
  operations: ['CREATE', 'UPDATE', 'DELETE'],
  phases: ['submitted', 'final'],
  classes: ['governed', 'platform', 'notGoverned'],
  outsideLaw: false,
  params: {},
  messages: {
    'sidecar-allow-any': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'mode "{value}" lets {whose} reach every destination, registered or not',
      fix: 'set spec.outboundTrafficPolicy.mode to REGISTRY_ONLY',
      threats: ['sidecar/allow-any'],
    },
    'sidecar-silent': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'a Sidecar without a mode takes that of the mesh, which lets unknown destinations pass',
      fix: 'set spec.outboundTrafficPolicy.mode to REGISTRY_ONLY',
      threats: ['sidecar/policy-omitted'],
    },
    'egress-proxy': {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'traffic to unknown destinations is sent to "{value}", which is no egress gateway',
      fix: 'remove egressProxy and set the mode to REGISTRY_ONLY',
      threats: ['sidecar/egress-proxy'],
    },
    'mesh-allow-any': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '{state}, so every proxy of the mesh passes traffic to unknown destinations',
      fix: 'set outboundTrafficPolicy.mode to REGISTRY_ONLY in the mesh configuration',
      threats: ['mesh/outbound-policy'],
    },
    'mesh-deleted': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'without the mesh configuration every proxy passes traffic to unknown destinations',
      fix: 'keep the ConfigMap, or remove the control plane that reads it first',
      threats: ['mesh/outbound-policy'],
    },
    'shared-mesh-allow-any': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'mode "{value}" holds wherever the control plane reads this mesh configuration and the primary one is silent',
      fix: 'set outboundTrafficPolicy.mode to REGISTRY_ONLY',
      threats: ['mesh/shared-configmap'],
    },
    'install-allow-any': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '{state}, so the mesh that is installed passes traffic to unknown destinations',
      fix: 'set {path} to REGISTRY_ONLY',
      threats: ['operator/iop', 'sail/values'],
    },
    'injector-ranges': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '{setting} "{value}" lets every pod reach {outside} without passing its proxy',
      fix: '{remedy}',
      threats: ['injector/values', 'operator/iop', 'sail/values'],
    },
    'injector-ports': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: 'every pod reaches port {value} anywhere without passing its proxy',
      fix: 'empty global.proxy.excludeOutboundPorts',
      threats: ['injector/values'],
    },
    'injector-off': {
      severity: 'critical',
      enforcementAction: 'deny',
      why: '{setting} "{value}" keeps the proxy out of pods that do not ask for it',
      fix: 'set it to "enabled"',
      threats: ['injector/config', 'injector/values'],
    },
    unreadable: {
      severity: 'high',
      enforcementAction: 'deny',
      why: 'what Istio makes of it is uncertain: it {problem}',
      fix: 'write it so that it reads in one way only',
      threats: ['mesh/outbound-policy', 'injector/values'],
    },
  },
  check(subject, tools) {
    if (subject.kind === 'ConfigMap') return judgeConfigMap(subject, tools)
    if (subject.operation === 'DELETE') return
    if (subject.kind === sidecar) return judgeSidecar(subject, tools)
    judgeInstallation(subject, tools)
  },
})

function judgeSidecar(subject: Subject, tools: Judge): void {
  const { rootNamespace } = tools.facts.mesh
  const isRoot = subject.ref.namespace === rootNamespace
  if (subject.namespaceClass === 'notGoverned' && !isRoot) return
  const policy = sidecarOutboundPolicy(dig(subject.object, 'spec'))
  const path: Path = ['spec', 'outboundTrafficPolicy']
  if (policy.absent) {
    const mode = meshMode(tools.facts, tools.inventory)
    if (mode === undefined) {
      tools.notJudged(
        path,
        'which mode the mesh gives a Sidecar that names none',
        'set the mode, or spec.mesh.outboundTrafficPolicy in the policy',
      )
    } else if (mode !== 'REGISTRY_ONLY') tools.report('sidecar-silent', { path: ['spec'] })
    return
  }
  if (policy.mode === 'REGISTRY_ONLY') return
  const proxy = policy.egressProxy
  if (proxy !== undefined) {
    // Sending the rest to the egress gateway is a way to use it, not one around it.
    if (isEgressGateway(proxy.host, subject.ref.namespace, tools)) return
    tools.report('egress-proxy', { path: [...path, 'egressProxy', 'host'], value: proxy.host })
    return
  }
  const value = text(dig(subject.object, 'spec', 'outboundTrafficPolicy', 'mode')) ?? policy.mode
  const whose = isRoot ? 'every namespace without a Sidecar of its own' : `namespace "${subject.ref.namespace}"`
  tools.report('sidecar-allow-any', { path: [...path, 'mode'], value, slots: { whose } })
}

function isEgressGateway(host: string, namespace: string, tools: Judge): boolean {
  return gatewayOfHost(resolveHost(host, namespace, tools.facts.mesh.clusterDomain), tools.facts) !== undefined
}

function judgeConfigMap(subject: Subject, tools: Judge): void {
  const { rootNamespace } = tools.facts.mesh
  if (subject.ref.namespace !== rootNamespace) return
  if (isMeshConfigMap(subject.object, rootNamespace)) {
    if (subject.operation === 'DELETE')
      tools.report('mesh-deleted', { path: ['metadata', 'name'], value: subject.ref.name })
    else judgeMesh(subject, tools)
    return
  }
  if (subject.operation === 'DELETE') return
  if (/^istio-sidecar-injector(-|$)/.test(subject.ref.name)) judgeInjector(subject, tools)
  else judgeSharedMesh(subject, tools)
}

const meshPath: Path = ['data', 'mesh']

function judgeMesh(subject: Subject, tools: Judge): void {
  const mesh = dig(subject.object, 'data', 'mesh')
  if (mesh === undefined) {
    tools.report('mesh-allow-any', { path: ['data'], slots: { state: 'the ConfigMap has no key "mesh"' } })
    return
  }
  const read = readMeshConfig(text(mesh) ?? '')
  if (!read.ok) {
    tools.report('unreadable', { path: meshPath, slots: { problem: read.why } })
    return
  }
  const mode = outboundMode(read.value)
  if (mode === 'REGISTRY_ONLY') return
  const said = read.value.outboundMode
  const state = said === undefined ? 'no outboundTrafficPolicy means ALLOW_ANY' : `mode "${said}" is set`
  tools.report('mesh-allow-any', { path: meshPath, value: said ?? '', slots: { state } })
}

/** A second source of the mesh configuration fills what the primary leaves out; its silence changes nothing. */
function judgeSharedMesh(subject: Subject, tools: Judge): void {
  const mesh = text(dig(subject.object, 'data', 'mesh'))
  if (mesh === undefined) return
  const read = readMeshConfig(mesh)
  const mode = read.ok ? read.value.outboundMode : undefined
  if (mode !== undefined && mode !== 'REGISTRY_ONLY')
    tools.report('shared-mesh-allow-any', { path: meshPath, value: mode })
}

function judgeInjector(subject: Subject, tools: Judge): void {
  const { policy, values } = readInjectorConfigMap(subject.object)
  for (const [key, read] of [
    ['config', policy],
    ['values', values],
  ] as const) {
    if (read?.ok === false) tools.report('unreadable', { path: ['data', key], slots: { problem: read.why } })
  }
  if (policy?.ok && policy.value.policy !== 'enabled') {
    const slots = { setting: 'policy' }
    tools.report('injector-off', { path: ['data', 'config'], value: policy.value.policy, slots })
  }
  // The values are text inside the ConfigMap, so that is where every finding points.
  if (values?.ok) judgeValues(values.value, () => ['data', 'values'], tools)
}

function judgeInstallation(subject: Subject, tools: Judge): void {
  const values = readInstallValues(dig(subject.object, 'spec', 'values'))
  judgeValues(values, inner => ['spec', 'values', ...inner], tools)
  const root: Path = subject.kind === operator ? ['spec'] : ['spec', 'values']
  const given = subject.kind === operator ? dig(subject.object, 'spec', 'meshConfig') : undefined
  const mesh: Result<ReturnType<typeof readMeshConfigValue> extends Result<infer M> ? M : never> | undefined =
    given === undefined ? values.meshConfig?.value : readMeshConfigValue(given)
  const path = [
    ...(given === undefined && subject.kind === operator ? ['spec'] : root),
    'meshConfig',
    'outboundTrafficPolicy',
    'mode',
  ]
  if (mesh?.ok === false) {
    tools.report('unreadable', { path: path.slice(0, -2), slots: { problem: mesh.why } })
    return
  }
  const mode = mesh?.value.outboundMode
  if (mode === 'REGISTRY_ONLY') return
  const state = mode === undefined ? 'no outboundTrafficPolicy means ALLOW_ANY' : `mode "${mode}" is set`
  tools.report('install-allow-any', { path, value: mode ?? '', slots: { state, path: path.join('.') } })
}

/** Judges what an installation gives every pod; `at` says where in the judged object a value stands. */
function judgeValues(values: InstallValues, at: (inner: readonly string[]) => Path, tools: Judge): void {
  const { includeIPRanges, excludeIPRanges, excludeOutboundPorts, autoInject } = values
  judgeRanges(includeIPRanges, complement, 'set it to "*"', at, tools)
  judgeRanges(excludeIPRanges, ranges => ranges, 'empty it', at, tools)
  const ports = excludeOutboundPorts?.value
  if (excludeOutboundPorts !== undefined && ports?.ok && ports.value.length > 0) {
    tools.report('injector-ports', { path: at(excludeOutboundPorts.path), value: ports.value.join(', ') })
  }
  if (autoInject?.value.ok && autoInject.value.value !== 'enabled') {
    const slots = { setting: autoInject.path.join('.') }
    tools.report('injector-off', { path: at(autoInject.path), value: autoInject.value.value, slots })
  }
}

function judgeRanges(
  setting: InstallSetting<Ranges> | undefined,
  uncaptured: (ranges: Ranges) => Ranges,
  remedy: string,
  at: (inner: readonly string[]) => Path,
  tools: Judge,
): void {
  if (setting === undefined) return
  const name = setting.path.join('.')
  if (!setting.value.ok) {
    tools.report('unreadable', {
      path: at(setting.path),
      slots: { problem: `has ${name}, which ${setting.value.why}` },
    })
    return
  }
  const answer = judgeUncaptured(uncaptured(setting.value.value), tools.facts, nothing)
  const path = at(setting.path)
  if (answer.leaves === 'unknown') {
    tools.notJudged(path, `whether ${answer.outside} is inside the cluster`, giveRanges)
  }
  if (answer.leaves !== 'yes') return
  const slots = { setting: name, outside: answer.outside, remedy: `${remedy} (${name})` }
  tools.report('injector-ranges', { path, value: formatRanges(setting.value.value).join(','), slots })
}
