import type { Labels } from '../../istio/selector.ts'
import type { LabelChange } from './namespace.ts'
import type { Judge, Message } from './rule.ts'

const prefix = 'pod-security.kubernetes.io/'

/** From the one that forbids nothing to the one that forbids most. */
const levels = ['privileged', 'baseline', 'restricted']

/** What a namespace says of one mode of Pod Security. */
interface Setting {
  /** Index among the levels; one that is none forbids nothing, and the API server refuses it. */
  readonly level: number
  /** Minor version of Kubernetes whose rules hold; those of the latest where none is named. */
  readonly minor: number
  readonly text: string
}

/**
 * Returns what the labels say of a mode, or undefined: then the default of the API server holds, which forbids nothing
 * where its operator sets no other. Kubernetes: k8s.io/pod-security-admission api (PolicyToEvaluate).
 */
function readSetting(labels: Labels, mode: string): Setting | undefined {
  const level = labels.get(prefix + mode)
  if (level === undefined) return undefined
  const version = labels.get(`${prefix}${mode}-version`)
  const pinned = /^v1\.(\d{1,4})$/.exec(version ?? 'latest')?.[1]
  return {
    level: Math.max(0, levels.indexOf(level)),
    minor: pinned === undefined ? Number.POSITIVE_INFINITY : Number(pinned),
    text: pinned === undefined ? level : `${level} of v1.${pinned}`,
  }
}

/** Compares the levels and versions of Pod Security before and after. */
export function judgePodSecurity(change: LabelChange, tools: Judge): void {
  for (const mode of ['enforce', 'audit', 'warn']) {
    const before = readSetting(change.before, mode)
    if (before === undefined || before.level === 0) continue
    const after = readSetting(change.after, mode)
    const message = messageFor(mode, before, after)
    if (message === undefined) continue
    const isLower = after === undefined || after.level < before.level
    const label = isLower ? prefix + mode : `${prefix}${mode}-version`
    const value = change.after.get(label)
    tools.report(message, {
      path: ['metadata', 'labels', label],
      ...(value !== undefined && { value }),
      slots: { label, before: before.text, after: after?.text ?? 'none' },
    })
  }
}

function messageFor(mode: string, before: Setting, after: Setting | undefined): Message | undefined {
  const isEnforced = mode === 'enforce'
  if (after === undefined || after.level < before.level) return isEnforced ? 'enforce-lowered' : 'hints-lowered'
  // A stricter level of older rules forbids what the lower one did.
  if (after.level > before.level || after.minor >= before.minor) return undefined
  if (before.minor === Number.POSITIVE_INFINITY) return isEnforced ? 'enforce-pinned' : undefined
  return isEnforced ? 'enforce-lowered' : 'hints-lowered'
}
