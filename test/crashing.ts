/** Runs the command `serve`, with two faults that nobody catches, each set off by a signal. */
import { runProgram } from '../src/cli/program.ts'

process.on('SIGUSR2', () => {
  throw new TypeError('thrown where nobody catches it')
})
process.on('SIGHUP', () => {
  void Promise.reject(new RangeError('rejected where nobody looks'))
})
await runProgram(process.argv.slice(2))
