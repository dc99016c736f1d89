import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'

/** A process of the control plane. */
export interface Running {
  readonly name: string
  readonly pid: number
  /** Returns whether it has not ended. */
  alive(): boolean
  /** Sends SIGTERM, after ten seconds SIGKILL, and returns when it has ended. */
  stop(): Promise<void>
  /** Returns the end of what it printed. */
  tail(): string
}

/** What a process is started with. */
export interface Program {
  readonly name: string
  readonly command: readonly [string, ...string[]]
  /** The file that takes what it prints. */
  readonly log: string
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
}

/** Starts a process that ends when this one does, however this one ends. */
export async function start({ name, command, log, cwd, env }: Program): Promise<Running> {
  const out = openSync(log, 'a')
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], {
    stdio: ['ignore', out, out],
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...process.env, ...env },
  })
  closeSync(out)
  await once(child, 'spawn')
  return {
    name,
    pid: child.pid ?? 0,
    alive: () => isAlive(child),
    stop: () => stop(child),
    tail: () => readFileSync(log, 'utf8').trimEnd().split('\n').slice(-15).join('\n'),
  }
}

function isAlive(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}

async function stop(child: ChildProcess): Promise<void> {
  if (!isAlive(child)) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const patience = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await ended
  clearTimeout(patience)
}

/** What ends a wait that came to nothing. */
export interface Wait {
  /** What is waited for, as a noun: "the Deployment's rollout". */
  readonly what: string
  /** How long, 30 unless told. */
  readonly seconds?: number
  /** Milliseconds between two looks, 50 unless told. */
  readonly every?: number
  /** Returns why waiting longer makes no sense, or nothing. */
  readonly hopeless?: () => string | undefined
}

/**
 * Returns what the condition returns, as soon as that is neither false nor undefined. A condition that throws is asked
 * again; what it threw last is in the error.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { what, seconds = 30, every = 50, hopeless = () => undefined }: Wait,
): Promise<Exclude<T, false | undefined>> {
  const deadline = Date.now() + seconds * 1000
  let last: unknown
  for (;;) {
    try {
      const found = await condition()
      if (found !== false && found !== undefined) return found as Exclude<T, false | undefined>
      last = undefined
    } catch (cause) {
      last = cause
    }
    const why = hopeless() ?? (Date.now() > deadline ? `waited ${seconds} s for ${what}` : undefined)
    if (why !== undefined) {
      throw new Error(last instanceof Error ? `${why}: ${last.message}` : why, { cause: last })
    }
    await new Promise(resolve => setTimeout(resolve, every))
  }
}

/** What a command came to. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** What a command is run with. */
export interface CommandHints {
  readonly input?: string
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
}

/** Runs a command to its end, or to this program's; at most ten minutes. */
export async function runCommand(
  command: readonly [string, ...string[]],
  { input = '', cwd, env }: CommandHints = {},
): Promise<Ended> {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], {
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: 600_000,
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...process.env, ...env },
  })
  // A command that ends without reading its input is no fault of ours.
  child.stdin.on('error', () => undefined).end(input)
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code, stdout, stderr }
}

/** Returns whether a process of that pid runs, whoever's it is. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return !(cause instanceof Error && 'code' in cause && cause.code === 'ESRCH')
  }
}
