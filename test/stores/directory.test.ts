import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { after, test } from 'node:test'
import { removedName } from '../../src/format/names.js'
import { storeConformance } from '../../src/stores/conformance.js'
import { directoryStore } from '../../src/stores/directory.js'
import { publishNew } from '../../src/stores/directory-files.js'

const made: string[] = []
after(() => Promise.all(made.map(path => rm(path, { recursive: true, force: true }))))

async function newDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'ibt-store-'))
  made.push(path)
  return path
}

async function listed(store: ReturnType<typeof directoryStore>): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of store.list()) names.push(name)
  return names
}

storeConformance('directoryStore', async () => directoryStore(join(await newDirectory(), 'with space', '%2F')), {
  test
})

test('the directory is made at the first put, for its owner only, and so are files', async () => {
  const path = join(await newDirectory(), 'a', 'b')
  const store = directoryStore(path)
  assert.deepEqual(await listed(store), [])
  await assert.rejects(stat(path), { code: 'ENOENT' })
  await store.put('name', [Buffer.from('x')])
  assert.equal((await stat(path)).mode & 0o777, 0o700)
  assert.equal((await stat(join(path, 'name'))).mode & 0o777, 0o600)
  await store.create('other', Buffer.from('x'))
  assert.equal((await stat(join(path, 'other'))).mode & 0o777, 0o600)
})

test('its id is of the absolute path', async () => {
  const path = await newDirectory()
  assert.match(directoryStore(path).id, /^directory-[0-9a-f]{16}$/)
  assert.equal(directoryStore(path).id, directoryStore(relative(process.cwd(), path)).id)
  assert.notEqual(directoryStore(path).id, directoryStore(join(path, 'b')).id)
  assert.equal(directoryStore(relative(process.cwd(), path)).path, path)
})

test('what is no path is refused at the call', () => {
  for (const path of ['', undefined, 5]) assert.throws(() => directoryStore(path as never), TypeError)
})

test('no temporary file is left by what succeeds, fails, is aborted or comes too late', async () => {
  const path = await newDirectory()
  const store = directoryStore(path)
  await store.put('name', [Buffer.from('x')])
  assert.equal(await store.create('name', Buffer.from('y')), false)
  const failing = (async function* () {
    yield Buffer.from('half')
    throw new Error('The source fails')
  })()
  await assert.rejects(store.put('failing', failing))
  const controller = new AbortController()
  const parked = (async function* () {
    yield Buffer.from('half')
    setImmediate(() => controller.abort())
    await new Promise(() => {})
  })()
  await assert.rejects(store.put('parked', parked, { signal: controller.signal }), { name: 'AbortError' })
  assert.deepEqual(await readdir(path), ['name'])
})

test('a name that is taken by a directory fails, and leaves no temporary file', async () => {
  const path = await newDirectory()
  await mkdir(join(path, 'name', 'in'), { recursive: true })
  const store = directoryStore(path)
  await assert.rejects(store.put('name', [Buffer.from('x')]), { code: 'IBT_STORE_FAILED', path: 'name' })
  assert.deepEqual(await readdir(path), ['name'])
  assert.deepEqual(await listed(store), [])
})

test('a store that cannot be written says so with the system’s error', async () => {
  const path = join(await newDirectory(), 'file')
  await writeFile(path, '')
  const store = directoryStore(path)
  const isNoDirectory = (error: unknown) =>
    (error as { code: string }).code === 'IBT_STORE_FAILED' &&
    (error as { cause: { code: string } }).cause.code === 'ENOTDIR'
  await assert.rejects(store.put('name', [Buffer.from('x')]), isNoDirectory)
  await assert.rejects(listed(store), isNoDirectory)
  await assert.rejects(store.delete('name'), isNoDirectory)
})

test('hidden files, directories and names that are not UTF-8 are not listed', async () => {
  const path = await newDirectory()
  await mkdir(join(path, 'directory'))
  await writeFile(join(path, '.hidden'), 'x')
  await writeFile(Buffer.concat([Buffer.from(`${path}/`), Buffer.from([0xff])]), 'x')
  await symlink('nowhere', join(path, 'dangling'))
  const store = directoryStore(path)
  await store.put('name', [Buffer.from('x')])
  assert.deepEqual(await listed(store), ['name'])
})

test('a lock whose temporary file somebody else has cleaned away is created all the same, and once', async () => {
  const path = await newDirectory()
  const [temporary, lock] = [join(path, 'gone'), join(path, 'key.lock')]
  assert.equal(await publishNew(temporary, lock, Buffer.from('mine')), true)
  assert.equal(await readFile(lock, 'utf8'), 'mine')
  assert.equal(await publishNew(temporary, lock, Buffer.from('other')), false)
  assert.equal(await readFile(lock, 'utf8'), 'mine')
})

test('what a killed run has left is removed for its key only', async () => {
  const path = await newDirectory()
  const store = directoryStore(path)
  const random = '0123456789abcdef'
  const artifact = 'full.20261123T000000.000Z.tar.zst'
  const removed = removedName('key.state.20261123T000000.000Z.json', '20261124T000000.000Z')
  const ours = [
    ...[`.key.${artifact}.${random}.tmp`, `.key.state.20261123T000000.000Z.json.${random}.tmp`],
    `.${removed}.${random}.tmp`
  ]
  const others = [
    `.key2.${artifact}.${random}.tmp`,
    `.key.more.${artifact}.${random}.tmp`,
    `.key.${artifact}`,
    `.key.${artifact}.${random}.tmp.more`,
    `key.${artifact}`
  ]
  for (const name of [...ours, ...others]) await writeFile(join(path, name), 'x')
  const { pid } = spawnSync('true')
  const holder = { pid, host: hostname(), startedNs: '1', token: 'a'.repeat(32) }
  ours.push(`.key.lock.${'1'.repeat(16)}.tmp`, `.key.lock.${'a'.repeat(16)}.${random}.tmp`)
  for (const name of ours.slice(3)) await writeFile(join(path, name), JSON.stringify(holder))
  // Killed before it had written whose it is.
  ours.push(`.key.lock.${'3'.repeat(16)}.tmp`)
  await writeFile(join(path, ours.at(-1)!), '')
  others.push(`.key.lock.${'2'.repeat(16)}.tmp`)
  await writeFile(join(path, others.at(-1)!), JSON.stringify({ ...holder, pid: process.pid }))
  assert.equal(await store.clean('key'), ours.length)
  assert.deepEqual((await readdir(path)).sort(), others.sort())
  assert.equal(await directoryStore(join(path, 'none')).clean('key'), 0)
})

test('a put under way is seen as its temporary name only', async () => {
  const path = await newDirectory()
  const store = directoryStore(path)
  const source = (async function* () {
    yield Buffer.from('half')
    const [name] = await readdir(path)
    assert.match(name!, /^\.some name\.[0-9a-f]{16}\.tmp$/)
    assert.deepEqual(await listed(store), [])
  })()
  await store.put('some name', source)
  assert.equal(await readFile(join(path, 'some name'), 'utf8'), 'half')
})

test('readers that stop leave no descriptor open', async () => {
  const store = directoryStore(await newDirectory())
  await store.put('name', [Buffer.alloc(3_000_000)])
  const before = (await readdir('/proc/self/fd')).length
  for (let i = 0; i < 20; i++) for await (const _ of store.get('name')) break
  assert.equal((await readdir('/proc/self/fd')).length, before)
})

test('a retained file is read-only, and no store of the directory deletes or replaces it before its time', async t => {
  const path = await newDirectory()
  const store = directoryStore(path)
  await store.put('name', [Buffer.from('x')])
  const untilMs = Date.now() + 60_000
  await store.retain('name', untilMs)
  assert.equal((await stat(join(path, 'name'))).mode & 0o777, 0o400)
  assert.equal(await readFile(join(path, '.name.until'), 'utf8'), `${new Date(untilMs).toISOString()}\n`)
  const other = directoryStore(path)
  await assert.rejects(other.delete('name'), { code: 'IBT_RETAINED' })
  await assert.rejects(other.put('name', [Buffer.from('y')]), { code: 'IBT_RETAINED' })
  const found: unknown[] = []
  for await (const listed of other.list()) found.push(listed)
  assert.deepEqual(found, [{ name: 'name', sizeBytes: 1, retainedUntilMs: untilMs }])
  await store.retain('name', untilMs + 60_000)
  t.mock.timers.enable({ apis: ['Date'], now: untilMs + 1000 })
  await assert.rejects(other.delete('name'), { code: 'IBT_RETAINED' })
  t.mock.timers.setTime(untilMs + 60_000)
  await other.delete('name')
  assert.deepEqual(await readdir(path), [])
})

test('a mark that says no time retains until it is removed, and one without its file goes', async () => {
  const path = await newDirectory()
  const store = directoryStore(path)
  const name = 'key.full.20261123T000000.000Z.tar'
  await store.put(name, [Buffer.from('x')])
  await writeFile(join(path, `.${name}.until`), 'for ever\n')
  await assert.rejects(store.delete(name), { code: 'IBT_RETAINED' })
  await store.clean('key')
  await assert.rejects(store.delete(name), { code: 'IBT_RETAINED' })
  await rm(join(path, name))
  await store.clean('key')
  assert.deepEqual(await readdir(path), [])
})
