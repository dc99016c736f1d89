import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Client } from './client.ts'
import { argvOf, type RunningContainer, runContainer, userOf } from './container.ts'
import { changes, type Sources, variableValue, writeVolume } from './files.ts'
import type { Forwarder } from './forwarder.ts'
import type { Image, Launch, Mount } from './launch.ts'
import type { Attachment, Network } from './network.ts'
import { type Container, type Pod, podPath } from './pod.ts'
import { pause } from './probe.ts'
import { type ContainerState, type PodState, pretended, statusWriter } from './status.ts'

/** What all pods of a node share. */
export interface Host {
  readonly client: Client
  readonly network: Network
  /** How pods reach the API server. */
  readonly api: Forwarder
  /** Programs by the last part of an image's name. */
  readonly images: ReadonlyMap<string, Image>
  /** A folder for what pods see. */
  readonly folder: string
  readonly say: (line: string) => void
}

/** A pod that runs on the node. */
export interface PodRun {
  readonly pod: Pod
  /** Where its ports are reached from this machine. */
  reach(port: number): { readonly host: string; readonly port: number }
  /** Ends it gracefully and removes it from the API server; the second call changes nothing. */
  terminate(graceSeconds: number): Promise<void>
  /** Ends it at once and leaves the API server alone. */
  destroy(): Promise<void>
  kill(signal: NodeJS.Signals, container?: string): void
  pid(container?: string): number | undefined
  logs(): string
}

/** Starts the processes of a pod, one for each container whose image is known; the others are only said to run. */
export function runPod(host: Host, pod: Pod): PodRun {
  const place = host.network.attach()
  const folder = join(host.folder, pod.metadata.uid)
  const status = statusWriter(host.client, pod)
  const states = new Map<string, ContainerState>()
  const running = new Map<string, RunningContainer>()
  const leaving = new AbortController()
  const gone = new AbortController()
  const log: string[] = []
  const sources: Sources = { client: host.client, pod, address: place.address }
  const { spec } = pod
  // Each pod on the host's network has, as it were, a node of its own.
  const hostAddress = spec.hostNetwork === true ? place.address : host.network.host

  const publish = (phase: PodState['phase']): void => {
    if (!gone.signal.aborted) status.set({ phase, address: place.address, hostAddress, containers: states })
  }
  const start = async (): Promise<void> => {
    mkdirSync(folder, { recursive: true })
    publish('Pending')
    await retry(
      () => writeVolumes(pod, folder, sources),
      leaving.signal,
      line => log.push(`${line}\n`),
    )
    if (leaving.signal.aborted) return
    for (const container of spec.initContainers ?? []) states.set(container.name, pretended(container))
    for (const container of spec.containers) {
      const image = host.images.get(imageName(container.image))
      if (image === undefined) {
        states.set(container.name, pretended(container, false))
        continue
      }
      const run = runContainer({
        container,
        restartPolicy: spec.restartPolicy ?? 'Always',
        prepare: restarts =>
          prepare(host, place, sources, container, image, join(folder, `root-${container.name}-${restarts}`)),
        place: port => place.reach(port),
        changed: state => {
          states.set(container.name, state)
          publish('Running')
        },
        output: text => log.push(text),
      })
      running.set(container.name, run)
      run.ended.catch((cause: unknown) => host.say(`${pod.metadata.name}: ${cause}`))
    }
    publish('Running')
    void refresh(pod, folder, sources, gone.signal)
    const codes = await Promise.all([...running.values()].map(({ ended }) => ended))
    // A pod that is being removed has no phase any more.
    if (codes.length > 0 && !ending) publish(codes.every(code => code === 0) ? 'Succeeded' : 'Failed')
  }
  const started = start().catch((cause: unknown) => host.say(`${pod.metadata.name}: ${cause}`))

  const clean = async (): Promise<void> => {
    gone.abort()
    status.stop()
    await started
    place.close()
    rmSync(folder, { recursive: true, force: true })
  }
  let ending: Promise<void> | undefined
  const end = async (graceSeconds: number): Promise<void> => {
    // From here on no container is started.
    leaving.abort()
    await Promise.all([...running.values()].map(container => container.terminate(graceSeconds)))
    await status.settled()
    await clean()
  }
  const [first = ''] = spec.containers.map(({ name }) => name)
  return {
    pod,
    reach: port => place.reach(port),
    terminate: graceSeconds => {
      ending ??= end(graceSeconds).then(() => remove(host.client, pod))
      return ending
    },
    destroy: () => {
      gone.abort()
      ending ??= end(0)
      return ending
    },
    kill: (signal, container = first) => running.get(container)?.kill(signal),
    pid: (container = first) => running.get(container)?.pid(),
    logs: () => log.join(''),
  }
}

/** Removes a pod whose processes have ended. */
export async function remove(client: Client, pod: Pod): Promise<void> {
  const body = { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid } }
  for (let attempt = 0; attempt < 600; attempt++) {
    try {
      const { status } = await client.request('DELETE', podPath(pod), body)
      // Refused for another reason than a hurry, it would be refused again.
      if (status !== 429 && status < 500) return
    } catch {
      // The API server is away; it comes back, or the whole run ends.
    }
    await pause(100)
  }
}

/** Returns the last part of an image's name, without registry, tag and digest. */
export function imageName(image: string): string {
  const [name = ''] = (image.split('/').at(-1) ?? '').split(/[@:]/)
  return name
}

async function prepare(
  host: Host,
  place: Attachment,
  sources: Sources,
  container: Container,
  image: Image,
  root: string,
): Promise<Launch> {
  const { pod } = sources
  const variables: Record<string, string> = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOSTNAME: pod.metadata.name,
    HOME: '/',
    ...image.env,
    KUBERNETES_SERVICE_HOST: host.api.host,
    KUBERNETES_SERVICE_PORT: String(host.api.port),
    KUBERNETES_SERVICE_PORT_HTTPS: String(host.api.port),
  }
  const { limits = {}, requests = {} } = container.resources ?? {}
  const amounts = Object.fromEntries([
    ...Object.entries(limits).map(([name, amount]) => [`limits.${name}`, amount]),
    ...Object.entries(requests).map(([name, amount]) => [`requests.${name}`, amount]),
  ])
  for (const variable of container.env ?? []) {
    const value = await variableValue(variable, amounts, sources)
    if (value !== undefined) variables[variable.name] = value
  }
  const folder = join(root, '..')
  const mounts: Mount[] = (container.volumeMounts ?? []).map(({ name, mountPath, subPath = '', readOnly = false }) => ({
    source: join(folder, 'volumes', name, subPath),
    target: mountPath,
    readOnly,
  }))
  const { readOnlyRootFilesystem = false } = container.securityContext ?? {}
  return {
    enter: place.enter,
    root,
    image,
    argv: place.rewrite(argvOf(container, image, variables)),
    env: variables,
    mounts,
    workingDir: container.workingDir ?? image.workingDir ?? '/',
    ...userOf(pod.spec.securityContext, container.securityContext),
    fsGroup: pod.spec.securityContext?.fsGroup,
    readOnlyRoot: readOnlyRootFilesystem,
  }
}

async function writeVolumes({ spec }: Pod, folder: string, sources: Sources): Promise<void> {
  for (const volume of spec.volumes ?? []) await writeOne(spec, volume, folder, sources)
}

async function writeOne(
  spec: Pod['spec'],
  volume: Parameters<typeof writeVolume>[0],
  folder: string,
  sources: Sources,
): Promise<void> {
  const { user } = userOf(spec.securityContext, spec.containers[0]?.securityContext)
  await writeVolume(volume, join(folder, 'volumes', volume.name), user, sources)
}

/** Brings ConfigMaps and Secrets that are mounted up to date; a kubelet takes longer. */
async function refresh({ spec }: Pod, folder: string, sources: Sources, gone: AbortSignal): Promise<void> {
  const changing = (spec.volumes ?? []).filter(changes)
  while (changing.length > 0 && !gone.aborted) {
    await pause(5000, gone)
    if (gone.aborted) return
    // What cannot be read now stays as it is.
    for (const volume of changing) await writeOne(spec, volume, folder, sources).catch(() => undefined)
  }
}

/** Tries until it works or the signal comes; a ConfigMap may be made after the pod that mounts it. */
async function retry(work: () => Promise<void>, gone: AbortSignal, failed: (why: string) => void): Promise<void> {
  let last = ''
  while (!gone.aborted) {
    try {
      return await work()
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      if (why !== last) failed(why)
      last = why
      await pause(200, gone)
    }
  }
}
