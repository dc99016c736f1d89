import type { Subject } from '../../core/rule.ts'
import { show } from '../../core/text.ts'
import { field, list } from '../../istio/json.ts'
import { labelsOf } from '../../istio/workload.ts'
import type { Judge } from './rule.ts'

/**
 * Judges the webhooks of the injector. The API server asks no webhook about them unless one is given to it by a file,
 * so this speaks in `check` and in a scan. Istio: istio-discovery chart, templates/mutatingwebhook.yaml.
 */
export function judgeWebhooks({ object }: Subject, tools: Judge): void {
  if (labelsOf(object).get('app') !== 'sidecar-injector') return
  const webhooks = list(field(object, 'webhooks'))
  for (const [i, webhook] of webhooks.entries()) {
    const policy = field(webhook, 'failurePolicy') ?? 'Fail'
    if (policy !== 'Fail') {
      tools.report('injector-ignored', { path: ['webhooks', i, 'failurePolicy'], value: show(policy) })
    }
  }
  if (!webhooks.some(takesPods)) tools.report('injector-unregistered', { path: ['webhooks'] })
}

function takesPods(webhook: unknown): boolean {
  return list(field(webhook, 'rules')).some(
    rule =>
      holds(rule, 'operations', ['CREATE', '*']) &&
      holds(rule, 'apiGroups', ['', '*']) &&
      holds(rule, 'apiVersions', ['v1', '*']) &&
      holds(rule, 'resources', ['pods', '*', '*/*']),
  )
}

function holds(rule: unknown, key: string, values: readonly string[]): boolean {
  return list(field(rule, key)).some(value => values.some(wanted => wanted === value))
}
