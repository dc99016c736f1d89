/**
 * Judges recorded reviews that were damaged at random, byte by byte and in their structure, and checks what must hold for
 * all: `node test/fuzz/fuzz.ts [--cases N] [--seed S] [--only K] [--patience F]`. Exits with 1 on a failure, which
 * `--seed S --only K` brings back.
 */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fuzz } from './run.ts'

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    only: { type: 'string' },
    patience: { type: 'string', default: '1' },
  },
})

const seed = Number(values.seed)
const only = values.only === undefined ? undefined : Number(values.only)
const summary = fuzz({ seed, cases: Number(values.cases), only, patience: Number(values.patience) })
const { counts, tooLarge, rewritten, slowest, seconds, failures } = summary
const judged = Object.values(counts).reduce((a, b) => a + b, 0)

const say = (line: string): void => void process.stdout.write(`${line}\n`)
say(`seed ${seed}: ${judged} cases in ${seconds.toFixed(0)} s, ${(judged / seconds).toFixed(0)} per second`)
for (const [outcome, count] of Object.entries(counts)) say(`  ${String(count).padStart(7)}  ${outcome}`)
say(`  ${String(tooLarge).padStart(7)}  larger than 7 MiB, not judged`)
say(`  ${String(rewritten).padStart(7)}  judged again in another writing of the same JSON`)
say(
  `slowest: case ${slowest.number}, ${slowest.milliseconds.toFixed(1)} ms for ${slowest.bytes} bytes, from ${slowest.base}`,
)
if (failures.length > 0) {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-fuzz-'))
  for (const { number, base, bytes, why } of failures) {
    const file = join(folder, `${seed}-${number}.json`)
    writeFileSync(file, bytes)
    say(`FAILED: --seed ${seed} --only ${number}, from ${base}, bytes in ${file}\n${why}`)
  }
  process.exitCode = 1
}
