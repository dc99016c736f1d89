import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { kubernetesVersion } from './binaries.ts'
import { type Item, Refused } from './client.ts'
import { type Forwarder, forward } from './forwarder.ts'
import type { Image } from './launch.ts'
import type { Network } from './network.ts'
import type { Plane } from './plane.ts'
import { type Pod, podPath } from './pod.ts'
import { type Host, imageName, type PodRun, remove, runPod } from './podrun.ts'
import { pause } from './probe.ts'
import { pretended, statusWriter } from './status.ts'

/** The node of the cluster: binds pods to itself and plays kubelet for them. */
export interface Node {
  readonly name: string
  readonly network: Network
  /** How pods reach the API server; here their connection can be made to fail. */
  readonly api: Forwarder
  /** Returns the pods that run as processes, in a namespace or in all. */
  pods(namespace?: string): readonly PodRun[]
  /** Returns a pod that runs as a process. Throws where there is none of that name. */
  pod(namespace: string, name: string): PodRun
  /** Sends the process of a pod a signal, behind the API server's back. */
  kill(namespace: string, name: string, signal: NodeJS.Signals): void
  /** Returns what a pod wrote, also of one that is gone by now. */
  logs(namespace: string, name: string): string
  close(): Promise<void>
}

/** What a node is started with. */
export interface NodeOptions {
  /** Programs by the last part of an image's name: `sallyport` for `ghcr.io/acme/sallyport:1`. */
  readonly images: Readonly<Record<string, Image>>
  /** Whether pods of unknown images are said to run, and those of Jobs to have ended well; unless, they stay pending. */
  readonly pretend?: boolean
  /** Whether the node serves pods of a namespace; all unless told. */
  readonly serves?: (namespace: string) => boolean
  readonly say?: (line: string) => void
}

/** Registers a node and starts to play its kubelet. */
export async function startNode(plane: Plane, network: Network, options: NodeOptions): Promise<Node> {
  const { images, pretend = true, serves = () => true, say = () => undefined } = options
  const name = 'node-1'
  const folder = join(plane.folder, 'pods')
  mkdirSync(folder, { recursive: true })
  const api = await forward(network.host, Number(new URL(plane.url).port))
  const host: Host = { client: plane, network, api, images: new Map(Object.entries(images)), folder, say }
  await register(plane, name, network.host)

  const runs = new Map<string, PodRun>()
  const oldLogs = new Map<string, string>()
  const claimed = new Set<string>()
  const closing = new AbortController()
  const pending = new Set<Promise<unknown>>()

  const background = (work: Promise<unknown>): void => {
    const kept: Promise<unknown> = work
      .catch((cause: unknown) => closing.signal.aborted || say(`node: ${cause}`))
      .finally(() => pending.delete(kept))
    pending.add(kept)
  }
  const isKnown = ({ spec }: Pod): boolean => spec.containers.some(({ image }) => host.images.has(imageName(image)))
  const forget = (uid: string, run: PodRun): void => {
    oldLogs.set(`${run.pod.metadata.namespace}/${run.pod.metadata.name}`, run.logs())
    runs.delete(uid)
  }
  const seen = (pod: Pod): void => {
    const { uid, namespace, deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata
    if (!serves(namespace) || closing.signal.aborted) return
    const run = runs.get(uid)
    if (deletionTimestamp !== undefined) {
      if (run !== undefined) background(run.terminate(deletionGracePeriodSeconds ?? 30).then(() => forget(uid, run)))
      // Pods that have no process here end when they are told to.
      else if (pod.spec.nodeName === name) background(remove(plane, pod))
      return
    }
    const known = isKnown(pod)
    if (!known && !pretend) return
    if (pod.spec.nodeName === undefined) {
      background(bind(plane, pod, name))
      return
    }
    if (pod.spec.nodeName !== name || claimed.has(uid) || isOver(pod)) return
    claimed.add(uid)
    if (known) runs.set(uid, runPod(host, pod))
    else background(play(host, pod))
  }
  const vanished = (uid: string): void => {
    claimed.delete(uid)
    const run = runs.get(uid)
    if (run !== undefined) background(run.destroy().then(() => forget(uid, run)))
  }
  background(followPods(plane, closing.signal, seen, vanished, () => [...claimed]))

  const find = (namespace: string, podName: string): PodRun | undefined =>
    [...runs.values()].find(({ pod: { metadata } }) => metadata.namespace === namespace && metadata.name === podName)
  const pod: Node['pod'] = (namespace, podName) => {
    const found = find(namespace, podName)
    if (found === undefined) throw new Error(`no process runs for pod ${namespace}/${podName}`)
    return found
  }
  return {
    name,
    network,
    api,
    pods: namespace =>
      [...runs.values()].filter(run => namespace === undefined || run.pod.metadata.namespace === namespace),
    pod,
    kill: (namespace, podName, signal) => pod(namespace, podName).kill(signal),
    logs: (namespace, podName) => find(namespace, podName)?.logs() ?? oldLogs.get(`${namespace}/${podName}`) ?? '',
    close: async () => {
      closing.abort()
      await Promise.all([...runs.values()].map(run => run.destroy()))
      await Promise.all(pending)
      await api.close()
    },
  }
}

function isOver({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed'
}

/** Lists and watches pods until the signal; a watch that ends is followed by a new list. */
async function followPods(
  plane: Plane,
  signal: AbortSignal,
  seen: (pod: Pod) => void,
  vanished: (uid: string) => void,
  known: () => readonly string[],
): Promise<void> {
  while (!signal.aborted) {
    try {
      const list = await plane.call<{ readonly metadata: Item['metadata']; readonly items: readonly Pod[] }>(
        'GET',
        '/api/v1/pods',
      )
      const there = new Set(list.items.map(({ metadata }) => metadata.uid))
      for (const uid of known()) if (!there.has(uid)) vanished(uid)
      for (const pod of list.items) seen(pod)
      const query = `watch=1&timeoutSeconds=600&resourceVersion=${list.metadata.resourceVersion}`
      await plane.watch<Pod>(
        `/api/v1/pods?${query}`,
        (type, pod) => (type === 'DELETED' ? vanished(pod.metadata.uid) : seen(pod)),
        signal,
      )
    } catch {
      // The API server is away or restarts: a new list tells everything.
      await pause(100, signal)
    }
  }
}

/** Does what a scheduler does. A pod that is seen twice before it is bound is refused the second time. */
async function bind(plane: Plane, pod: Pod, name: string): Promise<void> {
  try {
    await plane.call('POST', `${podPath(pod)}/binding`, {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name: pod.metadata.name, namespace: pod.metadata.namespace, uid: pod.metadata.uid },
      target: { apiVersion: 'v1', kind: 'Node', name },
    })
  } catch (cause) {
    if (!(cause instanceof Refused) || (cause.status !== 409 && cause.status !== 404)) throw cause
  }
}

/** Says that a pod runs, or has ended well where it is to end, although nothing runs. */
async function play({ client, network }: Host, pod: Pod): Promise<void> {
  const { containers, initContainers = [], restartPolicy = 'Always' } = pod.spec
  const ends = restartPolicy !== 'Always'
  const states = new Map([
    ...initContainers.map(container => [container.name, pretended(container)] as const),
    ...containers.map(container => [container.name, pretended(container, ends)] as const),
  ])
  const status = statusWriter(client, pod)
  const phase = ends ? 'Succeeded' : 'Running'
  status.set({ phase, address: network.pretend(), hostAddress: network.host, containers: states })
  await status.settled()
}

async function register(plane: Plane, name: string, address: string): Promise<void> {
  const amounts = { cpu: '16', memory: '64Gi', pods: '10000', 'ephemeral-storage': '100Gi' }
  const labels = { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' }
  await plane.call('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } })
  const since = new Date().toISOString()
  await plane.call('PATCH', `/api/v1/nodes/${name}/status`, {
    status: {
      capacity: amounts,
      allocatable: amounts,
      addresses: [
        { type: 'InternalIP', address },
        { type: 'Hostname', address: name },
      ],
      conditions: [
        { type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime: since, lastTransitionTime: since },
      ],
      nodeInfo: {
        machineID: name,
        systemUUID: name,
        bootID: name,
        kernelVersion: '6.12.0',
        osImage: 'e2e',
        containerRuntimeVersion: 'e2e://1',
        kubeletVersion: kubernetesVersion,
        kubeProxyVersion: kubernetesVersion,
        operatingSystem: 'linux',
        architecture: 'amd64',
      },
    },
  })
  // The API server taints each new node; nothing here would remove that.
  await plane.call('PATCH', `/api/v1/nodes/${name}`, { spec: { taints: null } })
}
