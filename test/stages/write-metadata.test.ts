import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, closeSync, lstatSync, openSync, readdirSync, readFileSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { PART_BYTES } from '../../src/constants.js'
import type { BackupError } from '../../src/errors.js'
import { pipe } from '../../src/interop/pipe.js'
import { walk } from '../../src/stages/walk.js'
import { write } from '../../src/stages/write.js'
import type { Entry } from '../../src/types.js'
import { directory, entry, file } from '../helpers/entries.js'
import { runWithFaults } from '../helpers/faults.js'
import { assertSameAttributes, run } from '../helpers/judges.js'
import { oracle, reachedByNobody } from '../helpers/oracle.js'
import { temporaryDirectory } from '../native/tree.js'

const isRoot = process.geteuid?.() === 0
const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
const asRoot = (...commands: string[]) => (isRoot ? oracle(...commands) : { skip: 'needs root' })
const xattrs = (...pairs: [string, string][]) => new Map(pairs.map(([name, value]) => [name, Buffer.from(value)]))

test(
  'extended attributes, ACLs and capabilities come out as they went in',
  asRoot('rsync', 'setfacl', 'setcap'),
  async t => {
    const base = temporaryDirectory(t)
    const [from, to] = [join(base, 'from'), join(base, 'to')]
    const script = `
    mkdir -p "$1/d/e" && cd "$1" && echo x | tee d/file capable small d/e/plain >/dev/null
    dd if=/dev/zero of=large bs=1M count=9 status=none
    ln -s nowhere link; mkfifo fifo
    setfattr -n user.one -v 'a value' d/file; setfattr -n user.binary -v 0x00ff0a d d/file large
    setfattr -h -n trusted.link -v 1 link; setfattr -n trusted.fifo -v 2 fifo; setfattr -n user.empty small
    setfacl -m u:12345:rw,g:54321:r d/file large; setfacl -d -m u:12345:rwx d; setfacl -m u:1:x d
    chown 3:4 capable; setcap cap_net_raw+ep capable; chmod 0444 d/file; chmod 2750 d`
    if (spawnSync('bash', ['-ec', script, 'bash', from]).status !== 0)
      return t.skip('the file system has no extended attributes')
    await pipe(walk(from), write(to))
    assertSameAttributes(to, from)
    assert.match(run('getcap', [join(to, 'capable')]).toString(), /cap_net_raw/)
    // Over what is there: what is wrong is set, what is too much goes away.
    run('bash', [
      '-ec',
      'cd "$1"; setfattr -x user.one d/file; setfattr -n user.more -v x small; setfacl -b d large',
      'x',
      to
    ])
    run('setfattr', ['-n', 'user.one', '-v', 'b', join(to, 'd/file')])
    const { ino } = lstatSync(join(to, 'd/file'))
    await pipe(walk(from), write(to, { overwrite: 'if-changed' }))
    assertSameAttributes(to, from)
    assert.equal(lstatSync(join(to, 'd/file')).ino, ino)
    const { unchangedEntries, entries } = await pipe(walk(from), write(to, { overwrite: 'if-changed' }))
    assert.equal(unchangedEntries, entries)
  }
)

test('nothing is inherited from the ACLs of a destination', asRoot('rsync', 'setfacl'), async t => {
  const to = temporaryDirectory(t)
  if (spawnSync('setfacl', ['-d', '-m', 'u:12345:rwx', to]).status !== 0) return t.skip('the file system has no ACLs')
  const tree = [directory('.', own), directory('d', own), file('d/f', 'f', own), entry('p', { ...own, type: 'fifo' })]
  await pipe(tree, write(to))
  for (const path of ['.', 'd', 'd/f', 'p']) {
    assert.doesNotMatch(run('getfacl', ['-p', join(to, path)]).toString(), /12345/, path)
  }
})

test('attributes that cannot be set are named once an entry, and everything else is restored', asRoot(), async t => {
  const to = temporaryDirectory(t)
  const strange = xattrs(['nosuch.namespace', 'x'], ['nosuch.other', 'y'], ['user.good', 'z'])
  const errors: BackupError[] = []
  const tree = [
    directory('.', own),
    entry('a link', { ...own, type: 'symlink', linkname: 'x', xattrs: xattrs(['user.no', 'x']) }),
    file('f', 'f', { ...own, mode: 0o640, mtimeNs: 7n, xattrs: strange }),
    file('large', Buffer.alloc(PART_BYTES + 1), { ...own, xattrs: strange })
  ]
  const written = await pipe(tree, write(to, { onError: error => errors.push(error) }))
  const reported = errors.map(({ code, message, cause }) => [code, message, (cause as NodeJS.ErrnoException).code])
  const both = 'the attribute nosuch.namespace (ENOTSUP), the attribute nosuch.other (ENOTSUP)'
  assert.deepEqual(reported.sort(), [
    ['IBT_METADATA_FAILED', `Cannot set ${both} of f`, 'ENOTSUP'],
    ['IBT_METADATA_FAILED', `Cannot set ${both} of large`, 'ENOTSUP'],
    ['IBT_METADATA_FAILED', 'Cannot set the attribute user.no (EPERM) of a link', 'EPERM']
  ])
  assert.deepEqual([written.entries, written.files, written.incompleteEntries, written.skippedEntries], [4, 2, 3, 0])
  const { mode, mtimeNs } = lstatSync(join(to, 'f'), { bigint: true })
  assert.deepEqual([mode & 0o7777n, mtimeNs], [0o640n, 7n])
  assert.deepEqual(readdirSync(to), ['a link', 'f', 'large'])
  assert.match(run('getfattr', ['--absolute-names', '-d', join(to, 'f')]).toString(), /user\.good="z"/)
})

test('devices are made by root', asRoot('rsync'), async t => {
  const to = temporaryDirectory(t)
  const tree: Entry[] = [
    directory('.'),
    entry('block', { type: 'block-device', mode: 0o660, devMajor: 7, devMinor: 300 }),
    entry('character', { type: 'character-device', mode: 0o620, devMajor: 300, devMinor: 3 }),
    entry('fifo', { type: 'fifo', mode: 0o2644, link: 1 }),
    entry('fifo too', { type: 'fifo', mode: 0o2644, link: 1 })
  ]
  await pipe(tree, write(to, { owners: 'number' }))
  const stat = (name: string) =>
    run('stat', ['-c', '%F %a %Hr %Lr %u:%g %h', join(to, name)])
      .toString()
      .trim()
  assert.equal(stat('block'), 'block special file 660 7 300 1:2 1')
  assert.equal(stat('character'), 'character special file 620 300 3 1:2 1')
  assert.equal(stat('fifo'), 'fifo 2644 0 0 1:2 2')
  const options = { owners: 'number', overwrite: 'if-changed' } as const
  assert.equal((await pipe(tree, write(to, options))).unchangedEntries, 5)
  await pipe([tree[0]!, { ...tree[1]!, devMinor: 301 }], write(to, options))
  assert.equal(stat('block'), 'block special file 660 7 301 1:2 1')
})

test('a device that the user may not make is told, and the restore goes on', {
  ...asRoot(),
  ...reachedByNobody()
}, t => {
  const to = temporaryDirectory(t)
  run('chown', ['65534', to])
  const script = `
    process.setgroups([65534]); process.setgid(65534); process.setuid(65534)
    const { write } = await import(${JSON.stringify(new URL('../../src/stages/write.js', import.meta.url).href)})
    const own = { mode: 0o644, uid: 65534, gid: 65534, mtimeNs: 1n }
    const tree = [
      { ...own, path: '.', type: 'directory', mode: 0o755 },
      { ...own, path: 'a', type: 'character-device', devMajor: 1, devMinor: 3 },
      { ...own, path: 'b', type: 'fifo' }
    ]
    const onError = ({ path, code, cause }) => console.log(path, code, cause.code)
    const { skippedEntries } = await write(${JSON.stringify(to)}, { onError })(tree)
    console.log(skippedEntries)`
  const output = run(process.execPath, ['--input-type=module', '-e', script]).toString()
  assert.equal(output, 'a IBT_WRITE_FAILED EPERM\n1\n')
  assert.deepEqual(readdirSync(to), ['b'])
})

/** Bytes on the disk. */
const room = (path: string) => statSync(path).blocks * 512

for (const [name, size] of [
  ['small', 1_000_003],
  ['large', PART_BYTES * 4 + 5]
] as const) {
  test(`a ${name} sparse file gets its holes back`, async t => {
    const base = temporaryDirectory(t)
    const bytes = Buffer.alloc(size)
    // Data at both ends of a block, across its border, and none at the end of the file.
    for (const at of [4095, 4096, 500_000, size - 9000]) bytes[at] = 1
    const chunks = [bytes.subarray(0, 100_001), bytes.subarray(100_001, 100_002), bytes.subarray(100_002)]
    const content = { open: () => chunks }
    for (const sparse of [true, undefined]) {
      const to = join(base, String(sparse))
      const item = entry('f', { ...own, sizeBytes: size, sparse, content, xattrs: xattrs() })
      await pipe([directory('.', own), item], write(to))
      assert.ok(readFileSync(join(to, 'f')).equals(bytes))
      if (sparse) assert.ok(room(join(to, 'f')) <= 5 * 4096, String(room(join(to, 'f'))))
      else assert.ok(room(join(to, 'f')) >= size)
    }
  })
}

test('a file that is one hole takes no room', async t => {
  const from = temporaryDirectory(t)
  const fd = openSync(join(from, 'f'), 'w')
  writeSync(fd, '\0', 50_000_000)
  closeSync(fd)
  run('truncate', ['-s', '60000000', join(from, 'f')])
  const to = join(temporaryDirectory(t), 'to')
  await pipe(walk(from), write(to))
  run('cmp', [join(from, 'f'), join(to, 'f')])
  assert.equal(room(join(to, 'f')), 0)
})

test('a user is not given the privileges of a program that somebody else had', { ...reachedByNobody() }, async t => {
  const to = temporaryDirectory(t)
  chmodSync(to, 0o777)
  const script = `
    if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534) }
    const { write } = await import(${JSON.stringify(import.meta.resolve('../../src/stages/write.js'))})
    const own = { uid: process.getuid(), gid: process.getgid() }
    const file = (path, mode, owner) => ({ path, type: 'file', mode, mtimeNs: 0n, sizeBytes: 0, ...own, ...owner })
    const entries = [
      { path: '.', type: 'directory', mode: 0o755, mtimeNs: 0n, ...own },
      file('group', 0o2755, { gid: own.gid + 1 }),
      file('nobody', 0o4755, { uname: 'nosuchuser' }),
      file('other', 0o4755, { uid: own.uid + 1 }),
      file('own', 0o6755),
      file('plain', 0o755, { uid: own.uid + 1 })
    ]
    for (const overwrite of ['if-changed', 'if-changed']) {
      const { unprivileged, unprivilegedEntries, unchangedEntries, incompleteEntries } =
        await write(process.argv[1] + '/out', { overwrite })(entries)
      console.log(JSON.stringify([unprivileged, unprivilegedEntries, unchangedEntries, incompleteEntries]))
    }`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script, to], {
    encoding: 'utf8'
  })
  const withheld = ['group', 'nobody', 'other']
  const expected = [
    [withheld, 3, 0, 0],
    [withheld, 3, 6, 0]
  ]
  assert.deepEqual(
    stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line)),
    expected,
    stderr
  )
  const modes = readdirSync(join(to, 'out')).map(name => lstatSync(join(to, 'out', name)).mode & 0o7777)
  assert.deepEqual(modes, [0o755, 0o755, 0o755, 0o6755, 0o755])
})

test('the name of a destination need not be UTF-8', async t => {
  const base = temporaryDirectory(t)
  const to = Buffer.concat([Buffer.from(base), Buffer.from('/out \xff', 'latin1')])
  const { entries } = await pipe([directory('.', own), file('f', 'body', own)], write(to))
  assert.equal(entries, 2)
  assert.equal(readFileSync(Buffer.concat([to, Buffer.from('/f')]), 'utf8'), 'body')
})

const FAULTY = `
  import { write } from ${JSON.stringify(import.meta.resolve('../../src/stages/write.js'))}
  const xattrs = new Map([['user.a', Buffer.from('a')]])
  const owner = { uid: 1234, gid: 4321 }
  const file = path => ({
    ...{ path, type: 'file', mode: 0o4711, mtimeNs: 5n, sizeBytes: 1, ...owner, xattrs },
    content: { open: () => [Buffer.from('x')] }
  })
  const directory = path => ({ path, type: 'directory', mode: 0o711, mtimeNs: 5n, ...owner, xattrs })
  const names = ['#chmod', '#chown', '#setxattr', '#utimens']
  const entries = [
    directory('.'),
    ...names.map(name => directory('d' + name)),
    ...names.map(name => file('f' + name))
  ]
  const errors = []
  const onError = ({ code, message, cause }) => errors.push([code, message, cause.code])
  const { incompleteEntries, skippedEntries, entries: there } = await write(process.argv[1], { onError })(entries)
  console.log(JSON.stringify({ incompleteEntries, skippedEntries, there, errors }))
`

test('metadata that a destination cannot hold are named, cost only themselves, and end nothing', {
  ...asRoot('cc'),
  ...(process.platform === 'linux' ? {} : { skip: 'tests what only Linux has' })
}, t => {
  const to = temporaryDirectory(t)
  const { errors, ...counts } = runWithFaults(temporaryDirectory(t), FAULTY, to) as {
    errors: [code: string, message: string, errno: string][]
  }
  const parts = { chmod: 'the mode', chown: 'the owner', setxattr: 'the attribute user.a', utimens: 'the time' }
  const expected = ['d', 'f'].flatMap(name =>
    Object.entries(parts).map(([fault, part]) => `Cannot set ${part} (EIO) of ${name}#${fault}`)
  )
  assert.deepEqual(errors.map(([, message]) => message).sort(), expected.sort())
  assert.ok(errors.every(([code, , errno]) => code === 'IBT_METADATA_FAILED' && errno === 'EIO'))
  assert.deepEqual(counts, { incompleteEntries: 8, skippedEntries: 0, there: 9 })
  for (const name of ['d', 'f']) {
    for (const fault of Object.keys(parts)) {
      const { uid, mode, mtimeNs } = lstatSync(join(to, `${name}#${fault}`), { bigint: true })
      assert.equal(uid === 1234n, fault !== 'chown')
      if (fault !== 'utimens') assert.equal(mtimeNs, 5n)
      if (fault !== 'chmod') assert.equal(mode & 0o777n, 0o711n)
      if (name !== 'd') assert.equal((mode & 0o4000n) !== 0n, fault !== 'chown' && fault !== 'chmod', fault)
    }
  }
})
