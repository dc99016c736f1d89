import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { loadObjects, loadPolicyPaths } from '../../src/cli/input.ts'
import { type JudgedDocument, judgeDocuments } from '../../src/cli/plan.ts'
import { effectOf } from '../../src/core/finding.ts'
import { formatRef } from '../../src/core/kind.ts'
import type { Requester } from '../../src/core/review.ts'
import { checkObjects, readManifests } from '../../src/manifest/read.ts'
import { folderOf } from './go.ts'

// Judges the manifests that Istio ships, as a team and as the platform would apply them: its samples, its definitions, and
// what its own installer renders. What is refused or warned of stands in samples/expected.txt, which people have read; everything else
// must pass. `node test/conformance/samples.ts --update` writes that file anew.

const folder = join(import.meta.dirname, 'samples')
const expectedFile = join(folder, 'expected.txt')
const now = Date.parse('2026-11-21T12:00:00Z')

/** A folder of Istio's source, and who would apply what is in it. */
interface Corpus {
  readonly path: string
  readonly requester: Requester
}

const corpora: readonly Corpus[] = [
  { path: 'samples', requester: { username: 'dana', groups: ['shop-developers', 'system:authenticated'] } },
  {
    path: 'manifests/charts/base/files',
    requester: { username: 'pia', groups: ['platform-admins', 'system:authenticated'] },
  },
  {
    path: 'operator/cmd/mesh/testdata/manifest-generate/output',
    requester: { username: 'pia', groups: ['platform-admins', 'system:authenticated'] },
  },
]

/** Judges Istio's own manifests and compares what is said with what is expected. */
export async function run(): Promise<{ readonly passed: number; readonly failed: number }> {
  const root = folderOf('istio.io/istio', 'injector')
  const { policy } = loadPolicyPaths([join(folder, 'policy.yaml')], now)
  const stored = loadObjects([join(folder, 'cluster.yaml')])
  const lines: string[] = []
  let objects = 0
  let files = 0
  for (const { path, requester } of corpora) {
    for (const file of manifestsIn(join(root, path))) {
      const name = relative(root, file)
      const { documents, problems } = readManifests(readFileSync(file, 'utf8'), name)
      // Values and templates of charts are no manifests.
      if (problems.length + checkObjects(documents).length > 0) continue
      const options = { operation: undefined, sequence: false, namespace: 'default', requester, now } as const
      const judged = judgeDocuments(documents, policy, stored, options)
      files += 1
      objects += judged.length
      for (const document of judged) lines.push(...linesOf(name, document))
    }
  }
  lines.sort()
  if (process.argv.includes('--update')) writeFileSync(expectedFile, `${lines.join('\n')}\n`)
  const expected = readFileSync(expectedFile, 'utf8').trimEnd().split('\n')
  const unexpected = lines.filter(line => !expected.includes(line))
  const missing = expected.filter(line => !lines.includes(line))
  for (const line of unexpected) console.log(`unexpected: ${line}`)
  for (const line of missing) console.log(`missing: ${line}`)
  console.log(
    `${objects} objects of ${files} files of Istio's: ${lines.length} findings, as expected but for the above`,
  )
  return { passed: objects + expected.length - missing.length, failed: unexpected.length + missing.length }
}

function manifestsIn(path: string): readonly string[] {
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.yaml'))
    .sort()
    .map(name => join(path, name))
}

function linesOf(file: string, { review, evaluation }: JudgedDocument): readonly string[] {
  const { findings, malformed, ruleErrors } = evaluation
  const said = findings
    .filter(finding => effectOf(finding) === 'deny' || effectOf(finding) === 'warn')
    .map(finding => `${effectOf(finding)} ${finding.rule}/${finding.message}`)
  return [
    ...new Set([
      ...said,
      ...malformed.map(({ rule, why }) => `malformed ${rule}: ${why}`),
      ...ruleErrors.map(({ rule, cause }) => `rule error ${rule}: ${String(cause)}`),
    ]),
  ].map(line => `${file} ${formatRef(review.ref)}: ${line}`)
}

if (import.meta.main) {
  const { passed, failed } = await run()
  console.log(`${passed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}
