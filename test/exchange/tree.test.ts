import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { none } from '../../src/codec/index.js'
import { Line } from '../../src/exchange/line.js'
import { decodeValue, Kind, type Message } from '../../src/exchange/messages.js'
import { encodePacked } from '../../src/exchange/packed.js'
import { isBackupError, type ReceiveTreeOptions, receiveTree, sendTree } from '../../src/index.js'
import { farLine } from '../helpers/far-line.js'
import { createRandom } from '../helpers/random.js'
import { temporaryDirectory } from '../native/tree.js'

const HELLO = {
  ...{ mode: 'tree', packing: '', exclude: [], checksum: false, root: '/source', host: 'host' },
  ...{ defaultKey: 'source', kind: 'auto', suffixes: [] }
}
const ROOT = { path: '.', type: 'directory', mode: 0o755, uid: 0, gid: 0, mtimeNs: '0' }
const FILE = { ...ROOT, path: 'file', type: 'file', mode: 0o644, sizeBytes: 4 }

type Say = (line: Line) => Promise<unknown>

/** As both sides do when they hear of a failure: the other one waits for it. */
function hangUpWhenFailed(line: Line): void {
  line.signal.addEventListener('abort', () => void line.close())
}

/** A sender that says what a test wants, and how the receiver takes it: the code of its error, or what it could not write. */
async function receiveFrom(
  into: string,
  { hello = HELLO, list, answer }: { readonly hello?: object; readonly list: Say; readonly answer?: Say },
  options: ReceiveTreeOptions = {}
): Promise<string> {
  const { near, far } = farLine()
  const line: Line = new Line(near, 'receiver', ({ kind }: Message) => {
    if (kind === Kind.hello) list(line).catch(() => {})
    else if (kind === Kind.want) answer?.(line).catch(() => {})
    else if (kind === Kind.done) line.fail(new Error('done'))
  })
  hangUpWhenFailed(line)
  line.send(Kind.hello, hello).catch(() => {})
  const errors: string[] = []
  const received = await receiveTree(far, into, {
    overwrite: 'if-changed',
    ...options,
    onError: ({ code, path }) => errors.push(`${code} ${path}`)
  }).then(
    ({ skippedEntries }) => `${skippedEntries} skipped: ${errors.join()}`,
    error => (isBackupError(error) ? error.code : String(error))
  )
  line.fail(new Error('over'))
  await line.close()
  return received
}

function listing(...entries: readonly object[]): Say {
  return async line => {
    const text = entries.map(entry => `${JSON.stringify(entry)}\n`).join('')
    await line.send(Kind.listing, await encodePacked(none(), Buffer.from(text)))
    await line.send(Kind.listed, { entries: entries.length })
  }
}

function answering({
  head = {},
  bytes = ['text'],
  end = {}
}: {
  readonly head?: object
  readonly bytes?: readonly (string | Buffer)[]
  readonly end?: object
}): Say {
  return async line => {
    await line.send(Kind.answer, { entry: 1, form: 'whole', sizeBytes: 4, ...head })
    for (const part of bytes) await line.send(Kind.bytes, await encodePacked(none(), Buffer.from(part)))
    const sha256 = createHash('sha256').update('text').digest('hex')
    await line.send(Kind.answered, { entry: 1, sha256, sizeBytes: 4, ...end })
  }
}

function directories(t: TestContext) {
  const base = temporaryDirectory(t)
  const into = join(base, 'into')
  mkdirSync(join(base, 'outside'))
  mkdirSync(into)
  return { base, into, outside: join(base, 'outside') }
}

test('a sender writes nothing outside the directory', async t => {
  const { base, into, outside } = directories(t)
  symlinkSync(outside, join(into, 'link'))
  const cases: [string, readonly object[]][] = [
    ['IBT_UNSAFE_PATH', [ROOT, { ...FILE, path: '../outside/file' }]],
    ['IBT_UNSAFE_PATH', [ROOT, { ...FILE, path: join(outside, 'file') }]],
    ['IBT_UNSAFE_PATH', [ROOT, { ...FILE, path: 'a/../../outside/file' }]],
    ['IBT_UNSAFE_PATH', [ROOT, { ...FILE, path: 'link/file' }]],
    ['IBT_UNSAFE_PATH', [FILE]],
    [
      'IBT_UNSAFE_PATH',
      [ROOT, { ...FILE, path: 'new', type: 'symlink', linkname: outside }, { ...FILE, path: 'new/file' }]
    ],
    ['IBT_OUT_OF_ORDER', [ROOT, { ...FILE, path: 'b' }, { ...FILE, path: 'a' }]],
    [
      'IBT_OUT_OF_ORDER',
      [ROOT, { ...ROOT, path: 'new' }, { ...FILE, path: 'new', type: 'symlink', linkname: outside }]
    ],
    ['IBT_STATE_INVALID', [ROOT, { ...FILE, mode: 'all' }]],
    ['IBT_STATE_INVALID', [ROOT, { ...FILE, link: -1 }]]
  ]
  for (const [code, entries] of cases) {
    const outcome = await receiveFrom(into, { list: listing(...entries) })
    assert.equal(outcome, code, JSON.stringify(entries))
  }
  assert.deepEqual(readdirSync(outside), [])
  // A directory in the place of a link replaces it.
  const inLink = [ROOT, { ...ROOT, path: 'link' }, { ...FILE, path: 'link/file' }]
  const answer = answering({ head: { entry: 2 }, end: { entry: 2 } })
  assert.equal(await receiveFrom(into, { list: listing(...inLink), answer }), '0 skipped: ')
  assert.deepEqual(readdirSync(outside), [])
  assert.equal(readFileSync(join(into, 'link/file'), 'utf8'), 'text')
  assert.deepEqual(readdirSync(base).sort(), ['into', 'outside'])
})

test('a content that is not what the sender says is not written', async t => {
  const { into } = directories(t)
  writeFileSync(join(into, 'file'), 'the old file')
  const wrong = '0'.repeat(64)
  const cases: [string, Say][] = [
    ['1 skipped: IBT_HASH_MISMATCH file', answering({ end: { sha256: wrong } })],
    ['1 skipped: IBT_HASH_MISMATCH file', answering({ bytes: ['te'] })],
    [
      '1 skipped: IBT_BASIS_MISSING file',
      answering({ head: { form: 'delta' }, bytes: ['no delta'], end: { sha256: wrong } })
    ],
    [
      '1 skipped: IBT_READ_FAILED file',
      answering({ bytes: [], end: { sha256: undefined, code: 'EVIL', message: 'no' } })
    ],
    ['IBT_ARCHIVE_CORRUPT', answering({ bytes: ['text and more'] })],
    ['IBT_ARCHIVE_CORRUPT', answering({ head: { sizeBytes: 2 ** 40 } })],
    ['IBT_ARCHIVE_CORRUPT', answering({ head: { sizeBytes: -1 } })],
    ['IBT_ARCHIVE_CORRUPT', answering({ head: { form: 'other' } })],
    ['IBT_ARCHIVE_CORRUPT', answering({ head: { entry: 0 } })],
    ['IBT_ARCHIVE_CORRUPT', answering({ bytes: [Buffer.alloc(600_000)] })],
    ['IBT_ARCHIVE_CORRUPT', answering({ end: { sha256: 'none' } })],
    ['IBT_ARCHIVE_CORRUPT', answering({ end: { entry: 7 } })],
    ['IBT_ARCHIVE_CORRUPT', line => line.send(Kind.bytes, Buffer.alloc(8))],
    ['IBT_ARCHIVE_CORRUPT', line => line.send(Kind.data, Buffer.alloc(8))]
  ]
  for (const [i, [outcome, answer]] of cases.entries()) {
    assert.equal(await receiveFrom(into, { list: listing(ROOT, FILE), answer }), outcome, `case ${i}`)
    assert.equal(readFileSync(join(into, 'file'), 'utf8'), 'the old file')
    assert.deepEqual(readdirSync(into), ['file'])
  }
  assert.equal(await receiveFrom(into, { list: listing(ROOT, FILE), answer: answering({}) }), '0 skipped: ')
  assert.equal(readFileSync(join(into, 'file'), 'utf8'), 'text')
})

test('a listing that is cut, endless or not one is refused', async t => {
  const { into } = directories(t)
  const bytes = async (line: Line, text: string) =>
    line.send(Kind.listing, await encodePacked(none(), Buffer.from(text)))
  const endless: Say = async line => {
    for (;;) await bytes(line, 'x'.repeat(400_000))
  }
  const cases: [string, Say][] = [
    ['IBT_ARCHIVE_CORRUPT', async line => line.send(Kind.listed, { entries: 1 })],
    [
      'IBT_ARCHIVE_CORRUPT',
      async line => bytes(line, `${JSON.stringify(ROOT)}\n{"pa`).then(() => line.send(Kind.listed, { entries: 1 }))
    ],
    ['IBT_ARCHIVE_CORRUPT', async line => listing(ROOT)(line).then(() => bytes(line, `${JSON.stringify(FILE)}\n`))],
    ['IBT_ARCHIVE_CORRUPT', endless],
    ['IBT_STATE_INVALID', async line => bytes(line, 'no line of a state\n')],
    ['IBT_ARCHIVE_CORRUPT', async line => line.send(Kind.listing, Buffer.alloc(2))]
  ]
  for (const [i, [code, list]] of cases.entries()) assert.equal(await receiveFrom(into, { list }), code, `case ${i}`)
  assert.deepEqual(readdirSync(into), [])
})

test('a greeting that is none is refused by its code, and the sender of an older version hears why', async t => {
  const { into } = directories(t)
  const list = listing(ROOT)
  const { mode: _, ...older } = HELLO
  assert.equal(await receiveFrom(into, { hello: older, list }), 'IBT_NOT_ALLOWED')
  assert.equal(await receiveFrom(into, { hello: { ...HELLO, packing: '.new' }, list }), 'IBT_CODEC_UNKNOWN')
  assert.equal(await receiveFrom(into, { hello: { ...HELLO, exclude: 'all' }, list }), 'IBT_ARCHIVE_CORRUPT')
  const { near, far } = farLine()
  const receiver: Line = new Line(far, 'sender', () => receiver.send(Kind.hello, { key: 'source', date: 'now' }))
  hangUpWhenFailed(receiver)
  await assert.rejects(sendTree(near, into), { code: 'IBT_NOT_ALLOWED', message: /give it --into DIR/ })
  await receiver.close()
  assert.match(String(receiver.signal.reason), /The sender has failed: The receiver stores backups/)
})

test('a receiver gets only what is listed', async t => {
  const { base, into } = directories(t)
  writeFileSync(join(into, 'file'), 'text')
  writeFileSync(join(base, 'outside/secret'), 'secret')
  const ask = async (say: Say) => {
    const { near, far } = farLine()
    const heard: Buffer[] = []
    const receiver: Line = new Line(far, 'sender', async ({ kind, body }) => {
      if (kind === Kind.hello) await receiver.send(Kind.hello, { mode: 'tree', deletes: false, checksum: false })
      else if (kind === Kind.listed) say(receiver).catch(() => {})
      else heard.push(Buffer.from(body))
      if (kind === Kind.answered) await receiver.send(Kind.done, decodeValue<object>(body))
    })
    hangUpWhenFailed(receiver)
    const sent = await sendTree(near, into).then(
      ({ sentFiles }) => `${sentFiles} sent`,
      error => (isBackupError(error) ? error.code : String(error))
    )
    await receiver.close()
    return { sent, heard: Buffer.concat(heard).toString('latin1') }
  }
  const want =
    (entry: unknown, more = {}): Say =>
    line =>
      line.send(Kind.want, { entry, isSigned: false, ...more })
  assert.equal((await ask(want(1))).sent, '1 sent')
  for (const say of [want(0), want(2), want(-1), want('../outside/secret'), want(1, { isSigned: 1 })]) {
    assert.equal((await ask(say)).sent, 'IBT_ARCHIVE_CORRUPT')
  }
  const passed: Say = async line => {
    await line.send(Kind.passed, { bytes: 1_000_000 })
  }
  assert.equal((await ask(passed)).sent, 'IBT_ARCHIVE_CORRUPT')
  const signed =
    (signature: Buffer): Say =>
    async line => {
      await line.send(Kind.want, { entry: 1, isSigned: true })
      await line.send(Kind.last, signature)
    }
  // What is no signature saves nothing.
  for (const signature of [Buffer.alloc(0), createRandom(1).bytes(500)])
    assert.equal((await ask(signed(signature))).sent, '1 sent')
  assert.equal(existsSync(join(into, 'outside')), false)
})
