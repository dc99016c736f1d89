import t from 'tap'
import { command, current, generate } from '../tools/generate.ts'

t.test('generated files are up to date', async t => {
  const differing: string[] = []
  let count = 0
  for await (const [path, text] of generate()) {
    count++
    if (current(path) !== text) differing.push(path)
  }
  t.ok(count > 5, 'files are generated at all')
  t.strictSame(differing, [], `these differ from what is generated, run: ${command}`)
})
