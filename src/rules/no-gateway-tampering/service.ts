import type { EgressGateway } from '../../core/facts.ts'
import { refOf } from '../../core/kind.ts'
import type { Subject } from '../../core/rule.ts'
import { few } from '../../core/uncaptured.ts'
import { dig, field, list, stringMap, text } from '../../istio/json.ts'
import { exportToAnnotation, readExportTo, visibleIn } from '../../istio/visibility.ts'
import { annotationsOf, labelsOf } from '../../istio/workload.ts'
import type { Judge } from './rule.ts'
import { choosesGateway } from './workload.ts'

const exportTo = 'networking.istio.io/exportTo'

/** Judges the Service of a gateway: its pods must be behind it, on the ports that routes lead to, for everybody. */
export function judgeService(gateway: EgressGateway, subject: Subject, tools: Judge): void {
  const slots = { gateway: gateway.name }
  if (subject.operation === 'DELETE') {
    return tools.report('deleted', { path: ['metadata', 'name'], value: gateway.service, slots })
  }
  const spec = field(subject.object, 'spec')
  const type = text(field(spec, 'type'))
  if (type === 'ExternalName') {
    const state = 'as an alias of another host'
    return tools.report('leads-elsewhere', { path: ['spec', 'type'], value: type, slots: { ...slots, state } })
  }
  if (field(spec, 'clusterIP') === 'None') {
    // The proxy then connects to the address that the client picked: networking/core/cluster.go (convertResolution).
    const state = 'without an address of its own'
    tools.report('leads-elsewhere', { path: ['spec', 'clusterIP'], value: 'None', slots: { ...slots, state } })
  }
  judgeSelector(gateway, spec, tools)
  judgePorts(gateway, spec, tools)
  judgeVisibility(gateway, subject, tools)
}

function judgeSelector(gateway: EgressGateway, spec: unknown, tools: Judge): void {
  const selector = stringMap(field(spec, 'selector'))
  const answer = choosesGateway(selector, gateway, tools)
  if (answer === 'yes') return
  const path = ['spec', 'selector']
  if (answer === 'unknown') {
    const unknown = `whether the pods of egress gateway "${gateway.name}" bear ${show(selector)}`
    return tools.notJudged(
      path,
      unknown,
      'give all their labels under spec.egressGateways, or the Deployment with --inventory',
    )
  }
  const slots = { gateway: gateway.name, labels: show(gateway.podLabels) }
  tools.report('selects-others', { path, value: show(selector), slots })
}

function show(labels: ReadonlyMap<string, string>): string {
  // By key: the order in which labels are written means nothing.
  return few([...labels].map(([key, value]) => `${key}=${value}`).sort())
}

function judgePorts(gateway: EgressGateway, spec: unknown, tools: Judge): void {
  const ports = new Set<unknown>()
  for (const port of list(field(spec, 'ports'))) {
    if ((field(port, 'protocol') ?? 'TCP') === 'TCP') ports.add(field(port, 'port'))
  }
  for (const { number } of gateway.ports) {
    if (ports.has(number)) continue
    tools.report('port-missing', { path: ['spec', 'ports'], value: String(number), slots: { gateway: gateway.name } })
  }
}

/**
 * Whoever does not see the Service has no way to the gateway, and takes what is visible instead. A request for the status may
 * change annotations too. Kubernetes: pkg/registry/core/service/strategy.go (serviceStatusStrategy).
 */
export function judgeVisibility(gateway: EgressGateway, { object, ref }: Subject, tools: Judge): void {
  const given = exportToAnnotation(annotationsOf(object).get(exportTo))
  if (given === undefined) return
  const visibility = readExportTo(given, 'Service', undefined)
  if (visibility === 'public') return
  const blind = tools.inventory.list('Namespace').filter(namespace => {
    const { name } = refOf(namespace)
    if (visibleIn(visibility, ref.namespace, name)) return false
    return tools.facts.namespaces.classOf(name, labelsOf(namespace)) === 'governed'
  })
  const names = blind.map(namespace => `"${text(dig(namespace, 'metadata', 'name'))}"`)
  const whose = names.length === 0 ? 'of namespaces that it does not name' : `of ${few(names)}`
  // Every governed namespace that there is may be named; those to come are added then.
  if (names.length === 0 && tools.inventory.knows('Namespace')) return
  const slots = { gateway: gateway.name, whose }
  tools.report('hidden', { path: ['metadata', 'annotations', exportTo], value: given.join(','), slots })
}
