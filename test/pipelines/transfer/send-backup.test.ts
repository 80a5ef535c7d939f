import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { appendFileSync, cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { knownCodecs } from '../../../src/codec/index.js'
import { parseDate } from '../../../src/format/dates.js'
import {
  type BackupReport,
  type Chunk,
  type Codec,
  type Counted,
  chainCodecs,
  type Entry,
  fullBackup,
  gzip,
  incrementalBackup,
  isBackupError,
  mergeBackups,
  none,
  parseArtifactName,
  type ReceiveOptions,
  type ReceiveReport,
  receiveBackup,
  restoreBackup,
  type Sealed,
  type SendOptions,
  type Source,
  type Store,
  sendBackup,
  verifyBackup,
  zstd
} from '../../../src/index.js'
import { memoryStore, wrapStore } from '../../../src/stores/index.js'
import { collect } from '../../helpers/entries.js'
import { type FarLineOptions, farLine } from '../../helpers/far-line.js'
import { assertSameTree } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { EDITS, Playground } from '../../helpers/playground.js'
import { createRandom } from '../../helpers/random.js'
import { temporaryDirectory } from '../../native/tree.js'

const KEY = 'key'

function makeSource(t: TestContext): string {
  const source = join(temporaryDirectory(t), 'source')
  mkdirSync(join(source, 'sub'), { recursive: true })
  const random = createRandom(1)
  writeFileSync(join(source, 'large'), random.bytes(3_000_000))
  writeFileSync(join(source, 'sub/middle'), random.bytes(100_000))
  writeFileSync(join(source, 'small'), 'small')
  return source
}

interface Sent {
  readonly sent: PromiseSettledResult<BackupReport>
  readonly received: PromiseSettledResult<ReceiveReport>
  readonly line: ReturnType<typeof farLine>
}

/** Both ends of a backup, over a line. */
async function exchange(
  source: string,
  store: Store,
  {
    send,
    receive,
    line: lineOptions
  }: { readonly send?: SendOptions; readonly receive?: ReceiveOptions; readonly line?: FarLineOptions } = {}
): Promise<Sent> {
  const line = farLine(lineOptions)
  const [sent, received] = await Promise.allSettled([
    sendBackup(line.near, source, { key: KEY, ...send }),
    receiveBackup(line.far, { store, cache: false, ...receive })
  ])
  return { sent, received, line }
}

function fulfilled<T>(result: PromiseSettledResult<T>): T {
  if (result.status === 'rejected') throw result.reason
  return result.value
}

function codeOf(error: unknown): string | undefined {
  return isBackupError(error) ? error.code : undefined
}

function reasonOf(result: PromiseSettledResult<unknown>): unknown {
  assert.equal(result.status, 'rejected')
  return (result as PromiseRejectedResult).reason
}

async function bytesOf(store: Store, name: string): Promise<Buffer> {
  return Buffer.concat(await collect(store.get(name)))
}

async function namesOf(store: Store): Promise<string[]> {
  return (await collect(store.list())).map(({ name }) => name)
}

async function copyOf(store: Store): Promise<Store> {
  const copy = memoryStore()
  for (const name of await namesOf(store)) await copy.put(name, [await bytesOf(store, name)])
  return copy
}

/** The text of a state, without what differs from run to run: a later one may read a file when its times prove something. */
async function stateText(store: Store, name: string): Promise<string> {
  const codec = knownCodecs()(parseArtifactName(name)!.suffixes)!
  const text = Buffer.concat(await collect(codec.decodeAll(store.get(name), name))).toString('utf8')
  return text
    .replace(/"startedNs":"\d+"/, '')
    .replace(/"linesSha256":"\w+"/, '')
    .replaceAll(',"racy":true', '')
}

/** A local backup of the same date stores the same bytes. */
async function assertSameAsLocal(source: string, before: Store, after: Store, report: BackupReport, codec?: Codec) {
  const run = report.kind === 'full' ? fullBackup : incrementalBackup
  const date = new Date(parseDate(report.date))
  const options = { store: before, cache: false, key: KEY, date, codec, allowShrink: true } as const
  const local = await run(source, options)
  assert.deepEqual(
    report.files.map(({ name }) => name),
    local.files.map(({ name }) => name)
  )
  for (const { name, kind } of local.files) {
    if (kind === 'state') assert.equal(await stateText(after, name), await stateText(before, name))
    else assert.ok((await bytesOf(after, name)).equals(await bytesOf(before, name)), name)
  }
}

const CODECS = { default: undefined, gzip: gzip(), none: none() }

test(
  'over a line with latency, a random history is stored as a local backup stores it',
  oracle('rsync', 'mkfifo'),
  async t => {
    const directory = temporaryDirectory(t)
    const ROUNDS = process.env.SLOW === '1' ? 60 : 6
    for (const [name, codec] of Object.entries(CODECS)) {
      const seed = Number(process.env.SEED ?? 1) + name.length
      // How the line cuts depends on the machine: what happens to the source does not.
      const [random, ofLine] = [createRandom(seed), createRandom(seed)]
      const source = join(directory, name)
      mkdirSync(source)
      const ground = new Playground(source)
      const store = memoryStore()
      for (let round = 0; round < ROUNDS; round++) {
        for (let edits = 12 + random.int(20); edits > 0; edits--)
          EDITS[random.pick(Object.keys(EDITS) as (keyof typeof EDITS)[])](ground, random)
        const isChain = (await namesOf(store)).length > 0
        if (isChain && random.chance(0.25)) await mergeBackups(KEY, { store, cache: false })
        if (isChain && random.chance(0.2)) {
          const sigvaults = (await namesOf(store)).filter(name => name.includes('.sigvault.'))
          if (sigvaults.length > 0) await store.delete(random.pick(sigvaults))
        }
        const before = await copyOf(store)
        const line = { latencyMs: random.int(4), random: ofLine }
        const send = { codec, allowShrink: true, kind: random.chance(0.1) ? ('full' as const) : ('auto' as const) }
        const { sent, received } = await exchange(source, store, { send, line })
        const report = fulfilled(sent)
        assert.deepEqual(fulfilled(received).files, report.files)
        assert.deepEqual(fulfilled(received).totals, report.totals)
        await assertSameAsLocal(source, before, store, report, codec)
      }
      const { problems } = await verifyBackup(KEY, { store, cache: false, readData: true })
      assert.deepEqual(problems, [])
      await restoreBackup(KEY, join(directory, `${name}-out`), { store, cache: false })
      assertSameTree(join(directory, `${name}-out`), source)
    }
  }
)

test('many changed and many new files cost few ways there and back', async t => {
  const source = makeSource(t)
  const random = createRandom(2)
  for (let i = 0; i < 150; i++) writeFileSync(join(source, `file${i}`), random.bytes(40_000))
  const store = memoryStore()
  fulfilled((await exchange(source, store)).sent)
  for (let i = 0; i < 150; i++) appendFileSync(join(source, `file${i}`), 'more')
  for (let i = 0; i < 100; i++) writeFileSync(join(source, `new${i}`), random.bytes(30_000))
  const { sent, line } = await exchange(source, store, { line: { latencyMs: 20 } })
  const { totals, files } = fulfilled(sent)
  assert.equal(totals.updated, 150)
  assert.equal(totals.created, 100)
  const updated = files.find(({ kind }) => kind === 'updated')!
  assert.ok(updated.sizeBytes < 150 * 4000, `${updated.sizeBytes}`)
  assert.ok(line.near.arrivals < 60, `${line.near.arrivals} arrivals`)
})

test('what is renamed, moved and rotated is found in the store of the receiver', async t => {
  const source = makeSource(t)
  const store = memoryStore()
  writeFileSync(join(source, 'app.log'), createRandom(4).bytes(200_000))
  fulfilled((await exchange(source, store)).sent)
  renameSync(join(source, 'large'), join(source, 'sub/renamed'))
  renameSync(join(source, 'app.log'), join(source, 'app.log.1'))
  appendFileSync(join(source, 'app.log.1'), 'the end')
  writeFileSync(join(source, 'app.log'), 'begun anew')
  const before = await copyOf(store)
  const report = fulfilled((await exchange(source, store)).sent)
  assert.ok(report.storedBytes < 100_000, `${report.storedBytes}`)
  await assertSameAsLocal(source, before, store, report)
})

test('a codec that only the receiver has does not keep a sender from its state', async t => {
  const source = makeSource(t)
  const store = memoryStore()
  const own: Codec = { ...chainCodecs(zstd(), gzip()), name: 'own', suffix: '.own' }
  await fullBackup(source, { store, cache: false, key: KEY, codec: own, codecs: [own] })
  appendFileSync(join(source, 'large'), 'more')
  const { sent, received } = await exchange(source, store, { receive: { codecs: [own] } })
  assert.equal(fulfilled(sent).totals.updated, 1)
  fulfilled(received)
  const { problems } = await verifyBackup(KEY, { store, cache: false, readData: true, codecs: [own] })
  assert.deepEqual(problems, [])
  const refused = await exchange(source, store, {
    send: { codec: { ...own, suffix: '.other' }, codecs: [{ ...own, suffix: '.other' }] },
    receive: { codecs: [own] }
  })
  assert.equal(codeOf(reasonOf(refused.sent)), 'IBT_CODEC_UNKNOWN')
})

const ROOT: Entry = { path: '.', type: 'directory', mode: 0o755, uid: 0, gid: 0, mtimeNs: 0n }

test('nothing is stored if nothing has changed and the sender wants that', async t => {
  const source = makeSource(t)
  const store = memoryStore()
  const content = { open: () => [Buffer.from('some text')] }
  const file: Entry = { ...ROOT, path: 'file', type: 'file', sizeBytes: 9, content }
  const stages = { walk: [ROOT, file] }
  fulfilled((await exchange(source, store, { send: { stages } })).sent)
  const names = await namesOf(store)
  const { sent, received } = await exchange(source, store, { send: { stages, skipUnchanged: true } })
  assert.equal(fulfilled(sent).isStored, false)
  assert.equal(fulfilled(received).isStored, false)
  assert.deepEqual(await namesOf(store), names)
})

test('a cut anywhere leaves the backups before, and the next run begins anew', async t => {
  const source = makeSource(t)
  const store = memoryStore()
  fulfilled((await exchange(source, store)).sent)
  const random = createRandom(7)
  writeFileSync(join(source, 'more'), random.bytes(1_500_000))
  appendFileSync(join(source, 'large'), 'more')
  const whole = await exchange(source, await copyOf(store))
  fulfilled(whole.sent)
  const outcomes = new Set<string>()
  for (let i = 0; i < 24; i++) {
    const from = i % 2 === 0 ? 'near' : 'far'
    const total = (from === 'near' ? whole.line.far : whole.line.near).receivedBytes
    const bytes = i < 4 ? i * 7 : i < 8 ? total - i + 3 : random.int(total)
    const before = await namesOf(store)
    const { sent, received } = await exchange(source, store, { line: { cutAfter: { from, bytes }, random } })
    if (received.status === 'rejected') {
      assert.equal(codeOf(received.reason), 'IBT_CONNECTION_LOST', `cut of ${from} at ${bytes}: ${received.reason}`)
      assert.deepEqual(await namesOf(store), before)
    }
    if (sent.status === 'rejected') {
      assert.match(String(codeOf(sent.reason)), /^IBT_(CONNECTION_LOST|OUTCOME_UNKNOWN)$/)
      if (codeOf(sent.reason) === 'IBT_CONNECTION_LOST') assert.equal(received.status, 'rejected')
    } else assert.equal(received.status, 'fulfilled')
    outcomes.add(`${sent.status} ${received.status}`)
  }
  assert.ok(outcomes.has('rejected rejected'), [...outcomes].join())
  fulfilled((await exchange(source, store)).sent)
  const { problems } = await verifyBackup(KEY, { store, cache: false, readData: true })
  assert.deepEqual(problems, [])
})

test('errors of either side come out at both with their code, and nothing is stored', async t => {
  const source = makeSource(t)
  const store = memoryStore()
  const none = await exchange(source, store, { send: { kind: 'incremental' } })
  assert.equal(codeOf(reasonOf(none.sent)), 'IBT_NO_BACKUP')
  assert.match(String(reasonOf(none.sent)), /The receiver has failed: No backup of key/)
  assert.equal(codeOf(reasonOf(none.received)), 'IBT_NO_BACKUP')

  const other = await exchange(source, store, { receive: { key: 'other' } })
  assert.equal(codeOf(reasonOf(other.sent)), 'IBT_NAME_INVALID')

  fulfilled((await exchange(source, store)).sent)
  const names = await namesOf(store)
  const elsewhere = join(source, '../elsewhere')
  cpSync(source, elsewhere, { recursive: true })
  const mismatch = await exchange(elsewhere, store)
  assert.equal(codeOf(reasonOf(mismatch.sent)), 'IBT_SOURCE_MISMATCH')
  rmSync(source, { recursive: true })
  mkdirSync(source)
  const shrunk = await exchange(source, store)
  assert.equal(codeOf(reasonOf(shrunk.sent)), 'IBT_SOURCE_SHRUNK')
  assert.equal(codeOf(reasonOf(shrunk.received)), 'IBT_SOURCE_SHRUNK')
  assert.match(String(reasonOf(shrunk.received)), /The sender has failed/)
  const full = wrapStore(store, {
    async put(name) {
      throw Object.assign(new Error(`no space for ${name}`), { code: 'ENOSPC' })
    }
  })
  const failed = await exchange(source, full, { send: { allowShrink: true } })
  assert.match(String(reasonOf(failed.sent)), /The receiver has failed: .*no space/)
  assert.match(String(reasonOf(failed.received)), /no space/)
  assert.deepEqual(await namesOf(store), names)
})

test('an abort of either side ends both', async t => {
  const source = makeSource(t)
  const store = memoryStore()
  for (const side of ['send', 'receive'] as const) {
    const controller = new AbortController()
    const reason = new Error('enough')
    const onProgress = () => controller.abort(reason)
    const { sent, received } = await exchange(source, store, { [side]: { signal: controller.signal, onProgress } })
    const [own, other] = side === 'send' ? [sent, received] : [received, sent]
    assert.equal(reasonOf(own), reason)
    assert.equal(codeOf(reasonOf(other)), 'IBT_CONNECTION_LOST')
    assert.match(String(reasonOf(other)), /has failed: enough/)
    assert.deepEqual(await namesOf(store), [])
  }
  const aborted = await exchange(source, store, { send: { signal: AbortSignal.abort(new Error('before')) } })
  assert.match(String(reasonOf(aborted.sent)), /before/)
})

test('a slow store holds the source back: what is under way is bounded', async t => {
  const source = makeSource(t)
  let [made, stored] = [0, 0]
  const chunk = createRandom(1).bytes(1 << 20)
  const entry: Entry = {
    ...{ path: 'huge', type: 'file', mode: 0o644, uid: 0, gid: 0, mtimeNs: 0n, sizeBytes: 2 ** 40 },
    content: {
      async *open() {
        for (;;) {
          made += chunk.length
          yield chunk
        }
      }
    }
  }
  const controller = new AbortController()
  const store = wrapStore(memoryStore(), {
    async put(_name, bytes, options) {
      for await (const part of bytes) {
        stored += part.length
        if (stored > 8 << 20)
          await new Promise((_, reject) =>
            options?.signal?.addEventListener('abort', () => reject(options.signal?.reason))
          )
      }
    }
  })
  const running = exchange(source, store, {
    send: { stages: { walk: [ROOT, entry] }, codec: none(), signal: controller.signal },
    receive: { signal: controller.signal }
  })
  for (let before = -1; made === 0 || before !== made; await setTimeout(300)) before = made
  assert.ok(made - stored < 96 << 20, `${(made - stored) >> 20} MiB under way`)
  controller.abort(new Error('enough'))
  assert.match(String(reasonOf((await running).sent)), /enough/)
})

/** A sender that does not do what it was told to. */
async function dishonest(
  source: string,
  store: Store,
  lie: (items: AsyncIterable<Chunk | Sealed | Counted>) => AsyncIterable<Chunk | Sealed | Counted>
): Promise<string | undefined> {
  const before = await namesOf(store)
  const stages: SendOptions['stages'] = d => ({
    publish: (items: Source<Chunk | Sealed | Counted>, context) =>
      d.publish(lie(items as AsyncIterable<Chunk | Sealed | Counted>), context)
  })
  const { received } = await exchange(source, store, { send: { codec: none(), stages } })
  assert.deepEqual(await namesOf(store), before)
  return codeOf(reasonOf(received))
}

test('a sender that is not honest stores nothing', async t => {
  const source = makeSource(t)
  const store = memoryStore()
  fulfilled((await exchange(source, store, { send: { codec: none() } })).sent)
  appendFileSync(join(source, 'large'), 'more')
  const rename = (change: (name: string) => string) =>
    async function* (items: AsyncIterable<Chunk | Sealed | Counted>) {
      for await (const item of items) yield 'name' in item ? { ...item, name: change(item.name) } : item
    }
  assert.equal(
    await dishonest(
      source,
      store,
      rename(name => name.replace('key.', 'kez.'))
    ),
    'IBT_NAME_INVALID'
  )
  assert.equal(
    await dishonest(
      source,
      store,
      rename(name => name.replace(/\.2\d{3}/, '.2001'))
    ),
    'IBT_NAME_INVALID'
  )
  const only = (isWanted: (item: Chunk | Sealed | Counted) => boolean) =>
    async function* (items: AsyncIterable<Chunk | Sealed | Counted>) {
      for await (const item of items) if (isWanted(item)) yield item
    }
  assert.equal(
    await dishonest(
      source,
      store,
      only(item => 'kind' in item && item.kind === 'state')
    ),
    'IBT_BASIS_MISSING'
  )
  assert.equal(
    await dishonest(
      source,
      store,
      only(item => !('kind' in item) || item.kind !== 'state')
    ),
    'IBT_ARCHIVE_TRUNCATED'
  )
  /** Another text of the state, sealed as it should be. */
  const restate = (change: (text: string) => string) =>
    async function* (items: AsyncIterable<Chunk | Sealed | Counted>) {
      let text = ''
      for await (const item of items) {
        if (!('kind' in item) || item.kind !== 'state') yield item
        else if (item.item === 'chunk') text += Buffer.from(item.bytes).toString('utf8')
        else {
          const lines = change(text).split('\n')
          const closing = lines.findLastIndex(line => line.startsWith('],'))
          const digest = createHash('sha256')
            .update(`${lines.slice(0, closing).join('\n')}\n`)
            .digest('hex')
          lines[closing] = lines[closing]!.replace(/"linesSha256":"\w+"/, `"linesSha256":"${digest}"`)
          const bytes = Buffer.from(lines.join('\n'))
          yield { item: 'chunk' as const, name: item.name, kind: item.kind, bytes }
          yield { ...item, sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
        }
      }
    }
  const lies: readonly (readonly [string, (text: string) => string])[] = [
    ['IBT_BASIS_MISMATCH', text => text.replace(/"stateSha256":"\w{8}/, '"stateSha256":"00000000')],
    ['IBT_STATE_INVALID', text => text.replace('"key":"key"', '"key":"kez"')],
    ['IBT_UNSAFE_PATH', text => text.replace('"path":"small"', '"path":"../small"')],
    ['IBT_UNSAFE_PATH', text => text.replace('"path":"sub/middle"', '"path":"suc/middle"')],
    ['IBT_BASIS_MISSING', text => text.replace(/(?<="kind":"full"[^}]*"sha256":")\w{8}/, '00000000')]
  ]
  for (const [expected, lie] of lies) assert.equal(await dishonest(source, store, restate(lie)), expected, String(lie))
  // The lie itself does no harm.
  const { sent } = await exchange(source, store, {
    send: {
      codec: none(),
      stages: d => ({ publish: (items, context) => d.publish(restate(text => text)(items as never), context) })
    }
  })
  fulfilled(sent)
})

test('who speaks something else is refused at once', async t => {
  const source = makeSource(t)
  for (const text of ['Welcome to this machine\n', 'ibt-talk\0\0\0\u0002', '']) {
    const { near, far } = farLine()
    far.end(text)
    const expected =
      text === '' ? 'IBT_CONNECTION_LOST' : text.startsWith('W') ? 'IBT_ARCHIVE_CORRUPT' : 'IBT_STATE_VERSION'
    await assert.rejects(sendBackup(near, source, { key: KEY }), { code: expected })
  }
})
