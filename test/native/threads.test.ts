import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { oracle } from '../helpers/oracle.js'
import { randomBytes } from './tree.js'

const ibt = join(import.meta.dirname, '..', '..', '..', 'bin', 'ibt.cjs')
const JOBS = [1, 2, 5]

let directory: string
const at = (name: string) => join(directory, name)
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'threads-'))
})
after(() => rmSync(directory, { recursive: true, force: true }))

const run = (jobs: number, command: string, ...args: string[]) => {
  const all = [ibt, command, '--jobs', String(jobs), '--force', ...args]
  const { status, stderr } = spawnSync(process.execPath, all, { encoding: 'utf8' })
  assert.equal(status, 0, `ibt ${command} --jobs ${jobs}: ${stderr}`)
}
const same = (left: string, right: string, what: string) =>
  assert.ok(readFileSync(at(left)).equals(readFileSync(at(right))), what)

// The parts that threads take have 1 MiB, or 16 blocks if those are longer, or as many blocks as 8 MiB have.
const MIB = 2 ** 20
const SIGNATURES: [size: number, blockLen: number][] = [
  [0, 2048],
  [1, 2048],
  [MIB - 1, 2048],
  [MIB, 2048],
  [MIB + 1, 2048],
  [3 * MIB + 2047, 2048],
  [3 * MIB + 2048, 2048],
  [7_654_321, 1000],
  [5_000_000, 300_000],
  [20 * MIB, 6 * MIB],
  [18 * MIB + 3, 8 * MIB],
  [18 * MIB + 3, 8 * MIB + 1]
]

test('a signature is that of rdiff on any number of threads', oracle('rdiff'), () => {
  const content = randomBytes(20 * MIB, 51)
  for (const [size, blockLen] of SIGNATURES) {
    const basis = content.subarray(0, size)
    writeFileSync(at('basis'), basis)
    execFileSync('rdiff', ['-f', '-b', String(blockLen), 'signature', at('basis'), at('theirs')])
    for (const jobs of JOBS) {
      run(jobs, 'signature', '--block-len', String(blockLen), at('basis'), at('ours'))
      same('ours', 'theirs', `${size} bytes in blocks of ${blockLen} on ${jobs} threads`)
    }
  }
})

test('a signature of a pipe is that of rdiff on any number of threads', oracle('rdiff', 'cat'), () => {
  writeFileSync(at('basis'), randomBytes(5 * MIB + 77, 52))
  execFileSync('sh', ['-c', `cat ${at('basis')} | rdiff -f signature - ${at('theirs')}`])
  for (const jobs of JOBS) {
    const script = 'cat "$1" | "$2" "$3" signature --jobs "$4" --force - - | cat > "$5"'
    execFileSync('sh', ['-c', script, 'sh', at('basis'), process.execPath, ibt, String(jobs), at('ours')])
    same('ours', 'theirs', `${jobs} threads`)
  }
})

test('a patch makes the new file on any number of threads', oracle('rdiff'), () => {
  const basis = randomBytes(6 * MIB + 5, 53)
  for (const edit of [0, 1, 3 * MIB]) {
    const content = Buffer.concat([basis.subarray(MIB + 1), randomBytes(edit, 54), basis.subarray(0, 2 * MIB)])
    writeFileSync(at('basis'), basis)
    writeFileSync(at('new'), content)
    execFileSync('rdiff', ['-f', 'signature', at('basis'), at('sig')])
    execFileSync('rdiff', ['-f', 'delta', at('sig'), at('new'), at('delta')])
    for (const jobs of JOBS) {
      run(jobs, 'patch', at('basis'), at('delta'), at('made'))
      same('made', 'new', `${edit} bytes of literals on ${jobs} threads`)
    }
  }
})

test('a damaged delta is the same error on any number of threads', () => {
  const basis = randomBytes(4 * MIB, 55)
  writeFileSync(at('basis'), basis)
  const literals = Buffer.concat([Buffer.of(0x43, 0, 0x30, 0, 0), basis.subarray(0, 3 * MIB)])
  const magic = Buffer.from('72730236', 'hex')
  writeFileSync(at('delta'), Buffer.concat([magic, literals, Buffer.of(0xff)]))
  for (const jobs of JOBS) {
    const args = [ibt, 'patch', '--jobs', String(jobs), '--force', at('basis'), at('delta'), at('damaged')]
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    assert.equal(status, 4, stderr)
    assert.match(stderr, /IBT_DELTA_CORRUPT/)
    assert.throws(() => readFileSync(at('damaged')), { code: 'ENOENT' })
  }
})

test('a reader that goes away ends the threads that wait for a writer', oracle('mkfifo', 'head'), async () => {
  execFileSync('mkfifo', [at('in'), at('out')])
  for (const jobs of JOBS) {
    const head = spawn('sh', ['-c', `head -c 1 ${at('out')}`])
    const script = '"$1" "$2" signature --jobs "$3" --block-len 64 - - < "$4" > "$5"'
    const parameters = [process.execPath, ibt, String(jobs), at('in'), at('out')]
    const child = spawn('sh', ['-c', script, 'sh', ...parameters], { stdio: ['ignore', 'ignore', 'pipe'] })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    const closed = once(child, 'close')
    // Stays open: there is always more to wait for.
    const writer = openSync(at('in'), 'w')
    head.stdout.resume()
    const feed = spawn('sh', ['-c', `head -c 3000000 /dev/zero`], { stdio: ['ignore', writer, 'ignore'] })
    const [status] = await closed
    feed.kill()
    closeSync(writer)
    assert.equal(status, 1, `${jobs} threads: ${stderr}`)
    assert.match(stderr, /EPIPE/)
  }
})
