import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import t from 'tap'
import { parse } from 'yaml'
import { resourceOf } from '../src/core/resource.ts'
import { dig, type Fields, field, isFields } from '../src/istio/json.ts'
import { mutations } from '../src/mutations/index.ts'
import { loadPolicy } from '../src/policy/load.ts'
import { formatProblem } from '../src/policy/problem.ts'
import { rules } from '../src/rules/index.ts'
import { chartValues } from '../tools/chartpage.ts'
import { type Permission, permissions, readKinds } from '../tools/permissions.ts'
import { root } from './command.ts'

const chart = join(root, 'charts/sallyport')
const read = (path: string): string => readFileSync(join(chart, path), 'utf8')

t.test('the guard may read what rules read, and nothing else', t => {
  const granted = permissions({ rules, mutations })
  const resources = granted.flatMap(({ apiGroups, resources }) =>
    apiGroups.flatMap(group => resources.map(one => `${group}/${one}`)),
  )
  const reads = readKinds({ rules, mutations }).map(kind => {
    const found = resourceOf(kind)
    return `${found?.group}/${found?.plural}`
  })
  t.strictSame(resources.toSorted(), reads.toSorted())
  t.equal(new Set(resources).size, resources.length, 'each once')
  for (const name of ['/secrets', '/configmaps', '/events', '/nodes']) t.notOk(resources.includes(name), `not ${name}`)
  t.notMatch(JSON.stringify(granted), /\*/)
  t.notMatch(read('templates/rbac.yaml'), /['"]\*['"]|\[\*\]|- \*/, 'no wildcard in the template')
  t.strictSame(JSON.parse(read('files/permissions.json')) as readonly Permission[], granted)
  t.end()
})

const schema: Fields = JSON.parse(read('values.schema.json'))
const values: Fields = parse(read('values.yaml'))
const valid = new Ajv({ allErrors: true, strict: true, strictTypes: false }).compile(schema)

/** What Helm judges: values over the chart's own. */
function merge(under: Fields, over: Fields): Fields {
  const merged: Record<string, unknown> = { ...under }
  for (const [key, value] of Object.entries(over)) {
    const before = merged[key]
    merged[key] = isFields(before) && isFields(value) ? merge(before, value) : value
  }
  return merged
}

const scenarios = readdirSync(join(chart, 'ci'))

t.test('values of every scenario are valid', t => {
  t.strictSame(
    scenarios,
    ['default', 'enforce', 'everything', 'hostnetwork'].map(name => `${name}-values.yaml`),
  )
  for (const file of scenarios) {
    const given: unknown = parse(read(`ci/${file}`))
    t.ok(valid(merge(values, isFields(given) ? given : {})), `${file}: ${JSON.stringify(valid.errors)}`)
  }
  t.end()
})

t.test('unknown and wrong values are refused', t => {
  const wrong: readonly (readonly [what: string, over: Fields])[] = [
    ['an unknown key', { mod: 'enforce' }],
    ['a mode that is none', { mode: 'strict' }],
    ['no replicas', { replicas: 0 }],
    ['a port out of range', { webhook: { port: 70000 } }],
    ['a digest that is none', { image: { digest: 'latest' } }],
    ['a file of a policy without a known ending', { policy: { files: { 'acme.txt': 'x' } } }],
    ['a pattern for a namespace', { webhook: { excludedNamespaces: ['team-*'] } }],
    ['a service account without namespace', { platformIdentities: { serviceAccounts: ['flux'] } }],
    ['certificates that nobody makes', { certificates: { mode: 'cert-manager' } }],
  ]
  for (const [what, over] of wrong) t.notOk(valid(merge(values, over)), what)
  const open: string[] = []
  const walk = (part: unknown, path: string): void => {
    if (!isFields(part)) return
    const properties = field(part, 'properties')
    if (!isFields(properties)) return walk(field(part, 'items'), `${path}[]`)
    if (field(part, 'additionalProperties') !== false) open.push(path)
    for (const [key, inner] of Object.entries(properties)) walk(inner, path === '' ? key : `${path}.${key}`)
  }
  walk(schema, '')
  t.strictSame(open, ['global'], 'only what other charts share takes further keys')
  t.end()
})

t.test('every value is documented and has a schema', t => {
  const documented = new Map(chartValues(read('values.yaml')).map(value => [value.path, value]))
  const leaves: string[] = []
  const walk = (value: unknown, keys: readonly string[], part: unknown): void => {
    const path = keys.join('.')
    t.ok(isFields(part), `${path || 'the whole'} has a schema`)
    if (!isFields(value) || documented.has(path) || Object.keys(value).length === 0) {
      leaves.push(path)
      return
    }
    for (const [key, inner] of Object.entries(value)) walk(inner, [...keys, key], dig(part, 'properties', key))
    const known = Object.keys(dig(part, 'properties') ?? {}).sort()
    t.strictSame(known, Object.keys(value).sort(), `keys of ${path || 'the whole'}`)
  }
  walk(values, [], schema)
  t.strictSame(leaves.toSorted(), [...documented.keys()].toSorted())
  for (const { path, doc } of documented.values()) t.match(doc, /^[A-Z].+[.]$/, path)
  t.end()
})

t.test('policies of scenarios load', t => {
  let files = 0
  for (const scenario of scenarios) {
    const given: unknown = dig(parse(read(`ci/${scenario}`)), 'policy', 'files')
    for (const [file, content] of Object.entries(isFields(given) ? given : {})) {
      files++
      const source = { file, text: typeof content === 'string' ? content : JSON.stringify(content) }
      const outcome = loadPolicy([source], { rules, mutations, now: Date.parse('2026-10-01') })
      t.ok(outcome.ok, outcome.ok ? file : outcome.problems.map(formatProblem).join('\n'))
    }
  }
  t.ok(files > 2)
  t.end()
})

t.test('the chart is of this version', t => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  const described: unknown = parse(read('Chart.yaml'))
  t.equal(field(described, 'version'), version)
  t.equal(field(described, 'appVersion'), version)
  t.equal(field(described, 'apiVersion'), 'v2', 'which Helm 3 and Helm 4 read')
  t.end()
})
