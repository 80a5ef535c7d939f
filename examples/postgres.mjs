// PostgreSQL base backups as increments: of a table file of which some pages have changed, a delta is stored.
//   node postgres.mjs KEY STORE [OPTIONS OF pg_basebackup, such as -h HOST -U USER]
//   ibt restore KEY /var/lib/postgresql/restored --store STORE --at 'yesterday'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { autoBackup } from 'incremental-backups-tools'
import { fromTar } from 'incremental-backups-tools/interop'

const [key, store, ...options] = process.argv.slice(2)

// One tar on stdout, with the WAL that makes it consistent. It is in no order: fromTar sorts it, in files without a name.
const args = ['--pgdata=-', '--format=tar', '--wal-method=fetch', '--checkpoint=fast', ...options]
const dump = spawn('pg_basebackup', args, { stdio: ['ignore', 'pipe', 'inherit'] })
const ended = once(dump, 'close')

/** Cut off, or not ended well: then there is no backup. */
async function* whole() {
  yield* dump.stdout
  const [code] = await ended
  if (code !== 0) throw new Error(`pg_basebackup has ended with ${code}`)
}

try {
  const report = await autoBackup('-', {
    key,
    store,
    sourceId: 'pg_basebackup',
    maxChain: 30,
    stages: { walk: fromTar(whole(), { sort: 'spool' }) }
  })
  const { kind, date, totals, storedBytes } = report
  console.log(JSON.stringify({ kind, date, sourceBytes: totals.sizeBytes, updated: totals.updated, storedBytes }))
} finally {
  dump.kill()
}
