import type { Command } from 'commander'
import { MANUAL } from '../manual.js'
import { parseAge, parseSample } from '../proof-options.js'
import { type Answer, AT, addReader } from './reader.js'

const SAMPLE = 'make only some files: 5% of the bytes, 500 files, or 20G; at least so much'
const SEED = 'choose as the run did that printed this seed'

/** Commands that prove backups. */
export function addProof(program: Command, signal: AbortSignal, answer: Answer): void {
  addReader(program, 'verify [key]', 'check that a backup can be restored')
    .option('--at <date>', AT)
    .option('--read-data', 'read every artifact, and check the SHA-256 of every file')
    .option('--digests', 'read every artifact and check its own SHA-256: needs no key of encrypted archives')
    .option(
      '--sample <size>',
      `${SAMPLE}; what was proven the longest ago comes first, and is recorded in the store`,
      parseSample
    )
    .option('--seed <text>', SEED)
    .option(
      '--max-age <age>',
      'make only files that were not proven within this time: 30d, 12h, 8w; what is proven is recorded in the store',
      parseAge
    )
    .addHelpText('after', VERIFY_HELP)
    .action(async (key, values) => {
      const { runVerify } = await import('../commands/verify.js')
      answer(await runVerify(key, values, signal))
    })
  addReader(program, 'drill <key>', 'restore for practice: prove, measure, and write a report')
    .option('--at <date>', AT)
    .option('--sample <size>', SAMPLE, parseSample)
    .option('--seed <text>', SEED)
    .option('--into <dir>', 'restore into this directory, which is empty or new (default: keep nothing)')
    .option('--report <file>', 'write the report to this file as JSON, and beside it as text (.txt); neither may exist')
    .addHelpText('after', DRILL_HELP)
    .action(async (key, values) => {
      const { runDrill } = await import('../commands/drill.js')
      answer(await runDrill(key, values, signal))
    })
  program
    .command('validate-store [store]')
    .summary('try what a store promises, before it is used')
    .description(MANUAL['validate-store'])
    .option('--many', 'also put, list and delete 1,001 names')
    .option('--config <file>', 'config to use (default: ibt.config.* here or in a directory above)')
    .option('--no-config', 'use no config')
    .option(
      '--json',
      'JSON on stdout, one object a line: an event for each promise, and a last line with the exit code'
    )
    .option('--quiet', 'print only promises that are broken')
    .option('--no-progress', 'print no progress line')
    .addHelpText('after', VALIDATE_HELP)
    .action(async (store, values) => {
      const { runValidateStore } = await import('../commands/validate-store.js')
      answer(await runValidateStore(store, values, signal))
    })
}

const VERIFY_HELP = `
Examples:
  ibt verify photos --store /mnt/backups --read-data     every byte, now
  ibt verify photos --store /mnt/backups --sample 5%     daily: all in 20 days
  ibt verify photos --store /mnt/backups --max-age 30d   all but what is known

Exit codes: 0 all is well, 4 something is damaged or missing, 1 failed`

const VALIDATE_HELP = `
Examples:
  ibt validate-store                  the store of IBT_STORE or the config
  ibt validate-store /mnt/nas/backups
  ibt validate-store https://backups.example.org/srv --json

Exit codes: 0 every promise is kept, 1 one is broken, or the store failed`

const DRILL_HELP = `
Examples:
  ibt drill photos --store /mnt/backups --report photos-2026-11.json
  ibt drill photos --store /mnt/backups --sample 5% --at '1 month ago'
  ibt drill photos --store /mnt/backups --into /mnt/spare/photos

Exit codes: 0 passed, 4 something is damaged or missing, 1 failed
docs/proof.md describes the report, and how to sign it.`
