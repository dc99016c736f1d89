import { Command } from 'commander'
import { inventoryOption, nowOption, policyOption } from './option.ts'

/** The flags of `serve` as written. */
export interface ServeFlags {
  readonly listen: string
  readonly metricsListen: string
  readonly cert?: string
  readonly key?: string
  readonly clientCa?: string
  readonly serverName?: string
  readonly policy: readonly string[]
  readonly inventory: readonly string[]
  readonly now?: number
  readonly allowSample: string
  readonly shutdownDelay: string
  readonly mutate: boolean
}

/** The command `serve`: answers a Kubernetes API server until it is told to stop. */
export function serveCommand(): Command {
  return new Command('serve')
    .description('Answer admission requests of a Kubernetes API server over HTTPS.')
    .option(
      '--listen <host:port>',
      'where POST /validate and /mutate are served; port 0 is any free one',
      '127.0.0.1:9443',
    )
    .option('--metrics-listen <host:port>', 'where /livez, /readyz and /metrics are served, plain', '127.0.0.1:9090')
    .option('--cert <file>', 'serving certificate, PEM; without one a development CA signs for localhost')
    .option('--key <file>', 'its private key, PEM; both are read again when they change')
    .option('--server-name <name>', 'the name that a serving certificate must cover, such as guard.sallyport.svc')
    .option('--client-ca <file>', 'let in only clients whose certificate a CA of this file signed, PEM')
    .addOption(policyOption())
    .addOption(inventoryOption())
    .addOption(nowOption())
    .option('--allow-sample <share>', 'share of uneventful reviews that are logged too, from 0 to 1', '0')
    .option('--shutdown-delay <seconds>', 'how long SIGTERM waits for callers to go elsewhere, 0 to 300', '10')
    .option('--no-mutate', 'leave pods as they are: /mutate changes nothing, and templates are judged as written')
    .action(async (flags: ServeFlags) => {
      // The other commands need nothing of the server, and start faster without it.
      const [{ runToTheEnd }, { serve }] = await Promise.all([import('./lifetime.ts'), import('./server.ts')])
      process.exit(await runToTheEnd((log, surroundings) => serve(flags, log, surroundings)))
    })
}
