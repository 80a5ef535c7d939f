import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BackupError } from '../../src/errors.js'
import { pipe } from '../../src/interop/pipe.js'
import { diff } from '../../src/stages/diff.js'
import type { Change, Entry, Place, StateEntry } from '../../src/types.js'
import { code, collect, directory, entry, file, stateEntry } from '../helpers/entries.js'
import { stageContract, WatchedSource } from '../helpers/stage-contract.js'

const place: Place = { date: 'D', in: 'full', offset: 0 }
/** What a state says of an entry that has not changed since. */
const known = ({ content: _, ...rest }: Entry, more: Partial<StateEntry> = {}) =>
  stateEntry(rest.path, { ...rest, ...(rest.type === 'file' ? { sha256: 'abc', places: [place] } : {}), ...more })

const unreadable = (path: string) =>
  entry(path, { type: 'unreadable', error: new BackupError('IBT_READ_FAILED', `Cannot read ${path}`, { path }) })

async function changes(entries: readonly Entry[], state: readonly StateEntry[], options = {}): Promise<Change[]> {
  return collect(diff(state, options)(entries))
}

const kinds = async (...args: Parameters<typeof changes>) =>
  Object.fromEntries((await changes(...args)).map(({ path, change }) => [path, change]))

const tree = [directory('.'), directory('a'), file('a/b', 'b'), file('c', 'c')]
const state = tree.map(item => known(item))

stageContract(
  'diff',
  () => diff(state),
  () => [...tree, file('d', 'd')],
  { emitsAtEnd: true, makeMany: i => entry(`e${String(i).padStart(8, '0')}`) }
)
stageContract(
  'diff against nothing',
  () => diff([]),
  () => tree
)

test('an entry is created, unchanged, touched, updated or deleted', async () => {
  const now = [directory('.'), file('made', 'm'), file('same', 's'), file('touched', 't', { mode: 0o600 })]
  now.push(file('updated', 'longer'))
  const before = [known(directory('.')), known(file('gone', 'g')), known(file('same', 's'))]
  before.push(known(file('touched', 't')), known(file('updated', 'u')))
  assert.deepEqual(await kinds(now, before), {
    '.': 'unchanged',
    gone: 'deleted',
    made: 'created',
    same: 'unchanged',
    touched: 'touched',
    updated: 'updated'
  })
})

test('deleted entries come in path order, with their last metadata', async () => {
  const before = [known(directory('.')), known(directory('a')), known(file('a/x', 'x')), known(file('b', 'b'))]
  before.push(known(file('z', 'z')))
  const found = await changes([directory('.'), file('b', 'b')], before)
  assert.deepEqual(
    found.map(({ path, change }) => [path, change]),
    [
      ['.', 'unchanged'],
      ['a', 'deleted'],
      ['a/x', 'deleted'],
      ['b', 'unchanged'],
      ['z', 'deleted']
    ]
  )
  assert.equal(found[2]?.sizeBytes, 1)
})

const FACTS: readonly [what: string, now: Partial<Entry>, before: Partial<StateEntry>, kind: string][] = [
  ['mtime', { mtimeNs: 1n }, {}, 'updated'],
  ['ctime', { ctimeNs: 2n }, { ctimeNs: 1n }, 'updated'],
  ['a ctime that one side does not know', { ctimeNs: 2n }, {}, 'unchanged'],
  ['inode', { ino: 2n }, { ino: 1n }, 'updated'],
  ['size', { sizeBytes: 2 }, {}, 'updated'],
  ['nothing, but was dirty before,', {}, { dirty: true }, 'updated'],
  ['nothing, but was racy before,', {}, { racy: true }, 'updated'],
  ['nothing, but had no content before,', {}, { places: undefined }, 'updated'],
  ['owner', { uid: 5 }, {}, 'touched'],
  ['group name', { gname: 'g' }, {}, 'touched'],
  ['attributes', { xattrs: new Map([['user.a', Buffer.from('a')]]) }, {}, 'touched'],
  ['nothing', {}, {}, 'unchanged']
]
for (const [what, now, before, kind] of FACTS) {
  test(`a file that differs in ${what} is ${kind} until it is read`, async () => {
    const body = file('f', 'f')
    assert.deepEqual(await kinds([{ ...body, ...now }], [known(body, before)]), { f: kind })
  })
}

test('what an earlier diff said of an entry goes', async () => {
  const now = [directory('.'), file('gone', 'g'), file('made', 'm'), file('same', 's')]
  const before = [known(directory('.')), known(file('made', 'm')), known(file('other', 'o')), known(file('same', 's'))]
  const first = diff(
    [
      known(file('gone before', 'g')),
      known(file('same', 's', { mtimeNs: 7n }), { signature: { date: 'D', offset: 0 } })
    ],
    {
      signature: async () => undefined
    }
  )
  const twice = await collect(diff(before)(first(now)))
  assert.deepEqual(twice, await changes(now, before))
})

test('what is believed is the choice of the caller', async () => {
  const now = [file('f', 'f', { ctimeNs: 2n, ino: 2n })]
  const before = [known(file('f', 'f', { ctimeNs: 1n, ino: 1n }))]
  assert.deepEqual(await kinds(now, before, { ctime: false, inode: false }), { f: 'unchanged' })
  assert.deepEqual(await kinds(before, before, { checksum: true }), { f: 'updated' })
})

for (const [fact, now] of Object.entries({
  size: { sizeBytes: 9 },
  mtime: { mtimeNs: 9n },
  ctime: { ctimeNs: 9n },
  inode: { ino: 9n }
})) {
  test(`a file that differs in ${fact} alone is not looked at if that does not count`, async () => {
    const body = file('f', 'f', { ctimeNs: 1n, ino: 1n })
    const differs = [{ ...body, ...now }]
    assert.deepEqual(await kinds(differs, [known(body)]), { f: 'updated' })
    // Another mtime is another metadata all the same.
    assert.deepEqual(await kinds(differs, [known(body)], { [fact]: false }), {
      f: fact === 'mtime' ? 'touched' : 'unchanged'
    })
    assert.deepEqual(await kinds(differs, [known(body, { racy: true })], { [fact]: false }), { f: 'updated' })
  })
}

test('an entry of another type is created, a link to elsewhere updated', async () => {
  assert.deepEqual(await kinds([directory('a')], [known(file('a', 'a'))]), { a: 'created' })
  const symlink = entry('s', { type: 'symlink', linkname: 'x' })
  assert.deepEqual(await kinds([symlink], [known({ ...symlink, linkname: 'y' })]), { s: 'updated' })
})

test('an unreadable directory keeps its whole previous subtree, and only that', async () => {
  const before = [known(directory('.')), known(directory('d')), known(file('d/a', 'a')), known(directory('d/b'))]
  before.push(known(file('d/b/c', 'c')), known(file('d.e', 'e')))
  const found = await changes([directory('.'), unreadable('d')], before)
  assert.deepEqual(
    found.map(({ path, type, change, carried }) => [path, type, change, carried]),
    [
      ['.', 'directory', 'unchanged', undefined],
      ['d', 'directory', 'unchanged', true],
      ['d/a', 'file', 'unchanged', true],
      ['d/b', 'directory', 'unchanged', true],
      ['d/b/c', 'file', 'unchanged', true],
      ['d.e', 'file', 'deleted', undefined]
    ]
  )
  assert.equal(found[1]?.error?.path, 'd')
})

test('what is unreadable and was unreadable or not there stays so', async () => {
  const [first, second] = await changes([unreadable('a'), unreadable('b')], [stateEntry('a', { type: 'unreadable' })])
  assert.deepEqual([first?.type, first?.carried], ['unreadable', undefined])
  assert.deepEqual([second?.type, second?.change], ['unreadable', 'created'])
})

test('the basis of a changed file is the signature that the state names, read when it is asked for', async () => {
  const signature = { date: 'D', offset: 512 }
  const asked: unknown[] = []
  const read = async (at: unknown) => {
    asked.push(at)
    return Buffer.from('signature')
  }
  const now = [file('signed', 'new'), file('unsigned', 'new')]
  const before = [known(file('signed', 'old1'), { signature }), known(file('unsigned', 'old1'))]
  const [signed, unsigned] = await changes(now, before, { signature: read })
  assert.equal(unsigned?.basis, undefined)
  assert.deepEqual(asked, [])
  assert.equal(String(await signed?.basis?.()), 'signature')
  assert.deepEqual(asked, [signature])
})

test('entries out of path order, or twice the same, are refused', async () => {
  await assert.rejects(changes([file('b', ''), file('a', '')], []), code('IBT_OUT_OF_ORDER'))
  await assert.rejects(changes([file('a', ''), file('a', '')], []), code('IBT_OUT_OF_ORDER'))
})

test('a previous state out of path order is refused', async () => {
  const before = [known(file('b', '')), known(file('a', ''))]
  await assert.rejects(changes([file('a', ''), file('b', '')], before), code('IBT_OUT_OF_ORDER'))
})

test('the previous state is opened late, read in step and closed', async () => {
  const previous = new WatchedSource(state)
  const found = diff(previous as never)(tree)
  assert.equal(previous.opened, 0)
  await found.next()
  assert.ok(previous.pulls <= 2)
  await found.return()
  assert.equal(previous.returns, 1)
})

test('an error of the previous state passes unchanged', async () => {
  const error = new Error('of the state')
  const previous = new WatchedSource([], () => Promise.reject(error))
  await assert.rejects(collect(diff(previous as never)(tree)), thrown => thrown === error)
})

test('an abort is noticed while the previous state is parked', { timeout: 300_000 }, async () => {
  const controller = new AbortController()
  const reason = new Error('enough')
  const previous = new WatchedSource([], () => {
    setImmediate(() => controller.abort(reason))
    return new Promise(() => {})
  })
  const found = pipe(tree, diff(previous as never), { signal: controller.signal })
  await assert.rejects(collect(found), error => error === reason)
  assert.equal(previous.returns, 1)
})

test('many deleted entries leave the event loop free', { timeout: 300_000 }, async () => {
  function* many() {
    for (let i = 0; i < 100_000; i++) yield known(file(`f${String(i).padStart(7, '0')}`, ''))
  }
  let ticks = 0
  const timer = setInterval(() => ticks++, 1)
  for await (const _ of diff(many())([]));
  clearInterval(timer)
  assert.ok(ticks > 10, `${ticks} ticks`)
})

test('attributes stay as they were only where they could not be read', async () => {
  const xattrs = new Map([['user.a', new Uint8Array(1)]])
  const state = [stateEntry('a', { xattrs, places: [{ date: '', in: 'full', offset: 0 }] })]
  for (const [error, expected] of [
    [new BackupError('IBT_READ_FAILED', 'no attributes'), xattrs],
    [new BackupError('IBT_UNSUPPORTED_TYPE', 'an ACL is left out'), undefined]
  ] as const) {
    const [change] = await collect(diff(state)([entry('a', { error })]))
    assert.deepEqual(change!.xattrs, expected)
  }
})
