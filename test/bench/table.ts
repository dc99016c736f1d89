/** A figure to be reached. */
export interface Aim {
  readonly what: string
  readonly got: number
  readonly most: number
  readonly unit: string
  readonly met: boolean
}

/** Latencies in milliseconds. */
interface Latency {
  readonly p50: number
  readonly p99: number
}

/** What a benchmark measured. */
export interface Report {
  readonly cores: number
  readonly node: string
  /** Processor time of one review in microseconds, without and with rules; the ratio is the median of several rounds. */
  readonly costs: readonly {
    readonly review: string
    readonly path: string
    readonly hosts: number
    readonly bareMicros: number
    readonly guardMicros: number
    readonly ratio: number
    /** Answers a second on one core at 16 connections. */
    readonly rate: number
    readonly most: number
  }[]
  readonly latencies: readonly {
    readonly review: string
    readonly perSecond: number
    readonly bare: Latency
    readonly guard: Latency
  }[]
  /** MiB. */
  readonly memory: { readonly idle: number; readonly peak: number }
  /** Milliseconds from the start of the process. */
  readonly start: { readonly listening: number; readonly ready: number }
  readonly aims: readonly Aim[]
}

/** Returns the report as text for people. */
export function tableOf({ cores, node, costs, latencies, memory, start, aims }: Report): string {
  return [
    `Node ${node}, ${cores} cores, server on one. "bare": a Fastify server over TLS that parses the review and judges nothing.`,
    '',
    'processor time of one review, median of rounds',
    ...grid([
      ['review', 'approved hosts', 'bare µs', 'guard µs', 'ratio', 'answers/s'],
      ...costs.map(({ review, path, hosts, bareMicros, guardMicros, ratio, rate }) => [
        `${review}, ${path}`,
        hosts.toLocaleString('en'),
        bareMicros.toFixed(0),
        guardMicros.toFixed(0),
        ratio.toFixed(2),
        rate.toFixed(0),
      ]),
    ]),
    '',
    'latency in ms at a fixed rate, 25 connections, 10,000 approved hosts',
    ...grid([
      ['review', 'a second', 'bare p50', 'guard p50', 'bare p99', 'guard p99'],
      ...latencies.map(({ review, perSecond, bare, guard }) => [
        review,
        String(perSecond),
        ...[bare.p50, guard.p50, bare.p99, guard.p99].map(value => value.toFixed(2)),
      ]),
    ]),
    '',
    `resident memory with 10,000 approved hosts: ${memory.idle.toFixed(0)} MiB idle, ${memory.peak.toFixed(0)} MiB at most with 64 connections`,
    `start of the bundle: ${start.listening.toFixed(0)} ms to listening, ${start.ready.toFixed(0)} ms to ready`,
    '',
    'aims',
    ...grid(
      aims.map(({ what, got, most, unit, met }) => [
        met ? 'met' : 'MISSED',
        what,
        `${got.toFixed(2)} of at most ${most} ${unit}`,
      ]),
    ),
  ].join('\n')
}

function grid(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map(row => [...(row[column] ?? '')].length))) ?? []
  const isNumber = (text: string): boolean => /^[\d.,]+$/.test(text)
  return rows.map(row =>
    `  ${row.map((text, i) => (isNumber(text) ? text.padStart(widths[i] ?? 0) : text.padEnd(widths[i] ?? 0))).join('  ')}`.trimEnd(),
  )
}
