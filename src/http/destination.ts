import { fstatSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { setTimeout as after } from 'node:timers/promises'

/** Where log lines go; whoever fails to read them never holds up a request. */
export interface LogDestination {
  write(line: string): void
  /** Lines that were dropped because nobody read them, or because they could not be written. */
  dropped(): number
  /** Waits until all lines are out, for so many milliseconds at most. */
  flush(limit: number): Promise<void>
}

/** Bytes that wait for a reader; what comes on top is dropped. About four thousand decision lines. */
const backlog = 1024 * 1024

/**
 * Returns the destination for a file descriptor. Standard output is a pipe in a container, and its reader may stall: Node
 * writes to a pipe synchronously by itself, which stalls everything, and a writer on Node's thread pool (sonic-boom) keeps
 * the process from ever ending, since Node waits for its threads. So a pipe is written as a socket is: what the kernel
 * does not take waits here, and what is too much is dropped.
 */
export function openDestination(fd: number): LogDestination {
  const kind = fstatSync(fd)
  return kind.isFIFO() || kind.isSocket() ? pipeDestination(fd) : fileDestination(fd)
}

function pipeDestination(fd: number): LogDestination {
  const pipe = new Socket({ fd, readable: false, writable: true })
  let dropped = 0
  // The reader is gone: nothing to be done, and no reason to stop.
  pipe.on('error', () => dropped++)
  return {
    write: line => {
      if (pipe.writable && pipe.writableLength < backlog) pipe.write(line)
      else dropped++
    },
    dropped: () => dropped,
    flush: async limit => {
      for (const end = performance.now() + limit; pipe.writableLength > 0 && performance.now() < end; ) await after(5)
    },
  }
}

/** Files and terminals take a line at once, or fail, as on a full disk. */
function fileDestination(fd: number): LogDestination {
  let dropped = 0
  return {
    write: line => {
      try {
        writeSync(fd, line)
      } catch {
        dropped++
      }
    },
    dropped: () => dropped,
    flush: async () => undefined,
  }
}
