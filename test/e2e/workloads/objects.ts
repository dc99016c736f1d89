/** Labels and annotations of a pod. */
export interface Marks {
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

/** What of a pod cases vary. */
export interface PodShape extends Marks {
  readonly spec?: object
}

const app = { name: 'app', image: 'registry.example/acme/app:1' }

/** Returns a Pod by itself. */
export function podOf(name: string, namespace: string, shape: PodShape = {}): object {
  const { spec, ...marks } = shape
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, ...marks },
    spec: { containers: [app], ...spec },
  }
}

/** Returns a Deployment of one replica. */
export function deploymentOf(name: string, namespace: string, shape: PodShape = {}): object {
  return workload('apps/v1', 'Deployment', { name, namespace }, { replicas: 1, ...selected(name, shape) })
}

/** Returns one workload of each kind whose pods a controller makes, by name. */
export function workloadsIn(namespace: string): readonly object[] {
  const job = { template: template({}, { restartPolicy: 'Never' }) }
  const cron = { schedule: '*/5 * * * *', startingDeadlineSeconds: 3600, jobTemplate: { spec: job } }
  return [
    deploymentOf('deployment', namespace),
    workload(
      'apps/v1',
      'StatefulSet',
      { name: 'statefulset', namespace },
      { serviceName: '', ...selected('statefulset') },
    ),
    workload('apps/v1', 'DaemonSet', { name: 'daemonset', namespace }, selected('daemonset')),
    workload('batch/v1', 'Job', { name: 'job', namespace }, job),
    workload('batch/v1', 'CronJob', { name: 'cronjob', namespace }, cron),
  ]
}

function workload(apiVersion: string, kind: string, metadata: object, spec: object): object {
  return { apiVersion, kind, metadata, spec }
}

function selected(name: string, { spec = {}, labels = {}, ...marks }: PodShape = {}): object {
  const own = { app: name }
  return { selector: { matchLabels: own }, template: template({ ...marks, labels: { ...labels, ...own } }, spec) }
}

function template(metadata: Marks, spec: object): object {
  return { metadata, spec: { containers: [app], ...spec } }
}
