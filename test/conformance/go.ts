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
