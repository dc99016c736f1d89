import type { Message } from '../../core/rule.ts'

/** What is said of the arguments of a final `istio-init`. */
export type ArgumentMessage =
  | 'argument-ranges'
  | 'argument-ports'
  | 'argument-interfaces'
  | 'argument-rerouting'
  | 'argument-mode'
  | 'argument-user'
  | 'idle-program'
  | 'unreadable-arguments'

/** The texts: such a value comes from the values of the installation, or from a container written by hand. */
export const argumentMessages: Readonly<Record<ArgumentMessage, Message>> = {
  'argument-ranges': {
    severity: 'critical',
    enforcementAction: 'deny',
    why: 'istio-init leaves connections to {outside} uncaptured',
    fix: 'correct values.global.proxy of the installation (includeIPRanges, excludeIPRanges), or remove what was written by hand',
    threats: ['pod/missing-sidecar-final', 'pod/include-outbound-ip-ranges', 'pod/exclude-outbound-ip-ranges'],
  },
  'argument-ports': {
    severity: 'critical',
    enforcementAction: 'deny',
    why: 'istio-init leaves connections to {outside} uncaptured, whatever the address',
    fix: 'correct values.global.proxy.excludeOutboundPorts of the installation, or remove what was written by hand',
    threats: ['pod/missing-sidecar-final', 'pod/exclude-outbound-ports'],
  },
  'argument-interfaces': {
    severity: 'critical',
    enforcementAction: 'deny',
    why: 'istio-init leaves all that leaves by {outside} uncaptured',
    fix: 'remove what was written by hand: the injector takes interfaces from the pod’s annotation alone',
    threats: ['pod/missing-sidecar-final', 'pod/exclude-interfaces'],
  },
  'argument-rerouting': {
    severity: 'medium',
    enforcementAction: 'deny',
    why: 'istio-init takes traffic arriving by {outside} for that of a virtual machine, and inbound capture ends there',
    fix: 'remove what was written by hand: the injector takes interfaces from the pod’s annotation alone',
    threats: ['pod/missing-sidecar-final', 'pod/reroute-virtual-interfaces'],
  },
  'argument-mode': {
    severity: 'medium',
    enforcementAction: 'deny',
    why: 'with interception mode {value} the proxy runs as root, kept out of capture by its group alone',
    fix: 'set interceptionMode REDIRECT in the mesh configuration, or have the mode accepted (params.interceptionModes)',
    threats: ['pod/interception-mode'],
  },
  'argument-user': {
    severity: 'critical',
    enforcementAction: 'deny',
    why: 'istio-init leaves uncaptured what {outside} sends, and the proxy does not run as that',
    fix: 'remove what was written by hand: the injector names the user of the proxy alone',
    threats: ['pod/missing-sidecar-final', 'pod/proxy-uid', 'pod/proxy-gid'],
  },
  'idle-program': {
    severity: 'critical',
    enforcementAction: 'deny',
    why: 'with {flag} istio-init redirects nothing in the pod',
    fix: 'remove it from the proxyMetadata that it comes from, or remove what was written by hand',
    threats: ['pod/missing-sidecar-final'],
  },
  'unreadable-arguments': {
    severity: 'medium',
    enforcementAction: 'deny',
    why: 'what istio-init captures cannot be told: {problem}',
    fix: 'remove what was written by hand, or correct values.global.proxy of the installation',
    threats: ['pod/missing-sidecar-final'],
  },
}
