/**
 * Holds the folders whose meaning must be exact to full coverage: tap's own limits are for the whole run. Reads the JSON
 * report that `tap` leaves, prints what is missing, exits 1 where something is.
 */
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'

/** Folders of which every statement, branch and function must have run. */
const complete = ['src/istio/', 'src/core/', 'src/rules/']

interface Place {
  readonly start: { readonly line: number }
}

interface FileCoverage {
  readonly path: string
  readonly statementMap: Readonly<Record<string, Place>>
  readonly s: Readonly<Record<string, number>>
  readonly fnMap: Readonly<Record<string, { readonly decl: Place }>>
  readonly f: Readonly<Record<string, number>>
  readonly branchMap: Readonly<Record<string, { readonly locations: readonly Place[] }>>
  readonly b: Readonly<Record<string, readonly number[]>>
}

const report: Readonly<Record<string, FileCoverage>> = JSON.parse(
  readFileSync('.tap/report/coverage-final.json', 'utf8'),
)
const missing: string[] = []
for (const file of Object.values(report)) {
  const path = relative(process.cwd(), file.path)
  if (!complete.some(folder => path.startsWith(folder))) continue
  const lines = new Set<number>()
  for (const [id, count] of Object.entries(file.s)) if (count === 0) lines.add(file.statementMap[id]?.start.line ?? 0)
  for (const [id, count] of Object.entries(file.f)) if (count === 0) lines.add(file.fnMap[id]?.decl.start.line ?? 0)
  for (const [id, counts] of Object.entries(file.b)) {
    for (const [i, count] of counts.entries())
      if (count === 0) lines.add(file.branchMap[id]?.locations[i]?.start.line ?? 0)
  }
  if (lines.size > 0) missing.push(`${path}: ${[...lines].sort((a, b) => a - b).join(', ')}`)
}
if (missing.length > 0) {
  console.error(`not covered, though ${complete.join(', ')} must be:\n${missing.join('\n')}`)
  process.exitCode = 1
}
