import type { Kind } from '../core/kind.ts'
import { dig, field, list, text } from '../istio/json.ts'
import type { Clock } from './clock.ts'
import type { Cluster, Reply } from './cluster.ts'
import { compareVersions, partsOf, pluralOf } from './resources.ts'

/** Where a kind is served: the URL path of its group and version, and its name there. */
export interface Served {
  readonly apiVersion: string
  readonly root: string
  readonly plural: string
}

/** What an API server says of a kind: where it is served, that it is not, or why it does not say. */
export type Location =
  | { readonly is: 'served'; readonly at: Served }
  | { readonly is: 'absent' }
  | { readonly is: 'unknown'; readonly reply: Reply }

/** Finds where kinds are served. */
export interface Discovery {
  /** Returns what the API server said no longer than so many milliseconds ago; those who ask together ask once. */
  locate(kind: Kind, maxAge: number): Promise<Location>
}

/** Versions by kind. */
type Versions = ReadonlyMap<Kind, readonly string[]>

type Answer = { readonly ok: true; readonly versions: Versions } | { readonly ok: false; readonly reply: Reply }

/** One answer with all groups, of servers from 1.27 on; older ones name the groups alone. */
const aggregated = ['v2', 'v2beta1']
  .map(version => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`)
  .join(',')

/** Returns a discovery of the kinds given; kinds of the core group are always served. */
export function discoveryOf(cluster: Pick<Cluster, 'send'>, kinds: readonly Kind[], clock: Clock): Discovery {
  const groups = new Set(kinds.map(kind => partsOf(kind).group).filter(group => group !== ''))
  let last: { readonly asked: number; readonly answer: Promise<Answer> } | undefined
  const ask = (maxAge: number): Promise<Answer> => {
    if (last !== undefined && clock.now() - last.asked <= maxAge) return last.answer
    const answer = discover(cluster, groups)
    const mine = { asked: clock.now(), answer }
    last = mine
    // A failure is nobody's answer but theirs who wait for it.
    void answer.then(({ ok }) => {
      if (!ok && last === mine) last = undefined
    })
    return answer
  }
  return {
    locate: async (kind, maxAge) => {
      const { group } = partsOf(kind)
      const plural = pluralOf(kind)
      if (group === '') return { is: 'served', at: { apiVersion: 'v1', root: '/api/v1', plural } }
      const answer = await ask(maxAge)
      if (!answer.ok) return { is: 'unknown', reply: answer.reply }
      const [version] = answer.versions.get(kind) ?? []
      if (version === undefined) return { is: 'absent' }
      const apiVersion = `${group}/${version}`
      return { is: 'served', at: { apiVersion, root: `/apis/${apiVersion}`, plural } }
    },
  }
}

async function discover(cluster: Pick<Cluster, 'send'>, groups: ReadonlySet<string>): Promise<Answer> {
  const reply = await cluster.send('GET', '/apis', { accept: `${aggregated},application/json` })
  if (reply.status !== 200) return { ok: false, reply }
  if (field(reply.body, 'kind') !== 'APIGroupDiscoveryList') return discoverGroups(cluster, groups, reply.body)
  const found = new Map<Kind, string[]>()
  for (const group of list(field(reply.body, 'items'))) {
    const name = text(dig(group, 'metadata', 'name'))
    if (name === undefined || !groups.has(name)) continue
    for (const version of list(field(group, 'versions'))) {
      for (const resource of list(field(version, 'resources'))) {
        note(found, dig(resource, 'responseKind', 'kind'), name, field(version, 'version'))
      }
    }
  }
  return { ok: true, versions: sorted(found) }
}

/** Servers without aggregated discovery are asked for each version of each group. */
async function discoverGroups(
  cluster: Pick<Cluster, 'send'>,
  groups: ReadonlySet<string>,
  body: unknown,
): Promise<Answer> {
  const found = new Map<Kind, string[]>()
  for (const group of list(field(body, 'groups'))) {
    const name = text(field(group, 'name'))
    if (name === undefined || !groups.has(name)) continue
    for (const entry of list(field(group, 'versions'))) {
      const version = text(field(entry, 'version'))
      const reply = await cluster.send('GET', `/apis/${name}/${version}`)
      // A version may go between the two questions.
      if (reply.status === 404) continue
      if (reply.status !== 200) return { ok: false, reply }
      for (const resource of list(field(reply.body, 'resources'))) note(found, field(resource, 'kind'), name, version)
    }
  }
  return { ok: true, versions: sorted(found) }
}

function note(found: Map<Kind, string[]>, kind: unknown, group: string, version: unknown): void {
  if (typeof kind !== 'string' || typeof version !== 'string') return
  const key = `${kind}.${group}`
  const versions = found.get(key) ?? []
  if (!versions.includes(version)) found.set(key, [...versions, version])
}

function sorted(found: ReadonlyMap<Kind, readonly string[]>): Versions {
  return new Map([...found].map(([kind, versions]) => [kind, versions.toSorted(compareVersions)]))
}
