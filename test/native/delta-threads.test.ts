import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { deltaFile } from '../../src/native.js'
import { oracle } from '../helpers/oracle.js'
import { randomBytes } from './tree.js'

const ibt = join(import.meta.dirname, '..', '..', '..', 'bin', 'ibt.cjs')
const JOBS = [1, 2, 5]
const MIB = 2 ** 20
/** What each thread takes at once, for blocks whose length divides it. */
const SEGMENT = 4 * MIB

let directory: string
const at = (name: string) => join(directory, name)
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'delta-threads-'))
})
after(() => rmSync(directory, { recursive: true, force: true }))

interface Pair {
  readonly name: string
  readonly blockLen?: number
  readonly basis: Buffer
  readonly content: Buffer
  /** Where blocks repeat, a segment may begin with another of them, and a part of a block become literal. */
  readonly slack?: number
}

function inserted(bytes: Buffer, places: readonly number[], length: number): Buffer {
  const parts = places.map((place, i) => [bytes.subarray(places[i - 1] ?? 0, place), randomBytes(length, 61 + i)])
  return Buffer.concat([...parts.flat(), bytes.subarray(places.at(-1))])
}

function pairs(): Pair[] {
  const basis = randomBytes(3 * SEGMENT + 12_345, 60)
  const seams = [SEGMENT - 1, SEGMENT, 2 * SEGMENT - 40_000, 2 * SEGMENT + 100]
  const scattered = Array.from({ length: 60 }, (_, i) => i * 200_003 + 17)
  const zeros = Buffer.alloc(3 * SEGMENT + 5)
  const sparse = Buffer.from(zeros)
  for (const [i, value] of randomBytes(40, 62).entries()) sparse[(i * 301_007 + value) % sparse.length] = value | 1
  const period = randomBytes(4096, 63)
  const periodic = Buffer.concat(Array.from({ length: 3100 }, () => period))
  const oddly = Buffer.concat(Array.from({ length: 3100 }, () => period.subarray(0, 4001)))
  const changed = Buffer.from(basis)
  for (let i = 0; i < changed.length; i += 7000) changed[i]! ^= 1
  return [
    { name: 'identical', basis, content: basis },
    { name: 'ends behind a seam', basis, content: basis.subarray(0, 2 * SEGMENT + 1) },
    { name: 'ends at a seam', basis, content: basis.subarray(0, 2 * SEGMENT) },
    { name: 'ends a block behind a seam', blockLen: 2048, basis, content: basis.subarray(0, SEGMENT + 2048) },
    { name: 'ends less than a block behind a seam', blockLen: 2048, basis, content: basis.subarray(0, SEGMENT + 2047) },
    { name: 'the short last block across a seam', basis, content: basis.subarray(2 * SEGMENT + 7) },
    { name: 'shifted', basis, content: basis.subarray(1) },
    { name: 'a byte at each seam', basis, content: inserted(basis, seams, 1) },
    { name: 'blocks at each seam', basis, content: inserted(basis, seams, 70_001) },
    { name: 'scattered', basis, content: inserted(basis, scattered, 33) },
    { name: 'turned', basis, content: Buffer.concat([basis.subarray(5_000_001), basis.subarray(0, 5_000_001)]) },
    { name: 'all new', basis: basis.subarray(0, 300_000), content: randomBytes(2 * SEGMENT + 99, 64) },
    { name: 'every block changed', blockLen: 8192, basis, content: changed },
    { name: 'zeros', basis: zeros, content: zeros.subarray(70_000) },
    { name: 'zeros to sparse', basis: zeros, content: sparse },
    { name: 'sparse', basis: sparse, content: Buffer.concat([Buffer.alloc(17), sparse]) },
    { name: 'sparse to zeros', basis: sparse, content: zeros },
    { name: 'periodic', basis: periodic, content: inserted(periodic, seams, 333), slack: 3456 },
    { name: 'another period', blockLen: 1000, basis: oddly, content: inserted(oddly, scattered, 5), slack: 1000 },
    { name: 'short blocks', blockLen: 64, basis: basis.subarray(0, 5 * MIB), content: inserted(basis, scattered, 33) },
    {
      name: 'blocks that divide nothing',
      blockLen: 99_991,
      basis,
      content: inserted(basis, scattered.slice(0, 5), 33)
    },
    { name: 'blocks longer than a segment', blockLen: 5 * MIB, basis, content: inserted(basis, [10 * MIB], 33) },
    { name: 'blocks too long for segments', blockLen: 9 * MIB, basis, content: Buffer.concat([zeros, basis]) },
    { name: 'nothing', basis, content: Buffer.alloc(0) },
    { name: 'from nothing', basis: Buffer.alloc(0), content: basis }
  ]
}

test(
  'a delta is the same on any number of threads, works, and is no longer than that of rdiff',
  oracle('rdiff'),
  () => {
    for (const { name, blockLen, basis, content, slack = 0 } of pairs()) {
      writeFileSync(at('basis'), basis)
      writeFileSync(at('new'), content)
      const options = blockLen === undefined ? [] : ['-b', String(blockLen)]
      execFileSync('rdiff', ['-f', ...options, 'signature', at('basis'), at('sig')])
      execFileSync('rdiff', ['-f', 'delta', at('sig'), at('new'), at('theirs')])
      for (const jobs of JOBS) {
        const args = [ibt, 'delta', '--jobs', String(jobs), '--force', at('sig'), at('new'), at(`delta${jobs}`)]
        const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
        assert.equal(status, 0, `${name}: ${stderr}`)
        assert.ok(readFileSync(at(`delta${jobs}`)).equals(readFileSync(at('delta1'))), `${name} on ${jobs} threads`)
      }
      execFileSync('rdiff', ['-f', 'patch', at('basis'), at('delta1'), at('made')])
      assert.ok(readFileSync(at('made')).equals(content), name)
      const [ours, theirs] = [statSync(at('delta1')).size, statSync(at('theirs')).size]
      assert.ok(ours <= theirs * 1.001 + slack, `${name}: ${ours} bytes, rdiff's has ${theirs}`)
    }
  }
)

test('the delta of a pipe is that of the file', oracle('cat'), () => {
  const basis = randomBytes(2 * SEGMENT + 5000, 65)
  writeFileSync(at('basis'), basis)
  writeFileSync(at('new'), inserted(basis, [SEGMENT - 3], 1000))
  execFileSync(process.execPath, [ibt, 'signature', '--force', at('basis'), at('sig')])
  execFileSync(process.execPath, [ibt, 'delta', '--force', at('sig'), at('new'), at('delta')])
  const script = 'cat "$1" | "$2" "$3" delta --jobs 3 --force "$4" - - | cat > "$5"'
  execFileSync('sh', ['-c', script, 'sh', at('new'), process.execPath, ibt, at('sig'), at('piped')])
  assert.ok(readFileSync(at('piped')).equals(readFileSync(at('delta'))))
})

test('a file that shrinks while it is read is as long as it was read', oracle('rdiff'), async () => {
  const basis = randomBytes(6 * SEGMENT, 66)
  writeFileSync(at('basis'), basis)
  execFileSync('rdiff', ['-f', '-b', '4096', 'signature', at('basis'), at('sig')])
  for (const left of [0, SEGMENT, SEGMENT + 4096, 5 * SEGMENT]) {
    writeFileSync(at('new'), basis)
    const files = await Promise.all([open(at('sig')), open(at('new')), open(at('delta'), 'w')])
    const job = deltaFile(files[0].fd, files[1].fd, files[2].fd)
    truncateSync(at('new'), left)
    const { inBytes } = await job
    for (const file of files) await file.close()
    execFileSync('rdiff', ['-f', 'patch', at('basis'), at('delta'), at('made')])
    assert.ok(inBytes >= left && readFileSync(at('made')).equals(basis.subarray(0, inBytes)), `cut to ${left}`)
  }
})
