import { performance } from 'node:perf_hooks'
import { connect, type TLSSocket } from 'node:tls'

/** Where a server listens and what is sent to it, over and over. */
export interface Target {
  readonly port: number
  readonly path: string
  readonly body: Uint8Array
}

/** What became of a load. */
export interface Load {
  readonly requests: number
  /** Answers other than HTTP 200, and connections that broke. */
  readonly failures: number
  /** Milliseconds from sending (of a paced load: from when it was due) to the last byte of the answer, sorted. */
  readonly latencies: Float64Array
}

/** Returns the bytes of one request, as an API server sends it. */
function requestOf({ path, body }: Target): Buffer {
  const head = [
    `POST ${path}?timeout=3s HTTP/1.1`,
    'Host: guard.sallyport-system.svc:443',
    'User-Agent: kube-apiserver-admission',
    'Accept: application/json, */*',
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
  ]
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body])
}

const end = Buffer.from('\r\n\r\n')

/** One kept connection that sends a request at a time. */
class Caller {
  readonly #socket: TLSSocket
  #received: Buffer = Buffer.alloc(0)
  #done: ((ok: boolean) => void) | undefined

  constructor(socket: TLSSocket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', chunk => this.#take(chunk))
    socket.on('error', () => this.#finish(false))
    socket.on('close', () => this.#finish(false))
  }

  static open(port: number): Promise<Caller> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => resolve(new Caller(socket)))
      socket.once('error', reject)
    })
  }

  send(bytes: Buffer): Promise<boolean> {
    return new Promise(resolve => {
      this.#done = resolve
      this.#socket.write(bytes)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    const head = this.#received.indexOf(end)
    if (head < 0) return
    const text = this.#received.toString('latin1', 0, head)
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0)
    if (this.#received.length < head + end.length + length) return
    this.#received = Buffer.alloc(0)
    this.#finish(text.startsWith('HTTP/1.1 200'))
  }

  #finish(ok: boolean): void {
    const done = this.#done
    this.#done = undefined
    done?.(ok)
  }
}

async function withCallers(
  port: number,
  count: number,
  use: (callers: readonly Caller[]) => Promise<Load>,
): Promise<Load> {
  const callers = await Promise.all(Array.from({ length: count }, () => Caller.open(port)))
  try {
    return await use(callers)
  } finally {
    for (const caller of callers) caller.close()
  }
}

/** Sends as fast as the answers come, over so many connections, for so many milliseconds. */
export function saturate(target: Target, connections: number, milliseconds: number): Promise<Load> {
  return withCallers(target.port, connections, async callers => {
    const bytes = requestOf(target)
    const latencies: number[] = []
    let failures = 0
    const until = performance.now() + milliseconds
    await Promise.all(
      callers.map(async caller => {
        for (let sent = performance.now(); sent < until; sent = performance.now()) {
          if (!(await caller.send(bytes))) failures++
          latencies.push(performance.now() - sent)
        }
      }),
    )
    return { requests: latencies.length, failures, latencies: Float64Array.from(latencies).sort() }
  })
}

/**
 * Sends so many requests a second for so many milliseconds, over as many connections as an API server keeps. A request
 * that finds all of them busy waits, and its latency counts from when it was due.
 */
export function pace(target: Target, perSecond: number, milliseconds: number, connections = 25): Promise<Load> {
  return withCallers(target.port, connections, async callers => {
    const bytes = requestOf(target)
    const latencies: number[] = []
    let failures = 0
    const idle = [...callers]
    const waiting: number[] = []
    const total = Math.floor((perSecond * milliseconds) / 1000)
    const start = performance.now()
    let sent = 0
    await new Promise<void>(resolve => {
      const run = async (caller: Caller, due: number): Promise<void> => {
        if (!(await caller.send(bytes))) failures++
        latencies.push(performance.now() - due)
        const next = waiting.shift()
        if (next !== undefined) return run(caller, next)
        idle.push(caller)
        if (latencies.length === total) resolve()
      }
      const tick = (): void => {
        for (; sent < total; sent++) {
          const due = start + (sent * 1000) / perSecond
          if (due > performance.now()) break
          const caller = idle.pop()
          if (caller === undefined) waiting.push(due)
          else void run(caller, due)
        }
        if (sent < total) setImmediate(tick)
      }
      tick()
    })
    return { requests: latencies.length, failures, latencies: Float64Array.from(latencies).sort() }
  })
}

/** Returns the latency below which that share of requests stays. */
export function quantile({ latencies }: Load, share: number): number {
  return latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN
}
