import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { rules } from '../src/rules/index.ts'
import { readThreats, type Threat } from '../tools/threatpage.ts'

const source = readFileSync(join(import.meta.dirname, '../src/rules/threats.yaml'), 'utf8')
const threats = readThreats(source)

/** The rules that name each threat. */
const claims = new Map<string, string[]>()
for (const rule of rules) {
  for (const id of new Set(Object.values(rule.messages).flatMap(message => message.threats))) {
    claims.set(id, [...(claims.get(id) ?? []), rule.id])
  }
}

const severities = new Set(['critical', 'high', 'medium', 'low'])
const reaches = new Set(['admission', 'routes', 'audit', 'none', 'harmless'])

t.test('every threat reads well', t => {
  for (const { id, line, severity, reach, why, open } of threats) {
    t.match(id, /^[a-z]+\/[a-z0-9-]+$/, `${id} is a name`)
    t.match(line, /^\S.*[^.\s]$/, `${id} has a line`)
    t.ok(reaches.has(reach), `${id} has a reach`)
    t.ok(reach === 'harmless' ? severity === 'none' : severities.has(severity), `${id} has a severity that fits`)
    t.ok(reach !== 'none' || why !== undefined, `${id} is out of reach, and says why`)
    t.match(open ?? 'a clause', /^[a-zA-Z].*[^.\s]$/, `${id}: open is a clause`)
  }
  t.equal(new Set(threats.map(threat => threat.id)).size, threats.length, 'no id stands twice')
  t.end()
})

t.test('every threat within reach has a rule, or says why there is none yet', t => {
  const wanting = threats.filter(({ id, reach, open }) => {
    const within = reach !== 'none' && reach !== 'harmless'
    return within && !claims.has(id) && open === undefined
  })
  t.strictSame(wanting.map(idOf), [], 'give a rule that names it, or `open:` with a clause why there is none')
  t.end()
})

t.test('what has no rule waits for the analysis of routes or for the scan, and for nothing else', t => {
  const waiting = threats.filter(({ reach, open }) => open !== undefined && reach !== 'routes' && reach !== 'audit')
  t.strictSame(waiting.map(idOf), [], 'give a rule that names it')
  t.end()
})

t.test('every threat that is known is listed, in its order', t => {
  const known = readFileSync(join(import.meta.dirname, 'fixtures/threats.txt'), 'utf8')
    .trimEnd()
    .split('\n')
  t.strictSame(threats.map(idOf), known, 'an id is never dropped; a new one is added in both places')
  t.end()
})

t.test('what is called covered in part is covered', t => {
  const stale = threats.filter(({ id, partly }) => partly !== undefined && !claims.has(id))
  t.strictSame(stale.map(idOf), [], 'take `partly:` away')
  t.end()
})

t.test('nothing is called open that is not', t => {
  const stale = threats.filter(({ id, reach, open }) => {
    return open !== undefined && (claims.has(id) || reach === 'none' || reach === 'harmless')
  })
  t.strictSame(stale.map(idOf), [], 'take `open:` away')
  t.end()
})

t.test('rules name threats that there are, and none that is harmless', t => {
  const known = new Map(threats.map(threat => [threat.id, threat]))
  const wrong = [...claims].filter(([id]) => known.get(id) === undefined || known.get(id)?.reach === 'harmless')
  t.strictSame(wrong, [], 'correct the threats of these rules')
  t.end()
})

function idOf({ id }: Threat): string {
  return id
}
