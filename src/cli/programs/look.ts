import type { Command } from 'commander'
import { type Answer, AT, addReader } from './reader.js'

/** Commands that look at backups and change nothing. */
export function addLook(program: Command, signal: AbortSignal, answer: Answer): void {
  addReader(program, 'list [key]', 'list backups: date, kind, files, bytes, parent').action(async (key, values) => {
    const { runList } = await import('../commands/list.js')
    answer(await runList(key, values, signal))
  })
  addReader(program, 'ls <key>', 'list the entries of a backup')
    .option('--at <date>', AT)
    .action(async (key, values) => {
      const { runLs } = await import('../commands/list.js')
      answer(await runLs(key, values, signal))
    })
  addReader(program, 'diff <key>', 'compare two backups: + created, - deleted, M updated, m only metadata')
    .option('--from <date>', 'the older backup (default: the one before --to)')
    .option('--to <date>', 'the newer backup (default: the newest)')
    .action(async (key, values) => {
      const { runDiff } = await import('../commands/list.js')
      answer(await runDiff(key, values, signal))
    })
}
