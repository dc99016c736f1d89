import type { Server } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

/** The connections of a server that have completed their handshake. */
export interface Connections {
  readonly count: number
  /** From now on those that are open now are outdated: whoever made them might not be let in any more. */
  outdate(): void
  isOutdated(socket: Socket): boolean
  /** Ends those that never carried a request; Node's own `closeIdleConnections` leaves them open. */
  endUnused(): void
  /** Cuts all of them and returns how many there were. */
  destroy(): number
}

/** Returns the connections that a server has from now on. */
export function trackConnections(server: Server): Connections {
  const made = new Map<Socket, number>()
  let generation = 0
  server.on('secureConnection', (socket: TLSSocket) => {
    made.set(socket, generation)
    socket.once('close', () => made.delete(socket))
  })
  return {
    get count() {
      return made.size
    },
    outdate: () => {
      generation++
    },
    isOutdated: socket => generation > 0 && (made.get(socket) ?? generation) < generation,
    endUnused: () => {
      for (const socket of made.keys()) if (socket.bytesRead === 0) socket.destroySoon()
    },
    destroy: () => {
      const { size } = made
      for (const socket of made.keys()) socket.destroy()
      return size
    },
  }
}
