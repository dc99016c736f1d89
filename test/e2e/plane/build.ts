/** Builds the control plane into the cache: `npm run e2e:build`, with the names of parts for only those. */
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { assetOf, cache, isPart, manifests, moduleFolder, type Part, partFolder, parts, recipeOf } from './binaries.ts'

/** Makes the parts that are missing or out of date, one after the other, and says what it does and how long it takes. */
export async function build(wanted: readonly Part[], say: (line: string) => void): Promise<void> {
  const goVersion = findGo()
  const missing = wanted.filter(part => !isThere(part, goVersion, say))
  const minutes = missing.reduce((sum, part) => sum + recipeOf(part).minutes, 0)
  if (missing.length > 0) say(`builds ${missing.join(', ')} into ${cache}: about ${minutes} minutes the first time`)
  for (const [index, part] of missing.entries()) {
    const { minutes } = recipeOf(part)
    say(`building ${part} (${index + 1} of ${missing.length}), about ${minutes} min the first time`)
    const started = Date.now()
    await make(part, goVersion)
    say(`built ${part} in ${Math.round((Date.now() - started) / 1000)} s`)
  }
}

function findGo(): string {
  try {
    return execFileSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' }).trim()
  } catch (cause) {
    throw new Error('the control plane is built with Go 1.26 or later, and no go is on PATH: see https://go.dev/dl', {
      cause,
    })
  }
}

function isThere(part: Part, goVersion: string, say: (line: string) => void): boolean {
  const asset = assetOf(part)
  if (asset !== undefined) {
    if (!existsSync(asset)) throw new Error(`the environment names a ${part} that is not there: ${asset}`)
    say(`${part}: uses ${asset}, as the environment says`)
    return true
  }
  const stamp = join(partFolder(part), 'go')
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === goVersion
}

/** Makes a part beside its place and moves it there: two runs may build at once, and what is there is always whole. */
async function make(part: Part, goVersion: string): Promise<void> {
  const target = partFolder(part)
  const folder = `${target}.${process.pid}`
  mkdirSync(folder, { recursive: true })
  try {
    await fill(part, folder)
    writeFileSync(join(folder, 'go'), goVersion)
    rmSync(target, { recursive: true, force: true })
    renameSync(folder, target)
  } catch (cause) {
    // Another run was faster, and made the same.
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOTEMPTY')) throw cause
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function fill(part: Part, folder: string): Promise<void> {
  const { module, main, link, install, charts = [] } = recipeOf(part)
  const flags = ['-ldflags', `-s -w ${link ?? ''}`]
  if (install !== undefined) {
    // Outside of any module: the versions are those that the installed module names itself.
    await go(['install', ...flags, install], folder, { GOBIN: folder })
  } else if (module !== undefined && main !== undefined) {
    await go(['build', ...flags, '-o', join(folder, part), main], moduleFolder(module))
  } else if (module !== undefined) {
    await copyManifests(moduleFolder(module), charts, folder)
  }
}

/** Copies CRDs and charts out of the modules that pilot-discovery is built from. */
async function copyManifests(module: string, wanted: readonly string[], folder: string): Promise<void> {
  const found = await go(['mod', 'download', '-json', 'istio.io/istio', 'sigs.k8s.io/gateway-api'], module)
  const [istio = '', gatewayApi = ''] = [...found.matchAll(/"Dir": "([^"]+)"/g)].map(match => match[1])
  const sources = join(istio, 'manifests/charts')
  const { istioCrds, gatewayApiCrds, charts } = manifests(folder)
  cpSync(join(gatewayApi, 'config/crd/experimental'), gatewayApiCrds, { recursive: true })
  cpSync(join(sources, 'base/files/crd-all.gen.yaml'), istioCrds)
  for (const chart of wanted) cpSync(join(sources, chart), join(charts, basename(chart)), { recursive: true })
  // Modules are read-only in Go's cache; a folder that cannot be written cannot be removed either.
  execFileSync('chmod', ['-R', 'u+w', folder])
}

/** Runs Go at low priority and returns what it printed; what it says meanwhile is shown only where it fails. */
async function go(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const child = spawn('nice', ['go', ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output: string[] = []
  const errors: string[] = []
  child.stdout.setEncoding('utf8').on('data', (text: string) => output.push(text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text))
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve))
  if (code !== 0) {
    const tail = errors.join('').trimEnd().split('\n').slice(-20).join('\n')
    throw new Error(`go ${args.join(' ')} in ${cwd} failed:\n${tail}`)
  }
  return output.join('')
}

if (import.meta.main) {
  const words = process.argv.slice(2)
  const unknown = words.filter(word => !isPart(word))
  if (unknown.length > 0) {
    console.error(`unknown: ${unknown.join(', ')}; known are ${parts.join(', ')}`)
    process.exitCode = 2
  } else {
    const started = Date.now()
    try {
      await build(words.length > 0 ? words.filter(isPart) : parts, line => console.log(line))
      console.log(`everything is there, after ${Math.round((Date.now() - started) / 1000)} s: ${cache}`)
    } catch (cause) {
      console.error(cause instanceof Error ? cause.message : cause)
      process.exitCode = 1
    }
  }
}
