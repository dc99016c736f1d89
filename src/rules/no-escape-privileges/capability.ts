import type { DataPlane } from '../../core/dataplane.ts'
import { capabilityOf } from '../../istio/privilege.ts'

/** A capability that undoes the capture of traffic. */
interface Power {
  /** What it lets a process do: the end of a clause. */
  readonly does: string
  /** Where that undoes anything; absent: everywhere, since it reaches beyond the pod. */
  readonly on?: readonly DataPlane[]
}

const sidecar: readonly DataPlane[] = ['sidecar']
// In the network of the node it is the network of all.
const network: readonly DataPlane[] = ['sidecar', 'ambient', 'node']

/** The capabilities that count; others such as NET_BIND_SERVICE or CHOWN leave the capture alone. */
const powers: ReadonlyMap<string, Power> = new Map([
  ['ALL', { does: 'gives a process every right there is' }],
  ['NET_ADMIN', { does: 'lets a process rewrite the rules of redirection', on: network }],
  ['NET_RAW', { does: 'lets a process send packets that redirection does not see', on: network }],
  ['SETUID', { does: 'lets a process become the proxy’s user, which is not redirected', on: sidecar }],
  ['SETGID', { does: 'lets a process take the proxy’s group, which is not redirected', on: sidecar }],
  ['SYS_PTRACE', { does: 'lets a process reach into others, the proxy among them', on: sidecar }],
  ['DAC_READ_SEARCH', { does: 'lets a process open any file of the node' }],
  ['BPF', { does: 'lets a process load programs into the kernel of the node' }],
  ['PERFMON', { does: 'lets a process watch all others of the node' }],
])

const ofTheKernel: Power = { does: 'gives a process rights over the kernel that all pods of the node share' }

/**
 * Returns what an added capability lets a process do that undoes the capture of traffic on this data plane, or undefined.
 * `SYS_` means all of them, such as SYS_ADMIN and SYS_MODULE; what an organisation finds harmless it accepts by name.
 */
export function powerOf(added: string, plane: DataPlane, accepted: readonly string[]): string | undefined {
  const name = capabilityOf(added)
  const power = powers.get(name) ?? (name.startsWith('SYS_') ? ofTheKernel : undefined)
  if (power === undefined || power.on?.includes(plane) === false) return undefined
  return accepted.some(entry => capabilityOf(entry) === name) ? undefined : power.does
}
