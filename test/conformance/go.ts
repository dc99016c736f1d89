import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Builds the Go program in the folder of that name beside this file, and returns the path of its executable. */
export function build(name: string): string {
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'sallyport', 'conformance')
  mkdirSync(cache, { recursive: true })
  const program = join(cache, name)
  execFileSync('go', ['build', '-o', program, '.'], { cwd: join(import.meta.dirname, name), stdio: 'inherit' })
  return program
}

/** Returns the folder of a module that a Go program requires; downloads it where nobody has it yet. */
export function folderOf(module: string, program: string): string {
  const cwd = join(import.meta.dirname, program)
  return JSON.parse(execFileSync('go', ['mod', 'download', '-json', module], { cwd, encoding: 'utf8' })).Dir
}
