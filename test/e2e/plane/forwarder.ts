import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** Passes TCP connections on, so that faults of the network can be played. */
export interface Forwarder {
  readonly host: string
  readonly port: number
  /** Lets nothing through any more, without closing anything: a network that went silent. */
  pause(): void
  /** Ends all connections and refuses new ones. */
  cut(): void
  /** Ends all connections; new ones are fine. */
  reset(): void
  /** Lets everything through again. */
  resume(): void
  close(): Promise<void>
}

/** Passes connections from an address on to a port of 127.0.0.1. */
export async function forward(host: string, target: number): Promise<Forwarder> {
  const open = new Set<Socket>()
  let mode: 'open' | 'paused' | 'cut' = 'open'
  const server = createServer(near => {
    if (mode === 'cut') return near.destroy()
    const far = connect(target, '127.0.0.1')
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket)
      // Errors end in close, and close ends both.
      socket
        .on('error', () => undefined)
        .on('close', () => {
          open.delete(socket)
          other.destroy()
        })
      socket.on('data', chunk => {
        if (!other.write(chunk)) socket.pause()
      })
      socket.on('drain', () => {
        if (mode !== 'paused') other.resume()
      })
      socket.on('end', () => other.end())
      if (mode === 'paused') socket.pause()
    }
  })
  server.listen(0, host)
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const reset = (): void => {
    for (const socket of open) socket.destroy()
  }
  return {
    host,
    port,
    pause: () => {
      mode = 'paused'
      for (const socket of open) socket.pause()
    },
    cut: () => {
      mode = 'cut'
      reset()
    },
    reset,
    resume: () => {
      mode = 'open'
      for (const socket of open) socket.resume()
    },
    close: async () => {
      reset()
      server.close()
      await once(server, 'close')
    },
  }
}
