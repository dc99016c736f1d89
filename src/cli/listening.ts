import type { Endpoint, RunningServer } from '../http/running.ts'
import { InputError } from './input.ts'

/** Returns an endpoint as people write it. */
export function shown({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Codes of `listen` for which the flags are to blame. */
const addressFaults: Readonly<Record<string, string>> = {
  EADDRINUSE: 'something listens there already',
  EADDRNOTAVAIL: 'is no address of this machine',
  EACCES: 'may not be listened on',
  ENOTFOUND: 'is no known host',
}

/** Starts a server. Throws an InputError where an address is to blame. */
export async function listen(start: () => Promise<RunningServer>): Promise<RunningServer> {
  try {
    return await start()
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    const fault = addressFaults[code]
    if (fault === undefined) throw cause
    throw new InputError([`${cause instanceof Error ? cause.message : code}: ${fault}`])
  }
}
