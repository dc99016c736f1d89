import { logField } from '../http/log.ts'
import { keepSecret } from '../kube/authority.ts'
import { type Candidate, lead } from '../kube/lease.ts'
import type { Parts } from './follow.ts'

/**
 * Takes part in the election of the replica that writes: the Secret of the serving certificate, and rules and CAs of the
 * webhook configurations. Nothing of it is needed to answer.
 */
export function takePart({ cluster, settings, log, clusterMetrics, watch, registration }: Parts): Candidate {
  const { namespace, service, tlsSecret, lease, pod } = settings
  const secret = {
    wrote: (what: string, why: string): void => {
      clusterMetrics.secretWritten(what)
      log.info({ [logField.outcome]: what, [logField.why]: why }, 'certificate written')
    },
    failed: (why: string): void => {
      clusterMetrics.secretFailed(true)
      log.error({ [logField.why]: why }, 'the certificate cannot be put right')
    },
    right: (): void => clusterMetrics.secretFailed(false),
  }
  const registered = {
    state: (configuration: string, state: string, why: string): void => {
      clusterMetrics.registration(configuration, state)
      const fields = { [logField.configuration]: configuration, [logField.state]: state, [logField.why]: why }
      if (state === 'failed' || state === 'absent') log.error(fields, 'webhook configuration')
      else log.info(fields, 'webhook configuration')
    },
    wrote: (configuration: string, entries: readonly string[]): void => {
      clusterMetrics.registered(configuration)
      log.info(
        { [logField.configuration]: configuration, [logField.entries]: entries },
        'webhook configuration written',
      )
    },
  }
  return lead(
    {
      cluster,
      namespace,
      name: lease,
      identity: pod,
      events: {
        elected: () => {
          clusterMetrics.elected()
          log.info('leading')
        },
        ended: why => log.info({ [logField.why]: why }, 'leading no more'),
        failed: why => {
          clusterMetrics.leaseFailed(true)
          log.warn({ [logField.why]: why }, 'lease not renewed')
        },
        recovered: () => {
          clusterMetrics.leaseFailed(false)
          log.info('lease renewed again')
        },
        crashed: cause => log.error({ [logField.error]: cause }, 'leading failed'),
      },
    },
    async (signal, fenced) => {
      await Promise.all([
        keepSecret({ namespace, service, secret: tlsSecret, watch }, { cluster: fenced, signal, events: secret }),
        registration.keep({ cluster: fenced, signal, events: registered }),
      ])
    },
  )
}
