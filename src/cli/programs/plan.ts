import type { Command } from 'commander'
import { addBackupOptions, addLevelOptions } from '../backup-options.js'
import { MANUAL } from '../manual.js'
import { collect } from '../parse-values.js'
import { type Answer, AT, addReader } from './reader.js'

/** Commands that say what things cost, and why. */
export function addPlan(program: Command, signal: AbortSignal, answer: Answer): void {
  const plan = program
    .command('plan <key> [source]')
    .summary('say what the next backup or a restore would take')
    .description(MANUAL.plan)
    .enablePositionalOptions()
    .helpCommand(false)
  addLevelOptions(addBackupOptions(plan)).action(async (key, source, values) => {
    const { runPlan } = await import('../commands/plan.js')
    answer(await runPlan(key, source, values, signal))
  })
  addReader(plan, 'restore <key>', 'say which artifacts, bytes and requests a restore would take')
    .description(MANUAL.plan)
    .option('--at <date>', AT)
    .option('--path <glob>', 'only matching entries, with everything below; may be repeated', collect)
    .action(async (key, values) => {
      const { runPlanRestore } = await import('../commands/plan.js')
      answer(await runPlanRestore(key, values, signal))
    })
  addReader(program, 'thaw <key>', 'ask the store for archives that are in a cold storage class')
    .option('--at <date>', AT)
    .option('--path <glob>', 'only matching entries, with everything below; may be repeated', collect)
    .action(async (key, values) => {
      const { runThaw } = await import('../commands/thaw.js')
      answer(await runThaw(key, values, signal))
    })
  addReader(program, 'stats <key>', 'show what was stored day by day, and what a restore reads').action(
    async (key, values) => {
      const { runStats } = await import('../commands/stats.js')
      answer(await runStats(key, values, signal))
    }
  )
  addReader(program, 'why <key>', 'say why a backup is a full, and why it is so large')
    .option('--at <date>', AT)
    .action(async (key, values) => {
      const { runWhy } = await import('../commands/why.js')
      answer(await runWhy(key, values, signal))
    })
}
