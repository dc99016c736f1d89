import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { type ConnectionOptions, connect } from 'node:tls'

/** A server and how to trust it. */
export interface Door {
  readonly port: number
  readonly ca: Buffer
}

/** One HTTP answer as it came over the wire. */
export interface Reply {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

const host = '127.0.0.1'

/** Longer than anything the server waits for. */
const patience = 15_000

/** A connection on which literal bytes go out and answers are read one by one. */
export class Wire {
  readonly #socket: Socket
  #received: Buffer = Buffer.alloc(0)
  #closed = false
  #wake: () => void = () => undefined

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', chunk => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#wake()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.#closed = true
      this.#wake()
    })
  }

  /** Connects over TLS. Rejects where the handshake fails. */
  static async open({ port, ca }: Door, options: ConnectionOptions = {}): Promise<Wire> {
    const socket = connect({ host, port, ca, ...options })
    await once(socket, 'secureConnect')
    return new Wire(socket)
  }

  /** Connects without TLS. */
  static async openPlain({ port }: Door): Promise<Wire> {
    const socket = connectTcp({ host, port })
    await once(socket, 'connect')
    return new Wire(socket)
  }

  send(bytes: string | Buffer): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes)
  }

  /** Sends the text again and again until the connection closes. */
  drip(text: string, interval: number): void {
    const timer = setInterval(() => this.send(text), interval)
    this.#socket.on('close', () => clearInterval(timer))
  }

  /** Returns the next answer. The answer to HEAD has no body, whatever its headers say. */
  async reply(method = 'POST'): Promise<Reply> {
    return this.#await('an answer', () => {
      const taken = takeReply(this.#received, method === 'HEAD')
      if (taken === undefined) return undefined
      this.#received = taken.rest
      return taken.reply
    })
  }

  /** Resolves once the server has closed the connection. */
  async closed(): Promise<true> {
    return this.#await('the end of the connection', () => this.#closed || undefined)
  }

  /** What came and was not taken as an answer. */
  get left(): string {
    return this.#received.toString('latin1')
  }

  get isClosed(): boolean {
    return this.#closed
  }

  end(): void {
    this.#socket.destroy()
  }

  async #await<T>(what: string, look: () => T | undefined): Promise<T> {
    const until = performance.now() + patience
    for (;;) {
      const found = look()
      if (found !== undefined) return found
      const left = until - performance.now()
      if (this.#closed || left <= 0) throw new Error(`${what} did not come: ${this.#closed ? 'closed' : 'timed out'}`)
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      const timer = setTimeout(resolve, left)
      await promise
      clearTimeout(timer)
    }
  }
}

function takeReply(bytes: Buffer, bodiless: boolean): { readonly reply: Reply; readonly rest: Buffer } | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [first = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1])
  const headers = new Map(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  const from = end + 4
  const length = bodiless || status < 200 ? 0 : Number(headers.get('content-length') ?? 0)
  if (bytes.length < from + length) return undefined
  const body = bytes.subarray(from, from + length).toString('utf8')
  return { reply: { status, headers, body }, rest: bytes.subarray(from + length) }
}
