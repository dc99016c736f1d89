import { refOf } from '../../core/kind.ts'
import { networkOfMesh } from '../../core/mesh.ts'
import type { Subject } from '../../core/rule.ts'
import { dig, field, text } from '../../istio/json.ts'
import { groupKind, type Machine } from './machine.ts'
import type { Judge } from './rule.ts'

/** Judges as what a machine of a tenant stands in the mesh: in which network, with whose identity, by which group. */
export function judgeStanding(machine: Machine, isGroup: boolean, { ref }: Subject, tools: Judge): void {
  const { root, spec } = machine
  const { params } = tools
  const network = text(field(spec, 'network')) ?? ''
  if (network !== '' && network !== networkOfMesh(tools) && !params.networks.includes(network)) {
    tools.report('foreign-network', { path: [...root, 'network'], value: network })
  }
  if (isGroup) {
    const isListed = isIn(params.groups, ref.namespace, ref.name)
    if (!isListed) tools.report('unlisted-group', { path: ['metadata', 'name'], value: `${ref.namespace}/${ref.name}` })
    return
  }
  const account = text(field(spec, 'serviceAccount')) ?? ''
  if (account === '' || isIn(params.accounts, ref.namespace, account) || isOfGroup(account, ref.namespace, tools))
    return
  tools.report('lent-identity', { path: [...root, 'serviceAccount'], value: `${ref.namespace}/${account}` })
}

/** istiod gives the machines of a group its account: the group that is listed, not an annotation, permits that. */
function isOfGroup(account: string, namespace: string, { inventory, params }: Judge): boolean {
  return inventory
    .list(groupKind, namespace)
    .some(
      group =>
        isIn(params.groups, namespace, refOf(group).name) &&
        dig(group, 'spec', 'template', 'serviceAccount') === account,
    )
}

function isIn(listed: readonly string[], namespace: string, name: string): boolean {
  return listed.includes(`${namespace}/${name}`) || listed.includes(`${namespace}/*`)
}
