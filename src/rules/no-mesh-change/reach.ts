import { refOf } from '../../core/kind.ts'
import { isDiscovered } from '../../istio/discovery.ts'
import { entryVisibility } from '../../istio/entryvisibility.ts'
import { dig, field, stringMap } from '../../istio/json.ts'
import type { MeshConfig } from '../../istio/meshconfig.ts'
import type { Labels } from '../../istio/selector.ts'
import { readExportTo } from '../../istio/visibility.ts'
import type { Change, Judge } from './rule.ts'

/** Judges a change of who sees what. */
export function judgeReach(change: Change, tools: Judge): void {
  judgeExports(change, tools)
  judgeSelectors(change, tools)
  judgeVisibility(change, tools)
}

const defaults = [
  ['defaultServiceExportTo', 'ServiceEntry'],
  ['defaultVirtualServiceExportTo', 'VirtualService'],
  ['defaultDestinationRuleExportTo', 'DestinationRule'],
] as const

/** Clients that no longer see the routes of the platform go where the entry itself leads: directly out. */
function judgeExports({ before, after, at }: Change, tools: Judge): void {
  for (const [name, kind] of defaults) {
    const [was, is] = [readExportTo(undefined, kind, before[name]), readExportTo(undefined, kind, after[name])]
    if (JSON.stringify(flat(was)) === JSON.stringify(flat(is))) continue
    const message = was === 'public' && is !== 'public' ? 'exports-narrowed' : 'exports-changed'
    tools.report(message, { path: at(name), value: (after[name] ?? []).join(','), slots: { field: name } })
  }
}

function flat(visibility: ReturnType<typeof readExportTo>): unknown {
  return typeof visibility === 'string' ? visibility : [visibility.own, ...[...visibility.namespaces].sort()]
}

interface Known {
  readonly name: string
  readonly labels: Labels
}

function namespacesOf({ inventory }: Judge): readonly Known[] {
  return inventory.list('Namespace').map(object => ({
    name: refOf(object).name,
    labels: stringMap(dig(object, 'metadata', 'labels')),
  }))
}

function judgeSelectors({ before, after, at }: Change, tools: Judge): void {
  const [was, is] = [before.discoverySelectors, after.discoverySelectors]
  if (same(was ?? [], is ?? [])) return
  const path = at('discoverySelectors')
  let dropped = false
  for (const { name, labels } of namespacesOf(tools)) {
    if (!isDiscovered(was, labels) || isDiscovered(is, labels)) continue
    const of = tools.facts.namespaces.classOf(name, labels)
    if (of === 'notGoverned') continue
    dropped = true
    tools.report('namespace-dropped', { path, value: name, slots: { class: of } })
  }
  if (!dropped) tools.report('selectors-changed', { path })
}

/** Mesh configurations are nested 64 levels deep at most: their reader sees to that. */
function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

const widths = { NONE: 0, NAMESPACE: 1, PUBLIC: 2 } as const

function judgeVisibility({ before, after, at }: Change, tools: Judge): void {
  const [was, is] = [visibilityOf(before), visibilityOf(after)]
  if (was === undefined || same(was, is)) return
  const widens = (labels: Labels): boolean => widths[entryVisibility(was, labels)] < widths[entryVisibility(is, labels)]
  const path = at('serviceEntryVisibility')
  const namespace = namespacesOf(tools).find(
    ({ name, labels }) => widens(labels) && tools.facts.namespaces.classOf(name, labels) !== 'notGoverned',
  )
  const isForSidecars = (given: unknown): boolean => field(given, 'applyToSidecars') === true
  if (namespace !== undefined || widens(new Map())) {
    const whose = namespace === undefined ? 'namespaces' : `namespace "${namespace.name}"`
    tools.report('visibility-widened', { path, value: namespace?.name ?? '', slots: { whose } })
  } else if (isForSidecars(was) && !isForSidecars(is)) {
    tools.report('visibility-widened', { path, value: 'applyToSidecars', slots: { whose: 'sidecars' } })
  }
}

function visibilityOf(config: MeshConfig): unknown {
  return config.fields.get('serviceEntryVisibility') ?? undefined
}
