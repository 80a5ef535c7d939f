import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { none } from '../../../src/codec/index.js'
import { formatDate } from '../../../src/format/dates.js'
import { type BackupError, type Entry, fullBackup, restoreBackup } from '../../../src/index.js'
import type { Written } from '../../../src/stages/write.js'
import { directoryStore } from '../../../src/stores/index.js'
import { NaiveChain } from '../../helpers/chain.js'
import { code } from '../../helpers/entries.js'
import { run } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { createRandom } from '../../helpers/random.js'
import { temporaryDirectory } from '../../native/tree.js'

const DAY_MS = 86_400_000

/** Fulls of one day each: their content is the number of days that they are old. */
async function makeOldFulls(t: TestContext, days: readonly number[]): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false })
  const nowMs = Date.now()
  for (const age of days) {
    writeFileSync(join(chain.source, 'file'), String(age))
    const scratch = join(chain.base, `scratch ${age}`)
    const { date } = await fullBackup(chain.source, { ...chain.options, store: scratch })
    const old = formatDate(nowMs - age * DAY_MS - 3_600_000)
    mkdirSync(chain.storePath, { recursive: true })
    for (const name of readdirSync(scratch)) {
      const bytes = readFileSync(join(scratch, name))
      writeFileSync(join(chain.storePath, name.replace(date, old)), bytes)
    }
  }
  return chain
}

test('the newest backup that is not younger than the time is restored', async t => {
  const chain = await makeOldFulls(t, [10, 3, 0])
  const times: readonly (readonly [Date | string | undefined, string])[] = [
    [undefined, '0'],
    ['latest', '0'],
    ['1 day ago', '3'],
    ['3 days ago', '3'],
    ['4 days ago', '10'],
    [new Date(Date.now() - 9 * DAY_MS), '10'],
    [new Date(Date.now() - 2 * DAY_MS).toISOString(), '3'],
    [formatDate(Date.now() - 2 * DAY_MS), '3']
  ]
  for (const [i, [at, age]] of times.entries()) {
    // Only the names of these artifacts are old: the state would name the archive of its own date.
    const chosen = await chain.restore(`r${i}`, { at, stages: { unpack: [] } })
    const found = chain.stored('state').find(name => name.includes(chosen.date))
    assert.equal(Math.round((Date.now() - Date.parse(isoOf(found!))) / DAY_MS), Number(age), String(at))
  }
  await assert.rejects(chain.restore('r', { at: '11 days ago' }), code('IBT_NO_BACKUP'))
  await assert.rejects(chain.restore('r', { at: '1999-01-01' }), code('IBT_NO_BACKUP'))
  await assert.rejects(chain.restore('r', { at: 'no time' }), RangeError)
  assert.equal(existsSync(join(chain.base, 'r')), false)
})

function isoOf(name: string): string {
  return /(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)([\d.]+Z)/
    .exec(name)!
    .slice(1)
    .join('-')
    .replace(/^(.{10})-(..)-(..)-/, '$1T$2:$3:')
}

test('a key without a backup is refused, and nothing is made', async t => {
  const chain = new NaiveChain(temporaryDirectory(t))
  await assert.rejects(chain.restore('restored'), code('IBT_NO_BACKUP'))
  assert.deepEqual(readdirSync(chain.base), ['source'])
})

async function makeTreeChain(t: TestContext): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t))
  for (const path of ['a', 'a/b', 'a/c', 'd', 'd/e/f']) mkdirSync(join(chain.source, path), { recursive: true })
  for (const path of ['a/b/1.txt', 'a/b/2.md', 'a/c/3.txt', 'd/e/f/4.txt', 'top.txt']) {
    writeFileSync(join(chain.source, path), path)
  }
  writeFileSync(Buffer.concat([Buffer.from(`${chain.source}/d/`), Buffer.from([0xff, 0x0a])]), 'raw')
  writeFileSync(join(chain.source, 'd/brackets [1]*'), 'odd')
  run('ln', [join(chain.source, 'a/b/1.txt'), join(chain.source, 'd/linked')])
  run('ln', [join(chain.source, 'a/b/1.txt'), join(chain.source, 'd/linked too')])
  symlinkSync('a/b', join(chain.source, 'link'))
  await chain.full()
  return chain
}

/** Files and links of a tree, with directories that hold none. */
function treeOf(path: string): string[] {
  const found = run('find', [path, '(', '-not', '-type', 'd', '-o', '-empty', ')', '-printf', '%P\\0']).toString(
    'latin1'
  )
  return found.split('\0').slice(0, -1).sort()
}

test('patterns select literal paths, globs, directories and names of raw bytes', async t => {
  const chain = await makeTreeChain(t)
  const selections: readonly (readonly [readonly string[], readonly string[]])[] = [
    [['top.txt'], ['top.txt']],
    [['/a/b/1.txt'], ['a/b/1.txt']],
    [['*.txt'], ['a/b/1.txt', 'a/c/3.txt', 'd/e/f/4.txt', 'top.txt']],
    [['a/b'], ['a/b/1.txt', 'a/b/2.md']],
    [['/d/e/'], ['d/e/f/4.txt']],
    [['a/**/*.txt', '!a/c'], ['a/b/1.txt']],
    [['link'], ['link']],
    [['d/brackets \\[1\\]\\*'], ['d/brackets [1]*']],
    [['d/\udcff\n'], ['d/\xff\n']],
    [
      ['top.txt', 'a/c'],
      ['a/c/3.txt', 'top.txt']
    ]
  ]
  for (const [i, [paths, expected]] of selections.entries()) {
    await chain.restore(`s${i}`, { paths })
    assert.deepEqual(treeOf(join(chain.base, `s${i}`)), expected, paths.join(' '))
  }
})

test('the first selected member of a hard-link group brings the content, the others are linked to it', async t => {
  const chain = await makeTreeChain(t)
  await chain.restore('restored', { paths: ['linked', 'linked too'] })
  const [one, two] = ['linked', 'linked too'].map(name => statSync(join(chain.base, 'restored/d', name)))
  assert.equal(one!.ino, two!.ino)
  assert.equal(one!.nlink, 2)
  assert.equal(readFileSync(join(chain.base, 'restored/d/linked'), 'utf8'), 'a/b/1.txt')
})

test('a destination that holds something is refused and left as it is', async t => {
  const chain = await makeTreeChain(t)
  const destination = join(chain.base, 'taken')
  mkdirSync(destination)
  writeFileSync(join(destination, 'mine'), 'mine')
  await assert.rejects(chain.restore('taken'), code('IBT_NOT_EMPTY'))
  assert.deepEqual(readdirSync(destination), ['mine'])
  await assert.rejects(chain.restore('taken/mine'), code('IBT_WRITE_FAILED'))
  mkdirSync(join(chain.base, 'empty'))
  await chain.restore('empty')
  assert.deepEqual(treeOf(join(chain.base, 'empty')), treeOf(chain.source))
})

test('a destination may be deep, new and behind a link', oracle('rsync'), async t => {
  const chain = await makeTreeChain(t)
  mkdirSync(join(chain.base, 'real'))
  symlinkSync('real', join(chain.base, 'alias'))
  await chain.restore('alias/x/y')
  run('diff', ['-r', '--no-dereference', join(chain.base, 'real/x/y'), chain.source])
})

test('a report counts what is written and progress tells of it', async t => {
  const chain = await makeTreeChain(t)
  const seen: string[] = []
  let last = 0
  const report = await chain.restore('restored', {
    onProgress: ({ path, files }) => {
      seen.push(path)
      last = files
    }
  })
  const { entries, files, skippedEntries, key, date } = report
  assert.deepEqual([entries, files, skippedEntries], [17, 9, 0])
  assert.deepEqual([key, date], ['key', chain.reports[0]!.date])
  assert.equal(seen.length, entries)
  assert.equal(last, files)
})

test('a socket is in the backup, and a restore passes over it', async t => {
  const chain = new NaiveChain(temporaryDirectory(t))
  const server = createServer().listen(join(chain.source, 'socket'))
  await once(server, 'listening')
  t.after(() => server.close())
  writeFileSync(join(chain.source, 'file'), 'content')
  await fullBackup(chain.source, chain.options)
  const errors: BackupError[] = []
  const { skippedEntries } = await chain.restore('restored', { onError: error => errors.push(error) })
  assert.equal(skippedEntries, 0)
  assert.deepEqual(errors, [])
  assert.deepEqual(readdirSync(join(chain.base, 'restored')), ['file'])
})

const NOTHING_WRITTEN: Written = {
  ...{ entries: 0, files: 0, unchangedEntries: 0, incompleteEntries: 0, unprivilegedEntries: 0, unprivileged: [] },
  ...{ deletedEntries: 0, sparedEntries: 0, spared: [], sizeBytes: 0, sharedBytes: 0, skippedEntries: 0 },
  ...{ erasedEntries: 0, suspectFiles: 0 }
}

test('a stage can be replaced: any sink takes the entries of a date', async t => {
  const chain = await makeTreeChain(t)
  const linknames: string[] = []
  const write = async (source: AsyncIterable<Entry> | Iterable<Entry>) => {
    for await (const { linkname } of source) if (linkname !== undefined) linknames.push(linkname)
    return NOTHING_WRITTEN
  }
  await chain.restore('nowhere', { stages: { write } })
  assert.deepEqual(linknames, [readlinkSync(join(chain.source, 'link'))])
  assert.equal(existsSync(join(chain.base, 'nowhere')), false)
})

test('a store that has moved restores without its cache', async t => {
  const chain = await makeTreeChain(t)
  const store = join(chain.base, 'moved')
  renameSync(chain.storePath, store)
  await restoreBackup('key', join(chain.base, 'restored'), { store, cache: join(chain.base, 'other cache') })
  assert.deepEqual(treeOf(join(chain.base, 'restored')), treeOf(chain.source))
})

test('an abort ends a restore with its reason and leaves no temporary file and no half content', async t => {
  const chain = new NaiveChain(temporaryDirectory(t))
  const contents = new Map<string, Buffer>()
  for (let i = 0; i < 6; i++) {
    const bytes = createRandom(i + 1).bytes(i % 2 === 0 ? 12_000_000 : 3_000_000)
    contents.set(`file ${i}`, bytes)
    writeFileSync(join(chain.source, `file ${i}`), bytes)
  }
  await fullBackup(chain.source, chain.options)
  const controller = new AbortController()
  const reason = new Error('Enough')
  const store = directoryStore(chain.storePath)
  let gets = 0
  const counted = {
    ...{ id: store.id, put: store.put.bind(store), list: store.list.bind(store), delete: store.delete.bind(store) },
    get: (...args: Parameters<typeof store.get>) => {
      if (args[0].includes('.full.') && ++gets === 20) controller.abort(reason)
      return store.get(...args)
    }
  }
  const restored = restoreBackup('key', join(chain.base, 'restored'), {
    ...{ store: counted, cache: false, signal: controller.signal }
  })
  await assert.rejects(restored, error => error === reason)
  for (const name of readdirSync(join(chain.base, 'restored'))) {
    assert.ok(contents.get(name)?.equals(readFileSync(join(chain.base, 'restored', name))), name)
  }
})

test('a small content that is not what was backed up ends the restore, and its name does not appear', async t => {
  const chain = new NaiveChain(temporaryDirectory(t), { codec: none(), cache: false })
  const names = Array.from({ length: 9 }, (_, i) => `file ${i}`)
  for (const name of names) writeFileSync(join(chain.source, name), `This is ${name}`)
  await fullBackup(chain.source, chain.options)
  const archive = join(chain.storePath, chain.stored('full')[0]!)
  const whole = readFileSync(archive)
  for (const name of names) {
    const stored = Buffer.from(whole)
    stored[stored.indexOf(`This is ${name}`)]! ^= 1
    writeFileSync(archive, stored)
    const restored = join(chain.base, `without ${name}`)
    const error = { code: 'IBT_HASH_MISMATCH', path: name }
    await assert.rejects(restoreBackup('key', restored, chain.options), error)
    assert.ok(!existsSync(join(restored, name)))
  }
})
