import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Context } from './context.ts'
import { binary } from './plane/binaries.ts'
import { type Item, Refused } from './plane/client.ts'
import { hostNetwork } from './plane/hostnetwork.ts'
import { type Istiod, startIstiod } from './plane/istiod.ts'
import type { Image } from './plane/launch.ts'
import { makeNetwork, type Network, whyNoNetwork } from './plane/network.ts'
import { startNode } from './plane/node.ts'
import { startPlane } from './plane/plane.ts'
import { runCommand, waitFor } from './plane/process.ts'

/** A cluster for suites. */
export interface Cluster {
  readonly context: Context
  /** Stops everything and removes what it left on this machine. */
  close(): Promise<void>
}

/** What a cluster is started with. */
export interface ClusterOptions {
  /** Programs that stand for images, besides the guard's own. */
  readonly images?: Readonly<Record<string, Image>>
  /** Whether pods get network namespaces: where this machine allows them, unless told. */
  readonly network?: 'namespaces' | 'host'
  readonly say?: (line: string) => void
}

const root = join(import.meta.dirname, '../..')

/** Starts a control plane and a node that knows the guard's image. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { images = {}, say = () => undefined } = options
  const network = await chooseNetwork(options.network, say)
  const closing: (() => Promise<void> | void)[] = [() => network.close()]
  const close = async (): Promise<void> => {
    for (const end of closing.splice(0).reverse()) await end()
  }
  try {
    const plane = await startPlane({
      addresses: [network.host],
      say,
      ...(network.proxy === undefined ? {} : { proxy: network.proxy }),
    })
    closing.push(() => plane.close())
    const node = await startNode(plane, network, { images: { sallyport: guardImage(), ...images }, say })
    closing.push(() => node.close())
    const folder = join(plane.folder, 'suite')
    mkdirSync(folder)
    let istiod: Promise<Istiod> | undefined
    closing.push(async () => (await istiod)?.close())

    const mustKubectl: Context['mustKubectl'] = async (args, input) => {
      const { code, stdout, stderr } = await plane.kubectl(args, input === undefined ? {} : { input })
      if (code !== 0) throw new Error(`kubectl ${args.join(' ')} ended with ${code}: ${stderr}`)
      return stdout
    }
    let made = 0
    const context: Context = {
      plane,
      node,
      kubectl: plane.kubectl,
      mustKubectl,
      helm: (args, { env, ...hints } = {}) =>
        runCommand([binary('helm'), ...args], {
          ...hints,
          env: { KUBECONFIG: plane.kubeconfig, ...helmFolders(plane.folder), ...env },
        }),
      root,
      chart: join(root, 'charts/sallyport'),
      folder,
      freshNamespace: async (labels = {}, prefix = 'e2e') => {
        const name = `${prefix}-${++made}`
        const metadata = { name, labels }
        await plane.call('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata })
        await waitFor(() => get(`/api/v1/namespaces/${name}/serviceaccounts/default`), {
          what: `the service account of ${name}`,
        })
        return name
      },
      apply: async items => {
        const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
        await mustKubectl(['apply', '--server-side', '-f', '-'], input)
      },
      waitFor,
      istiod: () => {
        istiod ??= startIstiod(plane).then(running => ({
          ...running,
          close: () => {
            istiod = undefined
            return running.close()
          },
        }))
        return istiod
      },
      get: path => get(path),
    }
    const get = async (path: string): Promise<Item | undefined> => {
      try {
        return await plane.call('GET', path)
      } catch (cause) {
        if (cause instanceof Refused && cause.status === 404) return undefined
        throw cause
      }
    }
    return { context, close }
  } catch (cause) {
    await close()
    throw cause
  }
}

async function chooseNetwork(wanted: ClusterOptions['network'], say: (line: string) => void): Promise<Network> {
  if (wanted === 'host') return hostNetwork()
  const why = await whyNoNetwork()
  if (why === undefined) return makeNetwork()
  if (wanted === 'namespaces') throw new Error(`no network namespaces can be made here: ${why}`)
  say(
    `no network namespaces can be made here (${why}): pods run on 127.0.0.1, and the API server reaches them by a proxy`,
  )
  return hostNetwork()
}

/** Returns the guard's image as the Dockerfile makes it, from what `npm run build` wrote. */
function guardImage(): Image {
  const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8')
  const words = (instruction: string): readonly string[] => {
    const [, json] = new RegExp(`^${instruction} (\\[.*\\])$`, 'm').exec(dockerfile) ?? []
    if (json === undefined) throw new Error(`the Dockerfile has no ${instruction}`)
    return JSON.parse(json) as readonly string[]
  }
  return {
    entrypoint: words('ENTRYPOINT'),
    command: words('CMD'),
    files: {
      '/nodejs/bin/node': process.execPath,
      '/app/package.json': join(root, 'package.json'),
      '/app/dist': join(root, 'dist'),
      '/app/policies': join(root, 'policies'),
    },
    env: { NODE_ENV: 'production' },
    workingDir: '/app',
  }
}

/** Helm's own folders, so that nobody's settings and caches are used or changed. */
function helmFolders(folder: string): NodeJS.ProcessEnv {
  return {
    HELM_CACHE_HOME: join(folder, 'helm-cache'),
    HELM_CONFIG_HOME: join(folder, 'helm-config'),
    HELM_DATA_HOME: join(folder, 'helm-data'),
  }
}
