import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { processorTime } from '../../bench/process.ts'
import type { Context } from '../context.ts'
import { type Guard, guardPods, podLog, podMetric } from '../guard.ts'
import type { PodRun } from '../plane/podrun.ts'
import { reviewed } from './objects.ts'

const reviews = 1000
/** Requests under way at once. */
const lanes = 8

/** What was measured with so many objects; of several replicas the worst. Memory is in MiB, time in milliseconds. */
export interface Figures {
  readonly objects: number
  /** From the start of the process to the whole inventory, and to readiness. */
  readonly synced: number
  readonly ready: number
  /** Seconds of a processor until all of them are ready: what is left of `ready` where other programs take part. */
  readonly processor: number
  /** Resident after the start, the most until then, and what of it is no file. */
  readonly idle: Memory
  /** After the reviews. */
  readonly busy: Memory
  /** After a restart of the API server, and reviews again. */
  readonly restarted: Memory
  /** Least heap in use after reviews: that which no collection frees. */
  readonly heap: number
  /** As who asks the API server sees it, and as the guard does. */
  readonly latency: { readonly p50: number; readonly p99: number; readonly ownP99: number }
}

/** Memory of a process in MiB. */
interface Memory {
  readonly resident: number
  readonly peak: number
  readonly anonymous: number
}

/** What is measured, and where reviews are made. */
export interface Trial {
  readonly objects: number
  readonly namespace: string
  readonly say: (line: string) => void
}

/** Measures a guard that is installed and ready. */
export async function measure(context: Context, guard: Guard, { objects, namespace, say }: Trial): Promise<Figures> {
  const pods = guardPods(context, guard)
  const starts = pods.map(startOf)
  const idle = worst(pods)
  const processor = Math.max(...pods.map(pod => processorTime(pidOf(pod)))) / 1_000_000
  const latency = await review(context, namespace)
  const ownP99 = Math.max(...(await Promise.all(pods.map(pod => ownPercentile(pod, 0.99)))))
  const busy = worst(pods)
  await context.plane.restartApiServer()
  await context.waitFor(
    async () => {
      await review(context, namespace, lanes)
      return true
    },
    { what: 'reviews after the restart' },
  )
  await review(context, namespace)
  const heap = await leastHeap(context, pods, namespace)
  const restarted = worst(pods)
  say(`measured with ${objects} objects`)
  return {
    objects,
    synced: Math.max(...starts.map(({ synced }) => synced)),
    ready: Math.max(...starts.map(({ ready }) => ready)),
    processor,
    idle,
    busy,
    restarted,
    heap,
    latency: { ...latency, ownP99 },
  }
}

/** Returns when a guard had read everything, and when it had all it needs, in milliseconds since its process started. */
function startOf(pod: PodRun): { readonly synced: number; readonly ready: number } {
  const log = podLog(pod)
  const start = startTime(pidOf(pod))
  const since = (message: string): number => {
    const line = log.find(({ msg }) => msg === message)
    if (line === undefined) throw new Error(`the guard did not log: ${message}`)
    return Date.parse(String(line['time'])) - start
  }
  return {
    synced: since('inventory read'),
    ready: Math.max(...['inventory read', 'policy in force', 'certificate served'].map(since)),
  }
}

/** Returns when a process started, in milliseconds since the epoch. */
function startTime(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const [, rest = ''] = /^.*\) (.*)$/s.exec(stat) ?? []
  const ticks = Number(rest.split(' ')[19])
  const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0])
  return Date.now() - (uptime - ticks / 100) * 1000
}

function pidOf(pod: PodRun): number {
  const pid = pod.pid()
  if (pid === undefined) throw new Error('the guard has ended')
  return pid
}

/** Returns the memory of the pod that takes most. */
function worst(pods: readonly PodRun[]): Memory {
  const all = pods.map(pod => {
    const text = readFileSync(`/proc/${pidOf(pod)}/status`, 'utf8')
    const mebibytes = (field: string): number =>
      Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) / 1024
    return { resident: mebibytes('VmRSS'), peak: mebibytes('VmHWM'), anonymous: mebibytes('RssAnon') }
  })
  const most = (of: (memory: Memory) => number): number => Math.max(...all.map(of))
  return {
    resident: most(({ resident }) => resident),
    peak: most(({ peak }) => peak),
    anonymous: most(({ anonymous }) => anonymous),
  }
}

/** Has objects judged without storing them, and returns how long the API server took. */
async function review(
  { plane }: Context,
  namespace: string,
  count = reviews,
): Promise<{ readonly p50: number; readonly p99: number }> {
  const times: number[] = []
  let next = 0
  const work = async (): Promise<void> => {
    while (next < count) {
      const { path, object } = reviewed(next++, namespace)
      const start = performance.now()
      const { status, body } = await plane.request<{ readonly message?: string }>('POST', `${path}?dryRun=All`, object)
      times.push(performance.now() - start)
      // Admitted or refused: both are verdicts.
      if (status !== 201 && status !== 403) throw new Error(`${path}: ${status} ${body.message}`)
    }
  }
  await Promise.all(Array.from({ length: lanes }, work))
  times.sort((a, b) => a - b)
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99) }
}

/** Returns the bound of the guard's own histogram below which that share of its reviews lies. */
async function ownPercentile(pod: PodRun, share: number): Promise<number> {
  const { host, port } = pod.reach(9090)
  const text = await (await fetch(`http://${host}:${port}/metrics`)).text()
  const buckets = [...text.matchAll(/^sallyport_review_duration_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm)]
  const all = Number(buckets.at(-1)?.[2])
  const [, bound] = buckets.find(([, , below]) => all > 0 && Number(below) >= share * all) ?? []
  return bound === undefined ? Number.NaN : bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound) * 1000
}

/** Returns the least heap that is in use while reviews go on, so that collections happen. */
async function leastHeap(context: Context, pods: readonly PodRun[], namespace: string): Promise<number> {
  const least = pods.map(() => Number.POSITIVE_INFINITY)
  for (let round = 0; round < 20; round++) {
    await review(context, namespace, 100)
    for (const [i, pod] of pods.entries()) {
      const used = (await podMetric(pod, 'nodejs_heap_size_used_bytes')) / 1024 / 1024
      least[i] = Math.min(least[i] ?? used, used)
    }
  }
  return Math.max(...least)
}

/** Returns the results as a table. */
export function rowsOf(results: readonly Figures[]): readonly string[] {
  const whole = (value: number): string => value.toFixed(0)
  const memory = ({ resident, peak, anonymous }: Memory): string =>
    `${whole(resident)} / ${whole(peak)} / ${whole(anonymous)}`
  const columns: readonly (readonly [string, (figures: Figures) => string])[] = [
    ['objects', ({ objects }) => objects.toLocaleString('en')],
    ['read after ms', ({ synced }) => whole(synced)],
    ['ready after ms', ({ ready }) => whole(ready)],
    ['processor s by then', ({ processor }) => processor.toFixed(1)],
    ['MiB after start: resident / peak / anonymous', ({ idle }) => memory(idle)],
    ['after 1,000 reviews', ({ busy }) => memory(busy)],
    ['after an API server restart', ({ restarted }) => memory(restarted)],
    ['heap MiB', ({ heap }) => heap.toFixed(1)],
    ['request p50 / p99 ms', ({ latency: { p50, p99 } }) => `${whole(p50)} / ${whole(p99)}`],
    ['of it in the guard, p99 ms', ({ latency: { ownP99 } }) => `≤ ${ownP99}`],
  ]
  const titles = Math.max(...columns.map(([title]) => title.length))
  const cells = columns.map(([, cell]) => results.map(cell))
  const width = Math.max(...cells.flat().map(text => text.length))
  return columns.map(([title], i) =>
    [title.padEnd(titles), ...(cells[i] ?? []).map(text => text.padStart(width))].join('  ').trimEnd(),
  )
}
