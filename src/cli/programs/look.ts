import type { Command } from 'commander'
import { UsageError } from '../exit.js'
import { parseFormat } from '../rows.js'
import { addSourceOptions } from '../source-options.js'
import { type Answer, AT, addReader } from './reader.js'

/** Commands that look at backups and change nothing. */
export function addLook(program: Command, signal: AbortSignal, answer: Answer): void {
  addLists(program, signal, answer)
  addSearches(program, signal, answer)
  addCatalog(program, signal, answer)
  addComparisons(program, signal, answer)
}

function addTable(program: Command, usage: string, summary: string): Command {
  return addReader(program, usage, summary).option('--format <format>', 'csv or ndjson (as --json)', parseFormat)
}

function addLists(program: Command, signal: AbortSignal, answer: Answer): void {
  addTable(program, 'list [key]', 'list backups: date, kind, files, bytes, parent').action(async (key, values) => {
    const { runList } = await import('../commands/list.js')
    answer(await runList(key, values, signal))
  })
  addTable(program, 'ls <key> [globs...]', 'list the entries of a backup')
    .option('--at <date>', AT)
    .option('--long', 'also mode, owner, size and mtime (UTC)')
    .action(async (key, globs, values) => {
      const { runLs } = await import('../commands/ls.js')
      answer(await runLs(key, globs, values, signal))
    })
  addReader(program, 'cat <key> <path>', 'write one file of a backup to stdout')
    .option('--at <date>', AT)
    .action(async (key, path, values) => {
      const { runCat } = await import('../commands/cat.js')
      answer(await runCat(key, path, values, signal))
    })
  addReader(program, 'du <key> [path]', 'add up bytes by directory')
    .option('--at <date>', AT)
    .option('--depth <n>', 'levels of directories below it that are listed (default: 1)', parseDepth)
    .action(async (key, path, values) => {
      const { runDu } = await import('../commands/du.js')
      answer(await runDu(key, path, values, signal))
    })
}

function addCatalog(program: Command, signal: AbortSignal, answer: Answer): void {
  addReader(program, 'catalog [key]', 'write SQL: one table of all backups, one of entries').action(
    async (key, values) => {
      const { runCatalog } = await import('../commands/catalog.js')
      answer(await runCatalog(key, values, signal))
    }
  )
}

function addSearches(program: Command, signal: AbortSignal, answer: Answer): void {
  addTable(program, 'find <pattern>', 'find entries in all backups')
    .option('--key <key>', 'search only the backups of this key')
    .action(async (pattern, values) => {
      const { runFind } = await import('../commands/find.js')
      answer(await runFind(pattern, values, signal))
    })
  addReader(program, 'history <key> <path>', 'list when a path came, changed and went').action(
    async (key, path, values) => {
      const { runHistory } = await import('../commands/history.js')
      answer(await runHistory(key, path, values, signal))
    }
  )
}

function addComparisons(program: Command, signal: AbortSignal, answer: Answer): void {
  addReader(program, 'diff <key> [dates...]', 'compare two backups: + created, - deleted, M updated, m only metadata')
    .option('--from <date>', 'the older backup (default: the one before --to)')
    .option('--to <date>', 'the newer backup (default: the newest)')
    .option('--long', 'also the size before and now')
    .action(async (key, dates, values) => {
      const { runDiff } = await import('../commands/diff.js')
      answer(await runDiff(key, dates, values, signal))
    })
  addSourceOptions(
    addReader(program, 'compare <key> <source>', 'compare a backup with a directory')
      .option('--at <date>', AT)
      .option('--long', 'also the size in the backup and in the directory')
  ).action(async (key, source, values) => {
    const { runCompare } = await import('../commands/compare.js')
    answer(await runCompare(key, source, values, signal))
  })
}

function parseDepth(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new UsageError(`'${text}' is not a number of levels`)
}
