import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, linkSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { backupStats, type DayStats, type KeyStats, planRestore } from '../../src/index.js'
import { NaiveChain } from '../helpers/chain.js'
import { Desk } from '../helpers/desk.js'
import { oracle } from '../helpers/oracle.js'
import { randomBytes, temporaryDirectory } from '../native/tree.js'

async function collect(store: string): Promise<{ days: DayStats[]; sums: KeyStats }> {
  const days: DayStats[] = []
  const stats = backupStats('key', { store, cache: false })
  for (;;) {
    const { value, done } = await stats.next()
    if (done) return { days, sums: value }
    days.push(value)
  }
}

test('days add up to what the store has, and the newest is planned', async t => {
  const chain = new NaiveChain(temporaryDirectory(t))
  const at = (path: string) => join(chain.source, path)
  writeFileSync(at('file'), randomBytes(100_000, 1))
  writeFileSync(at('kept'), randomBytes(100_000, 2))
  await chain.full()
  for (let i = 0; i < 3; i++) {
    appendFileSync(at('file'), randomBytes(1000 * (i + 1), i))
    if (i === 1) {
      writeFileSync(at('new'), randomBytes(4000, 9))
      linkSync(at('new'), at('linked'))
    }
    await chain.incremental()
  }
  // The test may run at midnight.
  const { days, sums } = await collect(chain.storePath)
  const sizes = chain.stored().map(name => statSync(join(chain.storePath, name)).size)
  const storedBytes = sizes.reduce((sum, size) => sum + size, 0)
  const add = (of: (day: DayStats) => number) => days.reduce((sum, day) => sum + of(day), 0)
  assert.deepEqual([add(day => day.storedBytes), add(day => day.backups), add(day => day.fulls)], [storedBytes, 4, 1])
  assert.deepEqual([sums.storedBytes, sums.backups, sums.fulls, sums.days], [storedBytes, 4, 1, days.length])
  const { newest } = days.at(-1)!
  const last = chain.reports.at(-1)!
  const { files, sizeBytes } = last.totals
  assert.deepEqual(
    [newest!.date, newest!.files, newest!.sourceBytes, newest!.increments],
    [last.date, files, sizeBytes, 3]
  )
  const { key: _, date: __, stored: ___, ...plan } = await planRestore('key', { store: chain.storePath, cache: false })
  assert.deepEqual(sums.restore, plan)
  assert.equal(newest!.archives, plan.archives.length)
  assert.equal(
    newest!.archiveBytes,
    plan.archives.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  )
  assert.deepEqual(sums.largest.map(({ path, deltas }) => [path, deltas]).sort(), [
    ['file', 3],
    ['linked', 0]
  ])
})

test('a state that cannot be read costs its own figures, a restore that cannot be made is said', async t => {
  const chain = new NaiveChain(temporaryDirectory(t))
  writeFileSync(join(chain.source, 'file'), randomBytes(100_000, 1))
  await chain.full()
  appendFileSync(join(chain.source, 'file'), 'x')
  for (let i = 0; i < 2; i++) await chain.incremental()
  writeFileSync(chain.artifact('state', chain.reports[1]!.date), 'nothing')
  rmSync(chain.artifact('full', chain.reports[0]!.date))
  const { days, sums } = await collect(chain.storePath)
  assert.equal(
    days.reduce((sum, { unreadable }) => sum + unreadable, 0),
    1
  )
  assert.equal(sums.error?.code, 'IBT_BASIS_MISSING')
  assert.equal(sums.restore, undefined)
  await assert.rejects(backupStats('other', { store: chain.storePath, cache: false }).next(), { code: 'IBT_NO_BACKUP' })
})

test('jq adds up what ibt stats says, and a person reads a table', oracle('jq'), t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('photos'))
  writeFileSync(desk.at('photos', 'one'), randomBytes(100_000, 1))
  for (let i = 0; i < 3; i++) {
    appendFileSync(desk.at('photos', 'one'), 'x')
    desk.ibt('backup', 'photos')
  }
  const { status, stdout } = desk.ibt('stats', 'photos', '--json')
  assert.equal(status, 0)
  const jq = (filter: string) => execFileSync('jq', ['-sc', filter], { input: stdout, encoding: 'utf8' }).trim()
  assert.equal(jq('([.[:-1][].storedBytes] | add) - .[-1].storedBytes'), '0')
  assert.equal(jq('.[-1] | [.exitCode, .backups, (.largest[] | .path, .deltas)]'), '[0,3,"one",2]')
  const lines = desk.ibt('stats', 'photos').stdout.split('\n')
  assert.match(lines[0]!, /^day +backups +stored +source +files +chain +archives +of$/)
  assert.match(lines.join('\n'), /\n\nphotos: 3 backups on \d days?, 1 full, .* stored\nA restore of the newest reads/)
  assert.ok(
    lines.every(line => line.length <= 110),
    lines.join('\n')
  )
  rmSync(desk.at('store'), { recursive: true })
  assert.equal(desk.ibt('stats', 'photos').status, 1)
})
