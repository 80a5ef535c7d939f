import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createWriteStream, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type Duplex, PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { createGzip, gunzipSync } from 'node:zlib'
import { type BackupError, exportBackups, fullBackup, restoreTar, streamBackup } from '../../../src/index.js'
import { NaiveChain } from '../../helpers/chain.js'
import { assertSameTree, assertTarsExtract, assertTarsList, run } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { createRandom } from '../../helpers/random.js'
import { EDITS, makeTree } from '../../helpers/tree.js'
import { temporaryDirectory } from '../../native/tree.js'

test('any date comes out as a tar that tars read, hard links as links', oracle('tar', 'bsdtar', 'rsync'), async t => {
  const chain = new NaiveChain(temporaryDirectory(t))
  const tree = makeTree(chain.source)
  run('mkfifo', [join(chain.source, 'links/fifo')])
  await chain.full()
  EDITS[0]!(tree)
  await chain.incremental()
  for (const { date, totals } of chain.reports) {
    const archive = join(chain.base, `${date}.tar`)
    const { entries, files, skippedEntries } = await restoreTar('key', createWriteStream(archive), {
      ...{ store: chain.storePath, cache: chain.cachePath, at: date }
    })
    assert.deepEqual([entries, files, skippedEntries], [totals.entries, totals.files, 0])
    assertTarsList(archive)
    assertTarsExtract(archive, chain.base)
    const to = join(chain.base, 'extracted', date)
    mkdirSync(to, { recursive: true })
    run('tar', ['-C', to, '--warning=no-timestamp', '-xpf', archive])
    assertSameTree(to, chain.copy(date))
  }
})

test('a selection of a date is a tar; a socket is passed over', async t => {
  const chain = new NaiveChain(temporaryDirectory(t))
  for (const name of ['a', 'b']) {
    mkdirSync(join(chain.source, name))
    writeFileSync(join(chain.source, name, 'file'), name)
  }
  const server = createServer().listen(join(chain.source, 'a/socket'))
  await once(server, 'listening')
  t.after(() => server.close())
  await chain.full()
  const archive = join(chain.base, 'x.tar')
  const errors: BackupError[] = []
  const { entries, skippedEntries, sizeBytes } = await restoreTar('key', createWriteStream(archive), {
    ...{ store: chain.storePath, cache: false, paths: ['a'], onError: error => errors.push(error) }
  })
  assert.deepEqual([entries, skippedEntries, sizeBytes], [3, 0, 1])
  assert.deepEqual(errors, [])
  assert.equal(run('tar', ['-tf', archive]).toString(), './\na/\na/file\n')
})

test('an output may be a Transform, of which somebody else reads the other half', async t => {
  const { base, source, storePath } = new NaiveChain(temporaryDirectory(t))
  writeFileSync(join(source, 'file'), createRandom(1).bytes(1_000_000))
  const options = { store: storePath, cache: false } as const
  await fullBackup(source, { ...options, key: 'key' })
  const ways: Record<string, (output: Duplex) => Promise<unknown>> = {
    restoreTar: output => restoreTar('key', output, options),
    exportBackups: output => exportBackups('key', output, options),
    streamBackup: output => streamBackup(source, output, { key: 'sent', sent: mkdtempSync(join(base, 'sent-')) })
  }
  for (const [name, write] of Object.entries(ways)) {
    const [plain, packed] = [new PassThrough(), createGzip()]
    const [, bytes] = await Promise.all([write(plain), buffer(plain)])
    assert.ok(bytes.length > 1_000_000, name)
    const [, gzipped] = await Promise.all([write(packed), buffer(packed)])
    assert.ok(gunzipSync(gzipped).length > 1_000_000, name)
    const gone = new PassThrough().on('error', () => {})
    const cut = assert.rejects(write(gone), /nobody reads/, name)
    gone.destroy(new Error('nobody reads'))
    await cut
  }
  await assert.rejects(restoreTar('key', {} as Duplex, options), TypeError)
})
