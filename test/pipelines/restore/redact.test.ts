import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { PART_BYTES } from '../../../src/constants.js'
import { type BackupError, compose, fullBackup, incrementalBackup, restoreBackup } from '../../../src/index.js'
import { pack, sign } from '../../../src/stages/index.js'
import type { Entry, Signed, Source } from '../../../src/types.js'
import { temporaryDirectory } from '../../native/tree.js'

const SECRET = /[0-9]{4}-[0-9]{4}/g
const toLine = (i: number) => `line ${i} of card ${1000 + (i % 9000)}-${9999 - (i % 9000)}\n`
const SIZES = { empty: 0, small: 3, signed: 3000, large: 200_000 }

/** Takes secrets out of lines; how long what is left will be, nobody knows. */
async function* redacted(chunks: Source<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest = ''
  for await (const chunk of chunks) {
    const text = rest + Buffer.from(chunk).toString()
    const end = text.lastIndexOf('\n') + 1
    rest = text.slice(end)
    if (end > 0) yield Buffer.from(text.slice(0, end).replace(SECRET, '*'))
  }
  if (rest !== '') yield Buffer.from(rest.replace(SECRET, '*'))
}

async function* redact<T extends Entry>(source: Source<T>): AsyncGenerator<T, void, undefined> {
  for await (const entry of source) {
    const { content } = entry
    if (content === undefined) yield entry
    else yield { ...entry, sizeBytes: undefined, content: { open: () => redacted(content.open()) } }
  }
}

function makeSource(base: string): string {
  const source = join(base, 'source')
  mkdirSync(source)
  for (const [name, lines] of Object.entries(SIZES)) {
    writeFileSync(join(source, name), Array.from({ length: lines }, (_, i) => toLine(i)).join(''))
  }
  return source
}

function assertRedacted(restored: string, source: string): void {
  for (const name of Object.keys(SIZES)) {
    const wanted = readFileSync(join(source, name), 'utf8').replace(SECRET, '*')
    assert.ok(readFileSync(join(restored, name), 'utf8') === wanted, name)
  }
}

test('what a tap before sign leaves of contents is what is stored, compared and restored', async t => {
  const base = temporaryDirectory(t)
  const source = makeSource(base)
  const options = { store: join(base, 'store'), cache: false, stages: { sign: compose(redact, sign()) } } as const
  const full = await fullBackup(source, options)
  const same = await incrementalBackup(source, options)
  assert.equal(same.totals.updated, 0, 'the same secrets in the same lines are the same content')
  appendFileSync(join(source, 'large'), `${toLine(1)}the end`)
  const changed = await incrementalBackup(source, options)
  assert.equal(changed.totals.updated, 1)
  assert.ok(changed.storedBytes < 100_000, 'an appended line is stored as a delta')
  const places = { store: options.store, cache: false } as const
  await restoreBackup('source', join(base, 'newest'), places)
  assertRedacted(join(base, 'newest'), source)
  await restoreBackup('source', join(base, 'first'), { ...places, at: full.date })
  assert.equal(
    readFileSync(join(base, 'first/small'), 'utf8'),
    'line 0 of card *\nline 1 of card *\nline 2 of card *\n'
  )
})

test('a tap between sign and pack replaces bodies', async t => {
  const base = temporaryDirectory(t)
  const source = makeSource(base)
  async function* blacken(items: Source<Entry>): AsyncGenerator<Entry, void, undefined> {
    for await (const item of items as Source<Signed>) {
      const { body } = item
      if (body === undefined) yield item
      else {
        const sizeBytes = body.sizeBytes!
        const content = { open: () => [Buffer.alloc(sizeBytes, '*')] }
        yield { ...item, body: undefined, content } as Signed
      }
    }
  }
  const stages = { pack: compose(blacken, pack({ whole: 'full' })) }
  await fullBackup(source, { store: join(base, 'store'), cache: false, stages })
  await restoreBackup('source', join(base, 'out'), { store: join(base, 'store'), cache: false })
  for (const name of Object.keys(SIZES)) {
    assert.match(readFileSync(join(base, 'out', name), 'latin1'), /^\**$/)
    assert.equal(readFileSync(join(base, 'out', name)).length, readFileSync(join(source, name)).length)
  }
})

test('a content of unknown size is held up to one part, and refused by name above', async t => {
  const base = temporaryDirectory(t)
  const source = join(base, 'source')
  mkdirSync(source)
  const stages = { sign: compose(redact, sign()) }
  const places = { store: join(base, 'store'), cache: false } as const
  writeFileSync(join(source, 'a'), Buffer.alloc(PART_BYTES, 'a'))
  await fullBackup(source, { ...places, stages })
  await restoreBackup('source', join(base, 'out'), places)
  assert.equal(readFileSync(join(base, 'out/a')).length, PART_BYTES)
  writeFileSync(join(source, 'b'), Buffer.alloc(PART_BYTES + 1, 'b'))
  await assert.rejects(fullBackup(source, { ...places, stages }), (error: BackupError) => {
    return error.code === 'IBT_SIZE_UNKNOWN' && error.path === 'b'
  })
})
