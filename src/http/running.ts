import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as after } from 'node:timers/promises'
import { trackConnections } from './connections.ts'
import type { CrashOrigin } from './metrics.ts'
import { probesApp } from './probes.ts'
import { admissionApp, type ServerOptions, secureContextOf } from './server.ts'

/** Where to listen; port 0 is any free one. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** What a server proves itself by, and whom it lets in. */
export interface Identity {
  readonly key: string
  readonly cert: string
  /** When the certificate ends, milliseconds since the epoch. */
  readonly notAfter: number
  readonly clientCa: string | undefined
}

/** A server that listens. */
export interface RunningServer {
  readonly admission: Endpoint
  readonly probes: Endpoint
  /** Shows another certificate from the next connection on; those that are open stay. */
  identify(identity: Identity): void
  /**
   * Judges nothing any more, since nobody knows what state the process is in: reviews are told to come again, and their
   * connections end, so that another replica gets them.
   */
  abandon(origin: CrashOrigin): void
  /**
   * Stops: readiness fails at once, requests are still answered, each ending its connection, until `routed` says that
   * nobody sends any more. Then what is under way may take so many milliseconds to finish. Returns how many connections
   * had to be cut.
   */
  close(routed?: Promise<unknown>, patience?: number): Promise<number>
}

/** Longer than any request may take (8 s, looked at every second). */
const defaultPatience = 10_000

/** Starts both endpoints. */
export async function startServer(
  options: ServerOptions,
  listen: { readonly admission: Endpoint; readonly probes: Endpoint },
): Promise<RunningServer> {
  const { metrics } = options
  let { notAfter = Number.POSITIVE_INFINITY, clientCa } = options
  let draining = false
  let abandoned = false
  const ready = (): boolean => !abandoned && options.ready()
  const ending = (socket: Socket): boolean => draining || connections.isOutdated(socket)
  const admission = admissionApp({ ...options, ready }, ending)
  const connections = trackConnections(admission.server)
  const available = (): boolean => options.available?.() ?? true
  const probes = probesApp(metrics, () => !draining && ready() && available() && Date.now() < notAfter)
  try {
    await admission.listen(addressOf(listen.admission))
    await probes.listen(addressOf(listen.probes))
  } catch (cause) {
    await Promise.all([admission.close(), probes.close()])
    throw cause
  }
  return {
    admission: endpointOf(admission.server.address(), listen.admission),
    probes: endpointOf(probes.server.address(), listen.probes),
    identify: next => {
      admission.server.setSecureContext(secureContextOf(next))
      // Clients of a CA that is gone must show themselves anew.
      if (next.clientCa !== clientCa) connections.outdate()
      notAfter = next.notAfter
      clientCa = next.clientCa
    },
    abandon: origin => {
      abandoned = true
      draining = true
      metrics.crashed(origin)
    },
    close: async (routed, patience = defaultPatience) => {
      draining = true
      await routed
      const limit = new AbortController()
      const closed = admission.close().then(() => 'closed')
      connections.endUnused()
      const outcome = await Promise.race([closed, after(patience, 'patience is over', { signal: limit.signal })])
      limit.abort()
      const cut = outcome === 'closed' ? 0 : connections.destroy()
      await probes.close()
      return cut
    },
  }
}

/** For `localhost` Fastify makes a second server, which would never learn of a new certificate. */
function addressOf({ host, port }: Endpoint): Endpoint {
  return { host: host === 'localhost' ? '127.0.0.1' : host, port }
}

function endpointOf(address: AddressInfo | string | null, asked: Endpoint): Endpoint {
  return typeof address === 'object' && address !== null ? { host: asked.host, port: address.port } : asked
}
