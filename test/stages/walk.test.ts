import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, linkSync, mkdirSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { LISTED_BELOW_ENTRIES } from '../../src/constants.js'
import { isBackupError } from '../../src/errors.js'
import { encodePath } from '../../src/path.js'
import { createRules } from '../../src/rules.js'
import { walk } from '../../src/stages/walk.js'
import type { Entry } from '../../src/types.js'
import { bytesOf, code, collect } from '../helpers/entries.js'
import { runWithFaults } from '../helpers/faults.js'
import { oracle, reachedByNobody } from '../helpers/oracle.js'
import { watchedRules } from '../helpers/watched-rules.js'
import { temporaryDirectory } from '../native/tree.js'

function makeTree(root: string, ...paths: (string | Buffer)[]): void {
  for (const path of paths) {
    const name = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path as string)])
    mkdirSync(Buffer.from(dirname(name.toString('latin1')), 'latin1'), { recursive: true })
    if (name.at(-1) === 0x2f) mkdirSync(name, { recursive: true })
    else writeFileSync(name, name)
  }
}

const paths = (entries: readonly Entry[]) => entries.map(({ path }) => path)

/** Path order in other words: no name holds a NUL, so that it can stand for '/'. */
function sortKey(path: Buffer): Buffer {
  return Buffer.from(path.map(byte => (byte === 0x2f ? 0 : byte)))
}

test('every path of a tree comes once, in path order, whatever bytes names have', async t => {
  const root = temporaryDirectory(t)
  const odd = ['a', 'a b', 'a-', 'a.b', 'A', 'new\nline', '\u{1f600}', '\uff5e', '-rf', ' ', '"', '\\', 'é']
  makeTree(root, ...odd, Buffer.from([0xff]), Buffer.from([0xc3]), Buffer.from([0xed, 0xa0, 0x80]))
  makeTree(root, 'd/a', 'd.e', 'd-', 'd/e/f/g', 'd/e.f', 'd!', 'empty/', Buffer.from([0x64, 0x2f, 0x80, 0x2f, 0xfe]))
  const found = spawnSync('find', ['.', '-mindepth', '1', '-print0'], { cwd: root }).stdout
  const expected = found
    .toString('latin1')
    .split('\0')
    .slice(0, -1)
    .map(path => Buffer.from(path.slice(2), 'latin1'))
    .sort((a, b) => Buffer.compare(sortKey(a), sortKey(b)))
  for (const concurrency of [1, 2, 100]) {
    const [top, ...entries] = await collect(walk(root, createRules(), { concurrency }))
    assert.equal(top?.path, '.')
    assert.deepEqual(
      entries.map(({ path }) => encodePath(path)),
      expected
    )
  }
})

test('directories that one job does not reach are asked for again, also where one of them has vanished', async t => {
  const root = temporaryDirectory(t)
  const expected: string[] = []
  for (let i = 0; i < 12; i++) {
    const name = `d${String(i).padStart(2, '0')}`
    mkdirSync(join(root, name, 'below'), { recursive: true })
    expected.push(name, `${name}/below`)
    for (const directory of [join(name, 'below'), name]) {
      for (let j = 0; j < LISTED_BELOW_ENTRIES / 3; j++) {
        const path = `${directory}/f${String(j).padStart(4, '0')}`
        writeFileSync(join(root, path), '')
        expected.push(path)
      }
    }
  }
  assert.deepEqual(paths(await collect(walk(root))), ['.', ...expected])
  const found: string[] = []
  for await (const { path } of walk(root)) {
    found.push(path)
    if (path === 'd00') rmSync(join(root, 'd11'), { recursive: true })
  }
  assert.deepEqual(
    found.filter(path => !path.startsWith('d11')),
    ['.', ...expected.filter(path => !path.startsWith('d11'))]
  )
})

/** Twenty directories, of which the job of the last four gets no further than to the first of them. */
function makeUnreached(root: string): void {
  for (let i = 0; i < 20; i++) makeTree(root, `d${i + 10}/file`)
  for (let i = 0; i < LISTED_BELOW_ENTRIES; i++) writeFileSync(join(root, 'd26', `f${i}`), '')
}

test('of directories that one job does not reach, each has its own error', async t => {
  const root = temporaryDirectory(t)
  makeUnreached(root)
  const found: Entry[] = []
  for await (const entry of walk(root)) {
    if (!entry.path.startsWith('d26/')) found.push(entry)
    if (entry.path !== 'd10') continue
    for (const name of ['d27', 'd28']) rmSync(join(root, name), { recursive: true })
    writeFileSync(join(root, 'd27'), '')
  }
  assert.deepEqual(
    found.slice(-5).map(({ path, type }) => [path, type]),
    [
      ['d25/file', 'file'],
      ['d26', 'directory'],
      ['d27', 'unreadable'],
      ['d29', 'directory'],
      ['d29/file', 'file']
    ]
  )
  assert.ok(code('IBT_READ_FAILED')(found.at(-3)!.error))
})

test('an abort ends a walk that waits for directories which one job did not reach', async t => {
  const root = temporaryDirectory(t)
  makeUnreached(root)
  const abort = new AbortController()
  const reason = new Error('enough')
  const found: string[] = []
  const walking = (async () => {
    for await (const { path } of walk(root, undefined, { signal: abort.signal })) {
      found.push(path)
      if (path === 'd26') abort.abort(reason)
    }
  })()
  await assert.rejects(walking, error => error === reason)
  assert.ok(!found.includes('d27'))
})

test('a root with a name that is not UTF-8 is given as bytes', async t => {
  const root = Buffer.concat([Buffer.from(`${temporaryDirectory(t)}/`), Buffer.of(0xff)])
  mkdirSync(root)
  writeFileSync(Buffer.concat([root, Buffer.from('/file')]), 'body')
  const entries = await collect(walk(root))
  assert.deepEqual(paths(entries), ['.', 'file'])
  assert.equal(String(await bytesOf(entries[1]!.content!.open())), 'body')
})

test('entries have the metadata of lstat and contents that open', async t => {
  const root = temporaryDirectory(t)
  makeTree(root, 'file')
  symlinkSync('no such', join(root, 'symlink'))
  truncateSync(join(root, 'file'), 3)
  chmodSync(join(root, 'file'), 0o4751)
  utimesSync(join(root, 'file'), 5, 1.5)
  spawnSync('mkfifo', [join(root, 'fifo')])
  const [, fifo, file, symlink] = await collect(walk(root))
  assert.deepEqual([fifo?.type, fifo?.content], ['fifo', undefined])
  assert.deepEqual([file?.type, file?.mode, file?.mtimeNs, file?.sizeBytes], ['file', 0o4751, 1_500_000_000n, 3])
  assert.equal((await bytesOf(file!.content!.open())).length, 3)
  assert.deepEqual([symlink?.type, symlink?.linkname, symlink?.content], ['symlink', 'no such', undefined])
})

test('nothing happens before the first pull', async t => {
  const root = join(temporaryDirectory(t), 'later')
  const entries = walk(root)
  mkdirSync(root)
  assert.deepEqual(paths(await collect(entries)), ['.'])
})

test('a root that is missing, or neither a directory nor a file, is an error', oracle('mkfifo'), async t => {
  const root = temporaryDirectory(t)
  spawnSync('mkfifo', [join(root, 'fifo')])
  for (const name of ['missing', 'fifo']) await assert.rejects(collect(walk(join(root, name))), code('IBT_READ_FAILED'))
})

test('a concurrency that is no positive integer is refused at the call', () => {
  for (const concurrency of [0, -1, 1.5, NaN])
    assert.throws(() => walk('/', createRules(), { concurrency }), RangeError)
})

test('members of a hard-link group share an ordinal, also when a member lies elsewhere', async t => {
  const root = temporaryDirectory(t)
  const outside = temporaryDirectory(t)
  makeTree(root, 'a', 'd/', 'm', 'single')
  linkSync(join(root, 'a'), join(root, 'd/a'))
  linkSync(join(root, 'a'), join(root, 'z'))
  linkSync(join(root, 'm'), join(outside, 'm'))
  const links = (await collect(walk(root))).map(({ path, link }) => [path, link])
  assert.deepEqual(Object.fromEntries(links), {
    '.': undefined,
    a: 0,
    d: undefined,
    'd/a': 0,
    m: 1,
    single: undefined,
    z: 0
  })
})

test('an excluded directory is never listed', async t => {
  const root = temporaryDirectory(t)
  makeTree(root, 'kept/file', 'out/deep/file', 'kept/out/file')
  const entered: string[] = []
  const rules = watchedRules(
    createRules({ exclude: ['out'] }),
    () => {},
    path => entered.push(path)
  )
  assert.deepEqual(paths(await collect(walk(root, rules))), ['.', 'kept', 'kept/file'])
  assert.deepEqual(entered, ['kept'])
})

test('a directory that vanishes before it is listed is left out', async t => {
  const root = temporaryDirectory(t)
  makeTree(root, 'a', 'gone/file', 'z')
  const remove = (path: string) => {
    if (path === 'gone') rmSync(join(root, 'gone'), { recursive: true, force: true })
  }
  const entries = await collect(
    walk(
      root,
      watchedRules(createRules(), remove, () => {})
    )
  )
  assert.deepEqual(paths(entries), ['.', 'a', 'z'])
})

/** Walks as somebody who is not root, for root may read everything. */
const WALK_AS_NOBODY = `
  import { walk } from ${JSON.stringify(import.meta.resolve('../../src/stages/walk.js'))}
  import { createRules } from ${JSON.stringify(import.meta.resolve('../../src/rules.js'))}
  if (process.geteuid() === 0) { process.setegid(65534); process.seteuid(65534) }
  const found = []
  for await (const { path, type, error } of walk(process.argv[1], createRules({ exclude: ['excluded'] }))) {
    found.push([path, type, error && [error.code, error.path, error.cause.code]])
  }
  console.log(JSON.stringify(found))
`

test(
  'a directory that cannot be listed, and entries that cannot be looked at, are unreadable',
  reachedByNobody(),
  t => {
    const root = temporaryDirectory(t)
    makeTree(root, 'closed/file', 'excluded/file', 'listed/file', 'open/file')
    chmodSync(root, 0o755)
    for (const name of ['closed', 'excluded']) chmodSync(join(root, name), 0)
    chmodSync(join(root, 'listed'), process.geteuid?.() === 0 ? 0o744 : 0o444)
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', WALK_AS_NOBODY, root])
    for (const name of ['closed', 'excluded', 'listed']) chmodSync(join(root, name), 0o755)
    assert.equal(String(stderr), '')
    assert.deepEqual(JSON.parse(String(stdout)), [
      ['.', 'directory', null],
      ['closed', 'unreadable', ['IBT_READ_FAILED', 'closed', 'EACCES']],
      ['listed', 'directory', null],
      ['listed/file', 'unreadable', ['IBT_READ_FAILED', 'listed/file', 'EACCES']],
      ['open', 'directory', null],
      ['open/file', 'file', null]
    ])
  }
)

test('a content does not open through a link that took the place of a directory', async t => {
  const root = temporaryDirectory(t)
  const outside = temporaryDirectory(t)
  makeTree(root, 'd/secret')
  makeTree(outside, 'secret')
  const entries = await collect(walk(root))
  rmSync(join(root, 'd'), { recursive: true })
  symlinkSync(outside, join(root, 'd'))
  await assert.rejects(bytesOf(entries[2]!.content!.open()), error => isBackupError(error) && error.path === 'd/secret')
})

test('an abort ends a walk with its reason', async t => {
  const root = temporaryDirectory(t)
  makeTree(root, ...Array.from({ length: 20 }, (_, i) => `d${i}/file`))
  const controller = new AbortController()
  const reason = new Error('enough')
  const entries = walk(root, createRules(), { signal: controller.signal })
  await entries.next()
  controller.abort(reason)
  await assert.rejects(collect(entries), error => error === reason)
})

test(
  'an ignore file that cannot be read is unreadable, and its patterns do not hold',
  process.platform === 'linux' ? oracle('cc') : { skip: 'tests what only Linux has' },
  async t => {
    const root = temporaryDirectory(t)
    mkdirSync(join(root, 'source'))
    for (const name of ['a.o', 'patterns#open']) writeFileSync(join(root, 'source', name), '*.o')
    const script = `
    import { createRules } from ${JSON.stringify(import.meta.resolve('../../src/index.js'))}
    import { walk } from ${JSON.stringify(import.meta.resolve('../../src/stages/index.js'))}
    const found = []
    const rules = createRules({ ignoreFiles: ['none', 'patterns#open'] })
    for await (const { path, type, error } of walk(process.argv[1], rules)) found.push([path, type, error?.code])
    console.log(JSON.stringify(found))`
    assert.deepEqual(runWithFaults(root, script, join(root, 'source')), [
      ['.', 'directory', null],
      ['a.o', 'file', null],
      ['patterns#open', 'unreadable', 'IBT_READ_FAILED']
    ])
  }
)
