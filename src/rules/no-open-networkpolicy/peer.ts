import type { Path } from '../../core/path.ts'
import type { Tools } from '../../core/rule.ts'
import { giveRanges, judgeUncaptured } from '../../core/uncaptured.ts'
import { nothing, parsePrefix, parseSubnet, type Ranges, rangesOf, subtract, union } from '../../istio/cidr.ts'
import { type Fields, field, isFields, list, text } from '../../istio/json.ts'
import { gatewayByLabel } from './gateway.ts'
import { type Ports, readPorts } from './ports.ts'

/** What this rule can say. */
export type Message = 'opens-range' | 'opens-everything' | 'dns-anywhere' | 'gateway-by-label' | 'egress-ignored'

/** Opinions of this rule. */
export interface Params {
  readonly internalRanges: readonly string[]
}

/** What this rule judges with. */
export type Judge = Tools<Message, Params>

/** For whom a policy is. */
export interface Holder {
  /** Whether its pods may be let out. */
  readonly isFreed: boolean
  readonly namespace: string
}

/** Where caches of DNS listen on each node. */
const linkLocal = rangesOf('169.254.0.0/16', 'fe80::/10')

/** Judges one rule of `egress`: its peers, or that it has none, which means every address. */
export function judgeRule(rule: Fields, path: Path, holder: Holder, tools: Judge): void {
  const ports = readPorts(field(rule, 'ports'))
  const given = field(rule, 'to') ?? undefined
  if (given !== undefined && !Array.isArray(given)) tools.malformed([...path, 'to'], 'must be a list')
  const peers = list(given)
  if (peers.length === 0) {
    if (!holder.isFreed) judgeEverything(ports, path, tools)
    return
  }
  const scene = { ports, holder, accepted: acceptedFor(ports, tools) }
  for (const [i, peer] of peers.entries()) judgePeer(peer, [...path, 'to', i], scene, tools)
}

function judgeEverything(ports: Ports, path: Path, tools: Judge): void {
  if (ports.kind === 'named') return
  if (ports.kind === 'dns') {
    tools.report('dns-anywhere', { path, value: ports.text, slots: { outside: 'every address' } })
    return
  }
  const slots = { ports: ports.text === '' ? '' : ` on ${ports.text}` }
  tools.report('opens-everything', { path, value: ports.text, slots })
}

interface Scene {
  readonly ports: Ports
  readonly holder: Holder
  /** Ranges that are inside besides those of pods and Services. */
  readonly accepted: Ranges
}

function judgePeer(peer: unknown, path: Path, scene: Scene, tools: Judge): void {
  if (!isFields(peer)) {
    tools.malformed(path, 'must be a mapping')
    return
  }
  const block = field(peer, 'ipBlock') ?? undefined
  if (block === undefined) {
    const found = gatewayByLabel(peer, tools.facts, tools.inventory)
    if (found === undefined || found.gateway.namespace === scene.holder.namespace) return
    const slots = { namespace: found.gateway.namespace }
    tools.report('gateway-by-label', { path: [...path, 'namespaceSelector'], value: found.labels, slots })
    return
  }
  if (!scene.holder.isFreed && scene.ports.kind !== 'named') judgeBlock(block, [...path, 'ipBlock'], scene, tools)
}

function judgeBlock(block: unknown, path: Path, { ports, accepted }: Scene, tools: Judge): void {
  if (!isFields(block)) {
    tools.malformed(path, 'must be a mapping')
    return
  }
  const cidr = text(field(block, 'cidr'))
  const range = readRange(cidr, [...path, 'cidr'], tools)
  if (cidr === undefined || range === undefined) return
  const except = list(field(block, 'except')).map(
    (item, i) => readRange(text(item), [...path, 'except', i], tools) ?? nothing,
  )
  const answer = judgeUncaptured(subtract(range, unionOf(except)), tools.facts, accepted)
  if (answer.leaves === 'unknown') {
    tools.notJudged([...path, 'cidr'], `whether ${answer.outside} is inside the cluster`, giveRanges)
  }
  if (answer.leaves !== 'yes') return
  const message = ports.kind === 'dns' ? 'dns-anywhere' : 'opens-range'
  tools.report(message, { path: [...path, 'cidr'], value: cidr, slots: { outside: answer.outside } })
}

/** Unites by halves, since lists may be long. */
function unionOf(ranges: readonly Ranges[]): Ranges {
  if (ranges.length < 2) return ranges[0] ?? nothing
  const half = ranges.length >> 1
  return union(unionOf(ranges.slice(0, half)), unionOf(ranges.slice(half)))
}

function readRange(given: string | undefined, path: Path, tools: Judge): Ranges | undefined {
  const read = given === undefined ? undefined : parsePrefix(given)
  if (read?.ok) return read.value
  tools.malformed(path, read === undefined ? 'must be a text' : read.why)
  return undefined
}

/** Ranges that are inside besides those of pods and Services; for DNS also where names may be asked for. */
function acceptedFor(ports: Ports, { facts, params }: Judge): Ranges {
  let inside = facts.ranges.virtualMachines ?? nothing
  for (const stated of params.internalRanges) {
    const range = parseSubnet(stated)
    if (range.ok) inside = union(inside, range.value)
  }
  return ports.kind === 'dns' ? [facts.nameservers ?? nothing, linkLocal].reduce(union, inside) : inside
}
