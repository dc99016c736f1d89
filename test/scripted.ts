import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { TLSSocket } from 'node:tls'
import patches, { type Operation } from 'fast-json-patch'
import { dig, type Fields, isFields } from '../src/istio/json.ts'
import { type Access, clusterAt, type WatchableCluster } from '../src/kube/client.ts'
import { makeAuthority } from './authority.ts'

/** An object of a scripted API server. */
export type Stored = Fields & { readonly metadata: Fields & { readonly name: string; readonly namespace?: string } }

/** A request that was made. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly what: 'list' | 'watch' | 'discovery' | 'other'
  /** Milliseconds on this process' own clock. */
  readonly at: number
  readonly headers: IncomingMessage['headers']
}

/** What happens to a request instead of the usual. */
export type Mishap = (response: ServerResponse, asked: Asked) => void

/** A collection that is served. */
export interface Collection {
  readonly path: string
  readonly apiVersion: string
  readonly kind: string
}

interface Kept extends Collection {
  readonly objects: Map<string, Stored>
  readonly events: { readonly version: number; readonly line: string; readonly meta: string; readonly name: string }[]
  /** Watches from before it are too old. */
  oldest: number
}

interface OpenWatch {
  readonly response: ServerResponse
  readonly kept: Kept
  readonly metadataOnly: boolean
  readonly name: string | undefined
}

type Tap = { teardown(close: () => unknown): void }

/**
 * An API server that does what a test tells it: real sockets and TLS, lists in pages, watches, discovery; it can stall, cut,
 * refuse, and say what it should not.
 */
export class Scripted {
  readonly asked: Asked[] = []
  readonly access: Access
  readonly #server: Server
  readonly #sockets = new Set<TLSSocket>()
  readonly #kept = new Map<string, Kept>()
  readonly #watches = new Set<OpenWatch>()
  readonly #pages = new Map<string, readonly Stored[]>()
  #mishaps: { readonly matches: (asked: Asked) => boolean; readonly mishap: Mishap; left: number }[] = []
  #version = 100
  #isMute = false
  isAggregated = true

  constructor(server: Server, ca: string) {
    this.#server = server
    this.access = {
      server: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
      authenticate: async options => {
        options.ca = ca
      },
    }
    server.on('secureConnection', (socket: TLSSocket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('error', () => undefined)
    })
    server.on('request', (request, response) => this.#answer(request, response))
  }

  get cluster(): WatchableCluster {
    return clusterAt(this.access)
  }

  /** Serves a collection, with objects. */
  serve(collection: Collection, objects: readonly Stored[] = []): void {
    const kept: Kept = { ...collection, objects: new Map(), events: [], oldest: 0 }
    this.#kept.set(collection.path, kept)
    for (const object of objects) this.put(collection.path, object)
    kept.events.length = 0
    kept.oldest = this.#version
  }

  /** Serves a collection no longer. */
  unserve(path: string): void {
    this.close(path)
    this.#kept.delete(path)
  }

  /** Stores an object and tells every watch. */
  put(path: string, object: Stored): void {
    const kept = this.#of(path)
    const place = placeOf(object)
    const type = kept.objects.has(place) ? 'MODIFIED' : 'ADDED'
    const stored = this.#stamp(kept, object)
    kept.objects.set(place, stored)
    this.#tell(kept, type, stored)
  }

  /** Deletes an object and tells every watch. */
  remove(path: string, namespace: string, name: string): void {
    const kept = this.#of(path)
    const place = `${namespace}/${name}`
    const object = kept.objects.get(place)
    if (object === undefined) throw new Error(`no ${path} ${place}`)
    kept.objects.delete(place)
    this.#tell(kept, 'DELETED', this.#stamp(kept, object))
  }

  /** Changes what is stored without a word to the watches that are open. */
  putSilently(path: string, object: Stored): void {
    const kept = this.#of(path)
    kept.objects.set(placeOf(object), this.#stamp(kept, object))
  }

  /** Tells every watch of a collection that nothing happened until now. */
  bookmark(path: string): void {
    const kept = this.#of(path)
    const object = {
      apiVersion: kept.apiVersion,
      kind: kept.kind,
      metadata: { resourceVersion: String(this.#version) },
    }
    this.write(path, `${JSON.stringify({ type: 'BOOKMARK', object })}\n`)
  }

  /** Writes to every open watch of a collection. */
  write(path: string, text: string): void {
    for (const watch of this.#watches) if (watch.kept.path === path) watch.response.write(text)
  }

  /** Ends every open watch of a collection, as the server does in time. */
  close(path: string): void {
    for (const watch of this.#watches) {
      if (watch.kept.path !== path) continue
      this.#watches.delete(watch)
      watch.response.end()
    }
  }

  /** Forgets what happened, so that no watch can go on from before. */
  compact(path: string): void {
    const kept = this.#of(path)
    kept.events.length = 0
    kept.oldest = ++this.#version
  }

  /** Breaks every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Stops to answer, and to tell anything, without closing a connection; or begins again. */
  mute(isMute = true): void {
    this.#isMute = isMute
  }

  /** Lets a mishap befall the next requests that match. */
  next(matches: (asked: Asked) => boolean, mishap: Mishap, times = 1): void {
    this.#mishaps.push({ matches, mishap, left: times })
  }

  /** No more mishaps. */
  calm(): void {
    this.#mishaps = []
  }

  /** Breaks every connection and accepts none until `comeBack`. */
  async goAway(): Promise<void> {
    this.#server.close()
    this.cut()
    await once(this.#server, 'close')
  }

  async comeBack(): Promise<void> {
    this.#server.listen(Number(new URL(this.access.server).port), '127.0.0.1')
    await once(this.#server, 'listening')
  }

  /** Requests of one sort. */
  count(what: Asked['what'], path?: string): number {
    return this.asked.filter(asked => asked.what === what && (path === undefined || asked.path === path)).length
  }

  openWatches(path: string): number {
    return [...this.#watches].filter(({ kept }) => kept.path === path).length
  }

  #of(path: string): Kept {
    const kept = this.#kept.get(path)
    if (kept === undefined) throw new Error(`nothing is served at ${path}`)
    return kept
  }

  #stamp({ apiVersion, kind }: Kept, object: Stored): Stored {
    this.#version += 1
    return { apiVersion, kind, ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } }
  }

  #tell(kept: Kept, type: string, object: Stored): void {
    const event = {
      version: this.#version,
      line: `${JSON.stringify({ type, object })}\n`,
      meta: `${JSON.stringify({ type, object: metadataOf(object) })}\n`,
      name: object.metadata.name,
    }
    kept.events.push(event)
    if (this.#isMute) return
    for (const watch of this.#watches) {
      if (watch.kept !== kept || (watch.name !== undefined && watch.name !== event.name)) continue
      watch.response.write(watch.metadataOnly ? event.meta : event.line)
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '', this.access.server)
    const { pathname: path, searchParams: query } = url
    const kept = this.#keptAt(path)
    const isDiscovery = path === '/apis' || (kept === undefined && path.startsWith('/apis/'))
    const what = isDiscovery ? 'discovery' : kept === undefined ? 'other' : query.has('watch') ? 'watch' : 'list'
    const { method = '', headers } = request
    const asked: Asked = { method, path, query, what, at: performance.now(), headers }
    this.asked.push(asked)
    if (this.#isMute) return
    const mishap = this.#mishaps.find(({ left, matches }) => left > 0 && matches(asked))
    if (mishap !== undefined) {
      mishap.left -= 1
      return mishap.mishap(response, asked)
    }
    if (isDiscovery && this.#discover(path, response)) return
    if (method !== 'GET' || kept === undefined) {
      // A test may break the connection while a body is on its way.
      this.#one(request, response, asked).catch(() => response.destroy())
      return
    }
    if (what === 'watch') this.#watch(kept, asked, response)
    else this.#list(kept, asked, response)
  }

  /** Returns an object as it is stored. */
  read(path: string, namespace: string, name: string): Stored | undefined {
    return this.#of(path).objects.get(`${namespace}/${name}`)
  }

  /** One object: reads and writes, which are refused where they are about another version than the one that is stored. */
  async #one(request: IncomingMessage, response: ServerResponse, asked: Asked): Promise<void> {
    const { method, path } = asked
    const text = method === 'GET' ? '' : (await buffer(request)).toString()
    const body: unknown = text === '' ? undefined : JSON.parse(text)
    const collection = method === 'POST' ? path : path.slice(0, path.lastIndexOf('/'))
    const kept = this.#keptAt(collection)
    if (kept === undefined) return fail(404, 'the server could not find the requested resource')(response, asked)
    const namespace = /\/namespaces\/([^/]+)\//.exec(path)?.[1] ?? ''
    const name = method === 'POST' ? String(dig(body, 'metadata', 'name')) : path.slice(path.lastIndexOf('/') + 1)
    const before = kept.objects.get(`${namespace}/${name}`)
    if (method === 'POST' ? before !== undefined : before === undefined)
      return fail(method === 'POST' ? 409 : 404, `${name}: ${method}`)(response, asked)
    if (method !== 'GET') {
      const after = method === 'PATCH' ? patched(before, body) : body
      const isCurrent = method === 'POST' || versionOf(after) === versionOf(before)
      if (!isCurrent || !isFields(after)) return fail(409, 'the object has been modified')(response, asked)
      this.put(kept.path, after as Stored)
    }
    json(response, kept.objects.get(`${namespace}/${name}`) ?? {}, method === 'POST' ? 201 : 200)
  }

  /** A collection, or what of it is in one namespace. */
  #keptAt(path: string): Kept | undefined {
    return this.#kept.get(path) ?? this.#kept.get(path.replace(/\/namespaces\/[^/]+/, ''))
  }

  #discover(path: string, response: ServerResponse): boolean {
    const groups = Map.groupBy(
      [...this.#kept.values()].filter(({ apiVersion }) => apiVersion.includes('/')),
      ({ apiVersion }) => apiVersion.split('/')[0] ?? '',
    )
    const resourceOf = ({ path, kind, apiVersion }: Kept): object => ({
      resource: path.split('/').at(-1),
      name: path.split('/').at(-1),
      kind,
      responseKind: { group: apiVersion.split('/')[0], version: apiVersion.split('/')[1], kind },
    })
    if (path !== '/apis') {
      const resources = [...this.#kept.values()].filter(kept => `/apis/${kept.apiVersion}` === path).map(resourceOf)
      if (resources.length === 0) return false
      json(response, { kind: 'APIResourceList', resources })
      return true
    }
    const versionsOf = (some: readonly Kept[]): readonly string[] => [
      ...new Set(some.map(({ apiVersion }) => apiVersion.split('/')[1] ?? '')),
    ]
    if (!this.isAggregated) {
      const list = [...groups].map(([name, some]) => ({
        name,
        versions: versionsOf(some).map(version => ({ version, groupVersion: `${name}/${version}` })),
      }))
      json(response, { kind: 'APIGroupList', groups: list })
      return true
    }
    const items = [...groups].map(([name, some]) => ({
      metadata: { name },
      versions: versionsOf(some).map(version => ({
        version,
        resources: some.filter(kept => kept.apiVersion === `${name}/${version}`).map(resourceOf),
      })),
    }))
    json(response, { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', items })
    return true
  }

  #list(kept: Kept, { path, query, headers }: Asked, response: ServerResponse): void {
    const limit = Number(query.get('limit') ?? 0)
    const token = query.get('continue') ?? ''
    const [key = '', from = '0', version = String(this.#version)] = token.split('.')
    const snapshot = this.#pages.get(key) ?? this.#snapshot(kept, path, query)
    const start = Number(from)
    const end = limit > 0 ? start + limit : snapshot.length
    const page = snapshot.slice(start, end)
    const next = token === '' ? String(this.#pages.size) : key
    if (end < snapshot.length) this.#pages.set(next, snapshot)
    const metadata = {
      resourceVersion: version,
      ...(end < snapshot.length && { continue: `${next}.${end}.${version}` }),
    }
    const isMetadata = headers.accept?.startsWith('application/json;as=PartialObjectMetadataList') === true
    // A list leaves out what all its items are.
    const items = isMetadata ? page.map(metadataOf) : page.map(({ apiVersion: _, kind: __, ...rest }) => rest)
    const kind = isMetadata ? 'PartialObjectMetadataList' : `${kept.kind}List`
    json(response, { kind, apiVersion: isMetadata ? 'meta.k8s.io/v1' : kept.apiVersion, metadata, items })
  }

  #snapshot(kept: Kept, path: string, query: URLSearchParams): readonly Stored[] {
    const namespace = /\/namespaces\/([^/]+)\//.exec(path)?.[1]
    const name = nameIn(query)
    return [...kept.objects.values()].filter(
      ({ metadata }) =>
        (namespace === undefined || metadata.namespace === namespace) && (name === undefined || metadata.name === name),
    )
  }

  #watch(kept: Kept, { query, headers }: Asked, response: ServerResponse): void {
    const from = Number(query.get('resourceVersion'))
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    if (from < kept.oldest) {
      const object = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' }
      response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`)
      return
    }
    const metadataOnly = headers.accept?.includes('as=PartialObjectMetadata') === true
    const watch: OpenWatch = { response, kept, metadataOnly, name: nameIn(query) }
    for (const event of kept.events) {
      if (event.version <= from || (watch.name !== undefined && watch.name !== event.name)) continue
      response.write(metadataOnly ? event.meta : event.line)
    }
    this.#watches.add(watch)
    response.on('close', () => this.#watches.delete(watch))
  }
}

/** Starts a scripted API server. */
export async function startScripted(t: Tap): Promise<Scripted> {
  const authority = await makeAuthority()
  const pair = await authority.issue()
  const server = createServer({ cert: pair.cert, key: pair.key, keepAliveTimeout: 60_000 })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const scripted = new Scripted(server, authority.cert)
  t.teardown(() => {
    server.close()
    scripted.cut()
  })
  return scripted
}

/** A refusal as API servers write it. */
export function fail(code: number, message: string, headers: Readonly<Record<string, string>> = {}): Mishap {
  return response => {
    response.writeHead(code, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify({ kind: 'Status', status: 'Failure', code, message }))
  }
}

function versionOf(object: unknown): unknown {
  return dig(object, 'metadata', 'resourceVersion')
}

/** Carries out a JSON patch; undefined where a test in it fails. */
function patched(before: unknown, operations: unknown): unknown {
  try {
    return patches.applyPatch(structuredClone(before), operations as Operation[], true).newDocument
  } catch {
    return undefined
  }
}

function json(response: ServerResponse, body: object, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

function metadataOf({ metadata }: Stored): Stored {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata }
}

function nameIn(query: URLSearchParams): string | undefined {
  return /^metadata\.name=(.+)$/.exec(query.get('fieldSelector') ?? '')?.[1]
}

function placeOf({ metadata }: Stored): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`
}
