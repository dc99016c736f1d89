/**
 * Shows that the control plane and the node do what suites rely on, and leave nothing: `node test/e2e/plane/smoke.ts`, or
 * with `--host` as on machines without network namespaces.
 */
import { deepEqual } from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { images, run } from '../cluster.e2e.ts'
import { startCluster } from '../cluster.ts'
import { parts } from './binaries.ts'
import { build } from './build.ts'

const say = (line: string): void => console.log(`          ${line}`)
const network = process.argv.includes('--host') ? 'host' : 'namespaces'
await build(parts, say)
const cluster = await timed('control plane and node', () => startCluster({ images, network, say }))
try {
  await run(cluster.context, timed)
} finally {
  await timed('everything stopped', () => cluster.close())
}
deepEqual(leftovers(), [], 'nothing is left behind')
console.log('nothing is left: no network namespace, bridge, process or mount')
process.exit()

/** Returns what a run must not leave on this machine: only what carries the pid of this one. */
function leftovers(): readonly string[] {
  const run = (...[program = '', ...args]: readonly string[]): readonly string[] =>
    execFileSync(program, args, { encoding: 'utf8' }).split('\n')
  const mine = String(process.pid)
  return [
    ...run('ip', 'netns', 'list').filter(line => line.includes(`-${mine}-`)),
    ...run('ip', 'link').filter(line => line.includes(`pid ${mine}`)),
    ...run('cat', '/proc/mounts').filter(line => line.includes(`sallyport-e2e-${mine}-`)),
    ...run('ps', '-e', '-o', 'args').filter(line => line.includes(`sallyport-e2e-${mine}-`)),
  ]
}

async function timed<T>(what: string, work: () => T | Promise<T>): Promise<T> {
  const started = Date.now()
  const result = await work()
  console.log(`${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s  ${what}`)
  return result
}
