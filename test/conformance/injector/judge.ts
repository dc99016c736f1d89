import { evaluate } from '../../../src/core/evaluate.ts'
import { effectOf } from '../../../src/core/finding.ts'
import { inventoryOf } from '../../../src/core/inventory.ts'
import { kindOf, refOf } from '../../../src/core/kind.ts'
import { formatPath } from '../../../src/core/path.ts'
import type { Policy } from '../../../src/core/policy.ts'
import type { Phase } from '../../../src/core/review.ts'
import type { Fields } from '../../../src/istio/json.ts'
import { loadPolicy } from '../../../src/policy/load.ts'
import { formatProblem } from '../../../src/policy/problem.ts'
import { rules } from '../../../src/rules/index.ts'
import type { Installation } from './installations.ts'
import { NAMESPACE, type Pod } from './pods.ts'

/** The rules of injection and capture: these must be silent about pods in which nothing is wrong. */
const SPEAKING = new Set([
  'no-capture-bypass',
  'no-forged-injection',
  'no-host-network',
  'require-early-capture',
  'require-injection',
])

for (const id of SPEAKING) if (!rules.some(rule => rule.id === id)) throw new Error(`there is no rule ${id}`)

/** Threats that some rule says it stands against. */
export const judgedThreats: ReadonlySet<string> = new Set(
  rules.flatMap(rule => Object.values(rule.messages).flatMap(message => message.threats)),
)

const now = Date.parse('2026-11-21T00:00:00Z')

const namespace: Fields = {
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: NAMESPACE, labels: { 'istio-injection': 'enabled', 'kubernetes.io/metadata.name': NAMESPACE } },
}

/** Judges objects; what is said is one line for each finding. */
export interface Judge {
  /** Returns what refuses the object, whichever rule it is. */
  refusals(object: Fields, phase: Phase): readonly string[]
  /** Returns what rules of injection and capture refuse or warn of. */
  complaints(object: Fields, phase: Phase): readonly string[]
  /** Returns what these rules could not judge. */
  doubts(object: Fields, phase: Phase): readonly string[]
}

/** Returns a judge by the baseline and the installation's own policy, who knows the namespace and the objects. */
export function judgeOf({ policy: spec = nothing }: Installation, objects: readonly Fields[]): Judge {
  const policy = policyOf(spec)
  const inventory = inventoryOf([namespace, ...objects])
  const lines = (object: Fields, phase: Phase, actions: readonly string[], among?: ReadonlySet<string>) => {
    const ref = refOf(object)
    const kind = kindOf(ref.group, ref.kind)
    const { findings, notJudged, malformed, ruleErrors } = evaluate(
      { ...request, kind, ref, object, phase },
      policy,
      inventory,
      now,
    )
    for (const { rule, cause } of ruleErrors) throw new Error(`${rule} fails`, { cause })
    const said = [
      ...findings.map(finding => ({ ...finding, action: effectOf(finding), clause: finding.message })),
      ...notJudged.map(gap => ({ ...gap, action: 'unknown', clause: gap.unknown })),
      ...malformed.map(fault => ({ ...fault, action: fault.enforcementAction, clause: fault.why })),
    ]
    return said
      .filter(({ rule, action }) => actions.includes(action) && among?.has(rule) !== false)
      .map(line => `${line.action} ${line.rule}: ${line.clause} at ${formatPath(line.path)}${shownValue(line)}`)
  }
  return {
    refusals: (object, phase) => lines(object, phase, ['deny']),
    complaints: (object, phase) => lines(object, phase, ['deny', 'warn'], SPEAKING),
    doubts: (object, phase) => lines(object, phase, ['unknown'], SPEAKING),
  }
}

/** Returns the rule that said a line. */
export function ruleOf(line: string): string {
  return /^\w+ ([^:]*):/.exec(line)?.[1] ?? ''
}

function shownValue(line: object): string {
  return 'value' in line && line.value !== '' ? ` (${line.value})` : ''
}

const nothing: Fields = {}

const policies = new Map<Fields, Policy>()

function policyOf(spec: Fields): Policy {
  const known = policies.get(spec)
  if (known !== undefined) return known
  const text = JSON.stringify({
    apiVersion: 'sallyport.dev/v1alpha1',
    kind: 'EgressPolicy',
    metadata: { name: 'acme' },
    spec,
  })
  const loaded = loadPolicy([{ file: 'policy', text }], { rules, now })
  if (!loaded.ok) throw new Error(loaded.problems.map(formatProblem).join('\n'))
  policies.set(spec, loaded.policy)
  return loaded.policy
}

const request = {
  uid: 'u-1',
  operation: 'CREATE',
  subresource: '',
  oldObject: undefined,
  requester: undefined,
  dryRun: false,
} as const

/** Returns the Deployment whose template is the pod. */
export function deploymentOf({ metadata, spec }: Pod): Fields {
  const { name, namespace: where, ...template } = metadata
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: where },
    spec: { selector: { matchLabels: { app: 'checkout' } }, template: { metadata: template, spec } },
  }
}
