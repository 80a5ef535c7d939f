import type { Command } from 'commander'
import { parseCodec } from '../../codec/index.js'
import { addVolumeSize } from '../backup-options.js'
import { addEncryptOptions } from '../keys.js'
import { collect, parseParts, parseSeconds } from '../parse-values.js'
import { type Answer, AT, addReader } from './reader.js'

/** Commands that send backups elsewhere, and receive them. */
export function addStream(program: Command, signal: AbortSignal, answer: Answer): void {
  addVolumeSize(addReader(program, 'export <key>', 'write a backup, or all of a key, as one tar to stdout'))
    .option('--at <date>', AT)
    .option('--all', 'all backups of the key, oldest first, instead of one')
    .option('--resume <file>', 'leave out what the receiver has, as ibt import --resume-info said (-: stdin)')
    .addHelpText('after', EXPORT_HELP)
    .action(async (key, values) => {
      const { runExport } = await import('../commands/export.js')
      answer(await runExport(key, values, signal))
    })
  addEncryptOptions(
    addReader(program, 'import [file]', 'store the backups of a bundle, or a tar as the backup of a date')
  )
    .option('--key <key>', 'accept only this key; with --tar, --resume-info and --discard: the key')
    .option('--resume-info', 'print what has arrived of a key, for ibt export --resume')
    .option('--discard', 'delete what has arrived of a key and waits for the rest')
    .option('--tar', 'the input is not a bundle but a tar of files, or one that gzip or zstd compressed')
    .option('--at <date>', 'with --tar: the date of the backup, later than the newest one')
    .option('--sorted', 'with --tar: the tar is in path order, so nothing is spooled')
    .option('--strip-components <n>', 'with --tar: remove this many leading parts from each name', parseParts)
    .option('--exclude <pattern>', 'with --tar: exclude entries that match; may be repeated', collect)
    .option('--compress <codec>', 'with --tar: zstd, gzip or none, with :LEVEL (default: zstd:3)', parseCodec)
    .option('--source-id <id>', 'with --tar: name of the source')
    .option('--allow-source-mismatch', 'with --tar: accept that the backups of the key are of another source')
    .option('--allow-shrink', 'with --tar: accept a tar that is suddenly all but empty')
    .option('--init', 'begin anew if the store has lost the backups that the cache knows')
    .option('--lock-wait <seconds>', 'wait at most this long for another run on the same key', parseSeconds)
    .addHelpText('after', IMPORT_HELP)
    .action(async (file, values) => {
      const { runImport } = await import('../commands/import.js')
      answer(await runImport(file, values, signal))
    })
  addReader(program, 'copy <key>', 'copy backups into another store')
    .requiredOption('--to <dir|url>', 'the other store')
    .option('--to-opaque-names <file>', 'encrypt names in the other store with the secret in this file')
    .option('--at <date>', `only ${AT}; may be repeated`, collect)
    .option('--checksum', 'read what is there already, and compare its SHA-256')
    .option('--dry-run', 'say what would be copied')
    .option('--lock-wait <seconds>', 'wait at most this long for another run on the same key there', parseSeconds)
    .addHelpText('after', COPY_HELP)
    .action(async (key, values) => {
      const { runCopy } = await import('../commands/copy.js')
      answer(await runCopy(key, values, signal))
    })
}

const EXPORT_HELP = `
Reports go to stderr. GNU tar and bsdtar read the bundle, too: ibt help bundles.

Examples:
  ibt export photos > photos.tar
  ibt export photos --all | ssh host ibt import - --store /srv/backups
  ssh host ibt import --resume-info --key photos --store /srv/b |
    ibt export photos --all --resume - | ssh host ibt import - --store /srv/b`

const COPY_HELP = `
Examples:
  ibt copy photos --store /srv/backups --to /mnt/usb/backups
  ibt copy photos --store https://host/b --to /mnt/usb/b --dry-run
  ibt copy photos --to /mnt/year --at 2026-01-01 --at 2026-07-01

Exit codes: 0 all is there, 5 the other store has other bytes under a name`

const IMPORT_HELP = `
Without a file, or for -, it reads stdin.

Examples:
  ibt import photos.tar --store /srv/backups
  ibt import --resume-info --key photos --store /srv/backups
  ibt import --tar --key old --at 2019-03-01 /archive/old-2019.tar.gz
  borg export-tar r::2024-05 - | ibt import --tar --key b --at 2024-05-01`
