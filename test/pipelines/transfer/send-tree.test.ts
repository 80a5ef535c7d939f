import assert from 'node:assert/strict'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import {
  BackupError,
  type Change,
  compose,
  type Entry,
  isBackupError,
  type ReceiveTreeOptions,
  type ReceiveTreeReport,
  receiveBackup,
  receiveTree,
  type SendTreeOptions,
  type SendTreeReport,
  type Stage,
  sendBackup,
  sendTree
} from '../../../src/index.js'
import { memoryStore } from '../../../src/stores/index.js'
import { collect } from '../../helpers/entries.js'
import { type FarLineOptions, farLine } from '../../helpers/far-line.js'
import { assertSameAttributes, assertSameTree, assertTarCompares } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { EDITS, Playground } from '../../helpers/playground.js'
import { createRandom } from '../../helpers/random.js'
import { temporaryDirectory } from '../../native/tree.js'

interface Exchanged {
  readonly sent: PromiseSettledResult<SendTreeReport>
  readonly received: PromiseSettledResult<ReceiveTreeReport>
  readonly line: ReturnType<typeof farLine>
}

interface ExchangeOptions {
  readonly send?: SendTreeOptions
  readonly receive?: ReceiveTreeOptions
  readonly line?: FarLineOptions
}

async function exchange(source: string, into: string, options: ExchangeOptions = {}): Promise<Exchanged> {
  const line = farLine(options.line)
  const [sent, received] = await Promise.allSettled([
    sendTree(line.near, source, options.send),
    receiveTree(line.far, into, options.receive)
  ])
  return { sent, received, line }
}

function fulfilled<T>(result: PromiseSettledResult<T>): T {
  if (result.status === 'rejected') throw result.reason
  return result.value
}

function reasonOf(result: PromiseSettledResult<unknown>): Error {
  assert.equal(result.status, 'rejected')
  return (result as PromiseRejectedResult).reason
}

function codeOf(result: PromiseSettledResult<unknown>): string | undefined {
  const reason = reasonOf(result)
  return isBackupError(reason) ? reason.code : String(reason)
}

/** Both ends have done it, and how. */
async function sync(source: string, into: string, options: ExchangeOptions = {}) {
  const { sent, received, line } = await exchange(source, into, options)
  return { ...fulfilled(received), ...fulfilled(sent), received: fulfilled(received), line }
}

function places(t: TestContext) {
  const base = temporaryDirectory(t)
  const [source, into] = [join(base, 'source'), join(base, 'into')]
  mkdirSync(join(source, 'sub'), { recursive: true })
  return { base, source, into }
}

const PARTIAL = /(?:^|\/)\.ibt-partial-[0-9a-f]{8}\.tmp$/

function leftovers(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter(name => /(?:^|\/)\.ibt/.test(name))
}

test(
  'over a line with latency, a random history makes the directory equal to the source',
  oracle('rsync', 'tar'),
  async t => {
    const { source, into } = places(t)
    const seed = Number(process.env.SEED ?? 1)
    // How the line cuts depends on the machine, and what happens to the source must not: a file that is written to and then
    // gets back the time that it had is not looked at.
    const [random, ofLine] = [createRandom(seed), createRandom(seed)]
    const ground = new Playground(source)
    // A history may leave nothing.
    const whatever = { send: { allowShrink: true }, receive: { delete: true } }
    const ROUNDS = process.env.SLOW === '1' ? 100 : 12
    for (let round = 0; round < ROUNDS; round++) {
      for (let edits = 12 + random.int(20); edits > 0; edits--) {
        EDITS[random.pick(Object.keys(EDITS) as (keyof typeof EDITS)[])](ground, random)
      }
      const line = { latencyMs: random.int(4), random: ofLine }
      const { skippedEntries, notWrittenEntries } = await sync(source, into, { line, ...whatever })
      assert.deepEqual([skippedEntries, notWrittenEntries], [0, 0])
      if (ground.hasXattrs) assertSameAttributes(into, source, `round ${round}`)
      else assertSameTree(into, source, `round ${round}`)
    }
    assertTarCompares(into, source)
    const again = await sync(source, into, whatever)
    assert.equal(again.received.unchangedEntries, again.entries)
    assert.equal(again.sentFiles, 0)
    assert.ok(again.line.far.receivedBytes < 1000 + 200 * again.entries, `${again.line.far.receivedBytes} bytes`)
  }
)

test('a few changed bytes of large files cost their deltas and signatures', oracle('rsync'), async t => {
  const { source, into } = places(t)
  const random = createRandom(3)
  const MIB = 1 << 20
  const block = random.bytes(8 * MIB)
  const large = openSync(join(source, 'large'), 'w')
  for (let i = 0; i < 8; i++) writeSync(large, Buffer.concat([random.bytes(4096), block.subarray(4096)]))
  writeFileSync(join(source, 'middle'), random.bytes(3 * MIB))
  for (let i = 0; i < 20; i++) writeFileSync(join(source, `small${i}`), random.bytes(100_000))
  const first = await sync(source, into)
  assert.equal(first.sentBytes, 69 * MIB + 2_000_000 - 2 * MIB)
  for (const at of [0, 33 * MIB + 5, 64 * MIB - 3]) writeSync(large, 'new', at)
  appendFileSync(join(source, 'middle'), 'more')
  for (let i = 0; i < 20; i++) appendFileSync(join(source, `small${i}`), 'more')
  const { line, deltaFiles, sentFiles, sentBytes } = await sync(source, into, { line: { latencyMs: 10 } })
  assert.deepEqual([sentFiles, deltaFiles], [22, 22])
  assert.ok(sentBytes < 150_000, `${sentBytes} bytes of deltas`)
  const bytes = line.near.receivedBytes + line.far.receivedBytes
  assert.ok(bytes < 0.01 * 69 * MIB, `${bytes} bytes in both directions`)
  assertSameTree(into, source)
})

test('many small files cost few ways there and back: no question waits for an answer', {
  timeout: 300_000
}, async t => {
  const { source, into } = places(t)
  const random = createRandom(2)
  for (let i = 0; i < 300; i++) writeFileSync(join(source, `file${i}`), random.bytes(i % 2 === 0 ? 30_000 : 300))
  await sync(source, into)
  for (let i = 0; i < 300; i++) appendFileSync(join(source, `file${i}`), 'more')
  const { near, far } = farLine({ latencyMs: 20 })
  // The sender answers nothing before it has heard the questions: each has a signature of 300 bytes.
  const all: Stage<Entry> = async function* allStage(entries) {
    while (near.receivedBytes < 40_000) await setImmediate()
    yield* entries
  }
  const [{ deltaFiles }] = await Promise.all([
    sendTree(near, source, { stages: d => ({ sign: compose(all, d.sign) }) }),
    receiveTree(far, into)
  ])
  assert.equal(deltaFiles, 150)
})

test('nothing is deleted unless it was asked for, and nothing of what the sender leaves out', async t => {
  const { source, into } = places(t)
  writeFileSync(join(source, 'sub/kept'), 'kept')
  const extra = ['gone', 'x.o', 'sub/gone', 'sub/x.o', 'cache/x', 'old/deep/x.o', 'old/deep/y', 'stale/y', 'ruled/x']
  const make = () => {
    for (const path of extra) {
      mkdirSync(join(into, path, '..'), { recursive: true })
      writeFileSync(join(into, path), 'extra')
    }
  }
  const left = () => extra.filter(path => existsSync(join(into, path)))
  mkdirSync(join(source, 'ruled'))
  writeFileSync(join(source, 'ruled/.exclude'), '*.tmp\n')
  make()
  assert.equal((await sync(source, into)).received.deletedEntries, 0)
  assert.deepEqual(left(), extra)
  const rules = { exclude: ['*.o', '/cache'] }
  const { received } = await sync(source, into, { send: { rules }, receive: { delete: true } })
  assert.deepEqual(left(), ['x.o', 'sub/x.o', 'cache/x', 'old/deep/x.o', 'old/deep/y', 'ruled/x'])
  assert.equal(received.deletedEntries, 3)
  make()
  await sync(source, into, { receive: { delete: true, exclude: ['stale', '!x.o'] } })
  assert.deepEqual(left(), ['stale/y', 'ruled/x'])
  make()
  for (const rules of [{ files: ['sub'] }, { excludeLargerThanBytes: 3 }, { excludePaths: ['sub'] }]) {
    const { sent, received } = await exchange(source, into, { send: { rules }, receive: { delete: true } })
    assert.deepEqual([codeOf(sent), codeOf(received)], ['IBT_NOT_ALLOWED', 'IBT_NOT_ALLOWED'])
    assert.deepEqual(left(), extra)
  }
  await sync(source, into, { send: { rules: { files: ['sub'] } } })
})

test('a source that is one file is refused: it is in no directory that the other could be equal to', async t => {
  const { source, into } = places(t)
  mkdirSync(into, { mode: 0o755 })
  writeFileSync(join(into, 'other'), 'other')
  writeFileSync(join(source, 'file'), 'file')
  const { sent, received } = await exchange(join(source, 'file'), into, { receive: { delete: true } })
  assert.deepEqual([codeOf(sent), codeOf(received)], ['IBT_READ_FAILED', 'IBT_READ_FAILED'])
  assert.deepEqual([readdirSync(into), lstatSync(into).mode & 0o777], [['other'], 0o755])
})

test('an absolute path that the receiver excludes is one in its directory', async t => {
  const { source, into } = places(t)
  mkdirSync(join(into, 'drafts'), { recursive: true })
  writeFileSync(join(into, 'drafts/x'), 'draft')
  await sync(source, into, { receive: { delete: true, exclude: [join(into, 'drafts')] } })
  assert.equal(readFileSync(join(into, 'drafts/x'), 'utf8'), 'draft')
  const { received } = await exchange(source, into, { receive: { delete: true, exclude: ['~/drafts'] } })
  assert.ok(reasonOf(received) instanceof RangeError)
  assert.ok(existsSync(join(into, 'drafts/x')))
})

test('what the receiver excludes is neither asked for nor written', async t => {
  const { source, into } = places(t)
  for (const name of ['a', 'b.o', 'sub/c', 'sub/d.o']) writeFileSync(join(source, name), name)
  const { sentFiles } = await sync(source, into, { receive: { exclude: ['*.o', '/sub'] } })
  assert.equal(sentFiles, 1)
  assert.deepEqual(readdirSync(into), ['a'])
})

test('size and time are believed unless one side wants checksums; never leaves files alone', async t => {
  const { source, into } = places(t)
  writeFileSync(join(source, 'file'), 'before')
  await sync(source, into)
  const { atime, mtime } = lstatSync(join(source, 'file'))
  writeFileSync(join(into, 'file'), 'BEFORE')
  utimesSync(join(into, 'file'), atime, mtime)
  utimesSync(join(source, 'file'), atime, mtime)
  assert.equal((await sync(source, into)).sentFiles, 0)
  assert.equal(readFileSync(join(into, 'file'), 'utf8'), 'BEFORE')
  const never = await sync(source, into, { receive: { overwrite: 'never' }, send: { checksum: true } })
  assert.equal(never.sentFiles, 0)
  for (const options of [{ send: { checksum: true } }, { receive: { overwrite: 'always' } }] as const) {
    writeFileSync(join(into, 'file'), 'BEFORE')
    utimesSync(join(into, 'file'), atime, mtime)
    assert.equal((await sync(source, into, options)).sentFiles, 1)
    assert.equal(readFileSync(join(into, 'file'), 'utf8'), 'before')
    assert.equal((await sync(source, into, options)).sentFiles, 0)
  }
})

/** Does something each time that the sender has a group of files to read. */
function beforeSigning(act: (group: readonly Change[]) => void): SendTreeOptions['stages'] {
  const first: Stage<Entry> = async function* firstStage(source) {
    const group = await collect(source)
    act(group as Change[])
    yield* group
  }
  return d => ({ sign: compose(first, d.sign) })
}

test('an old file that changes between signature and delta is fetched whole', oracle('rsync'), async t => {
  for (const sizeBytes of [200_000, 3_000_000, 10_000_000]) {
    const { source, into } = places(t)
    const bytes = createRandom(5).bytes(sizeBytes)
    writeFileSync(join(source, 'file'), bytes)
    await sync(source, into)
    appendFileSync(join(source, 'file'), 'more')
    let groups = 0
    const stages = beforeSigning(() => {
      if (groups++ > 0) return
      const fd = openSync(join(into, 'file'), 'r+')
      writeSync(fd, createRandom(6).bytes(sizeBytes - 20_000), 0, null, 10_000)
    })
    const { sentFiles, deltaFiles, sentBytes } = await sync(source, into, { send: { stages } })
    assert.deepEqual([sentFiles, deltaFiles], [2, 1], `${sizeBytes}`)
    assert.ok(sentBytes > sizeBytes)
    assertSameTree(into, source)
    assert.deepEqual(leftovers(into), [])
  }
})

test('a file that the sender cannot read costs that file alone, and the old one stays', async t => {
  for (const sizeBytes of [100, 200_000, 10_000_000]) {
    const { source, into } = places(t)
    const names = ['a', 'b', 'c', 'sub/d']
    const random = createRandom(sizeBytes)
    for (const name of names) writeFileSync(join(source, name), random.bytes(sizeBytes))
    linkSync(join(source, 'b'), join(source, 'sub/link'))
    await sync(source, into)
    const old = readFileSync(join(into, 'b'))
    for (const name of names) appendFileSync(join(source, name), 'more')
    const stages: SendTreeOptions['stages'] = d => ({
      filter: compose(d.filter, async function* failing(entries) {
        for await (const entry of entries) yield entry.path === 'b' ? { ...entry, content: broken(entry) } : entry
      })
    })
    const errors: BackupError[][] = [[], []]
    const { unreadableEntries, notWrittenEntries, received } = await sync(source, into, {
      send: { stages, onError: error => errors[0]!.push(error) },
      receive: { onError: error => errors[1]!.push(error) }
    })
    assert.equal(notWrittenEntries, 1)
    assert.equal(received.skippedEntries, 1)
    assert.equal(unreadableEntries, 1)
    assert.equal(errors[0]!.length, 1)
    for (const error of errors.flat()) assert.deepEqual([error.code, error.path], ['IBT_READ_FAILED', 'b'])
    assert.equal(errors[1]!.length, 1)
    assert.ok(readFileSync(join(into, 'b')).equals(old))
    for (const name of ['a', 'c', 'sub/d', 'sub/link']) {
      assert.ok(readFileSync(join(into, name)).equals(readFileSync(join(source, name))), name)
    }
    assert.deepEqual(leftovers(into), [])
  }
})

/** Yields some bytes, and fails. */
function broken({ path, sizeBytes = 0 }: Entry): Entry['content'] {
  return {
    isRepeatable: true,
    async *open() {
      yield Buffer.alloc(sizeBytes >> 1)
      throw new BackupError('IBT_READ_FAILED', `No more of ${path}`, { path })
    }
  }
}

test('what vanishes or grows before it is read costs that file alone', async t => {
  const { source, into } = places(t)
  for (const name of ['a', 'b', 'c']) writeFileSync(join(source, name), 'before')
  const stages = beforeSigning(() => {
    rmSync(join(source, 'a'), { force: true })
    writeFileSync(join(source, 'b'), Buffer.alloc(4 << 20))
  })
  const errors: string[] = []
  const { received, notWrittenEntries } = await sync(source, into, {
    send: { stages },
    receive: { onError: ({ code, path }) => errors.push(`${code} ${path}`) }
  })
  assert.deepEqual(errors, ['IBT_FILE_CHANGED a', 'IBT_FILE_CHANGED b'])
  assert.equal(notWrittenEntries, 2)
  assert.equal(received.skippedEntries, 2)
  assert.deepEqual(readdirSync(into), ['c', 'sub'])
})

test('a file that changes while it is read is written as it was read, and counted', async t => {
  const { source, into } = places(t)
  writeFileSync(join(source, 'file'), 'content')
  const stages: SendTreeOptions['stages'] = {
    filter: async function* changing(entries) {
      for await (const entry of entries) {
        const look = async () => ({ dirty: true, racy: false })
        const content = { open: () => [Buffer.from('CONTENT')], isRepeatable: true, look }
        yield entry.type === 'file' ? { ...entry, content } : entry
      }
    }
  }
  const { dirtyFiles, unreadableEntries } = await sync(source, into, { send: { stages } })
  assert.deepEqual([dirtyFiles, unreadableEntries], [1, 0])
  assert.equal(readFileSync(join(into, 'file'), 'utf8'), 'CONTENT')
})

test('a directory that the sender cannot list stays as it is', async t => {
  const { source, into } = places(t)
  writeFileSync(join(source, 'sub/file'), 'before')
  await sync(source, into)
  const stages: SendTreeOptions['stages'] = {
    filter: async function* unlisted(entries) {
      for await (const entry of entries) {
        if (entry.path === 'sub') yield { ...entry, type: 'unreadable' as const }
        else if (entry.path === '.') yield entry
      }
    }
  }
  const { unreadableEntries, received } = await sync(source, into, { send: { stages }, receive: { delete: true } })
  assert.deepEqual([unreadableEntries, received.skippedEntries, received.deletedEntries], [1, 1, 0])
  assert.equal(readFileSync(join(into, 'sub/file'), 'utf8'), 'before')
})

test('a cut anywhere leaves whole old files and whole new ones, and the next run goes on', oracle('rsync'), async t => {
  const { source, into } = places(t)
  const random = createRandom(7)
  const names = ['small', 'sub/middle', 'large']
  const sizes = [10_000, 300_000, 9_000_000]
  const contents = new Map<string, Buffer[]>()
  for (const [i, name] of names.entries()) {
    const before = random.bytes(sizes[i]!)
    const after = Buffer.concat([before, random.bytes(60_000)])
    contents.set(name, [before, after])
  }
  const put = (root: string, version: 0 | 1) => {
    for (const [name, versions] of contents) {
      mkdirSync(join(root, name, '..'), { recursive: true })
      writeFileSync(join(root, name), versions[version]!)
    }
  }
  put(source, 1)
  put(into, 0)
  const whole = await sync(source, into)
  for (let i = 0; i < 12; i++) {
    put(into, 0)
    const from = i % 2 === 0 ? 'near' : 'far'
    const total = (from === 'near' ? whole.line.far : whole.line.near).receivedBytes
    const bytes = i < 2 ? i * 7 : random.int(total)
    const { sent, received } = await exchange(source, into, { line: { cutAfter: { from, bytes }, random } })
    const outcomes = [sent, received].map(result => (result.status === 'rejected' ? codeOf(result) : 'done'))
    assert.ok(outcomes.includes('IBT_CONNECTION_LOST'), `${outcomes} after ${bytes} of ${from}`)
    for (const [name, versions] of contents) {
      const found = readFileSync(join(into, name))
      assert.ok(
        versions.some(version => version.equals(found)),
        `${name} after ${bytes} of ${from}`
      )
    }
    assert.ok(
      leftovers(into).every(name => PARTIAL.test(name)),
      `${leftovers(into)}`
    )
  }
  await sync(source, into)
  assertSameTree(into, source)
})

test('a large file that is cut goes on where it was, with and without an old version', oracle('rsync'), async t => {
  const { source, into } = places(t)
  const random = createRandom(17)
  const MIB = 1 << 20
  const content = random.bytes(40 * MIB)
  writeFileSync(join(source, 'sub/large'), content)
  const cut = async (mebibytes: number) => {
    const line = { cutAfter: { from: 'near' as const, bytes: mebibytes * MIB } }
    assert.equal(codeOf((await exchange(source, into, { line })).received), 'IBT_CONNECTION_LOST')
    const [partial, ...others] = leftovers(into)
    assert.deepEqual(others, [])
    assert.match(partial!, PARTIAL)
    return lstatSync(join(into, partial!))
  }
  const first = await cut(24)
  assert.equal(first.mode & 0o777, 0o600)
  assert.ok(first.size > 20 * MIB, `${first.size}`)
  // A run that comes less far takes nothing away.
  assert.ok((await cut(1)).size >= first.size)
  const { sentBytes, deltaFiles } = await sync(source, into)
  assert.equal(deltaFiles, 1)
  assert.ok(sentBytes < 41 * MIB - first.size, `${sentBytes} bytes after ${first.size}`)
  assertSameTree(into, source)
  // Half of it is new, and half of that has come: the rest is in the old version.
  writeFileSync(join(source, 'sub/large'), Buffer.concat([random.bytes(24 * MIB), content.subarray(0, 20 * MIB)]))
  await cut(16)
  assert.ok(readFileSync(join(into, 'sub/large')).equals(content))
  const changed = await sync(source, into)
  assert.ok(changed.sentBytes < 12 * MIB, `${changed.sentBytes} bytes`)
  assertSameTree(into, source)
})

test('an abort of either side ends both', async t => {
  const { source, into } = places(t)
  for (let i = 0; i < 50; i++) writeFileSync(join(source, `file${i}`), Buffer.alloc(50_000, i))
  for (const side of ['send', 'receive'] as const) {
    const controller = new AbortController()
    const reason = new Error('enough')
    const onProgress = () => controller.abort(reason)
    const { sent, received } = await exchange(source, into, { [side]: { signal: controller.signal, onProgress } })
    const [own, other] = side === 'send' ? [sent, received] : [received, sent]
    assert.equal(reasonOf(own), reason)
    assert.equal(codeOf(other), 'IBT_CONNECTION_LOST')
    assert.match(String(reasonOf(other)), /has failed: enough/)
  }
})

test('an end that does something else is refused by both, and nothing is written', async t => {
  const { source, into } = places(t)
  writeFileSync(join(source, 'file'), 'content')
  const store = memoryStore()
  const settle = async (sent: (line: ReturnType<typeof farLine>) => Promise<unknown>[]) => {
    const outcomes = await Promise.allSettled(sent(farLine()))
    assert.deepEqual(outcomes.map(codeOf), ['IBT_NOT_ALLOWED', 'IBT_NOT_ALLOWED'])
    return outcomes.map(reasonOf).map(String)
  }
  const toStore = await settle(({ near, far }) => [sendTree(near, source), receiveBackup(far, { store, cache: false })])
  assert.match(toStore[0]!, /--into/)
  const toTree = await settle(({ near, far }) => [sendBackup(near, source), receiveTree(far, into)])
  assert.match(toTree[0]!, /The receiver has failed: .*--tree/)
  assert.deepEqual(await collect(store.list()), [])
  assert.equal(existsSync(into), false)
})

test('a stage on either side is spliced in; a content that cannot be read again is refused', async t => {
  const { source, into } = places(t)
  writeFileSync(join(source, 'config'), 'password=secret')
  symlinkSync('config', join(source, 'link'))
  chmodSync(join(source, 'config'), 0o600)
  const redacted = (isRepeatable: boolean): SendTreeOptions['stages'] => ({
    filter: async function* redact(entries) {
      for await (const entry of entries) {
        const content = { open: () => [Buffer.from('password=***')], isRepeatable }
        yield entry.type === 'file' ? { ...entry, sizeBytes: 12, content } : entry
      }
    }
  })
  const open: ReceiveTreeOptions['stages'] = {
    filter: async function* readable(entries) {
      for await (const entry of entries) if (entry.type !== 'symlink') yield { ...entry, mode: entry.mode | 0o44 }
    }
  }
  await sync(source, into, { send: { stages: redacted(true) }, receive: { stages: open } })
  assert.equal(readFileSync(join(into, 'config'), 'utf8'), 'password=***')
  assert.equal(lstatSync(join(into, 'config')).mode & 0o777, 0o644)
  assert.equal(existsSync(join(into, 'link')), false)
  const { sent } = await exchange(source, into, { send: { stages: redacted(false) } })
  assert.match(String(reasonOf(sent)), /TypeError: The content of config can be read only now/)
})
