import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { NaiveChain } from './chain.js'
import { assertSameTree } from './judges.js'

const PAGE = fileURLToPath(new URL('../../../docs/restore-by-hand.md', import.meta.url))

/** What the script of docs/restore-by-hand.md calls, and what judges it. */
export const BY_HAND_TOOLS = ['bash', 'tar', 'jq', 'rdiff', 'zstd', 'gzip', 'setfattr', 'rsync'] as const

/** The script, as somebody would copy it from the page. */
export function byHandScript(): string {
  const script = /^cat > restore\.sh <<'END'\n(.*?)^END$/ms.exec(readFileSync(PAGE, 'utf8'))?.[1]
  if (script === undefined) throw new Error(`${PAGE} has no restore.sh`)
  return script
}

/** Restores a date with plain tools alone and lets rsync compare it with the naive copy. Of what was erased, the script says that it is missing. */
export function assertRestoresByHand(chain: NaiveChain, date: string, erased: readonly string[] = []): void {
  const script = join(chain.base, 'restore.sh')
  const destination = join(chain.base, `by-hand-${date}`)
  writeFileSync(script, byHandScript())
  const args = [script, chain.storePath, chain.options.key!, destination, date]
  const { status, stderr } = spawnSync('bash', args, { encoding: 'utf8' })
  const missing = erased.map(path => `not in the backup: ${join(destination, path)} (unreadable)\n`)
  assert.deepEqual([status, stderr], [0, missing.join('')], `${date} by hand`)
  assertSameTree(destination, chain.copy(date), `${date} by hand`)
  rmSync(destination, { recursive: true })
}
