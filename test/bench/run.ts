/**
 * Measures what a review costs: `npm run bench` (`-- --format json` for programs, `-- --quick` for a look). It bundles the
 * command, starts it beside a server that parses and judges nothing, sends both the same recorded reviews, and compares:
 * ratios of processor time in one run hold where the machine is noisy.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { developmentCredentials } from '../../src/http/development.ts'
import { hostList } from './hosts.ts'
import { pace, quantile, saturate, type Target } from './load.ts'
import { memoryOf, pinSelf, processorTime, type Started, start, stopAll } from './process.ts'
import { type Aim, type Report, tableOf } from './table.ts'

const { values } = parseArgs({
  options: { format: { type: 'string', default: 'text' }, quick: { type: 'boolean', default: false } },
})

const root = join(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-'))
const program = join(folder, 'sallyport.js')
const hostCounts = values.quick ? [10, 10_000] : [10, 1_000, 10_000, 100_000]
const seconds = 1
const rounds = values.quick ? 1 : 3

/** What is sent: recorded reviews, each with the endpoint that an API server would ask. */
const reviews = [
  { name: 'Pod, final, 26.8 kB', file: '03-pod-create-native-validating', path: '/validate', most: 1.6 },
  { name: 'Pod, submitted, 20.0 kB', file: '01-pod-create-native-before-injector', path: '/mutate', most: 1.6 },
  { name: 'Pod, final, 10.2 kB', file: '24-pod-create-dry-run', path: '/validate', most: 1.6 },
  { name: 'ServiceEntry, 1.5 kB', file: '47-serviceentry-create-user-with-groups', path: '/validate', most: 2 },
  { name: 'VirtualService, 1.5 kB', file: '31-virtualservice-create-v1beta1-seen-as-v1', path: '/validate', most: 2 },
] as const

function bodyOf(file: string): Buffer {
  return readFileSync(join(root, 'test/fixtures/reviews', `${file}.json`))
}

const { key, cert } = await developmentCredentials(join(folder, 'tls'), Date.now())
const keyFile = join(folder, 'tls.key')
const certFile = join(folder, 'tls.crt')
writeFileSync(keyFile, key)
writeFileSync(certFile, cert)

/** Starts the bundled command as its image does, with so many approved hosts beside the example policy and cluster. */
function startGuard(hosts: number): Promise<Started> {
  const list = join(folder, `hosts-${hosts}.json`)
  writeFileSync(list, hostList(hosts))
  const policies = [join(root, 'examples/policy'), list].flatMap(path => ['--policy', path])
  const listen = ['--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0', '--cert', certFile, '--key', keyFile]
  return start([
    ...nodeFlags(),
    program,
    'serve',
    ...policies,
    '--inventory',
    join(root, 'examples/cluster'),
    ...listen,
  ])
}

/** The flags that the image gives Node. */
function nodeFlags(): string[] {
  const entry = /^ENTRYPOINT (\[.*\])$/m.exec(readFileSync(join(root, 'Dockerfile'), 'utf8'))?.[1] ?? '[]'
  const words: readonly string[] = JSON.parse(entry)
  return words.filter(word => word.startsWith('--'))
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}

/** Returns the processor time of one request in microseconds, and how many a second there were. */
async function costOf(server: Started, target: Target): Promise<{ readonly micros: number; readonly rate: number }> {
  const before = processorTime(server.pid)
  const load = await saturate(target, 16, seconds * 1000)
  if (load.failures > 0) throw new Error(`${load.failures} of ${load.requests} requests failed`)
  return { micros: (processorTime(server.pid) - before) / load.requests, rate: load.requests / seconds }
}

async function measureCosts(bare: Started): Promise<Report['costs']> {
  const costs: Report['costs'][number][] = []
  for (const hosts of hostCounts) {
    const guard = await startGuard(hosts)
    for (const { name, file, path, most } of reviews) {
      const body = bodyOf(file)
      const targets = [bare, guard].map(({ port }): Target => ({ port, path, body }))
      for (const target of targets) await saturate(target, 16, 700)
      const found = { bare: [] as number[], guard: [] as number[], ratio: [] as number[], rate: [] as number[] }
      for (let round = 0; round < rounds; round++) {
        const [without, withRules] = [
          await costOf(bare, targets[0] ?? { port: 0, path, body }),
          await costOf(guard, targets[1] ?? { port: 0, path, body }),
        ]
        found.bare.push(without.micros)
        found.guard.push(withRules.micros)
        found.ratio.push(withRules.micros / without.micros)
        found.rate.push(withRules.rate)
      }
      const [bareMicros, guardMicros, ratio, rate] = [found.bare, found.guard, found.ratio, found.rate].map(median)
      costs.push({
        review: name,
        path,
        hosts,
        bareMicros: bareMicros ?? 0,
        guardMicros: guardMicros ?? 0,
        ratio: ratio ?? 0,
        rate: rate ?? 0,
        most,
      })
    }
    await guard.stop()
  }
  return costs
}

async function measureLatencies(bare: Started, guard: Started): Promise<Report['latencies']> {
  const latencies: Report['latencies'][number][] = []
  for (const { name, file, path } of [reviews[0], reviews[3]]) {
    for (const perSecond of [100, 1_000]) {
      const [without, withRules] = [
        await pace({ port: bare.port, path, body: bodyOf(file) }, perSecond, 3_000),
        await pace({ port: guard.port, path, body: bodyOf(file) }, perSecond, 3_000),
      ]
      if (withRules.failures > 0) throw new Error(`${withRules.failures} requests failed at ${perSecond}/s`)
      latencies.push({
        review: name,
        perSecond,
        bare: { p50: quantile(without, 0.5), p99: quantile(without, 0.99) },
        guard: { p50: quantile(withRules, 0.5), p99: quantile(withRules, 0.99) },
      })
    }
  }
  return latencies
}

async function measureMemory(): Promise<Report['memory']> {
  const guard = await startGuard(10_000)
  const idle = memoryOf(guard.pid).now
  const { file, path } = reviews[0]
  await saturate({ port: guard.port, path, body: bodyOf(file) }, 64, 4_000)
  const { peak } = memoryOf(guard.pid)
  await guard.stop()
  return { idle, peak }
}

async function measureStart(): Promise<Report['start']> {
  const found: Started[] = []
  for (let i = 0; i < (values.quick ? 3 : 9); i++) {
    const guard = await startGuard(10)
    found.push(guard)
    await guard.stop()
  }
  return { listening: median(found.map(one => one.listening)), ready: median(found.map(one => one.ready)) }
}

function aimsOf(report: Omit<Report, 'aims'>): Aim[] {
  const worst = (path: (cost: Report['costs'][number]) => boolean): number =>
    Math.max(...report.costs.filter(path).map(({ ratio }) => ratio))
  const growths = reviews.map(({ name }) => {
    const all = report.costs.filter(cost => cost.review === name).map(({ ratio }) => ratio)
    return (Math.max(...all.slice(1)) / (all[0] ?? Number.NaN) - 1) * 100
  })
  const aim = (what: string, got: number, most: number, unit: string): Aim => ({
    what,
    got,
    most,
    unit,
    met: got <= most,
  })
  return [
    aim(
      'processor time of a Pod review',
      worst(({ review }) => review.startsWith('Pod')),
      1.6,
      'times bare',
    ),
    aim(
      'of a ServiceEntry review',
      worst(({ review }) => review.startsWith('Service')),
      2,
      'times bare',
    ),
    aim(
      'of a VirtualService review',
      worst(({ review }) => review.startsWith('Virtual')),
      2,
      'times bare',
    ),
    aim('growth over approved hosts', Math.max(...growths), 10, '%'),
    aim('resident memory under load', report.memory.peak, 150, 'MiB'),
    aim('start to ready', report.start.ready, 400, 'ms'),
  ]
}

try {
  await pinSelf()
  execFileSync(process.execPath, [join(root, 'tools/build.ts'), program], { cwd: root, stdio: 'inherit' })
  const bare = await start([join(import.meta.dirname, 'bare.ts'), keyFile, certFile])
  const costs = await measureCosts(bare)
  const guard = await startGuard(10_000)
  const latencies = await measureLatencies(bare, guard)
  await Promise.all([bare.stop(), guard.stop()])
  const measured = {
    cores: cpus().length,
    node: process.version,
    costs,
    latencies,
    memory: await measureMemory(),
    start: await measureStart(),
  }
  const report: Report = { ...measured, aims: aimsOf(measured) }
  console.log(values.format === 'json' ? JSON.stringify(report, null, 2) : tableOf(report))
} finally {
  await stopAll()
  rmSync(folder, { recursive: true, force: true })
}
