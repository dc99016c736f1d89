import { bad, good, type Result } from './result.ts'
import { quote, trimSpace } from './text.ts'

/**
 * Returns the ports of a comma-separated list as annotations such as `traffic.sidecar.istio.io/excludeOutboundPorts`
 * hold it, in the order given: the whole text and each item are trimmed, an item is a decimal number of 16 bits (0 and
 * leading zeros pass, signs and ranges do not), and an empty text means no port. As istio.io/istio
 * `pkg/kube/inject/validate.go`, `parsePorts`.
 *
 * `*` is an error here. Of the annotations only `includeInboundPorts` takes it, as its exact whole value, so that its
 * reader compares the text first.
 */
export function parsePortList(text: string): Result<readonly number[]> {
  const trimmed = trimSpace(text)
  const ports: number[] = []
  if (trimmed === '') return good(ports)
  for (const item of trimmed.split(',')) {
    const digits = trimSpace(item)
    const port = /^[0-9]+$/.test(digits) ? Number(digits) : Number.NaN
    if (!(port <= 65535)) return bad(`holds ${quote(item)}, which is no port number from 0 to 65535`)
    ports.push(port)
  }
  return good(ports)
}

/** Returns the port number that a field of an object holds: an integer from 1 to 65535, not its text. */
export function portNumber(value: unknown): Result<number> {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535) return good(value)
  return bad('is no port number from 1 to 65535')
}
