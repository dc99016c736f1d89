import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { binary, manifests } from './binaries.ts'
import { type Client, createClient, type User } from './client.ts'
import { type Ended, isRunning, type Running, runCommand, start, waitFor } from './process.ts'
import {
  apiServerCommand,
  etcdCommand,
  freePorts,
  kubeconfig,
  managerCommand,
  userObjects,
  writeFiles,
} from './setup.ts'

/** A real control plane on 127.0.0.1: etcd, kube-apiserver and kube-controller-manager. */
export interface Plane extends Client {
  readonly url: string
  /** The path of the kubeconfig: a context for each user, the admin's unless told. */
  readonly kubeconfig: string
  /** The CA of the API server, PEM. */
  readonly ca: string
  /** A folder that ends with the control plane. */
  readonly folder: string
  /** Runs kubectl. */
  kubectl(args: readonly string[], hints?: KubectlHints): Promise<Ended>
  /** Returns the entries of the audit log, oldest first. */
  audit(): readonly AuditEntry[]
  stopApiServer(): Promise<void>
  startApiServer(): Promise<void>
  restartApiServer(): Promise<void>
  /** Starts the controllers anew: after the API server was away their watches come back within a minute or two. */
  restartControllers(): Promise<void>
  close(): Promise<void>
}

/** What kubectl is run with. */
export interface KubectlHints {
  readonly input?: string
  readonly user?: User
  readonly cwd?: string
}

/** A line of the audit log, as far as this suite reads it. */
export interface AuditEntry {
  readonly auditID: string
  readonly verb: string
  readonly requestURI: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly user?: { readonly username?: string }
  readonly responseStatus?: { readonly code?: number; readonly message?: string }
}

/** What a control plane is started with. */
export interface PlaneOptions {
  /** Further addresses by which the API server is reached. */
  readonly addresses?: readonly string[]
  /** The socket of an HTTP CONNECT proxy by which the API server reaches pods. */
  readonly proxy?: string
  /** Where progress goes. */
  readonly say?: (line: string) => void
}

/** Starts a control plane with the CRDs of Istio and the Gateway API, within a minute. */
export async function startPlane(options: PlaneOptions = {}): Promise<Plane> {
  const folder = makeFolder()
  const started: Running[] = []
  try {
    return await bringUp(folder, started, options)
  } catch (cause) {
    for (const running of started.reverse()) await running.stop()
    rmSync(folder, { recursive: true, force: true })
    throw cause
  }
}

/** Makes a folder of this run's own, and removes those of runs that ended without doing so. */
function makeFolder(): string {
  for (const name of readdirSync(tmpdir())) {
    const [, pid] = /^sallyport-e2e-(\d+)-/.exec(name) ?? []
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
  return mkdtempSync(join(tmpdir(), `sallyport-e2e-${process.pid}-`))
}

async function bringUp(
  folder: string,
  started: Running[],
  { addresses = [], proxy, say = () => undefined }: PlaneOptions,
): Promise<Plane> {
  const [etcdPort = 0, peerPort = 0, port = 0, managerPort = 0] = await freePorts(4)
  const tokens = await writeFiles(folder, addresses, proxy)
  const url = `https://127.0.0.1:${port}`
  const ca = readFileSync(join(folder, 'ca.crt'), 'utf8')
  const client = createClient(url, ca, tokens)
  const config = join(folder, 'kubeconfig')
  writeFileSync(config, kubeconfig(url, ca, tokens), { mode: 0o600 })
  const launch = (name: string, command: readonly [string, ...string[]]): Promise<Running> =>
    start({ name, command, log: join(folder, `${name}.log`), cwd: folder })

  const etcd = await launch('etcd', etcdCommand(folder, etcdPort, peerPort))
  started.push(etcd)
  await ready(etcd, async () => (await fetch(`http://127.0.0.1:${etcdPort}/health`)).ok)

  let apiServer: Running | undefined
  const startApiServer = async (): Promise<void> => {
    if (apiServer?.alive()) return
    const running = await launch('kube-apiserver', apiServerCommand(folder, port, etcdPort, proxy !== undefined))
    apiServer = running
    started.push(running)
    await ready(running, async () => (await client.request('GET', '/readyz')).status === 200)
  }
  const stopApiServer = async (): Promise<void> => {
    await apiServer?.stop()
  }
  await startApiServer()
  say(`kube-apiserver listens on ${url}`)

  let manager: Running | undefined
  const startManager = async (): Promise<Running> => {
    manager = await launch('kube-controller-manager', managerCommand(folder, config, managerPort))
    started.push(manager)
    return manager
  }
  const kubectl: Plane['kubectl'] = (args, { user = 'admin', ...rest } = {}) =>
    runCommand([binary('kubectl'), '--kubeconfig', config, '--context', user, ...args], rest)
  await prepare(kubectl, client, await startManager())
  say('the controllers run, and the CRDs of Istio and the Gateway API are served')

  return {
    ...client,
    url,
    kubeconfig: config,
    ca,
    folder,
    kubectl,
    audit: () => readAudit(join(folder, 'audit.log')),
    stopApiServer,
    startApiServer,
    restartApiServer: async () => {
      await stopApiServer()
      await startApiServer()
    },
    restartControllers: async () => {
      await manager?.stop()
      await startManager()
    },
    close: async () => {
      client.close()
      for (const running of started.reverse()) await running.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Applies what every suite needs, and waits until it is served and controllers work. */
async function prepare(kubectl: Plane['kubectl'], client: Client, manager: Running): Promise<void> {
  const sources = [
    { args: ['-k', manifests().gatewayApiCrds] },
    { args: ['-f', manifests().istioCrds] },
    { args: ['-f', '-'], input: userObjects },
  ]
  const applied = sources.map(async ({ args, input }) => {
    const { code, stderr } = await kubectl(['apply', '--server-side', ...args], input === undefined ? {} : { input })
    if (code !== 0) throw new Error(`kubectl apply ${args.join(' ')} failed:\n${stderr}`)
  })
  await Promise.all(applied)
  await kubectl(['wait', 'crd', '--all', '--for=condition=Established', '--timeout=30s'])
  // Until its service account exists every pod is refused.
  await ready(
    manager,
    async () => (await client.request('GET', '/api/v1/namespaces/default/serviceaccounts/default')).status === 200,
  )
}

async function ready(running: Running, condition: () => Promise<boolean>): Promise<void> {
  const { name } = running
  try {
    await waitFor(condition, {
      what: `${name} to be ready`,
      seconds: 60,
      hopeless: () => (running.alive() ? undefined : `${name} ended`),
    })
  } catch (cause) {
    throw new Error(`${cause instanceof Error ? cause.message : cause}; its log ends with\n${running.tail()}`, {
      cause,
    })
  }
}

function readAudit(log: string): readonly AuditEntry[] {
  if (!existsSync(log)) return []
  const lines = readFileSync(log, 'utf8').split('\n')
  // The last line is either empty or still being written.
  return lines.slice(0, -1).map(line => JSON.parse(line) as AuditEntry)
}
