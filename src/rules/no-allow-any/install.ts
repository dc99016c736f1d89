import { digestOf } from '../../core/exemption.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { giveRanges, judgeUncaptured } from '../../core/uncaptured.ts'
import { complement, formatRanges, nothing, type Ranges } from '../../istio/cidr.ts'
import { type InstallSetting, type InstallValues, readInstallValues } from '../../istio/injector.ts'
import { dig } from '../../istio/json.ts'
import { readMeshConfigValue } from '../../istio/meshconfig.ts'
import type { Judge } from './rule.ts'

const operator = 'IstioOperator.install.istio.io'

/** Says where in the judged object a value stands. */
type PlaceOf = (inner: readonly string[]) => Path

/** Judges what a mesh is installed with. */
export function judgeInstallation(subject: Subject, tools: Judge): void {
  const isOperator = subject.kind === operator
  // istioctl lays these over each other, the last on top, so what any of them says may be what holds.
  const roots: readonly Path[] = isOperator
    ? [
        ['spec', 'values'],
        ['spec', 'unvalidatedValues'],
      ]
    : [['spec', 'values']]
  for (const root of roots) {
    const values = readInstallValues(dig(subject.object, ...root.map(String)))
    judgeValues(values, inner => [...root, ...inner], tools)
  }
  judgeMode(subject, isOperator ? [['spec'], ...roots] : roots, tools)
}

function judgeMode(subject: Subject, roots: readonly Path[], tools: Judge): void {
  let said = false
  for (const root of roots) {
    const at = [...root.map(String), 'meshConfig']
    const given = dig(subject.object, ...at) ?? undefined
    if (given === undefined) continue
    const read = readMeshConfigValue(given)
    if (!read.ok) {
      tools.report('unreadable', { path: at, value: digestOf(given) ?? read.why, slots: { problem: read.why } })
    }
    const mode = read.ok ? read.value.outboundMode : undefined
    said ||= !read.ok || mode !== undefined
    if (mode !== undefined && mode !== 'REGISTRY_ONLY') reportMode(at, `mode "${mode}" is set`, mode, tools)
  }
  if (said || !hasControlPlane(subject)) return
  const [root = []] = roots
  const at = [...root.map(String), 'meshConfig']
  const field = [...at, ...modePath].join('.')
  const state = 'no outboundTrafficPolicy means ALLOW_ANY'
  tools.report('install-allow-any', { path: ['spec'], slots: { state, field } })
}

const modePath = ['outboundTrafficPolicy', 'mode']

function reportMode(at: readonly string[], state: string, value: string, tools: Judge): void {
  const path = [...at, ...modePath]
  tools.report('install-allow-any', { path, value, slots: { state, field: path.join('.') } })
}

/** An IstioOperator may install gateways alone; then it has no mesh configuration to speak of. */
function hasControlPlane(subject: Subject): boolean {
  if (subject.kind !== operator) return true
  const enabled = dig(subject.object, 'spec', 'components', 'pilot', 'enabled') ?? undefined
  return enabled === undefined ? dig(subject.object, 'spec', 'profile') !== 'empty' : enabled !== false
}

/** Judges what an installation gives every pod. */
export function judgeValues(values: InstallValues, at: PlaceOf, tools: Judge): void {
  const { includeIPRanges, excludeIPRanges, excludeOutboundPorts, autoInject } = values
  judgeRanges(includeIPRanges, complement, 'set {} to "*"', at, tools)
  judgeRanges(excludeIPRanges, ranges => ranges, 'empty {}', at, tools)
  const ports = readable(excludeOutboundPorts, at, tools)
  if (ports !== undefined && ports.value.length > 0) {
    tools.report('injector-ports', {
      path: at(ports.path),
      value: ports.value.join(', '),
      slots: { setting: ports.path.join('.') },
    })
  }
  const policy = readable(autoInject, at, tools)
  if (policy !== undefined && policy.value !== 'enabled') {
    const slots = { setting: policy.path.join('.') }
    tools.report('injector-off', { path: at(policy.path), value: policy.value, slots })
  }
}

function judgeRanges(
  setting: InstallSetting<Ranges> | undefined,
  uncaptured: (ranges: Ranges) => Ranges,
  remedy: string,
  at: PlaceOf,
  tools: Judge,
): void {
  const read = readable(setting, at, tools)
  if (read === undefined) return
  const answer = judgeUncaptured(uncaptured(read.value), tools.facts, nothing)
  const path = at(read.path)
  if (answer.leaves === 'unknown') {
    tools.notJudged(path, `whether ${answer.outside} is inside the cluster`, giveRanges)
  }
  if (answer.leaves !== 'yes') return
  const name = read.path.join('.')
  const slots = { setting: name, outside: answer.outside, remedy: remedy.replace('{}', name) }
  tools.report('injector-ranges', { path, value: formatRanges(read.value).join(','), slots })
}

/** Returns a setting that is there and can be read; one that cannot be is reported. */
function readable<T>(
  setting: InstallSetting<T> | undefined,
  at: PlaceOf,
  tools: Judge,
): { readonly path: readonly string[]; readonly value: T } | undefined {
  if (setting === undefined) return undefined
  if (setting.value.ok) return { path: setting.path, value: setting.value.value }
  const problem = `has ${setting.path.join('.')}, which ${setting.value.why}`
  tools.report('unreadable', { path: at(setting.path), value: problem, slots: { problem } })
  return undefined
}
