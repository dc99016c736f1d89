import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import t from 'tap'

const source = join(import.meta.dirname, '../src')

/** Each folder with its floor: imports go down or stay inside the folder. */
const floors: Readonly<Record<string, number>> = {
  istio: 0,
  core: 1,
  manifest: 1,
  rules: 2,
  mutations: 2,
  policy: 3,
  report: 4,
  tls: 4,
  http: 5,
  kube: 5,
  cli: 6,
}

/** Packages, and the only folders (or files) that may import them. */
const owners: Readonly<Record<string, readonly string[]>> = {
  fastify: ['http/'],
  pino: ['http/log.ts'],
  '@prometheus-io/client': ['http/'],
  '@peculiar/x509': ['tls/issue.ts'],
  'reflect-metadata': ['tls/issue.ts'],
  '@kubernetes/client-node': ['kube/'],
  ajv: ['policy/'],
  commander: ['cli/'],
  tldts: ['istio/'],
  yaml: ['istio/', 'manifest/'],
}

interface Import {
  readonly file: string
  readonly target: string
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(source, file), 'utf8')
  return [
    ...text.matchAll(/^(?:import|export)\b[^'"]*?from\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)|^import '([^']+)'/gm),
  ].map(found => ({ file, target: found[1] ?? found[2] ?? found[3] ?? '' }))
}

const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.ts'))
const imports = files.flatMap(importsOf)

t.ok(imports.length > 200, 'imports are found at all')

t.test('imports go only down', t => {
  const wrong: string[] = []
  for (const { file, target } of imports) {
    if (!target.startsWith('.')) continue
    const resolved = relative(source, join(source, dirname(file), target))
    const [from = '', to = ''] = [file, resolved].map(path => path.split('/')[0] ?? '')
    if (resolved.startsWith('..')) {
      if (!(from === 'cli' && resolved.endsWith('package.json'))) wrong.push(`${file} reaches outside src: ${target}`)
      continue
    }
    if (from === to) continue
    const [high, low] = [floors[from], floors[to]]
    if (high === undefined || low === undefined) wrong.push(`${file}: no floor for ${from} or ${to}`)
    else if (low >= high) wrong.push(`${file} (floor ${high}) imports ${resolved} (floor ${low})`)
  }
  t.strictSame(wrong, [])
  t.end()
})

t.test('a rule never imports another rule', t => {
  const wrong = imports.filter(({ file, target }) => {
    const [folder, rule] = file.split('/')
    if (folder !== 'rules' || !target.startsWith('.') || file === 'rules/index.ts') return false
    const resolved = relative(source, join(source, dirname(file), target)).split('/')
    return resolved[0] === 'rules' && resolved[1] !== rule
  })
  t.strictSame(wrong, [])
  t.end()
})

t.test('packages are imported only by their owners', t => {
  const wrong: string[] = []
  for (const { file, target } of imports) {
    if (target.startsWith('.') || target.startsWith('node:')) continue
    const name = target.startsWith('@') ? target.split('/').slice(0, 2).join('/') : (target.split('/')[0] ?? '')
    const allowed = owners[name]
    if (allowed === undefined || !allowed.some(owner => file.startsWith(owner))) wrong.push(`${file} imports ${target}`)
  }
  t.strictSame(wrong, [])
  t.end()
})

t.test('what Istio means is pure: no module of Node', t => {
  const wrong = imports.filter(({ file, target }) => file.startsWith('istio/') && target.startsWith('node:'))
  t.strictSame(wrong, [])
  t.end()
})

t.test('no module keeps state in a variable', t => {
  const wrong = files.filter(file => /^(?:export )?let /m.test(readFileSync(join(source, file), 'utf8')))
  t.strictSame(wrong, [])
  t.end()
})
