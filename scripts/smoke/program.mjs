// What a user's program does: a full, an incremental and a restore, with every subpath of the package.
import * as fs from 'node:fs'
import { join } from 'node:path'
import * as main from 'incremental-backups-tools'
import * as interop from 'incremental-backups-tools/interop'
import * as native from 'incremental-backups-tools/native'
import * as stages from 'incremental-backups-tools/stages'
import * as stores from 'incremental-backups-tools/stores'

// A bundle for CommonJS has no top-level await.
async function use() {
  for (const subpath of [main, stages, stores, interop, native]) {
    if (Object.keys(subpath).length === 0) throw new Error('An empty subpath')
  }
  const place = fs.mkdtempSync(join(process.env.SMOKE_PLACE ?? '.', 'program '))
  const at = (...parts) => join(place, ...parts)
  const options = { store: at('store'), cache: false }

  fs.mkdirSync(at('src'))
  fs.writeFileSync(at('src', 'a file'), 'one line\n'.repeat(10_000))
  await main.fullBackup(at('src'), options)
  fs.appendFileSync(at('src', 'a file'), 'another line\n')
  const report = await main.incrementalBackup(at('src'), options)
  await main.restoreBackup('src', at('restored'), options)
  const [source, restored] = ['src', 'restored'].map(name => fs.readFileSync(at(name, 'a file'), 'utf8'))
  if (source !== restored) throw new Error('What was restored differs')
  if (report.totals.updated !== 1) throw new Error(`Unexpected totals ${JSON.stringify(report.totals)}`)
  console.log('restored')
}

use()
