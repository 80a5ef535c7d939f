import assert from 'node:assert/strict'
import { closeSync, ftruncateSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { SPARSE_BUFFERED_BYTES } from '../../../src/constants.js'
import { walk } from '../../../src/stages/walk.js'
import { NaiveChain } from '../../helpers/chain.js'
import { run, shell } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { temporaryDirectory } from '../../native/tree.js'

const MIB = 1024 * 1024
const SIZE = 64 * MIB
/** Away from the borders of chunks, and at them. */
const WRITTEN = [3 * MIB - 2, 17 * MIB + 1, 40 * MIB, SIZE - 5]

function writeAt(path: string, offsets: readonly number[], text = 'data', flags = 'r+'): void {
  const fd = openSync(path, flags)
  for (const offset of offsets) writeSync(fd, text, offset)
  if (flags !== 'r+') ftruncateSync(fd, SIZE)
  closeSync(fd)
}

function makeSparse(chain: NaiveChain): string {
  const path = join(chain.source, 'd \u00e9', 'sparse')
  run('mkdir', [join(chain.source, 'd \u00e9')])
  writeAt(path, WRITTEN, 'data', 'w')
  writeAt(join(chain.source, 'hole'), [], '', 'w')
  writeAt(join(chain.source, 'raw'), [MIB], 'raw', 'w')
  shell('mv "$1/raw" "$1/$(printf "raw\\377")"', chain.source)
  return path
}

const blocksOf = (path: string) => statSync(path).blocks

test(
  'holes are neither read nor stored: what plain tars extract has them again',
  oracle('tar', 'bsdtar', 'zstd'),
  async t => {
    const chain = new NaiveChain(temporaryDirectory(t))
    const path = makeSparse(chain)
    if (blocksOf(path) * 512 > MIB) return t.skip('the file system has no holes')
    const full = await chain.full()
    const archive = chain.artifact('full', full.date)
    assert.ok(Number(shell('zstd -dcq "$1" | wc -c', archive)) < MIB)
    for (const tool of ['tar', 'bsdtar']) {
      const target = join(chain.base, tool)
      run('mkdir', [target])
      shell(`zstd -dcq "$1" | ${tool} -C "$2" -xpf -`, archive, target)
      run('diff', ['-r', chain.source, target])
      assert.ok(blocksOf(join(target, 'd \u00e9', 'sparse')) <= blocksOf(path))
    }
  }
)

test(
  'a sparse file is restored at every date, also where data came, went and became a hole',
  oracle('rsync', 'fallocate'),
  async t => {
    const chain = new NaiveChain(temporaryDirectory(t))
    const path = makeSparse(chain)
    await chain.full()
    writeAt(path, [30 * MIB, WRITTEN[1]!], 'other')
    const { totals, files } = await chain.incremental()
    assert.equal(totals.updated, 1)
    assert.ok(files.find(({ kind }) => kind === 'updated')!.sizeBytes < 100_000)
    run('fallocate', ['--punch-hole', '--offset', String(17 * MIB), '--length', String(MIB), path])
    await chain.incremental()
    rmSync(path)
    writeAt(path, [7], 'new', 'w')
    await chain.incremental()
    for (const { date } of chain.reports) await chain.assertRestores(date)
  }
)

test('zeros that are data, and a small file with a hole, are what they were', oracle('rsync'), async t => {
  const chain = new NaiveChain(temporaryDirectory(t))
  const small = join(chain.source, 'small')
  const fd = openSync(small, 'w')
  writeSync(fd, 'x', SPARSE_BUFFERED_BYTES - 1)
  closeSync(fd)
  writeAt(join(chain.source, 'zeros'), [0], '\0'.repeat(MIB), 'w')
  await chain.full()
  await chain.assertRestores(chain.reports[0]!.date)
})

test('the content of an entry has its holes as zeros', async t => {
  const chain = new NaiveChain(temporaryDirectory(t))
  const path = makeSparse(chain)
  for await (const entry of walk(chain.source)) {
    if (!entry.path.endsWith('/sparse')) continue
    const chunks: Uint8Array[] = []
    for await (const chunk of entry.content!.open()) chunks.push(chunk)
    assert.ok(Buffer.concat(chunks).equals(readFileSync(path)))
  }
})
