import type { Provider } from '../../core/facts.ts'
import { standingOf } from '../../core/standing.ts'
import { parseHost } from '../../istio/host.ts'
import { type ProviderTarget, providerTargets } from '../../istio/provider.ts'
import type { Judge } from './rule.ts'
import type { Held } from './source.ts'

/** Judges to whom proxies hand data of requests: Services of the cluster, what the policy lists, and approved hosts. */
export function judgeProviders({ config, at, subject }: Held, tools: Judge): void {
  const path = at('extensionProviders')
  for (const target of providerTargets(config.fields.get('extensionProviders'))) {
    const { name, kind, host } = target
    const listed = providersFor(target, tools).find(provider => provider.name === name)
    if (host === undefined) {
      if (listed === undefined) tools.report('unknown-provider', { path, value: kind, slots: { name } })
      continue
    }
    const parsed = parseHost(host)
    const fact = target.use === 'authorizer' ? 'authorizers' : 'telemetryProviders'
    const slots = { name, fact }
    if (listed?.service !== undefined && parsed.ok && parsed.value.text !== listed.service) {
      const state = `not "${listed.service}", where the policy has it`
      tools.report('outside-provider', { path, value: host, slots: { ...slots, state } })
    } else if (listed === undefined && (!parsed.ok || standingOf(parsed.value, subject, tools) === 'foreign')) {
      tools.report('outside-provider', { path, value: host, slots: { ...slots, state: 'outside and not approved' } })
    }
  }
}

function providersFor({ use }: ProviderTarget, { facts }: Judge): readonly Provider[] {
  return (use === 'authorizer' ? facts.authorizers : facts.telemetryProviders) ?? []
}
