/**
 * Runs the end-to-end suites one after the other on one cluster: `npm run test:e2e`, with the names of suites for only
 * those, and with `--keep` to look around in the cluster afterwards.
 */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { startCluster } from './cluster.ts'
import type { Case, Context, Suite } from './context.ts'
import { parts } from './plane/binaries.ts'
import { build } from './plane/build.ts'

/** Longer than anything that a case waits for. */
const caseSeconds = 300

const totals = { passed: 0, failed: 0 }
const words = process.argv.slice(2)
const keep = words.includes('--keep')
const names = words.filter(word => word !== '--keep')

const files = readdirSync(import.meta.dirname)
  .filter(file => file.endsWith('.e2e.ts'))
  .map(file => file.slice(0, -'.e2e.ts'.length))
  .sort()
const unknown = names.filter(name => !files.includes(name))
if (unknown.length > 0) {
  console.error(`no suite ${unknown.join(', ')}; there are ${files.join(', ')}`)
  process.exit(2)
}

const started = Date.now()
const say = (line: string): void => console.log(`   ${seconds(started)}  ${line}`)
await build(parts, say)
execFileSync(process.execPath, ['tools/build.ts'], { cwd: join(import.meta.dirname, '../..'), stdio: 'inherit' })
say('the guard is bundled')

const suites = await Promise.all(
  files.filter(file => names.length === 0 || names.includes(file)).map(async file => [file, await load(file)] as const),
)
const images = Object.assign({}, ...suites.map(([, suite]) => suite.images))
const cluster = await startCluster({ images, say })
const stop = (): void => {
  void cluster.close().finally(() => process.exit(130))
}
process.once('SIGINT', stop).once('SIGTERM', stop)
try {
  for (const [file, suite] of suites) await runSuite(file, suite, cluster.context)
  if (keep) {
    console.log(`the cluster stays until Ctrl-C: export KUBECONFIG=${cluster.context.plane.kubeconfig}`)
    await once(process, 'SIGINT')
  }
} finally {
  await cluster.close()
}
console.log(`\nall: ${seconds(started)}`)
console.log(`${totals.passed} passed, ${totals.failed} failed`)
// A connection that a case left open must not keep this program.
process.exit(totals.failed === 0 ? 0 : 1)

async function load(file: string): Promise<Suite> {
  return (await import(`./${file}.e2e.ts`)) as Suite
}

async function runSuite(file: string, { name, run }: Suite, context: Context): Promise<void> {
  console.log(`\n== ${file}: ${name}`)
  const begun = Date.now()
  const test: Case = async (name, body) => {
    const start = Date.now()
    try {
      await bounded(body)
      totals.passed++
      console.log(`   ok    ${seconds(start)}  ${name}`)
    } catch (cause) {
      totals.failed++
      console.log(`   FAIL  ${seconds(start)}  ${name}`)
      console.log(indented(inspect(cause)))
      console.log(indented(lastWords(context)))
    }
  }
  try {
    await run(context, test)
  } catch (cause) {
    // What a suite does between its cases is a case too.
    await test(`the suite ${file} itself`, () => Promise.reject(cause))
  }
  console.log(`   ${file}: ${seconds(begun)}`)
}

/** Returns the end of what each pod wrote: what a failed case is asked for first. */
function lastWords({ node }: Context): string {
  const words = node.pods().map(run => {
    const { namespace, name } = run.pod.metadata
    return `-- ${namespace}/${name}\n${run.logs().trimEnd().split('\n').slice(-5).join('\n')}`
  })
  return words.join('\n')
}

function indented(text: string): string {
  return text.replace(/^/gm, '         ')
}

async function bounded(body: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${caseSeconds} s`)), caseSeconds * 1000)
  })
  try {
    await Promise.race([body(), late])
  } finally {
    clearTimeout(timer)
  }
}

function seconds(since: number): string {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`.padStart(7)
}
