import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'

/** What the image runs; `tap` builds it first. The sources take four times as long to start, and many tests start guards. */
export const bundle = join(import.meta.dirname, '../dist/sallyport.js')

/** Without the coverage that tap counts in every process: under load it would slow down what is measured. */
export const uncounted: NodeJS.ProcessEnv = { ...process.env, _TAPJS_PROCESSINFO_COVERAGE_: '0' }

/** A guard in a process of its own. */
export interface GuardProcess {
  readonly child: ChildProcess
  /** Where reviews are taken, and where probes are. */
  readonly port: number
  readonly probes: number
  /** Log lines so far, parsed. */
  readonly lines: readonly Record<string, unknown>[]
  /** Exit code and signal, once it has ended. */
  readonly exit: Promise<readonly [number | null, NodeJS.Signals | null]>
}

/** How a guard is started. */
export interface Start {
  /** The program instead of the command itself. */
  readonly program?: string
  readonly stdio?: StdioOptions
  /** Where its log is read, if not from its standard output. */
  readonly log?: (child: ChildProcess) => Readable
}

type Tap = { teardown(close: () => unknown): void }

/** Starts `serve` with the flags on free ports, and waits until it listens. */
export async function startGuard(t: Tap, flags: readonly string[], how: Start = {}): Promise<GuardProcess> {
  const { child, exit } = spawnGuard(t, flags, how)
  const lines: Record<string, unknown>[] = []
  const { promise: listening, resolve, reject } = Promise.withResolvers<Record<string, unknown>>()
  const log = how.log?.(child) ?? child.stdout
  if (log === null) throw new Error('a guard whose log nobody reads')
  createInterface({ input: log }).on('line', line => {
    const entry = JSON.parse(line)
    lines.push(entry)
    if (entry.msg === 'listening') resolve(entry)
  })
  void exit.then(([code]) => reject(new Error(`the guard ended with ${code}`)))
  const { listen, metricsListen } = await listening
  return { child, port: portOf(listen), probes: portOf(metricsListen), lines, exit }
}

/** Starts `serve` with the flags on free ports. */
export function spawnGuard(
  t: Tap,
  flags: readonly string[],
  { program = bundle, stdio = ['ignore', 'pipe', 'inherit'] }: Start = {},
): Pick<GuardProcess, 'child' | 'exit'> {
  const words = [program, 'serve', '--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0', ...flags]
  const child = spawn(process.execPath, words, { stdio, env: uncounted })
  t.teardown(() => child.kill('SIGKILL'))
  const exit = once(child, 'exit').then(([code, signal]): [number | null, NodeJS.Signals | null] => [code, signal])
  return { child, exit }
}

function portOf(url: unknown): number {
  return Number(new URL(String(url)).port)
}

/** Returns status and body of a probe. */
export async function probe(port: number, path: string): Promise<string> {
  const [reply] = await once(get(`http://127.0.0.1:${port}${path}`, { agent: false }), 'response')
  return `${reply.statusCode} ${await text(reply)}`
}
