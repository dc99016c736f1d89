import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Attachment, type Network, pretender } from './network.ts'
import { freePorts } from './setup.ts'

/**
 * Makes the network for machines that allow no network namespaces: pods run on this machine, what they listen on becomes
 * a free port of 127.0.0.1, and their addresses are made up. The API server connects through a proxy that knows which
 * address stands for which ports, so Services, EndpointSlices and certificates are as in production here too.
 */
export async function hostNetwork(): Promise<Network> {
  const spare = [...(await freePorts(100))]
  const places = new Map<string, Attachment>()
  const pretend = pretender()
  const folder = mkdtempSync(join(tmpdir(), `sallyport-e2e-${process.pid}-proxy-`))
  const socket = join(folder, 'proxy.sock')
  const closeProxy = await startProxy(socket, address => places.get(address))
  return {
    host: '127.0.0.1',
    proxy: socket,
    attach: () => {
      const place = attach(pretend(), spare, address => places.delete(address))
      places.set(place.address, place)
      return place
    },
    pretend,
    close: async () => {
      await closeProxy()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const listening = /(0\.0\.0\.0|\[::\]|127\.0\.0\.1):(\d+)$/

function attach(address: string, spare: number[], closed: (address: string) => void): Attachment {
  const ports = new Map<number, number>()
  const own = (port: number): number => {
    const found = ports.get(port) ?? spare.pop()
    if (found === undefined) throw new Error('no spare ports are left')
    ports.set(port, found)
    return found
  }
  return {
    address,
    enter: [],
    rewrite: argv => argv.map(word => word.replace(listening, (_, _host, port) => `127.0.0.1:${own(Number(port))}`)),
    reach: port => ({ host: '127.0.0.1', port: own(port) }),
    close: () => {
      spare.unshift(...ports.values())
      closed(address)
    },
  }
}

async function startProxy(
  path: string,
  find: (address: string) => Attachment | undefined,
): Promise<() => Promise<void>> {
  const open = new Set<Socket>()
  const server = createServer()
  server.on('connect', (call, near: Socket) => {
    const [address = '', port = ''] = (call.url ?? '').split(':')
    const place = find(address)
    if (place === undefined) return near.end('HTTP/1.1 502 nothing has this address\r\n\r\n')
    const { host, port: target } = place.reach(Number(port))
    const far = connect(target, host, () => {
      near.write('HTTP/1.1 200 connected\r\n\r\n')
      near.pipe(far).pipe(near)
    })
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
    }
  })
  server.listen(path)
  await once(server, 'listening')
  return async () => {
    for (const socket of open) socket.destroy()
    server.close()
    await once(server, 'close')
  }
}
