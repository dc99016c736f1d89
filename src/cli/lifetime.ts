import { constants } from 'node:os'
import { setTimeout as after } from 'node:timers/promises'
import { openDestination } from '../http/destination.ts'
import { createLog, type Log, logField } from '../http/log.ts'
import type { CrashOrigin } from '../http/metrics.ts'
import type { Guard, Surroundings } from './server.ts'

const second = 1000

/** How long reviews are told to come again after a crash: until a replica that is sound is found, or this one is back. */
const crashDelay = 3 * second

/** How long requests may take to finish when nobody waits for callers to go elsewhere. */
const shortPatience = 2 * second

/** Time for the last log lines. */
const flushLimit = second

/** By number: Node's own object for it would write to a pipe synchronously. */
const standardOutput = 1

/** Why a process stops. */
type Cause =
  | { readonly signal: 'SIGTERM' | 'SIGINT' }
  /** An error that nobody caught: what state the process is in is not known. */
  | { readonly crash: CrashOrigin }

/**
 * Runs a guard until the first cause to stop and returns the exit code. Throws what `start` throws.
 *
 * | cause            | what happens                                                                     | exit code |
 * |------------------|----------------------------------------------------------------------------------|-----------|
 * | SIGTERM          | not ready, answers for the shutdown delay, then finishes what is under way       | 0         |
 * | SIGINT           | finishes what is under way                                                       | 0         |
 * | error not caught | not ready, tells reviews to come again for three seconds                         | 1         |
 * | a second signal  | exits at once                                                                    | 128 + its number |
 */
export async function runToTheEnd(start: (log: Log, surroundings: Surroundings) => Promise<Guard>): Promise<number> {
  const output = openDestination(standardOutput)
  const log = createLog(output)
  const { promise: cause, resolve: stop } = Promise.withResolvers<Cause>()
  let guard: Guard | undefined
  let signals = 0
  let crashes = 0
  const onSignal = (signal: 'SIGTERM' | 'SIGINT'): void => {
    signals++
    if (signals > 1) process.exit(128 + constants.signals[signal])
    stop({ signal })
  }
  const onCrash = (error: Error, origin: CrashOrigin): void => {
    crashes++
    if (crashes === 1) log.fatal({ [logField.error]: error, [logField.origin]: origin }, 'crash')
    guard?.abandon(origin)
    stop({ crash: origin })
  }
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal).on('uncaughtException', onCrash)
  try {
    const started = start(log, { droppedLines: output.dropped }).then(running => {
      guard = running
    })
    // A signal may come before anything listens: then there is nothing to drain.
    await Promise.race([started, cause])
    const first = await cause
    if (guard !== undefined) await stopGuard(guard, first, log)
    await output.flush(flushLimit)
    return 'crash' in first ? 1 : 0
  } finally {
    process.off('SIGTERM', onSignal).off('SIGINT', onSignal).off('uncaughtException', onCrash)
  }
}

async function stopGuard(guard: Guard, cause: Cause, log: Log): Promise<void> {
  const why = 'crash' in cause ? cause.crash : cause.signal
  const delay = {
    SIGTERM: guard.shutdownDelay,
    SIGINT: 0,
    uncaughtException: crashDelay,
    unhandledRejection: crashDelay,
  }
  log.info({ [logField.signal]: why }, 'stopping')
  const cut = await guard.close(after(delay[why]), why === 'SIGTERM' ? undefined : shortPatience)
  if (cut > 0) log.warn({ [logField.connections]: cut }, 'connections cut')
}
