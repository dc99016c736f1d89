import { execFileSync } from 'node:child_process'
import { isRunning } from './process.ts'

/** A network of pods on this machine: a bridge, and for each pod a network namespace behind it. */
export interface Network {
  /** The address of this machine in it. */
  readonly host: string
  /** The socket of an HTTP CONNECT proxy by which the API server reaches pods; it reaches them itself unless told. */
  readonly proxy?: string
  /** Makes a place for a pod, with an address of its own. */
  attach(): Attachment
  /** Returns an address that nothing has, for a pod without a process. */
  pretend(): string
  /** Removes everything. */
  close(): Promise<void>
}

/** A pod's place in the network. */
export interface Attachment {
  /** The pod's address, as its status says it. */
  readonly address: string
  /** The words before a command that make it run in this place. */
  readonly enter: readonly string[]
  /** Returns a container's arguments as they must be here. */
  rewrite(argv: readonly string[]): readonly string[]
  /** Returns where a port of the pod is reached from this machine. */
  reach(port: number): { readonly host: string; readonly port: number }
  /** Removes it. */
  close(): void
}

const prefix = 'spe2e'

/** Makes a network that other runs on this machine do not use. Throws where this machine does not allow it. */
export function makeNetwork(): Network {
  sweep()
  const { bridge, number } = claim()
  const host = `10.77.${number}.1`
  ip('address', 'add', `${host}/24`, 'dev', bridge)
  ip('link', 'set', bridge, 'up')

  const open = new Map<string, string>()
  let made = 0
  let cursor = 1
  const close = (name: string): void => {
    if (!open.delete(name)) return
    ip('netns', 'delete', name)
  }
  return {
    host,
    attach: () => {
      const last = nextFree(open.values(), cursor)
      cursor = last
      const address = `10.77.${number}.${last}`
      const name = `${prefix}-${process.pid}-${number}-${made++}`
      const link = `${bridge}p${last}`
      ip('netns', 'add', name)
      open.set(name, address)
      ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
      ip('link', 'set', link, 'master', bridge, 'up')
      ip('-n', name, 'address', 'add', `${address}/24`, 'dev', 'eth0')
      ip('-n', name, 'link', 'set', 'eth0', 'up')
      ip('-n', name, 'link', 'set', 'lo', 'up')
      return {
        address,
        enter: ['ip', 'netns', 'exec', name],
        rewrite: argv => argv,
        reach: port => ({ host: address, port }),
        close: () => close(name),
      }
    },
    pretend: pretender(),
    close: async () => {
      for (const name of [...open.keys()]) close(name)
      ip('link', 'delete', bridge)
    },
  }
}

/** Returns a maker of addresses that nothing on this machine has or reaches. */
export function pretender(): () => string {
  let made = 0
  return () => {
    const n = made++ % (254 * 200)
    return `10.78.${Math.floor(n / 254)}.${1 + (n % 254)}`
  }
}

/** Returns why no network can be made here, or nothing. */
export async function whyNoNetwork(): Promise<string | undefined> {
  try {
    await makeNetwork().close()
    return undefined
  } catch (cause) {
    return cause instanceof Error ? (cause.message.trim().split('\n').at(-1) ?? cause.message) : String(cause)
  }
}

/** An address is used again as late as possible: connections to whoever had it may still be open. */
function nextFree(taken: Iterable<string>, cursor: number): number {
  const used = new Set([...taken].map(address => Number(address.split('.')[3])))
  for (let step = 0; step < 253; step++) {
    const last = 2 + ((cursor - 1 + step) % 253)
    if (!used.has(last)) return last
  }
  throw new Error('more than 253 pods with a process')
}

/** Takes the first free network: a bridge can be made only once, so two runs never get the same. */
function claim(): { readonly bridge: string; readonly number: number } {
  for (let number = 0; number < 100; number++) {
    const bridge = `${prefix}${number}`
    try {
      ip('link', 'add', bridge, 'type', 'bridge')
    } catch (cause) {
      if (cause instanceof Error && cause.message.includes('File exists')) continue
      throw cause
    }
    ip('link', 'set', bridge, 'alias', `pid ${process.pid}`)
    return { bridge, number }
  }
  throw new Error('a hundred networks are in use')
}

/** Removes what runs left behind that ended without closing their network. */
function sweep(): void {
  for (const line of ip('netns', 'list').split('\n')) {
    const [name = ''] = line.split(' ')
    const [, pid] = new RegExp(`^${prefix}-(\\d+)-`).exec(name) ?? []
    if (pid !== undefined && !isRunning(Number(pid))) quietly('netns', 'delete', name)
  }
  for (const { ifname, ifalias } of JSON.parse(ip('-j', 'link', 'show', 'type', 'bridge') || '[]') as readonly Link[]) {
    const [, pid] = /^pid (\d+)$/.exec(ifalias ?? '') ?? []
    if (ifname?.startsWith(prefix) && pid !== undefined && !isRunning(Number(pid))) quietly('link', 'delete', ifname)
  }
}

interface Link {
  readonly ifname?: string
  readonly ifalias?: string
}

/** Another run may sweep at the same time: what is gone already is gone. */
function quietly(...args: readonly string[]): void {
  try {
    ip(...args)
  } catch {
    return
  }
}

function ip(...args: readonly string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}
