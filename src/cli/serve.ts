import { once } from 'node:events'
import { setTimeout as after } from 'node:timers/promises'
import { Command } from 'commander'
import { inventoryOption, nowOption, policyOption } from './option.ts'

/** The flags of `serve` as written. */
export interface ServeFlags {
  readonly listen: string
  readonly metricsListen: string
  readonly cert?: string
  readonly key?: string
  readonly policy: readonly string[]
  readonly inventory: readonly string[]
  readonly now?: number
  readonly allowSample: string
}

/** Milliseconds after SIGTERM until every node knows that this replica takes no more requests. */
const routingTime = 5000

/** The command `serve`: answers a Kubernetes API server until it is told to stop. */
export function serveCommand(): Command {
  return new Command('serve')
    .description('Answer admission requests of a Kubernetes API server over HTTPS.')
    .option('--listen <host:port>', 'where POST /validate is served; port 0 is any free one', '127.0.0.1:9443')
    .option('--metrics-listen <host:port>', 'where /livez, /readyz and /metrics are served, plain', '127.0.0.1:9090')
    .option('--cert <file>', 'serving certificate, PEM; without one a development CA signs for localhost')
    .option('--key <file>', 'its private key, PEM')
    .addOption(policyOption())
    .addOption(inventoryOption())
    .addOption(nowOption())
    .option('--allow-sample <share>', 'share of uneventful reviews that are logged too, from 0 to 1', '0')
    .option('--no-mutate', 'do not mutate; accepted for what comes, this version never does')
    .action(async (flags: ServeFlags) => {
      // The other commands need nothing of the server, and start faster without it.
      const [{ createLog, logField }, { serve }] = await Promise.all([import('../http/log.ts'), import('./server.ts')])
      const log = createLog()
      const server = await serve(flags, log)
      const signal = await Promise.race([signalled('SIGTERM'), signalled('SIGINT')])
      log.info({ [logField.signal]: signal }, 'stopping')
      await server.close(signal === 'SIGTERM' ? after(routingTime) : undefined)
    })
}

async function signalled(signal: 'SIGTERM' | 'SIGINT'): Promise<string> {
  await once(process, signal)
  return signal
}
