import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { runProgram } from '../src/cli/program.ts'
import { bundle, uncounted } from './guard.ts'

/** The folder of the project. */
export const root = join(import.meta.dirname, '..')

/** What a run of the command came to. */
export interface Run {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/**
 * Runs the command in a process of its own, for what cannot be had otherwise: standard input, and the folder from which
 * npm says it was called.
 */
export function runApart(args: readonly string[], input = '', calledFrom?: string): Run {
  const env: NodeJS.ProcessEnv = { ...uncounted, NO_COLOR: '1' }
  delete env['INIT_CWD']
  if (calledFrom !== undefined) env['INIT_CWD'] = calledFrom
  const { status, stdout, stderr } = spawnSync(process.execPath, [bundle, ...args], {
    cwd: root,
    input,
    encoding: 'utf8',
    env,
  })
  return { code: status, out: stdout, err: stderr }
}

/** Runs the command here, as if called from a folder. */
export async function run(args: readonly string[], cwd = root): Promise<Run> {
  const written = { out: '', err: '' }
  const saved = {
    stdout: process.stdout.write,
    stderr: process.stderr.write,
    error: console.error,
    cwd: process.env['INIT_CWD'],
  }
  process.env['INIT_CWD'] = cwd
  process.exitCode = 0
  process.stdout.write = (text: string | Uint8Array): boolean => {
    written.out += String(text)
    return true
  }
  process.stderr.write = (text: string | Uint8Array): boolean => {
    written.err += String(text)
    return true
  }
  console.error = (...words: unknown[]): void => {
    written.err += `${words.join(' ')}\n`
  }
  try {
    await runProgram(args)
    return { code: Number(process.exitCode), ...written }
  } finally {
    process.stdout.write = saved.stdout
    process.stderr.write = saved.stderr
    console.error = saved.error
    if (saved.cwd === undefined) delete process.env['INIT_CWD']
    else process.env['INIT_CWD'] = saved.cwd
    process.exitCode = 0
  }
}
