import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { type Image, type Launch, launch } from './launch.ts'
import { type Container, portNumber, type SecurityContext } from './pod.ts'
import { act, type Place, pause, repeat } from './probe.ts'
import { type ContainerState, now } from './status.ts'

/** A container whose image stands for a program of this machine. */
export interface RunningContainer {
  /** Returns when it has ended for good, with the code it ended with. */
  readonly ended: Promise<number>
  /** Sends its process a signal. */
  kill(signal: NodeJS.Signals): void
  /** Runs its preStop hook, then SIGTERM, then after what is left of the grace SIGKILL; returns when it has ended. */
  terminate(graceSeconds: number): Promise<void>
  /** Returns the pid of its process, if it has one now. */
  pid(): number | undefined
}

/** What a container is run with. */
export interface ContainerOptions {
  readonly container: Container
  readonly restartPolicy: 'Always' | 'OnFailure' | 'Never'
  /** How its process is started; asked again before each restart. */
  readonly prepare: (restarts: number) => Promise<Launch>
  /** Where a port of the pod is reached from here. */
  readonly place: (port: number) => Place
  readonly changed: (state: ContainerState) => void
  readonly output: (text: string) => void
}

/** Runs a container until it ends for good. */
export function runContainer(options: ContainerOptions): RunningContainer {
  const { container, changed, output, restartPolicy } = options
  const stopping = new AbortController()
  let child: ChildProcess | undefined
  const place = (port: number | string): Place => options.place(portNumber(container, port))

  /** A variable may come from an object that is made after the pod. */
  const prepare = async (restarts: number): Promise<Launch | undefined> => {
    while (!stopping.signal.aborted) {
      try {
        return await options.prepare(restarts)
      } catch (cause) {
        const message = cause instanceof Error ? cause.message : String(cause)
        const state = { waiting: { reason: 'CreateContainerConfigError', message } }
        changed({ ready: false, started: false, restarts, state })
        await pause(500, stopping.signal)
      }
    }
    return undefined
  }
  const runOnce = async (restarts: number, lastState: object | undefined): Promise<Outcome> => {
    const wanted = await prepare(restarts)
    if (wanted === undefined) return { exitCode: 1, terminated: {} }
    const started = now()
    const current = launch(wanted)
    child = current
    current.stdout?.setEncoding('utf8').on('data', output)
    current.stderr?.setEncoding('utf8').on('data', output)
    const exit = once(current, 'exit')
    const over = new AbortController()
    let health = { ready: false, started: false }
    const tell = (next: typeof health): void => {
      health = next
      if (!over.signal.aborted) {
        changed({
          ...health,
          restarts,
          state: { running: { startedAt: started } },
          ...(lastState ? { lastState } : {}),
        })
      }
    }
    tell({ ready: false, started: container.startupProbe === undefined })
    const probing = probe(container, place, over.signal, stopping.signal, {
      get: () => health,
      set: tell,
      unhealthy: () => current.kill('SIGTERM'),
    })
    const [code, signal] = (await exit) as [number | null, NodeJS.Signals | null]
    over.abort()
    await probing
    child = undefined
    const exitCode = code ?? 128 + (signal === 'SIGKILL' ? 9 : 15)
    const reason = exitCode === 0 ? 'Completed' : 'Error'
    return { exitCode, terminated: { exitCode, reason, startedAt: started, finishedAt: now() } }
  }
  const run = async (): Promise<number> => {
    let lastState: object | undefined
    for (let restarts = 0; ; restarts++) {
      const { exitCode, terminated } = await runOnce(restarts, lastState)
      const over =
        stopping.signal.aborted || restartPolicy === 'Never' || (restartPolicy === 'OnFailure' && exitCode === 0)
      const state = over ? { terminated } : { waiting: { reason: 'CrashLoopBackOff' } }
      lastState = { terminated }
      changed({ ready: false, started: false, restarts, state, lastState })
      if (over) return exitCode
      await pause(Math.min(200 * 2 ** restarts, 10_000), stopping.signal)
      if (stopping.signal.aborted) return exitCode
    }
  }
  const ended = run()
  return {
    ended,
    kill: signal => child?.kill(signal),
    pid: () => child?.pid,
    terminate: async graceSeconds => {
      const deadline = Date.now() + graceSeconds * 1000
      stopping.abort()
      const hook = container.lifecycle?.preStop
      if (hook?.sleep !== undefined) await pause(Math.min(hook.sleep.seconds, graceSeconds) * 1000)
      else if (hook !== undefined && graceSeconds > 0) await act(hook, place, graceSeconds)
      child?.kill('SIGTERM')
      const patience = setTimeout(() => child?.kill('SIGKILL'), Math.max(deadline - Date.now(), 0))
      await ended.catch(() => undefined)
      clearTimeout(patience)
    },
  }
}

interface Outcome {
  readonly exitCode: number
  readonly terminated: object
}

interface Health {
  readonly ready: boolean
  readonly started: boolean
}

interface HealthKeeper {
  readonly get: () => Health
  readonly set: (health: Health) => void
  readonly unhealthy: () => void
}

/** Runs the probes of one process until it is over; while the pod stops only readiness is looked at. */
async function probe(
  { startupProbe, livenessProbe, readinessProbe }: Container,
  place: (port: number | string) => Place,
  over: AbortSignal,
  stopping: AbortSignal,
  health: HealthKeeper,
): Promise<void> {
  if (startupProbe !== undefined) {
    const done = new AbortController()
    const signal = AbortSignal.any([over, done.signal])
    const changed = (healthy: boolean): void => {
      if (!healthy) return health.unhealthy()
      health.set({ ...health.get(), started: true })
      done.abort()
    }
    await repeat({ probe: startupProbe, place, changed, signal, eager: false })
  }
  if (over.aborted) return
  const probes: Promise<void>[] = []
  if (readinessProbe === undefined) health.set({ ready: true, started: true })
  else {
    const changed = (ready: boolean): void => {
      if (ready !== health.get().ready) health.set({ ready, started: true })
    }
    probes.push(repeat({ probe: readinessProbe, place, changed, signal: over, eager: true }))
  }
  if (livenessProbe !== undefined) {
    const signal = AbortSignal.any([over, stopping])
    const changed = (healthy: boolean): void => {
      if (!healthy) health.unhealthy()
    }
    probes.push(repeat({ probe: livenessProbe, place, changed, signal, eager: false }))
  }
  await Promise.all(probes)
}

/** Returns who a container's process runs as: the container's word before the pod's. */
export function userOf(pod: SecurityContext = {}, container: SecurityContext = {}): { user: number; group: number } {
  const user = container.runAsUser ?? pod.runAsUser ?? 65532
  return { user, group: container.runAsGroup ?? pod.runAsGroup ?? user }
}

/** Returns the command line of a container, with `$(NAME)` replaced. */
export function argvOf(container: Container, image: Image, env: Readonly<Record<string, string>>): readonly string[] {
  const expand = (word: string): string => word.replace(/\$\(([\w.-]+)\)/g, (whole, name) => env[name] ?? whole)
  const args = container.args ?? (container.command === undefined ? (image.command ?? []) : [])
  return [...(container.command ?? image.entrypoint), ...args].map(expand)
}
