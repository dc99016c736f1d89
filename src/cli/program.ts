import { Command, CommanderError } from 'commander'
import packageJson from '../../package.json' with { type: 'json' }
import { checkCommand } from './check.ts'
import { explainCommand } from './explain.ts'
import { InputError } from './input.ts'
import { reviewCommand } from './review.ts'
import { serveCommand } from './serve.ts'
import { testCommand } from './test.ts'

/**
 * Runs the command with the words that follow its name. Sets the exit code: 0 clean, 1 findings at or above `--fail-on`,
 * 2 usage or input errors, which are printed line by line on standard error.
 */
export async function runProgram(words: readonly string[]): Promise<void> {
  const program = new Command('sallyport')
    .description(packageJson.description)
    .version(packageJson.version)
    .showHelpAfterError('(--help says what there is)')
    .addCommand(checkCommand())
    .addCommand(reviewCommand())
    .addCommand(explainCommand())
    .addCommand(testCommand())
    .addCommand(serveCommand())
  for (const command of [program, ...program.commands]) command.exitOverride()
  try {
    await program.parseAsync(words, { from: 'user' })
  } catch (error) {
    if (error instanceof InputError) {
      for (const line of error.lines) console.error(line)
      process.exitCode = 2
    } else if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2
    } else throw error
  }
}
