import { Counter, Gauge, type Registry } from '@prometheus-io/client'

/** What is not counted but looked up when somebody reads the metrics. */
export interface Vitals {
  /** Requests whose body is on its way, and bytes of them that are here. */
  inFlight: () => { readonly requests: number; readonly bytes: number }
  /** Connections to the admission endpoint, those in their handshake too. */
  connections: () => Promise<number>
  /** How late the event loop was since this was asked last, in seconds. */
  delays: () => { readonly p99: number; readonly max: number }
  /** How often it was held up. */
  stalls: () => number
  /** Log lines that nobody read in time. */
  droppedLines: () => number
}

/** Of a process that does nothing yet. */
export const noVitals: Vitals = {
  inFlight: () => ({ requests: 0, bytes: 0 }),
  connections: async () => 0,
  delays: () => ({ p99: 0, max: 0 }),
  stalls: () => 0,
  droppedLines: () => 0,
}

/**
 * Registers the metrics of a process and its server. Those of the process have the names that every Prometheus client
 * gives them; the library's own set is left out, since it watches every garbage collection.
 */
export function registerVitals(registry: Registry, vitals: Vitals): void {
  const registers = [registry]
  const gauge = (name: string, help: string, read: () => number | Promise<number>): void => {
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        this.set(await read())
      },
    })
  }
  const counter = (name: string, help: string, read: () => number): void => {
    let before = 0
    new Counter({
      name,
      help,
      registers,
      collect() {
        const now = read()
        this.inc(now - before)
        before = now
      },
    })
  }
  gauge('sallyport_requests_in_flight', 'Requests whose body is on its way.', () => vitals.inFlight().requests)
  gauge('sallyport_bytes_in_flight', 'Bytes of such bodies that are here.', () => vitals.inFlight().bytes)
  gauge('sallyport_connections', 'Open connections to the admission endpoint.', () => vitals.connections())
  counter('sallyport_log_lines_dropped_total', 'Log lines dropped because nobody read them.', () =>
    vitals.droppedLines(),
  )
  counter('sallyport_event_loop_stalls_total', 'Times the event loop was more than 200 ms late.', () => vitals.stalls())
  new Gauge({
    name: 'sallyport_event_loop_delay_p99_seconds',
    help: 'Delay of the event loop that one in a hundred exceeded since the metrics were read last.',
    registers,
    collect() {
      const delays = vitals.delays()
      this.set(delays.p99)
      max.set(delays.max)
    },
  })
  const max = new Gauge({
    name: 'sallyport_event_loop_delay_max_seconds',
    help: 'Longest delay of the event loop since the metrics were read last.',
    registers,
  })
  counter('process_cpu_seconds_total', 'Total user and system CPU time spent in seconds.', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
  gauge('process_resident_memory_bytes', 'Resident memory size in bytes.', () => process.memoryUsage.rss())
  gauge('process_start_time_seconds', 'Start time of the process since unix epoch in seconds.', () =>
    Math.round(performance.timeOrigin / 1000),
  )
  gauge('nodejs_heap_size_used_bytes', 'Process heap size used from Node.js in bytes.', heapUsed)
}

function heapUsed(): number {
  return process.memoryUsage().heapUsed
}
