import { Command, CommanderError } from 'commander'
import { BackupError, isBackupError } from '../errors.js'
import type { Operation } from '../flow/tracing.js'
import { toolVersion } from '../pipelines/prove/tool-version.js'
import { addBackupOptions, addLevelOptions, addOut } from './backup-options.js'
import { applyConfig } from './config.js'
import type { EndValues } from './each-source.js'
import { describeError, Exit, exitCode, UsageError } from './exit.js'
import { HELP_COLUMNS, printHelp, topicList } from './help.js'
import { MANUAL } from './manual.js'
import type { Metrics } from './metrics.js'
import { say } from './output.js'
import { collect } from './parse-values.js'
import { addLifecycle } from './programs/lifecycle.js'
import { addLook } from './programs/look.js'
import { addNetwork } from './programs/network.js'
import { addPlan } from './programs/plan.js'
import { addProof } from './programs/proof.js'
import { type Answer, AT, addReader } from './programs/reader.js'
import { addStream } from './programs/stream.js'
import type { StoreValues } from './store.js'
import { groupTreeOptions } from './tree-options.js'

/** Runs a command of the backup kind. Each command's code is loaded when it runs. */
export async function runProgram(args: readonly string[], signal: AbortSignal): Promise<number> {
  let code: number = Exit.done
  const program = buildProgram(signal, answer => {
    code = answer
  })
  let values: StoreValues & { readonly out?: string } = {}
  program.hook('preAction', (_, command) => {
    values = command.opts()
    return applyConfig(command)
  })
  try {
    await measured(program, signal, async () => {
      await program.parseAsync([...args], { from: 'user' })
      return code
    })
  } catch (error) {
    const isMissing = isBackupError(error) && error.code === 'IBT_NO_BACKUP'
    if (isMissing && (values.out === undefined || values.store !== undefined)) throw await withStore(error, values)
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return Exit.done
    // Without a command it has printed the help.
    if (error.code === 'commander.help') throw new UsageError('No command is given', { isSaid: true })
    throw new UsageError(error.message.replace(/^error: /, ''))
  }
  return code
}

/** Runs a command; with `--metrics`, writes what its runs come to, in every case. */
async function measured(program: Command, signal: AbortSignal, run: () => Promise<number>): Promise<void> {
  let metrics: Metrics | undefined
  const write = (code: number) =>
    metrics?.write(code).catch(error => say(`ibt: Cannot write the metrics: ${describeError(error)}\n`))
  program.hook('preAction', async (_, command) => {
    const { metrics: path } = command.opts()
    if (path === undefined) return
    const made = new (await import('./metrics.js')).Metrics(path, command.name() as Operation)
    const onEnd: EndValues['onEnd'] = ({ key, exitCode }) => made.ended(key, exitCode)
    command.setOptionValueWithSource('onEnd', onEnd, 'implied')
    metrics = made
  })
  try {
    await write(await run())
  } catch (error) {
    await write(signal.aborted ? Exit.cancelled : exitCode(error))
    throw error
  }
}

/** Says where the backup is not: often the store is the wrong one. */
async function withStore({ code, message, path }: BackupError, values: StoreValues): Promise<BackupError> {
  const { chooseStore, describeStore } = await import('./store.js')
  return new BackupError(code, `${message} (looked in ${await describeStore(chooseStore(values))})`, { path })
}

/** The commands, with all that their help says. */
export function buildProgram(signal: AbortSignal, answer: Answer): Command {
  const program = new Command('ibt')
    .description('Incremental backups as plain archives: tar, zstd, JSON and librsync deltas.')
    .version(toolVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand(false)
    // Those of a command in a command are not the outer one's.
    .enablePositionalOptions()
    .configureHelp({ helpWidth: Math.min(process.stdout.columns || HELP_COLUMNS, HELP_COLUMNS) })
    .configureOutput({ outputError: () => {} })
    .exitOverride()
  for (const [name, summary] of BACKUPS) {
    backupCommand(program, name, summary).action(async (sources, values) => {
      const { runBackup } = await import('./commands/backup.js')
      answer(await runBackup(name, sources, values, signal))
    })
  }
  addReaders(program, signal, answer)
  addProof(program, signal, answer)
  addLifecycle(program, signal, answer)
  addPlan(program, signal, answer)
  addRdiff(program)
  program
    .command('init [paths...]')
    .summary('write a config with comments')
    .description(MANUAL.init)
    .option('--store <dir|url>', 'where backups are stored (default: IBT_STORE, else ./backups)')
    .option('--force', 'replace a config that is there')
    .action(async (paths, values) => {
      const { runInit } = await import('./commands/init.js')
      answer(runInit(paths, values))
    })
  for (const command of program.commands.filter(command => SIGNING.has(command.name()))) {
    command.option('--sign-key <file>', 'sign what changes with this private key (default: IBT_SIGN_KEY)')
    if (command.name() !== 'sign') {
      command.option('--unsigned', 'change signed backups without the key; sign them later (see ibt help signing)')
    }
    command.setOptionValueWithSource('signs', true, 'implied')
  }
  for (const command of program.commands.filter(command => MEASURED.has(command.name()))) {
    command.option('--metrics <file>', 'write the outcome as metrics into this file (see ibt help metrics)')
  }
  groupTreeOptions(program)
  program
    .command('build-addon')
    .summary('compile the addon, if there is no binary for this platform')
    .description(MANUAL['build-addon'])
    .option('--output <file>', 'where to write it (default: into the package)')
    .action(async values => {
      const { runBuildAddon } = await import('./commands/build-addon.js')
      answer(await runBuildAddon(values))
    })
  program
    .command('completion <shell>')
    .summary('print the completion for bash, zsh or fish')
    .description(MANUAL.completion)
    .action(async shell => {
      const { printCompletion } = await import('./commands/completion.js')
      answer(printCompletion(shell))
    })
  program
    .command('help [topic]')
    .description('explain a command or a topic')
    .action(topic => printHelp(program, topic))
  return program.addHelpText('after', () => topicList() + EXAMPLES)
}

/** Commands that change which states there are. */
const SIGNING = new Set('full incremental backup merge prune undelete import receive copy erase sign'.split(' '))

const MEASURED = new Set(
  'full incremental backup restore verify drill merge prune clean erase copy import export send receive'.split(' ')
)

const BACKUPS = [
  ['full', 'back up everything'],
  ['incremental', 'back up the changes since the newest backup'],
  ['backup', 'a full if there is none yet or a limit is reached, else an incremental']
] as const

function backupCommand(program: Command, name: keyof typeof MANUAL, summary: string): Command {
  const command = addBackupOptions(program.command(`${name} [sources...]`).summary(summary).description(MANUAL[name]))
  if (name === 'backup') addLevelOptions(command)
  addOut(command)
  return command.addHelpText(
    'after',
    `
Examples:
  ibt ${name} ~/photos --store /mnt/backups
  ibt ${name} ~/project --ignore-file .gitignore --exclude '*.o'
  ibt ${name} /srv --key server --skip-unchanged --json
  ssh server tar --sort=name -cf - -C /srv . | ibt ${name} - --key server
    (use 'set -o pipefail', so that a failed tar is noticed)

Exit codes: 0 done, 3 done but some files could not be read, 5 refused, 1 failed
See also: ibt help patterns, formats, environment, exit-codes.`
  )
}

function addReaders(program: Command, signal: AbortSignal, answer: Answer): void {
  addReader(program, 'restore <key> <dest>', 'restore into a directory, or as a tar to stdout (-)')
    .option('--at <date>', AT)
    .option('--path <glob>', 'restore only matching entries, with everything below; may be repeated', collect)
    .option('--numeric-owner', 'restore owners by number, not by name')
    .option(
      '--overwrite <when>',
      'allow a destination that is not empty; leave a file as it is if its size and time or its SHA-256 are right (if-changed), only if its SHA-256 is right (always), or in any case (never)'
    )
    .option('--delete', 'with --overwrite: delete what the backup does not have, also files that were excluded from it')
    .option('--dry-run', 'write nothing: list what would be created, updated and deleted')
    .addHelpText('after', RESTORE_HELP)
    .action(async (key, dest, values) => {
      const { runRestore } = await import('./commands/restore.js')
      answer(await runRestore(key, dest, values, signal))
    })
  addLook(program, signal, answer)
  addStream(program, signal, answer)
  addNetwork(program, signal, answer)
}

const RESTORE_HELP = `
Without --overwrite the directory has to be empty or new. With it, only entries
that differ are written, each file under a temporary name until it is complete.
--delete deletes only in the directories of the backup, with --path only in the
selected ones. It never deletes the store, the cache or anything on a mount.

Examples:
  ibt restore photos /tmp/photos --store /mnt/backups
  ibt restore photos /tmp/photos --at '2026-11-01T12:00' --path '2025/**/*.jpg'
  ibt restore project ~/project --overwrite if-changed --delete --dry-run
  ibt restore photos - | tar -tvf -`

/** They are run elsewhere; here they are for the list of commands. */
function addRdiff(program: Command): void {
  program.command('signature <basis> <signature>').description("librsync signature of a file, as rdiff's")
  program.command('delta <signature> <new> <delta>').description("librsync delta against a signature, as rdiff's")
  program.command('patch <basis> <delta> <out>').description("apply a delta, as rdiff's")
  program.command('compose <deltas-out...>').description('make one delta of several consecutive ones')
}

const EXAMPLES = `
Examples:
  ibt backup ~/photos --store /mnt/backups      a full, later incrementals
  ibt list --store /mnt/backups                 all backups
  ibt restore photos /tmp/photos --store /mnt/backups --at '3 days ago'
  ibt verify photos --store /mnt/backups --read-data
  ibt prune photos --store /mnt/backups --keep-daily 7 --keep-monthly 12

Environment: IBT_STORE, IBT_CACHE. Exit codes: 0 done, 1 failed, 2 usage, 3 done
but some files could not be read, 4 integrity failure, 5 refused, 6 differences
found, 129, 130 and 143 cancelled.`
