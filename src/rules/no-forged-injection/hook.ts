import { show } from '../../core/text.ts'
import { isTemplateCommand } from '../../istio/injected.ts'
import { dig, list } from '../../istio/json.ts'
import { type Here, isSet, type Scene } from './scene.ts'

/** Where a container has commands run besides its program, by field of the container. */
const handlers: readonly (readonly [field: string, ...more: string[]])[] = [
  ['lifecycle', 'postStart'],
  ['lifecycle', 'preStop'],
  ['livenessProbe'],
  ['readinessProbe'],
  ['startupProbe'],
]

/**
 * Reports the hooks and probes that run a command which neither the template writes nor the policy accepts: each runs as
 * the user of the proxy. Those that ask a port or wait run nothing. Returns the fields of the container that are reported.
 */
export function judgeHooks(written: unknown, here: Here, scene: Scene): readonly string[] {
  const reported: string[] = []
  for (const handler of handlers) {
    const exec = dig(written, ...handler, 'exec')
    if (!isSet(exec)) continue
    const words = list(dig(exec, 'command')).map(show)
    if (isTemplateCommand(words) || scene.params.commands.some(command => isCommand(command, words))) continue
    const value = words.join(' ')
    scene.report('executed-command', {
      path: here.at(...handler, 'exec', 'command'),
      value,
      slots: { container: here.name, hook: handler.join('.') },
    })
    reported.push(handler[0])
  }
  return reported
}

/** Word of an accepted command that stands for any whole number. */
const placeholder = 'N'

/**
 * Returns true where the words of a command, one space between them, are those of an accepted one.
 *
 *     accepted         command                  answer
 *     sleep N          sleep 10                 true
 *     sleep N          sleep ten                false
 *     sleep N          sleep 10 && curl         false
 *     sh -c sleep N    sh, -c, "sleep 10"       true: where a word ends is not compared
 */
export function isCommand(accepted: string, words: readonly string[]): boolean {
  const wanted = accepted.split(' ')
  const given = words.join(' ').split(' ')
  if (wanted.length !== given.length) return false
  return given.every((word, i) => wanted[i] === word || (wanted[i] === placeholder && /^[0-9]+$/.test(word)))
}
