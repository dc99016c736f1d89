import { type Client, Refused } from './client.ts'
import { type Container, type Pod, podPath } from './pod.ts'
import { pause } from './probe.ts'

/** What is known of one container. */
export interface ContainerState {
  readonly ready: boolean
  readonly started: boolean
  readonly restarts: number
  readonly state: object
  readonly lastState?: object
}

/** What the status of a pod says. */
export interface PodState {
  readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed'
  readonly address: string
  readonly hostAddress: string
  readonly containers: ReadonlyMap<string, ContainerState>
}

/** Writes the status of one pod, in order, until it is written or the pod is gone. */
export interface StatusWriter {
  /** Says what the status is now; what was not written before that need not be. */
  set(state: PodState): void
  /** Returns once the last state is written, or never will be. */
  settled(): Promise<void>
  /** Writes nothing any more. */
  stop(): void
}

/** Returns the writer of a pod's status. */
export function statusWriter(client: Client, pod: Pod): StatusWriter {
  const path = `${podPath(pod)}/status`
  const startTime = now()
  const since = new Map<string, { readonly status: string; readonly time: string }>()
  let wanted: PodState | undefined
  let writing: Promise<void> | undefined
  let stopped = false

  const condition = (type: string, holds: boolean): object => {
    const status = holds ? 'True' : 'False'
    const known = since.get(type)
    const time = known?.status === status ? known.time : now()
    since.set(type, { status, time })
    return { type, status, lastTransitionTime: time }
  }
  const write = async (): Promise<void> => {
    while (wanted !== undefined && !stopped) {
      const state = wanted
      wanted = undefined
      const body = { metadata: { uid: pod.metadata.uid }, status: statusOf(pod, state, startTime, condition) }
      try {
        await client.call('PATCH', path, body, { 'content-type': 'application/strategic-merge-patch+json' })
      } catch (cause) {
        // Gone, or another pod of that name.
        if (cause instanceof Refused && (cause.status === 404 || cause.status === 409)) return
        wanted ??= state
        await pause(100)
      }
    }
  }
  return {
    set: state => {
      wanted = state
      writing ??= write().finally(() => {
        writing = undefined
      })
    },
    settled: async () => {
      while (writing !== undefined) await writing
    },
    stop: () => {
      stopped = true
    },
  }
}

function statusOf(
  { spec }: Pod,
  { phase, address, hostAddress, containers }: PodState,
  startTime: string,
  condition: (type: string, holds: boolean) => object,
): object {
  const ready = phase === 'Running' && spec.containers.every(({ name }) => containers.get(name)?.ready === true)
  const describe = ({ name, image }: { readonly name: string; readonly image: string }): object => {
    const known = containers.get(name)
    return {
      name,
      image,
      imageID: `e2e://${image}`,
      ready: known?.ready ?? false,
      started: known?.started ?? false,
      restartCount: known?.restarts ?? 0,
      state: known?.state ?? { waiting: { reason: 'ContainerCreating' } },
      ...(known?.lastState === undefined ? {} : { lastState: known.lastState }),
    }
  }
  return {
    phase,
    startTime,
    hostIP: hostAddress,
    hostIPs: [{ ip: hostAddress }],
    podIP: address,
    podIPs: [{ ip: address }],
    conditions: [
      condition('PodScheduled', true),
      condition('PodReadyToStartContainers', true),
      condition('Initialized', true),
      condition('ContainersReady', ready),
      condition('Ready', ready),
    ],
    containerStatuses: spec.containers.map(describe),
    ...(spec.initContainers === undefined ? {} : { initContainerStatuses: spec.initContainers.map(describe) }),
  }
}

/** Returns the time as Kubernetes writes it. */
export function now(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`
}

/** Returns the state of a container that has no process: it runs, or has ended well where it is to end. */
export function pretended({ restartPolicy }: Container, ends = restartPolicy !== 'Always'): ContainerState {
  const time = now()
  const state = ends
    ? { terminated: { exitCode: 0, reason: 'Completed', startedAt: time, finishedAt: time } }
    : { running: { startedAt: time } }
  return { ready: !ends, started: !ends, restarts: 0, state }
}
