// Starts the guard for the example cluster, sends it requests as a Kubernetes API server would, and prints its answers.
// Run it with `npm run demo`.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { get } from 'node:http'
import { Agent, request } from 'node:https'
import { dirname } from 'node:path'
import { performance } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { json } from 'node:stream/consumers'
import { setTimeout as after } from 'node:timers/promises'
import { styleText } from 'node:util'
import { formatRef } from '../src/core/kind.ts'

const root = dirname(import.meta.dirname)
const requests = new URL('requests/', import.meta.url)

/** What becomes of a request: its verdict, or that the pod is put right before Istio's injector sees it. */
type Outcome = 'allow' | 'cure' | 'warn' | 'deny'

const shown = {
  allow: { word: 'admitted', style: 'green' },
  cure: { word: 'cured', style: 'cyan' },
  warn: { word: 'warned', style: 'yellow' },
  deny: { word: 'refused', style: 'red' },
} as const

/** What the guard says when it listens. */
interface Started {
  readonly listen: string
  readonly metricsListen: string
  readonly ca: string
  readonly policy: string
  readonly ruleCount: number
  readonly approvedHosts: number
}

/** What the demo reads of an AdmissionReview that it sends and of the one that comes back. */
interface Asked {
  readonly request: {
    readonly kind: { readonly group: string; readonly kind: string }
    readonly namespace?: string
    readonly name?: string
    readonly subResource?: string
    readonly operation: string
    readonly userInfo: { readonly username: string }
  }
}
interface Answered {
  readonly response: {
    readonly allowed: boolean
    readonly status?: { readonly reason?: string; readonly message: string }
    readonly warnings?: readonly string[]
    readonly patch?: string
    readonly auditAnnotations?: { readonly exemption?: string; readonly mutations?: string }
  }
}

const flags = [
  ...['--policy', 'policies/baseline.yaml', '--policy', 'examples/policy', '--inventory', 'examples/cluster'],
  ...['--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0'],
]

function startGuard(): ChildProcess {
  return spawn(process.execPath, ['src/cli/main.ts', 'serve', ...flags], {
    cwd: root,
    env: { ...process.env, INIT_CWD: root },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/** Returns what the guard logs when it listens; later lines are its decisions, which the demo leaves unread. */
function listening(guard: ChildProcess): Promise<Started> {
  const { promise, resolve, reject } = Promise.withResolvers<Started>()
  guard.stdout?.on('close', () => reject(new Error('the guard did not start')))
  if (guard.stdout !== null) {
    createInterface({ input: guard.stdout }).on('line', line => {
      const entry = JSON.parse(line)
      if (entry.msg === 'listening') resolve(entry)
    })
  }
  return promise
}

/** Waits until the guard says that it may be asked. */
async function ready({ metricsListen }: Started): Promise<void> {
  for (const end = performance.now() + 10_000; performance.now() < end; await after(20)) {
    const [reply] = await once(get(`${metricsListen}/readyz`, { agent: false }), 'response')
    reply.resume()
    if (reply.statusCode === 200) return
  }
  throw new Error('the guard was not ready within ten seconds')
}

/** Posts a review as an API server does. */
async function ask(url: string, agent: Agent, body: Buffer, path: string): Promise<Answered> {
  const headers = { 'content-type': 'application/json', 'content-length': body.length, accept: 'application/json' }
  const call = request(`${url}${path}?timeout=3s`, { method: 'POST', agent, headers })
  call.end(body)
  const [reply] = await once(call, 'response')
  if (reply.statusCode !== 200) throw new Error(`the guard answered ${reply.statusCode}`)
  return (await json(reply)) as Answered
}

function outcomeOf({ response }: Answered): Outcome {
  if (!response.allowed) return 'deny'
  if (response.patch !== undefined) return 'cure'
  return response.warnings === undefined ? 'allow' : 'warn'
}

/** What somebody wants done, in one line. */
function question({ request: { kind, namespace = '', name = '', operation, userInfo } }: Asked): string {
  return `${operation} ${formatRef({ ...kind, namespace, name })} by ${userInfo.username}`
}

/** What kubectl would print, an exemption that was used, and what is changed in a pod. */
function answer({ response: { status, warnings = [], patch, auditAnnotations } }: Answered): string[] {
  const reason = status?.reason === undefined ? '' : ` (${status.reason})`
  const denied = `Error from server${reason}: admission webhook "validate.sallyport.dev" denied the request: `
  return [
    ...warnings.map(warning => `Warning: ${warning}`),
    ...(status === undefined ? [] : `${denied}${status.message}`.split('\n')),
    ...(patch === undefined ? [] : [`${auditAnnotations?.mutations}: ${Buffer.from(patch, 'base64').toString()}`]),
    ...(auditAnnotations?.exemption === undefined ? [] : [`permitted by exemption ${auditAnnotations.exemption}`]),
  ]
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}

async function replay({ listen, ca }: Started): Promise<boolean> {
  const expected: Record<string, Outcome> = JSON.parse(readFileSync(new URL('expected.json', requests), 'utf8'))
  const agent = new Agent({ keepAlive: true, ca: readFileSync(ca) })
  const counts = { allow: 0, cure: 0, warn: 0, deny: 0 }
  const times: number[] = []
  const surprises: string[] = []
  for (const [i, [file, wanted]] of Object.entries(expected).entries()) {
    const body = readFileSync(new URL(file, requests))
    const started = performance.now()
    const reply = await ask(listen, agent, body, wanted === 'cure' ? '/mutate' : '/validate')
    times.push(performance.now() - started)
    const outcome = outcomeOf(reply)
    counts[outcome]++
    if (outcome !== wanted) surprises.push(`${file}: ${shown[wanted].word} expected`)
    const { word, style } = shown[outcome]
    const title = file.replace(/^\d+-|\.json$/g, '').replaceAll('-', ' ')
    const number = String(i + 1).padStart(2)
    console.log(`${number}  ${styleText(style, word.padEnd(8))}  ${title}: ${question(JSON.parse(body.toString()))}`)
    const lines = answer(reply)
    for (const line of lines) console.log(`    ${line}`)
    if (lines.length > 0) console.log()
  }
  agent.destroy()
  console.log(
    `${times.length} requests: ${counts.allow} admitted, ${counts.cure} cured, ${counts.warn} warned, ${counts.deny} refused; ` +
      `median round trip ${median(times).toFixed(1)} ms`,
  )
  for (const surprise of surprises) console.log(styleText('red', surprise))
  return surprises.length === 0
}

const guard = startGuard()
try {
  const started = await listening(guard)
  await ready(started)
  const { listen, policy, ruleCount, approvedHosts } = started
  console.log(`Sallyport listens on ${listen}: policy ${policy}, ${ruleCount} rules, ${approvedHosts} approved hosts.`)
  console.log('A small cluster asks, as its API server would:\n')
  if (!(await replay(started))) process.exitCode = 1
  console.log('\nWhat was asked:  examples/requests')
  console.log(
    'Try your own:    npm run -s sallyport -- check --policy examples/policy --inventory examples/cluster FILE',
  )
  console.log('Read on:         examples/README.md')
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  guard.kill('SIGINT')
}
