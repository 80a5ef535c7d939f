import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Spool } from '../../src/flow/spool.js'
import { NaiveChain } from '../helpers/chain.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'
import { temporaryDirectory } from '../native/tree.js'

const MIB = 1 << 20
const FILE_BYTES = 24 * MIB
const BLOCK_BYTES = 64 * 1024
const TOOLS = oracle('rsync')

/** Most bytes that were in all spools at one time. */
function watchSpools(t: TestContext): () => number {
  const sizes = new Map<Spool, number>()
  let most = 0
  const { append, close } = Spool.prototype
  t.mock.method(Spool.prototype, 'append', async function (this: Spool, chunk: Uint8Array) {
    await append.call(this, chunk)
    sizes.set(this, this.sizeBytes)
    most = Math.max(
      most,
      [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0)
    )
  })
  t.mock.method(Spool.prototype, 'close', function (this: Spool) {
    sizes.delete(this)
    return close.call(this)
  })
  return () => most
}

class LargeFile {
  readonly chain: NaiveChain
  readonly random = createRandom(1)

  constructor(t: TestContext) {
    this.chain = new NaiveChain(temporaryDirectory(t), { cache: false })
    writeFileSync(join(this.chain.source, 'large'), this.random.bytes(FILE_BYTES))
  }

  change(edit: (bytes: Buffer) => Buffer): void {
    const path = join(this.chain.source, 'large')
    writeFileSync(path, edit(readFileSync(path)))
  }

  /** A new stretch: too large a delta to stay in memory. */
  overwrite(at: number): void {
    this.change(bytes => {
      this.random.bytes(5 * MIB).copy(bytes, at)
      return bytes
    })
  }

  /** The same blocks in another order. */
  shuffle(): void {
    this.change(bytes => {
      const blocks = Array.from({ length: FILE_BYTES / BLOCK_BYTES }, (_, i) => i)
      const order = blocks.map(i => [this.random.int(1 << 30), i] as const).sort(([a], [b]) => a - b)
      return Buffer.concat(order.map(([, i]) => bytes.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES)))
    })
  }
}

const CASES: readonly {
  readonly name: string
  readonly change: (file: LargeFile, i: number) => void
}[] = [
  { name: 'deltas that do not fit into memory', change: (file, i) => file.overwrite(5 * i * MIB) },
  { name: 'a body whose blocks are needed in no order', change: file => file.shuffle() },
  { name: 'both together', change: (file, i) => (i === 0 ? file.shuffle() : file.overwrite(5 * i * MIB)) },
  {
    name: 'both together, of which later dates have overwritten the most,',
    change: (file, i) => (i === 0 ? file.shuffle() : file.overwrite(i * MIB))
  }
]

for (const { name, change } of CASES) {
  test(`in a restore, ${name} take no more disk than the file`, TOOLS, async t => {
    const file = new LargeFile(t)
    await file.chain.full()
    for (let i = 0; i < 4; i++) {
      change(file, i)
      await file.chain.incremental()
    }
    assert.equal(file.chain.stored('updated').length, 4)
    const { size } = statSync(join(file.chain.source, 'large'))
    const spooled = watchSpools(t)
    await file.chain.assertRestores(file.chain.reports.at(-1)!.date)
    assert.ok(spooled() > 8 * MIB, `${spooled()} bytes: nothing was spooled`)
    assert.ok(spooled() <= size, `${spooled() / MIB} MiB`)
  })
}
