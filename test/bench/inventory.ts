/**
 * Measures what a live inventory costs: `node test/bench/inventory.ts` (`-- --format json` for programs). Memory is the slope
 * of the heap between two sizes in one run; time and resident memory are those of a process of its own that follows a
 * scripted API server in another.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Change } from '../../src/core/inventory.ts'
import { clusterAt } from '../../src/kube/client.ts'
import { Held } from '../../src/kube/held.ts'
import { startInventory } from '../../src/kube/live.ts'
import { interner, pathsOf, projectionOf } from '../../src/kube/projection.ts'
import { kindsHeld } from '../../src/kube/resources.ts'
import { LiveState } from '../../src/kube/state.ts'
import { mutations } from '../../src/mutations/index.ts'
import { rules } from '../../src/rules/index.ts'
import { type Stored, startScripted } from '../scripted.ts'
import { collections } from './objects.ts'
import { memoryOf, processorTime } from './process.ts'

/** The flags of Node in the image: made for a memory limit of 256 MiB. */
const asImage = ['--max-semi-space-size=2', '--max-old-space-size=160']

const mebi = 1024 * 1024

const { values } = parseArgs({
  options: {
    format: { type: 'string', default: 'text' },
    role: { type: 'string', default: 'all' },
    objects: { type: 'string', default: '10000' },
    server: { type: 'string', default: '' },
  },
})

/** Serves so many objects, and says where. */
async function serve(objects: number): Promise<void> {
  const scripted = await startScripted({ teardown: () => undefined })
  for (const { share, make, ...collection } of collections) {
    scripted.serve(
      collection,
      Array.from({ length: objects * share }, (_, i) => make(i)),
    )
  }
  for (const path of ['namespaces', 'services', 'replicationcontrollers']) {
    const kinds = {
      namespaces: 'Namespace',
      services: 'Service',
      replicationcontrollers: 'ReplicationController',
    } as const
    scripted.serve({ path: `/api/v1/${path}`, apiVersion: 'v1', kind: kinds[path as keyof typeof kinds] })
  }
  const options: { ca?: string } = {}
  await scripted.access.authenticate(options)
  process.send?.({ server: scripted.access.server, ca: options.ca })
}

/** What following costs. */
interface Cost {
  readonly objects: number
  /** Seconds from the first request to the last list. */
  readonly ready: number
  /** Seconds of processor time. */
  readonly cpu: number
  readonly rss: number
  readonly peak: number
  /** Longest time in milliseconds for which nothing else had its turn. */
  readonly longest: number
}

/** Follows a server until all is there, and says what that cost. */
async function follow(
  objects: number,
  { server, ca }: { readonly server: string; readonly ca: string },
): Promise<void> {
  const began = performance.now()
  let longest = 0
  let last = performance.now()
  const turns = setInterval(() => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
  }, 1)
  const cluster = clusterAt({
    server,
    authenticate: async options => {
      options.ca = ca
    },
  })
  const inventory = startInventory({ cluster, kinds: kindsHeld(rules, mutations), configMaps: [] })
  await inventory.settled()
  const ready = (performance.now() - began) / 1000
  clearInterval(turns)
  const held = inventory.status().reduce((sum, status) => sum + status.objects, 0)
  if (held !== objects) throw new Error(`${held} of ${objects} objects are held`)
  const { now, peak } = memoryOf(process.pid)
  const cost: Cost = { objects, ready, cpu: processorTime(process.pid) / 1e6, rss: now, peak, longest }
  process.send?.(cost)
}

async function measureFollowing(objects: number): Promise<Cost> {
  const server = fork(import.meta.filename, ['--role', 'server', '--objects', String(objects)])
  const [place] = await once(server, 'message')
  const client = fork(
    import.meta.filename,
    ['--role', 'client', '--objects', String(objects), '--server', JSON.stringify(place)],
    { execArgv: asImage },
  )
  const [cost] = await once(client, 'message')
  for (const child of [client, server]) {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  return cost as Cost
}

/** Returns the bytes in use after everything that can be freed was. */
function heap(): number {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  collect()
  collect()
  return process.memoryUsage().heapUsed
}

/** Returns MiB of heap for 10,000 objects of a kind: the slope from 10,000 to 30,000, held as they are while following. */
function measureSlope({ make, kind, apiVersion }: (typeof collections)[number]): number {
  const group = apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : ''
  const full = group === '' ? kind : `${kind}.${group}`
  const state = new LiveState(() => new Set([full]))
  const held = new Held({ group, kind }, (changes: readonly Change[]) => state.apply(changes))
  const project = projectionOf(apiVersion, kind, pathsOf(full), interner())
  const fill = (count: number): void => {
    const list = held.begin(project)
    // As they come off the wire, with texts of their own.
    for (let i = 0; i < count; i++) list.add(JSON.parse(JSON.stringify(versioned(make(i), i))))
    list.swap()
    state.current().list(full)
  }
  fill(10_000)
  const before = heap()
  fill(30_000)
  const after = heap()
  if (state.current().list(full).length !== 30_000) throw new Error('objects are missing')
  return (after - before) / 2 / mebi
}

function versioned(object: Stored, i: number): Stored {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(1_000_000 + i) } }
}

async function measure(): Promise<void> {
  const slopes = collections.map(collection => ({ kind: collection.kind, mebi: measureSlope(collection) }))
  const costs: Cost[] = []
  for (const objects of values.role === 'slope' ? [] : [10_000, 100_000]) costs.push(await measureFollowing(objects))
  if (values.format === 'json') {
    process.stdout.write(`${JSON.stringify({ slopes, costs })}\n`)
    return
  }
  const bytes = (kind: string): number =>
    collections.filter(one => one.kind === kind).map(({ make }) => JSON.stringify(make(1)).length)[0] ?? 0
  process.stdout.write('heap for 10,000 objects (at most 10 MiB)\n')
  for (const { kind, mebi } of slopes) {
    process.stdout.write(
      `  ${kind.padEnd(16)} ${mebi.toFixed(1).padStart(5)} MiB, of ${bytes(kind)} bytes each as JSON\n`,
    )
  }
  process.stdout.write('from the first request to ready\n')
  for (const { objects, ready, cpu, rss, peak, longest } of costs) {
    const memory = `RSS ${rss.toFixed(0)} MiB, peak ${peak.toFixed(0)}`
    process.stdout.write(
      `  ${String(objects).padStart(7)} objects ${ready.toFixed(2).padStart(6)} s, CPU ${cpu.toFixed(2)} s, ${memory}, longest turn ${longest.toFixed(0)} ms\n`,
    )
  }
}

if (values.role === 'server') await serve(Number(values.objects))
else if (values.role === 'client') await follow(Number(values.objects), JSON.parse(values.server))
else await measure()
