import { holdsFor } from '../../core/attachment.ts'
import type { EgressGateway } from '../../core/facts.ts'
import type { Path } from '../../core/path.ts'
import type { Subject } from '../../core/rule.ts'
import { dig, text } from '../../istio/json.ts'
import type { Judge } from './rule.ts'

/** Returns whether a policy of the judged kind holds for the pods of a gateway. */
export function reaches(object: unknown, gateway: EgressGateway, tools: Judge): ReturnType<typeof holdsFor> {
  const namespace = text(dig(object, 'metadata', 'namespace')) ?? ''
  return holdsFor({ object, namespace, selector: dig(object, 'spec', 'selector', 'matchLabels') }, gateway, tools)
}

/**
 * Returns the egress gateway that the judged policy, found wanting at `path`, holds for. Where that cannot be told, it is
 * said: for the platform's policies, as those of others reach no gateway.
 */
export function reachedGateway(path: Path, subject: Subject, tools: Judge): EgressGateway | undefined {
  const gateways = tools.facts.egressGateways
  if (gateways === undefined) {
    if (subject.namespaceClass !== 'platform') return undefined
    tools.notJudged(path, 'whether it holds for an egress gateway', 'give spec.egressGateways in the policy')
    return undefined
  }
  const answers = gateways.map(gateway => ({ gateway, answer: reaches(subject.object, gateway, tools) }))
  const reached = answers.find(({ answer }) => answer === 'yes')?.gateway
  const open = answers.find(({ answer }) => answer === 'unknown')?.gateway
  if (reached === undefined && open !== undefined) {
    const unknown = `whether the pods of egress gateway "${open.name}" bear the labels that it selects`
    tools.notJudged(path, unknown, 'give its Deployment with --inventory, or all its labels under spec.egressGateways')
  }
  return reached
}
