import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { isBackupError } from '../../src/errors.js'
import { deltaFile, patchFile, type SignatureOptions, signatureFile } from '../../src/native.js'
import { oracle } from '../helpers/oracle.js'
import { randomBytes, temporaryDirectory } from './tree.js'

const isCode = (code: string) => (error: unknown) => isBackupError(error) && error.code === code

/** Opens files of a directory; they are closed after the test. */
function opener(t: TestContext) {
  const directory = temporaryDirectory(t)
  const at = (name: string) => join(directory, name)
  const open = (name: string, flags: 'r' | 'w') => {
    const fd = openSync(at(name), flags)
    t.after(() => closeSync(fd))
    return fd
  }
  return { at, open }
}

const BASIS = randomBytes(5_000_001, 31)
const CONTENT = Buffer.concat([
  BASIS.subarray(0, 1_000_000),
  randomBytes(2_500_000, 32),
  BASIS.subarray(1_200_000, 4_000_000),
  BASIS.subarray(0, 77_777)
])

test('signature, delta and patch go from file to file, and rdiff agrees', oracle('rdiff'), async t => {
  const { at, open } = opener(t)
  writeFileSync(at('basis'), BASIS)
  writeFileSync(at('new'), CONTENT)
  const cases: [string[], SignatureOptions][] = [
    [[], {}],
    [['-b', '512', '-S', '16'], { blockLen: 512, strongLen: 16 }],
    [['-R', 'rollsum', '-H', 'md4', '-b', '100000'], { weak: 'rollsum', strong: 'md4', blockLen: 100_000 }]
  ]
  for (const [args, options] of cases) {
    const stats = await signatureFile(open('basis', 'r'), open('sig', 'w'), options)
    assert.deepEqual(stats, { inBytes: BASIS.length, outBytes: statSync(at('sig')).size })
    const { stdout, status } = spawnSync('rdiff', [...args, 'signature', at('basis'), '-'], { maxBuffer: 1 << 25 })
    assert.equal(status, 0)
    assert.ok(readFileSync(at('sig')).equals(stdout), args.join(' '))

    const deltaStats = await deltaFile(open('sig', 'r'), open('new', 'r'), open('delta', 'w'))
    assert.deepEqual(deltaStats, { inBytes: CONTENT.length, outBytes: statSync(at('delta')).size })
    assert.equal(spawnSync('rdiff', ['-f', 'patch', at('basis'), at('delta'), at('theirs')]).status, 0)
    assert.ok(readFileSync(at('theirs')).equals(CONTENT))

    const patchStats = await patchFile(open('basis', 'r'), open('delta', 'r'), open('ours', 'w'))
    assert.deepEqual(patchStats, { inBytes: statSync(at('delta')).size, outBytes: CONTENT.length })
    assert.ok(readFileSync(at('ours')).equals(CONTENT))

    spawnSync('rdiff', ['-f', 'delta', at('sig'), at('new'), at('their-delta')])
    await patchFile(open('basis', 'r'), open('their-delta', 'r'), open('ours', 'w'))
    assert.ok(readFileSync(at('ours')).equals(CONTENT))
  }
})

test('an empty file is a signature of its own', oracle('rdiff'), async t => {
  const { at, open } = opener(t)
  writeFileSync(at('basis'), '')
  await signatureFile(open('basis', 'r'), open('sig', 'w'))
  assert.ok(readFileSync(at('sig')).equals(spawnSync('rdiff', ['signature', at('basis'), '-']).stdout))
  await deltaFile(open('sig', 'r'), open('basis', 'r'), open('delta', 'w'))
  await patchFile(open('basis', 'r'), open('delta', 'r'), open('out', 'w'))
  assert.equal(statSync(at('out')).size, 0)
})

test('pipes are read and written, their size unknown', oracle('rdiff', 'mkfifo', 'cat'), async t => {
  const { at, open } = opener(t)
  writeFileSync(at('basis'), BASIS)
  writeFileSync(at('new'), CONTENT)
  spawnSync('mkfifo', [at('in'), at('out')])
  const feed = (name: string) => spawn('sh', ['-c', `cat ${at(name)} > ${at('in')}`])
  const drain = (name: string) => spawn('sh', ['-c', `cat ${at('out')} > ${at(name)}`])
  const ended = (child: ReturnType<typeof spawn>) => new Promise(resolve => child.once('close', resolve))
  /** Runs a job between two FIFOs, which other processes fill and empty. */
  const through = async (from: string, to: string, job: (inFd: number, outFd: number) => Promise<unknown>) => {
    feed(from)
    const emptied = ended(drain(to))
    const inFd = openSync(at('in'), 'r')
    const outFd = openSync(at('out'), 'w')
    await job(inFd, outFd)
    closeSync(inFd)
    closeSync(outFd)
    await emptied
  }
  await through('basis', 'sig', (inFd, outFd) => signatureFile(inFd, outFd, { blockLen: 512 }))
  const { stdout } = spawnSync('rdiff', ['-b', '512', 'signature', at('basis'), '-'], { maxBuffer: 1 << 25 })
  assert.ok(readFileSync(at('sig')).equals(stdout))
  await through('new', 'delta', (inFd, outFd) => deltaFile(open('sig', 'r'), inFd, outFd))
  await through('delta', 'made', (inFd, outFd) => patchFile(open('basis', 'r'), inFd, outFd))
  assert.ok(readFileSync(at('made')).equals(CONTENT))

  await through('basis', 'sig', (inFd, outFd) => signatureFile(inFd, outFd))
  const unknown = spawnSync('sh', ['-c', `cat ${at('basis')} | rdiff signature - -`], { maxBuffer: 1 << 25 })
  assert.ok(readFileSync(at('sig')).equals(unknown.stdout))
})

test('a signature begins where the descriptor stands', async t => {
  const { at } = opener(t)
  writeFileSync(at('basis'), BASIS)
  writeFileSync(at('rest'), BASIS.subarray(1000))
  const sign = async (name: string, skip: number) => {
    const inFd = openSync(at(name), 'r')
    const outFd = openSync(at('sig'), 'w')
    if (skip > 0) (await import('node:fs')).readSync(inFd, Buffer.alloc(skip))
    await signatureFile(inFd, outFd)
    closeSync(inFd)
    closeSync(outFd)
    return readFileSync(at('sig'))
  }
  assert.ok((await sign('basis', 1000)).equals(await sign('rest', 0)))
})

test('failures have their own codes', async t => {
  const { at, open } = opener(t)
  writeFileSync(at('basis'), BASIS)
  writeFileSync(at('new'), CONTENT)
  await signatureFile(open('basis', 'r'), open('sig', 'w'), { blockLen: 1000 })
  await deltaFile(open('sig', 'r'), open('new', 'r'), open('delta', 'w'))
  await assert.rejects(deltaFile(open('new', 'r'), open('new', 'r'), open('out', 'w')), isCode('IBT_BAD_MAGIC'))
  await assert.rejects(patchFile(open('basis', 'r'), open('sig', 'r'), open('out', 'w')), isCode('IBT_BAD_MAGIC'))
  truncateSync(at('basis'), 2_000_000)
  await assert.rejects(
    patchFile(open('basis', 'r'), open('delta', 'r'), open('out', 'w')),
    isCode('IBT_BASIS_MISMATCH')
  )
  truncateSync(at('delta'), 1_000_000)
  await assert.rejects(patchFile(open('basis', 'r'), open('delta', 'r'), open('out', 'w')), isCode('IBT_INPUT_ENDED'))
  await assert.rejects(signatureFile(open('basis', 'r'), open('basis', 'r')), error => {
    return isCode('IBT_WRITE_FAILED')(error) && (error as { cause: { code: string } }).cause.code === 'EBADF'
  })
  await assert.rejects(signatureFile(1_000_000, open('out', 'w')), isCode('IBT_READ_FAILED'))
})

test('a reader that goes away is an error and no crash', oracle('mkfifo', 'head'), async t => {
  const { at, open } = opener(t)
  writeFileSync(at('basis'), BASIS)
  spawnSync('mkfifo', [at('out')])
  spawn('sh', ['-c', `head -c 100 ${at('out')}`])
  const outFd = open('out', 'w')
  await assert.rejects(signatureFile(open('basis', 'r'), outFd, { blockLen: 1 }), error => {
    return isCode('IBT_WRITE_FAILED')(error) && (error as { cause: { code: string } }).cause.code === 'EPIPE'
  })
})

const SLOW = process.env.SLOW === '1' ? {} : { skip: 'takes long: runs with SLOW=1' }
test('positions beyond 4 GiB are right', { ...SLOW, ...oracle('rdiff', 'cmp') }, async t => {
  const { at, open } = opener(t)
  const GIB5 = 5 * 2 ** 30
  for (const [name, mark] of [
    ['basis', 41],
    ['new', 42]
  ] as const) {
    const fd = openSync(at(name), 'w')
    writeSync(fd, randomBytes(1 << 20, mark), 0, 1 << 20, 0)
    // The same bytes at another place beyond 4 GiB.
    writeSync(fd, randomBytes(1 << 20, 43), 0, 1 << 20, GIB5 - (mark === 41 ? 1 << 24 : 1 << 25))
    closeSync(fd)
    truncateSync(at(name), GIB5)
  }
  await signatureFile(open('basis', 'r'), open('sig', 'w'))
  await deltaFile(open('sig', 'r'), open('new', 'r'), open('delta', 'w'))
  assert.ok(statSync(at('delta')).size < 1 << 22)
  assert.equal((await patchFile(open('basis', 'r'), open('delta', 'r'), open('ours', 'w'))).outBytes, GIB5)
  assert.equal(spawnSync('cmp', [at('new'), at('ours')]).status, 0)
  truncateSync(at('ours'))
  assert.equal(spawnSync('rdiff', ['-f', 'patch', at('basis'), at('delta'), at('ours')]).status, 0)
  assert.equal(spawnSync('cmp', [at('new'), at('ours')]).status, 0)
})
