import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { oracle } from '../helpers/oracle.js'

const root = join(import.meta.dirname, '..', '..', '..')
const SLOW = process.env.SLOW === '1'
/** Of the random bytes and edits. */
const SEED = 20261101

/** Of vector instructions; on a processor that has less, its best once more. */
const LEVELS = ['portable', 'avx2', 'avx512'] as const

/** Bytes of a content, made of the block length that it is to be cut into. */
interface Pair {
  readonly name: string
  readonly basis: Buffer
  readonly content: Buffer
}

interface Sums {
  readonly weak: 'rabinkarp' | 'rollsum'
  readonly strong: 'blake2' | 'md4'
}

let directory: string
let engine: string | undefined
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'engine-oracle-'))
  const built = spawnSync(process.execPath, ['native/test/run.mjs', '--build', 'rdiff'], {
    cwd: root,
    encoding: 'utf8'
  })
  if (built.status === 77 && process.env.REQUIRE_ORACLES !== '1') return
  assert.equal(built.status, 0, built.stderr)
  engine = built.stdout.trim()
})
after(() => rmSync(directory, { recursive: true, force: true }))

/** xorshift32: the same bytes on every machine. */
function randomBytes(size: number, seed: number): Buffer {
  const bytes = Buffer.alloc(size)
  let x = seed | 1
  for (let i = 0; i < size; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    bytes[i] = x >>> 11
  }
  return bytes
}

function edited(bytes: Buffer, seed: number): Buffer {
  const parts: Buffer[] = []
  let at = 0
  for (let i = 0; i < 8 && at < bytes.length; i++) {
    const random = randomBytes(8, seed + i)
    const keep = Math.floor((bytes.length / 8) * (random.readUInt16LE(0) / 65536))
    parts.push(bytes.subarray(at, at + keep), randomBytes(random[2] ?? 0, seed ^ i))
    at += keep + (random[3] ?? 0)
  }
  parts.push(bytes.subarray(at))
  return Buffer.concat(parts)
}

function text(size: number, seed: number): Buffer {
  const words = ['backup', 'stream', 'entry', 'delta', 'basis', 'the', 'of', 'a', '\n', 'signature', '0', '1']
  const picks = randomBytes(size / 2, seed)
  let out = ''
  for (const pick of picks) out += `${words[pick % words.length]} `
  return Buffer.from(out.slice(0, size))
}

function pairs(n: number): Pair[] {
  const size = 10 * n + Math.floor(n / 3)
  const a = randomBytes(size, SEED)
  const other = randomBytes(3 * n, SEED + 7)
  const zeros = Buffer.alloc(30 * n + 3)
  const sparse = Buffer.from(zeros)
  for (const [i, at] of randomBytes(9, SEED).entries()) sparse[(i * 3 * n + at) % sparse.length] = 1 + i
  const periodic = Buffer.from(Array.from({ length: 20 * n + 5 }, (_, i) => (i % 61) * 3))
  const blocks = Array.from({ length: 10 }, (_, i) => a.subarray(i * n, (i + 1) * n))
  const prose = text(20 * n, SEED + 3)
  const program = readFileSync('/bin/ls')
  const make = (name: string, basis: Buffer, content: Buffer): Pair => ({ name, basis, content })
  const long = randomBytes(400_000, SEED + 4)
  return [
    make('nothing to nothing', Buffer.alloc(0), Buffer.alloc(0)),
    make('nothing to something', Buffer.alloc(0), a),
    make('something to nothing', a, Buffer.alloc(0)),
    make('one byte', a.subarray(0, 1), a.subarray(0, 1)),
    make('a byte less than a block', a.subarray(0, n - 1), a.subarray(0, n - 1)),
    make('a block', a.subarray(0, n), a.subarray(0, n)),
    make('a byte more than a block', a.subarray(0, n + 1), a.subarray(0, n + 1)),
    make('the same with a short tail', a, a),
    make('shifted by one', a, a.subarray(1)),
    make('appended', a, Buffer.concat([a, other])),
    make('prepended', a, Buffer.concat([other, a])),
    make('blocks reversed', a, Buffer.concat(blocks.reverse())),
    make('all new', a, other),
    make('zeros', zeros, zeros.subarray(n + 1)),
    make('sparse', sparse, Buffer.concat([Buffer.alloc(17), sparse])),
    make('zeros to sparse', zeros, sparse),
    make('periodic', periodic, edited(periodic, SEED)),
    make('text', prose, edited(prose, SEED)),
    make('a program', program, edited(program, SEED)),
    make('random with edits', long, edited(long, SEED)),
    make('long new', a, long)
  ]
}

function rdiff(...args: string[]): void {
  const { status, stderr } = spawnSync('rdiff', ['-f', ...args], { encoding: 'utf8' })
  assert.equal(status, 0, `rdiff ${args.join(' ')}: ${stderr}`)
}

/** Signature, delta and patch of each pair, by rdiff and by the engine at each level, each judged by the other. */
function judge(pairs: readonly Pair[], sums: Sums, blockLen: number, strongLen: number, chunk: number): void {
  const file = (name: string): string => join(directory, name)
  const { weak, strong } = sums
  for (const [i, { basis, content }] of pairs.entries()) {
    writeFileSync(file(`basis${i}`), basis)
    writeFileSync(file(`content${i}`), content)
    const lengths = ['-b', String(blockLen), '-S', String(strongLen)]
    rdiff('-R', weak, '-H', strong, ...lengths, 'signature', file(`basis${i}`), file(`signature${i}`))
    rdiff('delta', file(`signature${i}`), file(`content${i}`), file(`delta${i}`))
  }
  for (const level of LEVELS) {
    // All pairs in one process.
    const commands = pairs.flatMap((_, i) => [
      `signature ${file(`basis${i}`)} ${file(`${level}-signature${i}`)} ${weak} ${strong} ${blockLen} ${strongLen} ${chunk}`,
      `delta ${file(`signature${i}`)} ${file(`content${i}`)} ${file(`${level}-delta${i}`)} ${chunk}`,
      `patch ${file(`basis${i}`)} ${file(`delta${i}`)} ${file(`${level}-content${i}`)} ${chunk}`
    ])
    const env = { ...process.env, IBT_SIMD: level }
    const run = spawnSync(engine ?? '', ['-'], { input: commands.join('\n'), encoding: 'utf8', env })
    assert.equal(run.status, 0, run.error?.message ?? run.stderr)
  }
  for (const [i, { name, content }] of pairs.entries()) {
    const what = `${name}, ${weak}, ${strong}, blockLen ${blockLen}, strongLen ${strongLen}, seed ${SEED}`
    const same = (left: string, right: string): void =>
      assert.ok(readFileSync(file(left)).equals(readFileSync(file(right))), `${left} is not ${right}: ${what}`)
    for (const level of LEVELS) {
      same(`${level}-signature${i}`, `signature${i}`)
      same(`${level}-content${i}`, `content${i}`)
      same(`${level}-delta${i}`, `portable-delta${i}`)
    }
    rdiff('patch', file(`basis${i}`), file(`portable-delta${i}`), file(`theirs${i}`))
    assert.ok(readFileSync(file(`theirs${i}`)).equals(content), `rdiff patch with our delta: ${what}`)
    const size = statSync(file(`portable-delta${i}`)).size
    const theirs = statSync(file(`delta${i}`)).size
    assert.ok(size <= theirs * 1.001, `delta of ${size} bytes, rdiff's has ${theirs}: ${what}`)
  }
}

const ALL_SUMS: readonly Sums[] = [
  { weak: 'rabinkarp', strong: 'blake2' },
  { weak: 'rabinkarp', strong: 'md4' },
  { weak: 'rollsum', strong: 'blake2' },
  { weak: 'rollsum', strong: 'md4' }
]

for (const sums of ALL_SUMS) {
  const max = sums.strong === 'blake2' ? 32 : 16
  const blockLens = SLOW ? [64, 100, 512, 1000, 2048, 4096, 65_536, 0] : [64, 1000, 0]
  test(`rdiff and the engine agree: ${sums.weak} and ${sums.strong}`, oracle('rdiff'), t => {
    if (engine === undefined) return t.skip('no C++ compiler is installed')
    for (const [i, blockLen] of blockLens.entries()) {
      const strongLens = SLOW ? [8, 12, max - 1, max, 0, -1] : [[8, max - 1, 0][i] ?? -1]
      for (const strongLen of strongLens) judge(pairs(blockLen || 256), sums, blockLen, strongLen, SLOW ? 777 : 70_000)
    }
  })
}

test('default lengths are those of rdiff at every size', oracle('rdiff'), t => {
  if (engine === undefined) return t.skip('no C++ compiler is installed')
  const sizes = [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 147_455, 147_456, 300_000, 1_048_576, 5_000_001]
  const contents = sizes.map(size => ({
    name: `${size} bytes`,
    basis: Buffer.alloc(size, 7),
    content: Buffer.alloc(9)
  }))
  for (const strongLen of [0, -1]) judge(contents, { weak: 'rabinkarp', strong: 'blake2' }, 0, strongLen, 1_048_576)
  judge(contents, { weak: 'rollsum', strong: 'md4' }, 0, -1, 65_536)
})

test('a long block is signed as rdiff does', oracle('rdiff'), t => {
  if (engine === undefined) return t.skip('no C++ compiler is installed')
  const basis = randomBytes(500_000, SEED)
  const pair = { name: 'long blocks', basis, content: edited(basis, SEED) }
  for (const sums of ALL_SUMS) judge([pair], sums, 65_536, 8, 40_000)
})
