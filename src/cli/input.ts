import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Inventory, inventoryOf } from '../core/inventory.ts'
import type { Policy } from '../core/policy.ts'
import { type Fields, isFields } from '../istio/json.ts'
import { decodeUtf8 } from '../manifest/decode.ts'
import { checkObjects, type ManifestDocument, type Problem, readManifests } from '../manifest/read.ts'
import { mutations } from '../mutations/index.ts'
import { loadPolicy } from '../policy/load.ts'
import { formatProblem } from '../policy/problem.ts'
import type { PolicySource } from '../policy/read.ts'
import { rules } from '../rules/index.ts'

/** Wrong usage or unreadable input: printed line by line on standard error, exit code 2. */
export class InputError extends Error {
  readonly lines: readonly string[]

  constructor(lines: readonly string[]) {
    super(lines.join('\n'))
    this.lines = lines
  }
}

const endings = ['.yaml', '.yml', '.json']

/** Standard input, as a path. */
export const standardInput = '-'

/** What messages call it. */
export const standardInputName = '(stdin)'

/**
 * Reads files, folders (recursive, sorted, `.yaml`, `.yml` and `.json`) and `-` in the order given. Paths are relative to
 * where the user called: npm runs scripts elsewhere and tells in `INIT_CWD`.
 */
export function readTexts(paths: readonly string[]): PolicySource[] {
  const sources: PolicySource[] = []
  const failures: string[] = []
  for (const file of paths.flatMap(path => expand(path, failures))) {
    const read = readText(file)
    if (typeof read === 'string') failures.push(read)
    else sources.push(read)
  }
  if (failures.length > 0) throw new InputError(failures)
  return sources
}

/** Returns the bytes of a file, or of standard input. Throws an InputError where it cannot be read. */
export function readBytes(file: string): Uint8Array {
  try {
    return readFileSync(file === standardInput ? 0 : absolute(file))
  } catch (cause) {
    throw new InputError([`${file}: ${reasonOf(cause)}`])
  }
}

function readText(file: string): PolicySource | string {
  try {
    const bytes = readFileSync(file === standardInput ? 0 : absolute(file))
    const name = file === standardInput ? standardInputName : file
    const decoded = decodeUtf8(bytes)
    return decoded.ok ? { file: name, text: decoded.value } : `${name}: ${decoded.why}`
  } catch (cause) {
    return `${file}: ${reasonOf(cause)}`
  }
}

function expand(path: string, failures: string[]): string[] {
  if (path === standardInput) return [path]
  try {
    if (!statSync(absolute(path)).isDirectory()) return [path]
    const entries = readdirSync(absolute(path), { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
    return entries.flatMap(entry => {
      const inner = join(path, entry.name)
      if (entry.isDirectory()) return expand(inner, failures)
      return endings.some(ending => entry.name.endsWith(ending)) ? [inner] : []
    })
  } catch (cause) {
    failures.push(`${path}: ${reasonOf(cause)}`)
    return []
  }
}

function absolute(path: string): string {
  return resolve(process.env['INIT_CWD'] ?? process.cwd(), path)
}

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  if (code === 'ENOENT') return 'no such file or folder'
  if (code === 'EACCES') return 'may not be read'
  return cause instanceof Error ? cause.message : String(cause)
}

/** A policy loaded from files, and what its authors should know of, one line each. */
export interface LoadedPolicy {
  readonly policy: Policy
  readonly notices: readonly string[]
}

/** Loads the policy of the given paths; none at all is the built-in baseline. Throws an InputError with every problem. */
export function loadPolicyPaths(paths: readonly string[], now: number): LoadedPolicy {
  const outcome = loadPolicy(readTexts(paths), { rules, mutations, now })
  if (!outcome.ok) throw new InputError(outcome.problems.map(formatProblem))
  return { policy: outcome.policy, notices: outcome.notices.map(formatProblem) }
}

/** Reads every manifest of the given paths. Throws an InputError with every problem. */
export function readDocuments(paths: readonly string[]): ManifestDocument[] {
  const documents: ManifestDocument[] = []
  const problems: Problem[] = []
  for (const source of readTexts(paths)) {
    const read = readManifests(source.text, source.file)
    documents.push(...read.documents)
    problems.push(...read.problems, ...checkObjects(read.documents))
  }
  if (problems.length > 0) throw new InputError(problems.map(line))
  return documents
}

/** Reads the objects of the given paths. */
export function loadObjects(paths: readonly string[]): Fields[] {
  return readDocuments(paths).flatMap(document => (isFields(document.object) ? [document.object] : []))
}

/** Reads the inventory of the given paths: the kinds that it holds are known, all others are not. */
export function loadInventoryPaths(paths: readonly string[]): Inventory {
  return inventoryOf(loadObjects(paths))
}

function line(problem: Problem): string {
  const fix = problem.fix === undefined ? '' : `, ${problem.fix}`
  return `${problem.file}:${problem.line}:${problem.column}: ${problem.what}${fix}`
}
