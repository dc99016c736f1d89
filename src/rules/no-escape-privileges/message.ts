import type { Message as MessageText, Tools } from '../../core/rule.ts'

/** What this rule can say. */
export type Message =
  | 'privileged'
  | 'added-capability'
  | 'root'
  | 'root-confined'
  | 'privilege-escalation'
  | 'host-namespace'
  | 'shared-processes'
  | 'host-path'
  | 'node-driver'

/** Opinions of this rule. */
export interface Params {
  readonly capabilities: readonly string[]
  readonly hostPaths: readonly string[]
  readonly nodePathDrivers: readonly string[]
}

/** What this rule judges with. */
export type Judge = Tools<Message, Params>

const orName = 'or name the service account "{account}" under spec.workloads.mayHavePrivileges'

/** The words of this rule. */
export const messages: Readonly<Record<Message, MessageText>> = {
  privileged: {
    severity: 'critical',
    enforcementAction: 'deny',
    why: 'such a container reaches past its own walls, to the redirection of its pod and to the node',
    fix: `remove it, ${orName}`,
    threats: ['pod/privileged'],
  },
  'added-capability': {
    severity: 'critical',
    enforcementAction: 'deny',
    why: '"{value}" {power}',
    fix: 'remove it from capabilities.add, or have it accepted (params.capabilities)',
    threats: ['pod/cap-net-admin', 'pod/cap-net-raw', 'pod/cap-sys', 'pod/root-setuid', 'pod/ephemeral-container'],
  },
  root: {
    severity: 'critical',
    enforcementAction: 'deny',
    why: 'root can turn itself into the proxy’s user, whose traffic is not redirected',
    fix: 'set runAsUser to the image’s own user, or drop ALL capabilities and set allowPrivilegeEscalation to false',
    threats: ['pod/root-setuid'],
  },
  'root-confined': {
    severity: 'medium',
    enforcementAction: 'warn',
    why: 'the container runs as root, which only its dropped capabilities keep from becoming the proxy’s user',
    fix: 'set runAsUser to a number other than 0',
    threats: ['pod/root-setuid'],
  },
  'privilege-escalation': {
    severity: 'medium',
    enforcementAction: 'warn',
    why: 'a setuid file of the image can make a process the proxy’s user, whose traffic is not redirected',
    fix: 'set allowPrivilegeEscalation to false',
    threats: ['pod/privileged'],
  },
  'host-namespace': {
    severity: 'critical',
    enforcementAction: 'deny',
    why: 'the pod shares {shared} with its node, and so reaches the proxies of other pods',
    fix: `remove it, ${orName}`,
    threats: ['pod/host-pid-ipc'],
  },
  'shared-processes': {
    severity: 'medium',
    enforcementAction: 'warn',
    why: 'the processes of the application see those of the proxy, and as the same user could reach into them',
    fix: 'remove it, and look into a container by its own tools',
    threats: ['pod/host-pid-ipc', 'pod/ephemeral-container'],
  },
  'host-path': {
    severity: 'critical',
    enforcementAction: 'deny',
    why: 'path "{value}" of the node may hold what captures traffic: the runtime’s socket, network namespaces, CNI files',
    fix: `remove the volume, have the path accepted (params.hostPaths), ${orName}`,
    threats: ['pod/host-path'],
  },
  'node-driver': {
    severity: 'critical',
    enforcementAction: 'deny',
    why: '"{value}" is a CSI driver that shows the pod a path of the node, as a hostPath does',
    fix: 'remove the volume, or name the service account "{account}" under spec.workloads.mayHavePrivileges',
    threats: ['pod/host-path'],
  },
}
