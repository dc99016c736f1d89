/**
 * Shows the guard in a cluster, from nothing: `npm run demo:cluster`. It builds what a control plane consists of (the first
 * time about fifteen minutes, later seconds), starts it on this machine, installs the chart with Helm, and applies what
 * the policy forbids and what it permits. `--keep` leaves the cluster for a look around.
 */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { join, relative } from 'node:path'
import { performance } from 'node:perf_hooks'
import { styleText } from 'node:util'
import { startCluster } from './cluster.ts'
import { parts } from './plane/binaries.ts'
import { build } from './plane/build.ts'

const root = join(import.meta.dirname, '../..')
const keep = process.argv.includes('--keep')
const say = (line: string): void => console.log(`${stamp()}  ${styleText('dim', line)}`)
const namespace = 'sallyport-system'

/** Seconds since the start, as the demo prints them. */
function stamp(): string {
  return `${(performance.now() / 1000).toFixed(1)} s`.padStart(8)
}

await build(parts, say)
execFileSync(process.execPath, ['tools/build.ts'], { cwd: root, stdio: 'inherit' })
const cluster = await startCluster({ say })
try {
  await show()
  if (keep) {
    console.log(`\nthe cluster stays until Ctrl-C: export KUBECONFIG=${cluster.context.plane.kubeconfig}`)
    await once(process, 'SIGINT')
  }
} finally {
  await cluster.close()
}

async function show(): Promise<void> {
  const { context } = cluster
  /** Runs a command as somebody would type it, and prints both. */
  const type = async (command: 'kubectl' | 'helm', args: readonly string[]): Promise<void> => {
    console.log(`\n${stamp()}  ${styleText('bold', `$ ${command} ${args.map(shown).join(' ')}`)}`)
    const begun = performance.now()
    const { code, stdout, stderr } = await (command === 'helm' ? context.helm(args) : context.kubectl(args))
    console.log(`${stderr}${stdout}`.trimEnd().replace(/^/gm, '          '))
    console.log(styleText('dim', `          exit code ${code} after ${Math.round(performance.now() - begun)} ms`))
  }
  const example = (path: string): string => join(root, 'examples', path)

  await type('kubectl', ['apply', '--server-side', '-f', example('cluster/namespaces.yaml')])
  await context.istiod()
  say('istiod runs, and injects')
  const values = ['--set', 'mode=enforce', '--set-file', `policy.files.acme\\.yaml=${example('policy/acme.yaml')}`]
  await type('helm', ['install', 'sallyport', context.chart, '-n', namespace, '--create-namespace', ...values])
  await type('kubectl', ['-n', namespace, 'rollout', 'status', 'deployment/sallyport', '--timeout=120s'])
  await context.waitFor(
    async () => {
      const path = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/egress-sallyport'
      const webhooks = (await context.get(path))?.['webhooks']
      return Array.isArray(webhooks) && webhooks.every(({ rules }) => rules !== undefined)
    },
    { what: 'the guard to be asked' },
  )
  await type('kubectl', ['-n', namespace, 'get', 'deployment,pods'])

  console.log(`\n${styleText('bold', 'The four ways out')}`)
  for (const file of ['1-sidecar-allow-any', '2-host-not-approved', '3-pod-exclude-ranges', '4-default-tls']) {
    await type('kubectl', ['apply', '-f', example(`ways-out/${file}.yaml`)])
  }
  console.log(`\n${styleText('bold', 'The egress gateway, as the platform writes it')}`)
  const asPlatform = ['--as', 'ada@example.com', '--as-group', 'platform-admins', '--as-group', 'system:masters']
  await type('kubectl', ['apply', '-f', example('pattern/tls.yaml'), ...asPlatform])
}

/** A word of a command, with paths as they are from the project's folder. */
function shown(word: string): string {
  return word.replaceAll(`${root}/`, relative(process.cwd(), root) === '' ? '' : `${root}/`)
}
