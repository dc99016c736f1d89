import { liveApprovals } from '../../core/clients.ts'
import type { Pod } from '../../core/pod.ts'
import { includes, parseAddress, type Ranges } from '../../istio/cidr.ts'
import { leadsIntoCluster, parseHost } from '../../istio/host.ts'
import { dig, field, list, text } from '../../istio/json.ts'
import type { Judge } from './rule.ts'

/** Judges the lines that a pod adds to its `/etc/hosts`. A name of the pod's own, at its loopback address, leads nowhere. */
export function judgeAliases(pod: Pod, namespace: string, tools: Judge): void {
  for (const [i, alias] of list(dig(pod.template, 'spec', 'hostAliases')).entries()) {
    const value = text(field(alias, 'ip')) ?? ''
    const address = parseAddress(value)
    if (value.startsWith('127.') || value === '::1') continue
    for (const [j, given] of list(field(alias, 'hostnames')).entries()) {
      const name = text(given)
      if (name === undefined) continue
      const path = pod.at('spec', 'hostAliases', i, 'hostnames', j)
      const what = meaningOf(name, namespace, address.ok ? address.value : undefined, tools)
      if (what === undefined) tools.report('host-alias', { path, value, slots: { name } })
      else tools.report('forced-address', { path, value, slots: { name, what } })
    }
  }
}

/** Returns what a name is to the mesh that the pod may not give an address, or undefined. */
function meaningOf(name: string, namespace: string, address: Ranges | undefined, tools: Judge): string | undefined {
  const parsed = parseHost(name)
  if (!parsed.ok) return undefined
  const { facts, inventory, now } = tools
  const host = parsed.value.text
  const approvals = liveApprovals(host, facts, now)
  // An address that goes with the approval is where the host is.
  const isTrue = approvals.some(({ addresses }) => address !== undefined && addresses && includes(addresses, address))
  if (approvals.length > 0) return isTrue ? undefined : 'an approved external host'
  if (leadsIntoCluster(host, facts.mesh.clusterDomain)) return 'a name of the cluster'
  const [service = '', of = namespace, ...more] = host.split('.')
  const isService = more.length === 0 && inventory.find('Service', of, service) !== undefined
  return isService ? 'the name of a Service' : undefined
}
