import type { Command } from 'commander'
import { parseCodec } from '../../codec/index.js'
import { addNamedOptions } from '../backup-options.js'
import { addEncryptOptions } from '../keys.js'
import { MANUAL } from '../manual.js'
import {
  collect,
  parseChain,
  parseCount,
  parseEntries,
  parseLimit,
  parsePieceBytes,
  parsePort,
  parseSeconds
} from '../parse-values.js'
import { addSourceOptions } from '../source-options.js'
import { type Answer, addReader } from './reader.js'

/** Commands at the two ends of a connection. */
export function addNetwork(program: Command, signal: AbortSignal, answer: Answer): void {
  const send = program.command('send [sources...]').summary('back up into the store of an ibt receive')
  addNamedOptions(addSourceOptions(send.description(MANUAL.send)))
    .option('--config <file>', 'config with sources (default: ibt.config.* here or in a directory above)')
    .option('--no-config', 'use no config')
    .option('--to-command <command>', 'start this command, and talk to its stdin and stdout (default: to our own)')
    .option('--tree', 'send the directory itself, for an ibt receive --into: no backup is made')
    .option('--dry-run', 'the receiver writes nothing, and lists what it would write and delete')
    .option('--key <key>', "name of the chain (default: that of the receiver, or the source's base name)")
    .option('--full', 'back up everything, instead of the changes since the newest backup')
    .option(
      '--checkpoint <size>',
      'store a backup each time that so many bytes of new files are sent: a cut loses no more than that',
      parsePieceBytes
    )
    .option('--compress <codec>', 'zstd, gzip or none, with :LEVEL (default: zstd:3)', parseCodec)
    .option('--skip-unchanged', 'store nothing if nothing has changed')
    .option('--allow-source-mismatch', 'accept that the backups of the key are of another directory or host')
    .option('--allow-shrink', 'accept a source that is suddenly all but empty')
    .option('--source-id <id>', 'name of the source, if its path or host change')
    .option('--max-chain <n>', 'make a full if there are this many incrementals on the newest full', parseChain)
    .option('--json', 'JSON: events and a last line with the exit code')
    .option('--quiet', 'print neither report nor warnings')
    .option('--no-progress', 'print no progress line')
    .option('--jobs <n>', 'number of threads that read, hash and sign', parseCount)
    .option('--limit-rate <rate>', 'bytes per second that are sent: 2M, 500k', parseLimit)
    .addHelpText('after', SEND_HELP)
    .action(async (sources, values) => {
      const { runSend } = await import('../commands/send.js')
      answer(await runSend(sources, values, signal))
    })
  send.usage('[options] [sources...]\n       ibt send --tree [options] <directory>')
  const receive = addEncryptOptions(
    addReader(program, 'receive', 'store the backup that an ibt send makes, over stdin and stdout')
  )
    .option('--into <dir>', 'store nothing: make this directory equal to that of an ibt send --tree')
    .option(
      '--overwrite <when>',
      'leave a file as it is if its size and time are right (if-changed, the default), only if its SHA-256 is right (always), or in any case (never)'
    )
    .option('--delete', 'delete what the source does not have, when everything else is done')
    .option(
      '--max-delete <n>',
      'with --delete: if more entries than this would be deleted, delete none (exit code 5)',
      parseEntries
    )
    .option('--allow-shrink', 'with --delete: accept a source that is all but empty beside this directory')
    .option('--dry-run', 'write nothing, and list what would be written and deleted')
    .option(
      '--exclude <pattern>',
      'neither write nor delete entries that match, as in an ignore file; may be repeated',
      collect
    )
    .option('--numeric-owner', 'owners by number, not by name')
    .option('--key <key>', 'accept only this key')
    .option('--max-chain <n>', 'make a full if there are this many incrementals on the newest full', parseChain)
    .option('--delete-old-sigvaults', 'after a full, delete the signatures of older chains')
    .option('--init', 'begin anew if the store has lost the backups that the cache knows')
    .option('--lock-wait <seconds>', 'wait at most this long for another run on the same key', parseSeconds)
    .addHelpText('after', RECEIVE_HELP)
    .action(async values => {
      const { runReceive } = await import('../commands/receive.js')
      answer(await runReceive(values, signal))
    })
  receive.usage('[options]\n       ibt receive --into <dir> [options]')
  addServe(program, signal, answer)
}

/** Backups for a browser, curl and other programs. */
function addServe(program: Command, signal: AbortSignal, answer: Answer): void {
  addReader(program, 'serve', 'serve backups over HTTP, read-only')
    .option('--port <n>', 'port; 0: any that is free', parsePort, 8420)
    .option('--host <address>', 'address to listen on; beyond loopback, use TLS', '127.0.0.1')
    .option('--key <key>', 'serve only this key; may be repeated', collect)
    .option('--token-file <file>', 'file with the token that every request needs (default: IBT_SERVE_TOKEN)')
    .option('--no-token', 'serve to every user of this machine')
    .option('--allow-host <name>', 'another name by which the server is asked; may be repeated', collect)
    .option('--tls-cert <file>', 'certificate, in PEM: HTTPS with HTTP/2 and HTTP/1.1')
    .option('--tls-key <file>', 'its key, in PEM')
    .addHelpText('after', SERVE_HELP)
    .action(async values => {
      const { runServe } = await import('../commands/serve.js')
      answer(await runServe(values, signal))
    })
}

const SERVE_HELP = `
  /                       keys          /KEY/DATE/PATH/   a directory
  /KEY/                   dates         /KEY/DATE/PATH    a file, with ranges
  /KEY/latest/            newest        ?format=tar       all below as a tar
  /~store/                artifacts     ?format=json      for programs

Examples:
  ibt serve --store /srv/backups --token-file ~/token
  curl -u :TOKEN -OJ localhost:8420/photos/latest/2025/cat.jpg
  curl -u :TOKEN 'localhost:8420/photos/latest/2025/?format=tar' | tar -x`

const SEND_HELP = `
Examples:
  ibt send ~/photos --to-command 'ssh host ibt receive --store /srv/backups'
  ibt send /srv/www --to-command 'ssh host ibt receive --key www --store /b'
  ibt send /srv/www --tree --to-command 'ssh host ibt receive --into /srv/www'`

const RECEIVE_HELP = `
The report goes to stderr. As a forced command, it is all that a key may do:
  command="ibt receive --key www --store /b",restrict ssh-ed25519 AAAA…
  command="ibt receive --into /srv/www --delete",restrict ssh-ed25519 AAAA…`
