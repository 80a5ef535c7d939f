import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isBackupError } from '../../src/errors.js'
import { batchesOf, isBatch } from '../../src/flow/batches.js'
import { lineEntries } from '../../src/format/line-entries.js'
import { digestIn, hasSignature } from '../../src/format/line-texts.js'
import { WindowEntries } from '../../src/format/state-entries.js'
import { STATE_LINE_BYTES } from '../../src/format/state-lines.js'
import { openState } from '../../src/format/state-reader.js'
import { comparePaths } from '../../src/path.js'
import type { Source, StateEntry } from '../../src/types.js'
import { CLOSING, ENTRIES, encodeState, HEADER } from '../helpers/state-samples.js'

const TEXT = Buffer.from(encodeState())

function* chunks(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function read(source: Source<Uint8Array>): Promise<StateEntry[]> {
  const state = await openState(source)
  const entries: StateEntry[] = []
  for await (const entry of state.entries()) entries.push(entry)
  state.closing()
  return entries
}

const readText = (text: string) => read([Buffer.from(text)])

test('a state is read whole, however its bytes are cut', async () => {
  for (const size of [1, 7, 100, 4096, TEXT.length]) {
    const state = await openState(chunks(TEXT, size))
    assert.deepEqual(state.header, HEADER)
    const paths: string[] = []
    for await (const { path } of state.entries()) paths.push(path)
    assert.deepEqual(
      paths,
      ENTRIES.map(({ path }) => path)
    )
    assert.deepEqual(state.closing(), CLOSING)
  }
})

test('a state without entries is read', async () => {
  assert.deepEqual(await readText(encodeState([])), [])
})

test('the closing line is refused before it was read', async () => {
  const state = await openState([TEXT])
  assert.throws(() => state.closing(), { code: 'IBT_STATE_INVALID' })
  for await (const _ of state.entries()) break
  assert.throws(() => state.closing(), { code: 'IBT_STATE_INVALID' })
  await assert.rejects(state.entries().next(), { code: 'IBT_STATE_INVALID' })
})

test('a state that is cut anywhere is truncated or invalid, never whole', async () => {
  for (let length = 0; length < TEXT.length; length += 1 + (length % 13)) {
    await assert.rejects(read([TEXT.subarray(0, length)]), { code: 'IBT_ARCHIVE_TRUNCATED' }, String(length))
  }
})

test('entries out of path order, or twice, are refused', async () => {
  const [first, second] = [ENTRIES[1]!, ENTRIES[2]!]
  await assert.rejects(readText(encodeState([second, first])), { code: 'IBT_OUT_OF_ORDER', path: first.path })
  await assert.rejects(readText(encodeState([first, first])), { code: 'IBT_OUT_OF_ORDER' })
})

test('commas that JSON would refuse are refused', async () => {
  const text = encodeState()
  const lines = text.split('\n')
  const last = lines.length - 3
  await assert.rejects(readText(lines.with(last, `${lines[last]},`).join('\n')), { code: 'IBT_STATE_INVALID' })
  await assert.rejects(readText(lines.with(2, lines[2]!.slice(0, -1)).join('\n')), { code: 'IBT_STATE_INVALID' })
  await assert.rejects(readText(`${text}{}\n`), { code: 'IBT_STATE_INVALID' })
})

test('bytes that are not UTF-8 are refused', async () => {
  const bytes = Buffer.from(TEXT)
  bytes[bytes.indexOf('plain')] = 0xff
  await assert.rejects(read([bytes]), { code: 'IBT_STATE_INVALID' })
})

test('a line beyond the limit is refused before it is kept', async () => {
  let pulled = 0
  function* endless() {
    yield TEXT.subarray(0, TEXT.indexOf('\n') + 1)
    for (const chunk = Buffer.alloc(65536, 'x'); ; pulled += chunk.length) yield chunk
  }
  await assert.rejects(read(endless()), { code: 'IBT_STATE_INVALID' })
  assert.ok(pulled <= STATE_LINE_BYTES)
})

test('the source is closed when the reader stops early, fails or is closed', async () => {
  for (const stop of [
    async (source: Source<Uint8Array>) => {
      for await (const _ of (await openState(source)).entries()) break
    },
    async (source: Source<Uint8Array>) => (await openState(source)).close(),
    async (source: Source<Uint8Array>) => assert.rejects(openState(corrupt(source)))
  ]) {
    let isClosed = false
    await stop(
      (function* () {
        try {
          yield* chunks(TEXT, 50)
        } finally {
          isClosed = true
        }
      })()
    )
    assert.ok(isClosed)
  }
})

async function* corrupt(source: Source<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) yield Buffer.concat([Buffer.from('x'), chunk])
}

test('an error of the source passes unchanged', async () => {
  const error = new Error('broken')
  function* broken() {
    yield TEXT.subarray(0, 2000)
    throw error
  }
  await assert.rejects(read(broken()), error)
})

test('timers fire while a long state is read from memory', async () => {
  const entries = Array.from(
    { length: 100_000 },
    (_, i): StateEntry => ({ ...ENTRIES[0]!, path: `p${String(i).padStart(6, '0')}` })
  )
  let ticks = 0
  const timer = setInterval(() => ticks++, 1)
  const found = await readText(encodeState(entries))
  clearInterval(timer)
  assert.equal(found.length, entries.length)
  assert.ok(ticks > 0, `${ticks} ticks`)
})

test('damaged states never cause anything but a BackupError', async () => {
  const damage = fc.array(
    fc.tuple(fc.nat(TEXT.length - 1), fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('"\\,:{}[]\n0-19e')))),
    { minLength: 1, maxLength: 6 }
  )
  await fc.assert(
    fc.asyncProperty(damage, fc.nat(TEXT.length), fc.nat(3), async (damages, at, how) => {
      let bytes = Buffer.from(TEXT)
      for (const [place, byte] of damages) bytes[place] = byte
      if (how === 1) bytes = bytes.subarray(0, at)
      if (how === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 17)])
      if (how === 3) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - 40))])
      await read([bytes]).catch(error => assert.ok(isBackupError(error), String(error)))
    }),
    { seed: 6, numRuns: 3000 }
  )
})

test('lines that are skimmed are those of the entries, and the last entries are read as ever', async () => {
  const odd = { ...ENTRIES.at(-1)!, path: 'zz,"sha256":"0,"signature":' }
  const text = encodeState([...ENTRIES, odd].sort((a, b) => comparePaths(a.path, b.path)))
  const bytes = Buffer.from(text)
  for (const size of [100, 4096, bytes.length]) {
    const state = await openState(chunks(bytes, size))
    const found: StateEntry[] = []
    for await (const batch of batchesOf(state.entries())) {
      const entries = isBatch(batch) ? batch : [batch]
      if (entries instanceof WindowEntries) {
        entries.skim((line, lineText, offset) => {
          const [entry] = [...lineEntries(line)]
          assert.equal(digestIn(lineText), entry!.sha256)
          assert.equal(hasSignature(lineText), entry!.signature !== undefined)
          assert.equal(bytes.toString('latin1', offset, offset + lineText.length), lineText)
          found.push(entry!)
        })
      }
      for (const entry of entries) found.push(entry)
    }
    assert.deepEqual(found, await readText(text))
    assert.deepEqual(state.closing(), CLOSING)
  }
})
