/**
 * Measures a guard on a real API server that holds a large mesh: `npm run bench:cluster`, with other numbers of objects as
 * arguments. It is no part of the suites, and takes some minutes.
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { startCluster } from './cluster.ts'
import type { Context } from './context.ts'
import { type Guard, installGuard, uninstallGuard } from './guard.ts'
import { parts } from './plane/binaries.ts'
import { build } from './plane/build.ts'
import { type Figures, measure, rowsOf } from './scale/measure.ts'
import { shares } from './scale/objects.ts'

const namespaceCount = 50
/** Requests under way at once while the mesh is made. */
const lanes = 24

const sizes = process.argv.slice(2).map(Number)
if (sizes.some(size => !Number.isInteger(size) || size < 0)) {
  console.error('the arguments are numbers of objects: npm run bench:cluster 10000 50000')
  process.exit(2)
}

const began = Date.now()
const say = (line: string): void => console.log(`${((Date.now() - began) / 1000).toFixed(1).padStart(7)} s  ${line}`)
await build(parts, say)
execFileSync(process.execPath, ['tools/build.ts'], { cwd: join(import.meta.dirname, '../..'), stdio: 'inherit' })
const cluster = await startCluster({ say })
const stop = (): void => void cluster.close().finally(() => process.exit(130))
process.once('SIGINT', stop).once('SIGTERM', stop)
try {
  await run(
    cluster.context,
    [...new Set([0, ...(sizes.length > 0 ? sizes : [10_000])])].sort((a, b) => a - b),
  )
} finally {
  await cluster.close()
}

async function run(context: Context, wanted: readonly number[]): Promise<void> {
  const namespaces = await makeNamespaces(context)
  const results: Figures[] = []
  let there = 0
  for (const objects of wanted) {
    const started = Date.now()
    await fill(context, namespaces, there, objects)
    if (objects > there) say(`${objects} objects are there, after ${Math.round((Date.now() - started) / 1000)} s`)
    there = objects
    const guard = await installGuard(context, { mode: 'enforce', shutdownDelay: 1, resources: {} })
    results.push(await measure(context, guard, { objects, namespace: namespaces[0] ?? '', say }))
    await uninstall(context, guard)
  }
  console.log(`\n${rowsOf(results).join('\n')}`)
}

async function makeNamespaces({ freshNamespace }: Context): Promise<readonly string[]> {
  const labels = { 'istio-injection': 'enabled' }
  return Promise.all(Array.from({ length: namespaceCount }, () => freshNamespace(labels, 'mesh')))
}

/** Makes what is missing of a mesh of so many objects. */
async function fill({ plane }: Context, namespaces: readonly string[], from: number, to: number): Promise<void> {
  const left = shares.flatMap(({ share, path, make }) => {
    const indexes = Array.from({ length: (to - from) * share }, (_, i) => from * share + i)
    return indexes.map(index => {
      const namespace = namespaces[index % namespaces.length] ?? ''
      return { path: path(namespace), object: make(index, namespace) }
    })
  })
  const work = async (): Promise<void> => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) await plane.call('POST', next.path, next.object)
  }
  await Promise.all(Array.from({ length: lanes }, work))
}

async function uninstall(context: Context, guard: Guard): Promise<void> {
  await uninstallGuard(context, guard)
  await context.waitFor(() => context.node.pods(guard.namespace).length === 0, {
    what: 'the guard to end',
    seconds: 60,
  })
}
