import type { Message as MessageText, Tools } from '../../core/rule.ts'

/** What this rule can say. */
export type Message =
  | 'control-plane'
  | 'bootstrap-override'
  | 'user-volume'
  | 'low-ports'
  | 'proxy-setting'
  | 'proxy-variable'
  | 'telemetry-sink'
  | 'unreadable'

/** Opinions of this rule. */
export interface Params {
  readonly discoveryAddresses: readonly string[]
  readonly settings: readonly string[]
  readonly variables: readonly string[]
  readonly volumeTypes: readonly string[]
  readonly mountPaths: readonly string[]
}

/** What this rule judges with. */
export type Judge = Tools<Message, Params>

/** The words of this rule. */
export const messages: Readonly<Record<Message, MessageText>> = {
  'control-plane': {
    severity: 'critical',
    enforcementAction: 'deny',
    why: 'the proxy takes its whole configuration from "{value}", which is no control plane of the organisation',
    fix: 'remove it: the injector knows the address, or have it accepted (params.discoveryAddresses)',
    threats: ['pod/discovery-address', 'pod/proxy-config', 'mesh/default-config'],
  },
  'bootstrap-override': {
    severity: 'critical',
    enforcementAction: 'deny',
    why: 'the proxy starts with ConfigMap "{value}", whose listeners and clusters no rule sees',
    fix: 'remove the annotation; what all proxies need belongs into the mesh configuration',
    threats: ['pod/bootstrap-override'],
  },
  'user-volume': {
    severity: 'high',
    enforcementAction: 'deny',
    why: '{what} may lie over certificates, configuration or programs of the proxy, or show it the node',
    fix: 'remove it from the annotation, or have it accepted ({param})',
    threats: ['pod/user-volume'],
  },
  'low-ports': {
    severity: 'medium',
    enforcementAction: 'deny',
    why: 'the proxy runs as root with a capability more, kept out of capture by its group alone',
    fix: 'remove the annotation, and listen on ports above 1023',
    threats: ['pod/cap-net-bind-tproxy'],
  },
  'proxy-setting': {
    severity: 'critical',
    enforcementAction: 'deny',
    why: 'setting "{name}" changes {whose} beyond what is known to be harmless: {consequence}',
    fix: 'remove it, or have the setting accepted (params.settings)',
    threats: ['pod/proxy-config', 'mesh/default-config'],
  },
  'proxy-variable': {
    severity: 'critical',
    enforcementAction: 'deny',
    why: 'variable {name} reaches the proxy and what sets up redirection, and {consequence}',
    fix: 'remove it, or have the name accepted (params.variables)',
    threats: ['pod/proxy-metadata-env', 'pc/environment', 'mesh/default-config'],
  },
  'telemetry-sink': {
    severity: 'high',
    enforcementAction: 'deny',
    why: 'the proxy hands data of requests to "{value}"{outside}',
    fix: 'remove {name}, or name the service under spec.telemetryProviders',
    threats: ['pod/proxy-config', 'mesh/default-config'],
  },
  unreadable: {
    severity: 'medium',
    enforcementAction: 'deny',
    why: 'what the annotation sets cannot be told: it {problem}',
    fix: 'correct the annotation, or remove it',
    threats: ['pod/proxy-config'],
  },
}
