import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from './go.ts'
import { type Answer, compare, parseExactly, refusals } from './yaml/compare.ts'
import { generated, handwritten, type Sample } from './yaml/corpus.ts'

// Reads thousands of texts with Go's readers (sigs.k8s.io/yaml and the decoder of kubectl) and with ours, and fails
// where we read another value, or one at all where Go refuses. That we refuse more than Go is allowed for the reasons
// listed in yaml/compare.ts.
//
//   node test/conformance/yaml.ts [--seed N] [--count N]    compare
//   node test/conformance/yaml.ts --record                  also write Go's answers for the hand-written texts

const here = import.meta.dirname

/** Where Go's answers for the hand-written texts are kept, for the tests that run without Go. */
export const recorded = join(here, '../fixtures/yaml/go.json')

/** Compares over the hand-written texts and `count` random ones; prints counts and every difference. */
export async function run({ seed = 1, count = 20_000, record = false } = {}): Promise<{
  passed: number
  failed: number
}> {
  const written = handwritten()
  const samples = [...written, ...generated(seed, count)]
  const lines = ask(build('yaml'), samples)
  const comparison = compare(samples, lines.map(toAnswer))
  console.log(`${written.length} texts written by hand, ${count} random ones (seed ${seed}), each read in two ways`)
  for (const [name, number] of comparison.counts) console.log(`${String(number).padStart(7)}  ${name}`)
  console.log(`reasons to refuse what Go accepts: ${Object.keys(refusals).join('; ')}`)
  for (const difference of comparison.differences) console.log(`\nDIFFERENCE ${difference}`)
  if (record) writeFileSync(recorded, recording(written, lines.slice(0, written.length)))
  const failed = comparison.differences.length
  return { passed: samples.length * 2 - failed, failed }
}

/** Returns a mark of the hand-written texts, by which a recording tells whether it belongs to them. */
export function markOf(samples: readonly Sample[]): string {
  return createHash('sha256').update(JSON.stringify(samples)).digest('hex')
}

// Go's own digits are kept, so the values are written as it gave them.
function recording(samples: readonly Sample[], lines: readonly string[]): string {
  const answers = lines.map(line => line.replace(/^\{"id":"[^"]*",/, '{').replace(/"error":"(?:[^"\\]|\\.)*"/g, ''))
  const note = 'node test/conformance/yaml.ts --record'
  return `{"generated":"${note}","texts":"${markOf(samples)}","answers":[\n${answers.join(',\n')}\n]}\n`
}

function toAnswer(line: string): Answer {
  return parseExactly(line) as Answer
}

function ask(program: string, samples: readonly Sample[]): string[] {
  const input = samples.map(sample => JSON.stringify(sample)).join('\n')
  return execFileSync(program, { input, maxBuffer: 2 ** 30, encoding: 'utf8' })
    .trimEnd()
    .split('\n')
}

if (import.meta.main) {
  const flag = (name: string, otherwise: number) => {
    const at = process.argv.indexOf(name)
    return at < 0 ? otherwise : Number(process.argv[at + 1])
  }
  const record = process.argv.includes('--record')
  const { passed, failed } = await run({ seed: flag('--seed', 1), count: flag('--count', 20_000), record })
  console.log(`${passed} passed, ${failed} failed`)
  process.exitCode = failed > 0 ? 1 : 0
}
