import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { NaiveChain } from './chain.js'
import { assertSameTree, run } from './judges.js'

const PAGE = fileURLToPath(new URL('../../../docs/restore-by-hand.md', import.meta.url))

/** What the script of docs/restore-by-hand.md calls, and what judges it. */
export const BY_HAND_TOOLS = ['bash', 'tar', 'jq', 'rdiff', 'zstd', 'gzip', 'setfattr', 'rsync'] as const

/** The script, as somebody would copy it from the page. */
export function byHandScript(): string {
  const script = /^cat > restore\.sh <<'END'\n(.*?)^END$/ms.exec(readFileSync(PAGE, 'utf8'))?.[1]
  if (script === undefined) throw new Error(`${PAGE} has no restore.sh`)
  return script
}

/** Restores a date with plain tools alone and lets rsync compare it with the naive copy. */
export function assertRestoresByHand(chain: NaiveChain, date: string): void {
  const script = join(chain.base, 'restore.sh')
  const destination = join(chain.base, `by-hand-${date}`)
  writeFileSync(script, byHandScript())
  run('bash', [script, chain.storePath, chain.options.key!, destination, date])
  assertSameTree(destination, chain.copy(date), `${date} by hand`)
  rmSync(destination, { recursive: true })
}
