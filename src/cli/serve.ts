import { Command, Option } from 'commander'
import type { Mode } from '../http/admission.ts'
import { inventoryOption, nowOption, policyOption, repeatable } from './option.ts'

/** The flags of `serve` that count with `--cluster`, as written; every one of them has a default or is asked for. */
export interface ClusterFlags {
  readonly namespace?: string | undefined
  readonly pod?: string | undefined
  readonly service?: string | undefined
  readonly tlsSecret?: string | undefined
  readonly lease?: string | undefined
  readonly validating?: string | undefined
  readonly mutating?: string | undefined
  readonly policyConfigmap?: readonly string[] | undefined
  readonly watchConfigmap?: readonly string[] | undefined
  readonly staleLimit?: string | undefined
}

/** The flags of `serve` as written. */
export interface ServeFlags extends ClusterFlags {
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
  readonly mode?: Mode
  readonly cluster?: boolean
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
    .addOption(
      new Option('--mode <mode>', 'audit: refuse nothing, and warn of what would be refused')
        .choices(['enforce', 'audit'])
        .default('enforce'),
    )
    .option('--cluster', 'judge with what a cluster holds; the options below are for this alone')
    .option('--namespace <name>', 'the namespace of the guard')
    .option('--pod <name>', 'the name of this replica')
    .option('--service <name>', 'the Service by which the API server calls the guard')
    .option('--tls-secret <name>', 'the Secret of the serving certificate; the guard makes it')
    .option('--lease <name>', 'the Lease by which the replicas agree who writes')
    .option('--validating <name>', 'the ValidatingWebhookConfiguration to put in force')
    .option('--mutating <name>', 'the MutatingWebhookConfiguration to put in force')
    .addOption(repeatable('--policy-configmap <name>', 'ConfigMap whose keys are policy files (repeatable)'))
    .addOption(repeatable('--watch-configmap <namespace/name>', 'ConfigMap that rules read (repeatable)'))
    .option('--stale-limit <seconds>', 'how long without the API server until another replica should answer', '900')
    .option('--no-mutate', 'leave pods as they are: /mutate changes nothing, and templates are judged as written')
    .action(async (flags: ServeFlags) => {
      // The other commands need nothing of the server, and start faster without it.
      const [{ runToTheEnd }, { serve }] = await Promise.all([import('./lifetime.ts'), start(flags)])
      process.exit(await runToTheEnd((log, surroundings) => serve(flags, log, surroundings)))
    })
}

/** What keeps in touch with a cluster takes longer to load than all the rest. */
async function start({ cluster = false }: ServeFlags): Promise<Pick<typeof import('./server.ts'), 'serve'>> {
  return cluster ? { serve: (await import('./cluster.ts')).serveCluster } : import('./server.ts')
}
