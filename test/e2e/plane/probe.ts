import { once } from 'node:events'
import { get as getHttp } from 'node:http'
import { get as getHttps } from 'node:https'
import { connect } from 'node:net'
import type { Action, Probe } from './pod.ts'

/** Where a port of a pod is reached from here. */
export interface Place {
  readonly host: string
  readonly port: number
}

/** Calls what a probe or a hook says, and returns whether that went well. */
export async function act(action: Action, place: (port: number | string) => Place, seconds: number): Promise<boolean> {
  const signal = AbortSignal.timeout(seconds * 1000)
  try {
    if (action.httpGet !== undefined) {
      const { path = '/', port, scheme = 'HTTP' } = action.httpGet
      const options = { ...place(port), path, agent: false, signal, headers: { 'user-agent': 'kube-probe/1.36' } }
      const call = scheme === 'HTTPS' ? getHttps({ ...options, rejectUnauthorized: false }) : getHttp(options)
      const [reply] = await once(call, 'response', { signal })
      reply.resume()
      return reply.statusCode >= 200 && reply.statusCode < 400
    }
    if (action.tcpSocket !== undefined) {
      const { host, port } = place(action.tcpSocket.port)
      const socket = connect(port, host)
      try {
        await once(socket, 'connect', { signal })
      } finally {
        socket.destroy()
      }
    }
    // Anything else cannot be tried from here.
    return true
  } catch {
    return false
  }
}

/** What a probe that is repeated tells. */
export interface Watched {
  readonly probe: Probe
  readonly place: (port: number | string) => Place
  /** Told once the threshold in either direction is reached, and again after each further such stretch. */
  readonly changed: (healthy: boolean) => void
  readonly signal: AbortSignal
  /** Whether to look more often until it first succeeds, so that tests need not wait for a whole period. */
  readonly eager: boolean
}

/** Repeats a probe until the signal. */
export async function repeat({ probe, place, changed, signal, eager }: Watched): Promise<void> {
  const { initialDelaySeconds = 0, periodSeconds = 10, timeoutSeconds = 1 } = probe
  const { failureThreshold = 3, successThreshold = 1 } = probe
  let streak = { healthy: false, length: 0 }
  let hurry = eager
  await pause(initialDelaySeconds * 1000, signal)
  while (!signal.aborted) {
    const healthy = await act(probe, place, timeoutSeconds)
    if (signal.aborted) return
    streak = healthy === streak.healthy ? { healthy, length: streak.length + 1 } : { healthy, length: 1 }
    if (streak.length >= (healthy ? successThreshold : failureThreshold)) {
      if (healthy) hurry = false
      changed(healthy)
      streak = { healthy, length: 0 }
    }
    await pause(hurry ? Math.min(periodSeconds * 1000, 200) : periodSeconds * 1000, signal)
  }
}

/** Waits, but not longer than until the signal. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal?.aborted) return resolve()
    const done = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    signal?.addEventListener('abort', done)
  })
}
