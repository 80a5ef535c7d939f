import type { Command } from 'commander'
import { UsageError } from '../exit.js'
import { addEncryptOptions } from '../keys.js'
import { collect, parseBytes, parsePieceBytes, parseSeconds } from '../parse-values.js'
import { type Answer, AT, addReader } from './reader.js'

const COUNT = 'a number, all, or a time such as 7d'

/** Commands that decide how long backups are kept. */
export function addLifecycle(program: Command, signal: AbortSignal, answer: Answer): void {
  addKeepOptions(addEncryptOptions(addReader(program, 'prune [key]', 'remove backups that no rule keeps')))
    .option('--all', 'prune every key of the store, each by itself')
    .option('--dry-run', 'print the table and remove nothing')
    .option('--merge', 'merge first, so that only what the rules keep stays (see ibt help merge)')
    .option('--grace <time>', GRACE)
    .option('--keep-sigvaults', SIGVAULTS)
    .option('--allow-missing', 'go on although a kept backup has lost an archive')
    .option('--lock-wait <seconds>', LOCK_WAIT, parseSeconds)
    .addHelpText('after', PRUNE_HELP)
    .action(async (key, values) => {
      const { runPrune } = await import('../commands/prune.js')
      answer(await runPrune(key, values, signal))
    })
  addEncryptOptions(addReader(program, 'merge <key>', 'make a full of a chain, or one incremental of several'))
    .option('--at <date>', AT)
    .option('--from <date>', 'fold the increments behind this backup into one')
    .option('--to <date>', 'the last of them (default: the newest)')
    .option('--dry-run', 'say how much would be read and written')
    .option('--max-bytes <size>', 'refuse to write more than this, before compression: 500M, 20G', parseBytes)
    .option(
      '--segment <size>',
      'an interrupted merge goes on behind the last segment of this size (default: 1G)',
      parsePieceBytes
    )
    .option('--no-resume', 'begin anew, whatever an interrupted merge has finished')
    .option('--lock-wait <seconds>', LOCK_WAIT, parseSeconds)
    .addHelpText('after', MERGE_HELP)
    .action(async (key, values) => {
      const { runMerge } = await import('../commands/merge.js')
      answer(await runMerge(key, values, signal))
    })
  addEncryptOptions(addReader(program, 'erase <key> <pattern...>', 'remove the content of files from all backups'))
    .option('--dry-run', 'print the table and erase nothing')
    .option('--lock-wait <seconds>', LOCK_WAIT, parseSeconds)
    .addHelpText('after', ERASE_HELP)
    .action(async (key, patterns, values) => {
      const { runErase } = await import('../commands/erase.js')
      answer(await runErase(key, patterns, values, signal))
    })
  addReader(program, 'clean [key]', 'delete what no backup needs any more')
    .option('--grace <time>', GRACE)
    .option('--keep-sigvaults', SIGVAULTS)
    .option('--lock-wait <seconds>', LOCK_WAIT, parseSeconds)
    .action(async (key, values) => {
      const { runClean } = await import('../commands/clean.js')
      answer(await runClean(key, values, signal))
    })
  addReader(program, 'undelete <key>', 'list removed backups, or bring one back')
    .option('--at <date>', 'the newest removed backup that was made at or before')
    .option('--lock-wait <seconds>', LOCK_WAIT, parseSeconds)
    .action(async (key, values) => {
      const { runUndelete } = await import('../commands/undelete.js')
      answer(await runUndelete(key, values, signal))
    })
  addReader(program, 'sign <key>', 'sign all backups that are in the store')
    .option('--accept', 'sign also if the store is not as it was signed before')
    .option('--lock-wait <seconds>', LOCK_WAIT, parseSeconds)
    .action(async (key, values) => {
      const { runSign } = await import('../commands/sign.js')
      answer(await runSign(key, values, signal))
    })
  for (const [name, summary] of LOCKS) {
    const command = addReader(program, `${name} <key>`, summary)
      .requiredOption('--until <date>', 'a time to come, or a duration from now such as 30d')
      .option('--dry-run', 'say what would be locked')
      .option('--lock-wait <seconds>', LOCK_WAIT, parseSeconds)
    if (name === 'lock') addKeepOptions(command.option('--at <date>', AT))
    command.action(async (key, values) => {
      const { runLock } = await import('../commands/lock.js')
      answer(await runLock(name, key, values, signal))
    })
  }
}

const MERGE_HELP = `
Examples:
  ibt merge photos --at 2026-10-01      a full of that date, out of the chain
  ibt merge photos --from 2026-10-01 --to 2026-10-31 --dry-run
  ibt prune photos --keep-daily 7       then removes what nothing needs`

const ERASE_HELP = `
Examples:
  ibt erase photos /home/alice/private.key --dry-run
  ibt erase photos '*.pem' /customers/4711
  ibt backup ~/photos --exclude '*.pem'  else the next backup stores them again`

const GRACE = 'how long a removed backup can come back: 7d, 36h, 0 (default: 7d)'
const SIGVAULTS = 'leave signatures that older backups name (default: those stay that the newest names)'
const LOCK_WAIT = 'wait at most this long for another run on the same key'
const LOCKS = [
  ['lock', 'keep backups from being deleted before a time'],
  ['extend', 'make locks last longer']
] as const

function addKeepOptions(command: Command): Command {
  return command
    .option('--keep <what>', 'short form: 10, 10d, 7daily, 4weekly, 2full; may be repeated', collect)
    .option('--keep-last <n>', 'the newest backups', once)
    .option('--keep-within <time>', 'all backups of a time before the newest: 10d, 6m, 1y6m', once)
    .option('--keep-hourly <n>', `the newest of each hour: ${COUNT}`, once)
    .option('--keep-daily <n>', 'the newest of each day', once)
    .option('--keep-weekly <n>', 'the newest of each week, Monday to Sunday', once)
    .option('--keep-monthly <n>', 'the newest of each month', once)
    .option('--keep-13weekly <n>', 'the newest of each quarter, by weeks', once)
    .option('--keep-3monthly <n>', 'the newest of each quarter, by months', once)
    .option('--keep-yearly <n>', 'the newest of each year', once)
    .option('--keep-full <n>', 'the newest fulls, with the incrementals that follow them', once)
    .option('--utc', 'days, weeks and months of UTC (default: of the time zone of this machine)')
}

function once(value: string, before: string | undefined): string {
  if (before !== undefined) throw new UsageError(`'${before}' and '${value}' are given for one option`)
  return value
}

const PRUNE_HELP = `
Examples:
  ibt prune photos --keep-daily 7 --keep-weekly 4 --keep-monthly 12 --dry-run
  ibt prune photos --keep 30d --keep-yearly all
  ibt prune --all --keep-last 10 --grace 0

See also: ibt help clean, undelete, lock.`
