import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { volumeName } from '../../../src/format/volume-names.js'
import {
  type Change,
  fullBackup,
  isBackupError,
  type ReceiveTreeOptions,
  receiveTree,
  type SendTreeOptions,
  sendTree
} from '../../../src/index.js'
import { farLine } from '../../helpers/far-line.js'
import { assertSameTree, run } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { temporaryDirectory } from '../../native/tree.js'

/** What both ends report, or the code of the receiver's error; the sender has the same one. */
async function exchange(source: string, into: string, receive: ReceiveTreeOptions = {}, send: SendTreeOptions = {}) {
  const { near, far } = farLine()
  const [sent, received] = await Promise.allSettled([sendTree(near, source, send), receiveTree(far, into, receive)])
  if (received.status === 'fulfilled' && sent.status === 'fulfilled') {
    return { received: received.value, sent: sent.value, code: undefined, message: '' }
  }
  const [{ reason }, { reason: other }] = [received, sent] as PromiseRejectedResult[] as [
    PromiseRejectedResult,
    PromiseRejectedResult
  ]
  assert.ok(isBackupError(reason) && isBackupError(other), `${reason} ${other}`)
  assert.equal(reason.code, other.code)
  return { received: undefined, sent: undefined, code: reason.code, message: reason.message }
}

function fill(root: string, paths: readonly string[]): void {
  for (const path of paths) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    if (path.endsWith('/')) mkdirSync(join(root, path), { recursive: true })
    else writeFileSync(join(root, path), path)
  }
}

/** Everything in a directory with its time. */
function look(root: string): readonly string[] {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' })
  return ['.', ...names].sort().map(name => `${name} ${lstatSync(join(root, name), { bigint: true }).mtimeNs}`)
}

function places(t: TestContext) {
  const base = temporaryDirectory(t)
  const [source, into] = [join(base, 'source'), join(base, 'into')]
  mkdirSync(source)
  mkdirSync(into)
  return { base, source, into }
}

test('a source whose disk is not mounted deletes nothing, also below a mount point', async t => {
  const { source, into } = places(t)
  fill(into, ['a', 'data/one', 'data/deep/two'])
  const before = look(join(into, 'data'))
  const empty = await exchange(source, into, { delete: true })
  assert.equal(empty.code, 'IBT_SOURCE_SHRUNK')
  assert.match(
    empty.message,
    /source has none of the 5 entries of .*into: is its disk mounted\? Nothing was deleted; .*--allow-shrink/
  )
  fill(
    into,
    Array.from({ length: 200 }, (_, i) => `data/many/${i}`)
  )
  fill(source, ['data/'])
  assert.equal((await exchange(source, into, { delete: true })).code, 'IBT_SOURCE_SHRUNK')
  assert.equal(readdirSync(join(into, 'data/many')).length, 200)
  assert.ok(before.every(line => existsSync(join(into, 'data', line.split(' ')[0]!))))
  const { received } = await exchange(source, into, { delete: true }, { allowShrink: true })
  assert.equal(received!.deletedEntries, 4)
  assert.deepEqual(readdirSync(into), ['data'])
})

test('what goes beyond maxDelete deletes nothing, and everything else is done', oracle('rsync'), async t => {
  const { source, into } = places(t)
  fill(source, ['kept/same', 'new/file', 'becomes'])
  fill(into, ['kept/same', 'kept/gone', 'old/deep/file', 'becomes/was/a/directory', 'z'])
  const refused = await exchange(source, into, { delete: true, maxDelete: 2 })
  assert.equal(refused.code, 'IBT_DELETE_LIMIT')
  assert.match(refused.message, /3 or more entries of .*into would be deleted, .*--max-delete\) is 2: .*--dry-run/)
  rmSync(join(into, 'becomes'), { recursive: true })
  const more = await exchange(source, into, { delete: true, maxDelete: 4 })
  assert.equal(more.code, 'IBT_DELETE_LIMIT')
  assert.match(more.message, /^.*: 5 entries of|^5 entries of/)
  assert.ok(['kept/gone', 'old/deep/file', 'z', 'new/file', 'becomes'].every(path => existsSync(join(into, path))))
  const { received } = await exchange(source, into, { delete: true, maxDelete: 5 })
  assert.equal(received!.deletedEntries, 3)
  assertSameTree(into, source)
  assert.throws(() => receiveTree(farLine().far, into, { maxDelete: -1 }), RangeError)
})

test('a limit that is met when a directory has given way says so', async t => {
  const { source, into } = places(t)
  fill(source, ['becomes', 'same'])
  fill(into, ['becomes/was/a', 'same', 'z'])
  const options = { delete: true, maxDelete: 2, allowShrink: true }
  const dry = await exchange(source, into, { ...options, dryRun: true })
  assert.match(dry.message, /^3 entries of .*\. Nothing was deleted$/)
  const { code, message } = await exchange(source, into, options)
  assert.equal(code, 'IBT_DELETE_LIMIT')
  assert.match(message, /^3 entries of .*\. Only directories that gave way to other entries were deleted$/)
  assert.deepEqual(readdirSync(into), ['becomes', 'same', 'z'])
  assert.ok(lstatSync(join(into, 'becomes')).isFile())
})

/** Writes as somebody who is not root, for root may write everywhere. */
const WRITE_AS_NOBODY = `
  import { write } from ${JSON.stringify(import.meta.resolve('../../../src/stages/index.js'))}
  if (process.geteuid() === 0) { process.setegid(65534); process.seteuid(65534) }
  const root = { path: '.', type: 'directory', mode: 0o555, uid: 65534, gid: 65534, mtimeNs: 1n }
  const counts = []
  const confirmDelete = ({ deletedEntries }) => void counts.push(deletedEntries)
  const { deletedEntries } = await write(process.argv[1], { overwrite: 'always', delete: true, confirmDelete })([root])
  console.log(JSON.stringify([counts, deletedEntries]))
`

test('deletions wait also where the root may not be written into', t => {
  const { base, into } = places(t)
  fill(into, ['gone'])
  if (process.geteuid?.() === 0) chownSync(into, 65534, 65534)
  chmodSync(base, 0o755)
  chmodSync(into, 0o555)
  assert.equal(String(run(process.execPath, ['--input-type=module', '-e', WRITE_AS_NOBODY, into])).trim(), '[[1],1]')
  assert.deepEqual(readdirSync(into), [])
  assert.equal(lstatSync(into).mode & 0o777, 0o555)
  chmodSync(into, 0o755)
})

test('deletions that come last leave times and modes of their directories right', oracle('rsync'), async t => {
  const { source, into } = places(t)
  fill(source, ['locked/file', 'odd\udcff\n/x'.toWellFormed()])
  fill(into, ['locked/gone', 'locked/file', ...Array.from({ length: 2500 }, (_, i) => `odd\ufffd\n/${i}`)])
  utimesSync(join(source, 'locked'), 1, 1)
  chmodSync(join(source, 'locked'), 0o500)
  const { received } = await exchange(source, into, { delete: true, allowShrink: true })
  assert.equal(received!.deletedEntries, 2501)
  assertSameTree(into, source)
  assert.equal(lstatSync(join(into, 'locked')).mtimeMs, 1000)
  for (const root of [source, into]) chmodSync(join(root, 'locked'), 0o700)
})

test('a dry run writes nothing and names every change, whichever end wants it', async t => {
  const { base, source, into } = places(t)
  fill(source, ['dir/new', 'same', 'changed', 'mode'])
  symlinkSync('target', join(source, 'link'))
  fill(into, ['same', 'changed', 'mode', 'gone/below', 'empty/'])
  for (const root of [source, into]) for (const name of ['same', 'mode']) utimesSync(join(root, name), 1, 1)
  writeFileSync(join(source, 'changed'), 'of another size')
  chmodSync(join(source, 'mode'), 0o700)
  chmodSync(join(into, 'mode'), 0o600)
  const before = look(into)
  for (const [receive, send] of [
    [{ dryRun: true }, {}],
    [{}, { dryRun: true }]
  ] as const) {
    const changes: string[] = []
    const onChange = ({ change, path }: Change) => changes.push(`${change} ${path}`)
    const { received, sent } = await exchange(source, into, { ...receive, delete: true, onChange }, send)
    assert.deepEqual(look(into), before)
    const expected = [
      'created dir',
      'created dir/new',
      'created link',
      'deleted empty',
      'deleted gone',
      'touched mode',
      'updated changed'
    ]
    assert.deepEqual(changes.filter(line => line !== 'touched .').sort(), expected)
    assert.deepEqual([received!.dryRun, sent!.dryRun, sent!.sentFiles, received!.deletedEntries], [true, true, 0, 2])
  }
  assert.equal((await exchange(source, into, { dryRun: true, delete: true, maxDelete: 2 })).code, 'IBT_DELETE_LIMIT')
  const nowhere = join(base, 'not/there')
  const { received } = await exchange(source, nowhere, { dryRun: true })
  assert.deepEqual([received!.entries, existsSync(join(base, 'not'))], [7, false])
})

test('backups that nothing names stay, and copies of a store follow their source', oracle('rsync'), async t => {
  const { base, source, into } = places(t)
  fill(source, ['file'])
  const cache = join(into, 'caches/deep')
  await fullBackup(source, { store: join(into, 'backups'), cache, key: 'k' })
  // Of an import that was cut off.
  const volume = volumeName({ name: 'k.full.20260101T000000.000Z.tar.zst', volume: 1 })
  fill(into, ['gone', 'backups/notes', 'half/nothing', `imports/${volume}`])
  const first = await exchange(source, into, { delete: true })
  assert.deepEqual(readdirSync(into), ['backups', 'caches', 'file', 'imports'])
  assert.deepEqual([...first.received!.spared], ['backups', 'caches', 'imports'])
  assert.equal(first.received!.deletedEntries, 2)
  mkdirSync(join(source, 'backups'))
  const second = await exchange(source, into, { delete: true })
  assert.equal(second.received!.sparedEntries, 2 + readdirSync(join(into, 'backups')).length)
  // Whoever sends a store may remove backups from it.
  const [store, copy] = [join(base, 'store'), join(base, 'copy')]
  await fullBackup(source, { store, cache: false, key: 'k' })
  await exchange(store, copy)
  for (const name of readdirSync(store)) rmSync(join(store, name))
  await fullBackup(source, { store, cache: false, key: 'k' })
  const third = await exchange(store, copy, { delete: true })
  assert.equal(third.received!.sparedEntries, 0)
  assertSameTree(copy, store)
})

test('a destination in the source is not sent, and a source in the destination is not deleted', async t => {
  const { source, base } = places(t)
  fill(source, ['file', 'inner/there'])
  const inner = join(source, 'inner')
  const { sent } = await exchange(source, inner, { delete: true })
  assert.deepEqual(sent!.leftOut, ['inner'])
  assert.deepEqual(readdirSync(inner), ['file'])
  symlinkSync(inner, join(base, 'by-link'))
  assert.deepEqual((await exchange(source, join(base, 'by-link'))).sent!.leftOut, ['inner'])
  assert.equal((await exchange(source, source)).code, 'IBT_NOT_ALLOWED')
  const outer = await exchange(source, base, { delete: true })
  assert.deepEqual([...outer.received!.spared], ['source'])
  assert.ok(existsSync(join(source, 'inner/file')))
})
