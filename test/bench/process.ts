import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { get } from 'node:http'
import { cpus } from 'node:os'
import { performance } from 'node:perf_hooks'
import { createInterface } from 'node:readline'

/** A server that was started for a benchmark. */
export interface Started {
  readonly pid: number
  readonly port: number
  /** Port of the probes; undefined where it has none. */
  readonly probes: number | undefined
  /** Milliseconds from the start of the process to the line that says it listens. */
  readonly listening: number
  /** Milliseconds from the start of the process to the first readiness; of a server without probes as `listening`. */
  readonly ready: number
  stop(): Promise<void>
}

/** Servers run on the first core and the load on the second, where there are two. */
const pinned = cpus().length > 1

/** Puts this process on the second core. */
export async function pinSelf(): Promise<void> {
  if (pinned) await once(spawn('taskset', ['-acp', '1', String(process.pid)], { stdio: 'ignore' }), 'exit')
}

/** Servers that run. */
const running = new Set<ChildProcess>()

/** Stops every server that still runs. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map(stop))
}

/** Starts a server with this Node and waits until it is ready. Its first line on standard output tells its ports. */
export async function start(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Started> {
  const began = performance.now()
  const words = pinned ? ['taskset', '-c', '0', process.execPath, ...args] : [process.execPath, ...args]
  const [command = '', ...rest] = words
  const child = spawn(command, rest, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_ENV: 'production', ...environment },
  })
  running.add(child)
  const lines = createInterface({ input: child.stdout })
  let first: Listening | undefined
  for await (const line of lines) {
    first = listeningOf(line)
    if (first !== undefined) break
  }
  const listening = performance.now() - began
  if (first === undefined) throw new Error(`${args.join(' ')} did not start`)
  child.stdout.resume()
  const { port, probes } = first
  while (probes !== undefined && !(await isReady(probes))) await new Promise(setImmediate)
  const ready = performance.now() - began
  return { pid: child.pid ?? 0, port, probes, listening, ready, stop: () => stop(child) }
}

interface Listening {
  readonly port: number
  readonly probes: number | undefined
}

function listeningOf(line: string): Listening | undefined {
  const said: Readonly<Record<string, unknown>> = JSON.parse(line)
  if (typeof said['port'] === 'number') return { port: said['port'], probes: undefined }
  if (said['msg'] !== 'listening') return undefined
  const portOf = (url: unknown): number => Number(new URL(String(url)).port)
  return { port: portOf(said['listen']), probes: portOf(said['metricsListen']) }
}

async function isReady(port: number): Promise<boolean> {
  try {
    const [reply] = await once(get(`http://127.0.0.1:${port}/readyz`, { agent: false }), 'response')
    reply.resume()
    return reply.statusCode === 200
  } catch {
    return false
  }
}

async function stop(child: ChildProcess): Promise<void> {
  running.delete(child)
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/** Clock ticks a second, as the kernel reports processor time. */
const ticks = 100

/** Returns the processor time that a process has used, all its threads together, in microseconds. */
export function processorTime(pid: number): number {
  // The name in brackets may hold spaces; the fields are counted after it.
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? []
  return ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / ticks
}

/** Returns the resident memory of a process in MiB: now, and the most it ever had. */
export function memoryOf(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const read = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024
  return { now: read('VmRSS'), peak: read('VmHWM') }
}
