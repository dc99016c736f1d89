import type { IncomingMessage } from 'node:http'

const kibibyte = 1024
const mebibyte = 1024 * kibibyte

/** Two objects of 3 MiB, the most that an API server takes, and room for the envelope. */
export const bodyLimit = 7 * mebibyte

/**
 * Bytes of bodies that may lie here at a time. A body costs about four times its size while it is parsed, and the
 * memory limit of the container is 256 MiB.
 */
const inFlightLimit = 32 * mebibyte

/** What larger bodies may take of it: the rest stays free for the reviews that come all day. */
const largeLimit = 24 * mebibyte

/** A body is large beyond this; a Pod's review has about 20 KiB. */
const large = 256 * kibibyte

/** Why a body was not taken. */
export type Rejection =
  /** Longer than `bodyLimit`: 413. */
  | 'too-large'
  /** No room for it now: 503. */
  | 'no-room'

/** Told the body once it is there, or why it was not taken. */
export type Taken = (body: Buffer | Rejection) => void

/**
 * Takes in bodies, within a budget over all of them. Bytes count when they have arrived, not when they are announced:
 * otherwise five connections that announce 7 MiB and send nothing would keep everybody out.
 */
export class Intake {
  /** Requests whose body is on its way. */
  requests = 0
  /** Bytes of them that are here. */
  bytes = 0

  /** Returns why a body of that length would not be taken at this moment, or undefined. */
  refuses(length: number): Rejection | undefined {
    if (length > bodyLimit) return 'too-large'
    return length > this.room(length) ? 'no-room' : undefined
  }

  /** Returns the bytes that a body of that length may still add. */
  room(length: number): number {
    return (length > large ? largeLimit : inFlightLimit) - this.bytes
  }

  /**
   * Hands the body over once it is there, or why it was not taken; the rest of it is then read and thrown away. Where the
   * connection breaks nobody is told, since nobody waits.
   */
  receive(message: IncomingMessage, taken: Taken): void {
    const reception = new Reception(this, taken)
    message.on('data', chunk => reception.add(chunk))
    message.on('end', () => reception.finish())
    message.on('close', () => reception.stop())
  }
}

/** One body on its way. */
class Reception {
  readonly #intake: Intake
  readonly #taken: Taken
  #chunks: Buffer[] = []
  #length = 0
  #open = true

  constructor(intake: Intake, taken: Taken) {
    this.#intake = intake
    this.#taken = taken
    intake.requests++
  }

  add(chunk: Buffer): void {
    if (!this.#open) return
    const length = this.#length + chunk.length
    if (length > bodyLimit) return this.#end('too-large')
    if (chunk.length > this.#intake.room(length)) return this.#end('no-room')
    this.#chunks.push(chunk)
    this.#length = length
    this.#intake.bytes += chunk.length
  }

  finish(): void {
    if (!this.#open) return
    const [first] = this.#chunks
    this.#end(first !== undefined && this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks, this.#length))
  }

  /** Gives back what it holds. */
  stop(): void {
    if (!this.#open) return
    this.#open = false
    this.#intake.requests--
    this.#intake.bytes -= this.#length
    this.#chunks = []
  }

  #end(body: Buffer | Rejection): void {
    this.stop()
    this.#taken(body)
  }
}
