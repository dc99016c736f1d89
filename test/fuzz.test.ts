import t from 'tap'
import { fuzz } from './fuzz/run.ts'

// A glance at what `node test/fuzz/fuzz.ts` looks at for long: the seed is fixed, so that a failure here is everybody's.

t.test('damaged reviews are answered, always the same and in time', t => {
  const cases = 3000
  // Coverage is taken and others use the machine.
  const { counts, tooLarge, rewritten, slowest, seconds, failures } = fuzz({ seed: 20_261_121, cases, patience: 4 })
  for (const { number, base, why } of failures) t.fail(`case ${number}, from ${base}: ${why}`)
  t.equal(Object.values(counts).reduce((a, b) => a + b) + tooLarge + failures.length, cases, 'all of them')
  for (const [outcome, count] of Object.entries(counts)) t.ok(count > 0, `${count} ${outcome}`)
  t.ok(rewritten > 300, `${rewritten} written in another way`)
  t.comment(`${seconds.toFixed(1)} s, slowest: case ${slowest.number} with ${slowest.milliseconds.toFixed(1)} ms`)
  t.end()
})
