import type { Command } from 'commander'
import { addCommonOptions } from '../common-options.js'
import { MANUAL } from '../manual.js'

/** What `--at` takes. */
export const AT = 'the newest backup made at or before: an ISO time, a date of a backup, or words such as "3 days ago"'

/** Takes the exit code of the command that ran. */
export type Answer = (code: number) => void

/** Adds a command with the common options; above them its help has what the manual says. */
export function addReader(program: Command, usage: string, summary: string): Command {
  const command = program.command(usage).summary(summary)
  return addCommonOptions(command.description(MANUAL[command.name() as keyof typeof MANUAL]))
}
