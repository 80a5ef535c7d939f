import assert from 'node:assert/strict'
import { PassThrough, Readable } from 'node:stream'
import { test } from 'node:test'
import { BackupError } from '../../../src/errors.js'
import { memoryStore, serveStore, wrapStore } from '../../../src/stores/index.js'
import { encodeHeader, Frame, FrameReader, type FrameType } from '../../../src/stores/remote/frames.js'
import {
  decodeError,
  decodeHello,
  decodeList,
  decodeRequest,
  encodeError,
  encodeJson,
  encodeListed,
  PROTOCOL
} from '../../../src/stores/remote/messages.js'
import { collect } from '../../helpers/entries.js'
import { createRandom, type Random } from '../../helpers/random.js'

const TYPES = Object.values(Frame)

function randomFrame(random: Random): { readonly type: FrameType; readonly call: number; readonly payload: Buffer } {
  const type = random.pick(TYPES)
  const max =
    type === Frame.credit
      ? 4
      : ([Frame.end, Frame.cancel, Frame.ping, Frame.pong] as FrameType[]).includes(type)
        ? 0
        : 300
  const payload = Buffer.from(
    Array.from({ length: type === Frame.credit ? 4 : random.int(max + 1) }, () => random.int(256))
  )
  return { type, call: random.int(5), payload }
}

test('frames are read as they were written, however they are cut', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = createRandom(seed)
    const frames = Array.from({ length: 12 }, () => randomFrame(random))
    const bytes = Buffer.concat(
      frames.flatMap(({ type, call, payload }) => [encodeHeader(type, call, payload.length), payload])
    )
    const found: [FrameType, number, string][] = []
    let data = ''
    const reader = new FrameReader({
      onFrame: (type, call, payload) => found.push([type, call, Buffer.from(payload).toString('hex')]),
      onData: (_, part) => {
        data += Buffer.from(part).toString('hex')
      }
    })
    for (let at = 0; at < bytes.length; ) {
      const end = at + 1 + random.int(40)
      reader.push(bytes.subarray(at, end))
      at = end
    }
    const [others, datas] = [
      frames.filter(({ type }) => type !== Frame.data),
      frames.filter(({ type }) => type === Frame.data)
    ]
    assert.deepEqual(
      found,
      others.map(({ type, call, payload }) => [type, call, payload.toString('hex')]),
      `seed ${seed}`
    )
    assert.equal(data, Buffer.concat(datas.map(({ payload }) => payload)).toString('hex'), `seed ${seed}`)
  }
})

test('a frame that is too large is refused before it is read', () => {
  const reader = new FrameReader({ onFrame: () => {}, onData: () => {} })
  for (const header of [
    encodeHeader(Frame.call, 1, 2 ** 32 - 1),
    encodeHeader(Frame.ping, 0, 1),
    encodeHeader(77 as FrameType, 0, 0)
  ]) {
    assert.throws(() => reader.push(header), { code: 'IBT_STORE_FAILED' })
  }
})

test('messages that are none are refused with a code, whatever they are', () => {
  const hello = { protocol: PROTOCOL, versions: [1], windowBytes: 1000, id: 'x', calls: ['create'] }
  const samples = [
    hello,
    { call: 'get', name: 'a', start: 1, end: 2 },
    { code: 'IBT_NOT_FOUND', message: 'm', path: 'p' }
  ]
  for (let seed = 1; seed <= 2000; seed++) {
    const random = createRandom(seed)
    const bytes = Buffer.from(encodeJson(random.pick<object>(samples)))
    for (let i = random.int(4); i >= 0; i--) bytes[random.int(bytes.length)] = random.int(256)
    for (const decode of [decodeHello, decodeRequest, decodeError]) {
      try {
        decode(bytes)
      } catch (error) {
        assert.ok(error instanceof BackupError || error instanceof RangeError, `seed ${seed}: ${error}`)
      }
    }
  }
  assert.throws(() => decodeHello(encodeJson({ ...hello, versions: [2] })), /version/)
  for (const windowBytes of [0, -1, 1e12, 'x']) assert.throws(() => decodeHello(encodeJson({ ...hello, windowBytes })))
  assert.throws(() => decodeRequest(encodeJson({ call: 'get', name: '../etc/passwd' })), { code: 'IBT_NAME_INVALID' })
})

test('errors cross with code, path and the cause of the system, and no text of a foreign error', () => {
  const cause = Object.assign(new Error('at /home/x'), { code: 'EIO' })
  const crossed = decodeError(encodeError(new BackupError('IBT_RETAINED', 'kept', { path: 'a', cause }))) as BackupError
  assert.deepEqual(
    [crossed.code, crossed.message, crossed.path, (crossed.cause as Error).message],
    ['IBT_RETAINED', 'kept', 'a', 'EIO']
  )
  assert.ok(decodeError(encodeError(new RangeError('x'))) instanceof RangeError)
  assert.doesNotMatch(decodeError(encodeError(cause)).message, /home/)
})

test('a list is read however its lines are cut', async () => {
  const listed = [
    { name: 'a"\\ü😀', sizeBytes: 1 },
    { name: 'b', sizeBytes: 2, retainedUntilMs: 3 },
    { name: 'c', sizeBytes: 4, cold: 'frozen' },
    { name: 'd', sizeBytes: 5, retainedUntilMs: 6, cold: 'thawing' }
  ] as const
  const bytes = Buffer.from(listed.map(encodeListed).join(''))
  for (const cut of [1, 3, 1000]) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / cut) }, (_, i) =>
      bytes.subarray(i * cut, (i + 1) * cut)
    )
    assert.deepEqual(await collect(decodeList(chunks as never)), listed)
  }
  for (const text of ['{}\n', '["a"]\n', '["a",-1]\n', '["a",1', '["a",1,null,"warm"]\n', 'x'.repeat(5000)]) {
    await assert.rejects(collect(decodeList([Buffer.from(text)] as never)), { code: 'IBT_STORE_FAILED' })
  }
})

test('a caller of an older version gets no line of a list that it cannot read', async () => {
  const cold = { name: 'a', sizeBytes: 5, cold: 'frozen' } as const
  const store = wrapStore(memoryStore(), { list: () => Readable.from([cold]) })
  const lines: string[] = []
  for (const asked of [{}, { withCold: true }]) {
    const [readable, writable] = [new PassThrough(), new PassThrough()]
    const write = (type: FrameType, call: number, message: object) => {
      const body = encodeJson(message)
      readable.write(Buffer.concat([encodeHeader(type, call, body.length), body]))
    }
    const ended = serveStore({ readable, writable }, store)
    let text = ''
    const reader = new FrameReader({
      onFrame: type => type === Frame.result && readable.end(),
      onData: (_, bytes) => {
        text += Buffer.from(bytes).toString()
      }
    })
    writable.on('data', chunk => reader.push(chunk))
    write(Frame.hello, 0, { protocol: PROTOCOL, versions: [1], windowBytes: 1000 })
    write(Frame.call, 1, { call: 'list', name: '', ...asked })
    await ended
    lines.push(text)
  }
  assert.deepEqual(lines, ['["a",5]\n', '["a",5,null,"frozen"]\n'])
})

test('a server ends a connection that sends anything else, and keeps nothing of it', async () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = createRandom(seed)
    const [readable, writable] = [new PassThrough(), new PassThrough()]
    writable.resume()
    const store = memoryStore()
    const errors: BackupError[] = []
    const ended = serveStore({ readable, writable }, store, { onError: error => errors.push(error) })
    const hello = encodeJson({ protocol: PROTOCOL, versions: [1], windowBytes: 1000 })
    if (random.chance(0.7)) readable.write(Buffer.concat([encodeHeader(Frame.hello, 0, hello.length), hello]))
    for (let i = 0; i < 8 && !readable.destroyed; i++) {
      const { type, call, payload } = randomFrame(random)
      const request = encodeJson({ call: random.pick(['put', 'get', 'list', 'create', 'delete', 'x']), name: 'a' })
      const body = type === Frame.call && random.chance(0.8) ? request : payload
      readable.write(Buffer.concat([encodeHeader(type, call, body.length), body]))
      if (random.chance(0.3)) readable.write(Buffer.from([random.int(256)]))
    }
    readable.end()
    await ended
    assert.ok(
      errors.every(({ code }) => code.startsWith('IBT_')),
      `seed ${seed}`
    )
  }
})
