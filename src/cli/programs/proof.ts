import type { Command } from 'commander'
import { parseAge, parseSample } from '../proof-options.js'
import { type Answer, AT, addReader } from './reader.js'

const SAMPLE = 'make only some files: 5% of the bytes, 500 files, or 20G; at least so much'
const SEED = 'choose as the run did that printed this seed'

/** Commands that prove backups. */
export function addProof(program: Command, signal: AbortSignal, answer: Answer): void {
  addReader(program, 'verify <key>', 'check that a backup can be restored')
    .option('--at <date>', AT)
    .option('--read-data', 'read every artifact, and check the SHA-256 of every file')
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
}

const VERIFY_HELP = `
Examples:
  ibt verify photos --store /mnt/backups --read-data     every byte, now
  ibt verify photos --store /mnt/backups --sample 5%     daily: all in 20 days
  ibt verify photos --store /mnt/backups --max-age 30d   all but what is known

Exit codes: 0 all is well, 4 something is damaged or missing, 1 failed`
