import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { applyDelta } from '../../src/restore/apply-delta.js'
import { run } from '../helpers/judges.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'
import { temporaryDirectory } from '../native/tree.js'

const MAGIC = [0x72, 0x73, 0x02, 0x36]

function open(t: TestContext, path: string, bytes: Uint8Array) {
  writeFileSync(path, bytes)
  const fd = openSync(path, 'r')
  t.after(() => closeSync(fd))
  return { fd, path, sizeBytes: bytes.length }
}

async function apply(...[delta, olds]: Parameters<typeof applyDelta>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of applyDelta(delta, olds)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

test(
  "a delta of rdiff's gives what rdiff makes of it, however it is cut and wherever its basis is",
  oracle('rdiff'),
  async t => {
    const directory = temporaryDirectory(t)
    const random = createRandom(5)
    const at = (name: string) => join(directory, name)
    const basis = random.bytes(300_000)
    const content = Buffer.concat([
      random.bytes(60),
      basis.subarray(100_000, 250_000),
      random.bytes(70_000),
      basis.subarray(0, 120_001),
      random.bytes(1)
    ])
    writeFileSync(at('basis'), basis)
    writeFileSync(at('content'), content)
    run('rdiff', ['signature', at('basis'), at('signature')])
    run('rdiff', ['delta', at('signature'), at('content'), at('delta')])
    const delta = readFileSync(at('delta'))
    for (const split of [0, 1, 110_000, 299_999, 300_000]) {
      const olds = [open(t, at(`a${split}`), basis.subarray(0, split)), open(t, at(`b${split}`), basis.subarray(split))]
      const pieces: Uint8Array[] = []
      for (let from = 0; from < delta.length; from += pieces.at(-1)!.length) {
        pieces.push(delta.subarray(from, from + 1 + random.int(random.chance(0.5) ? 4 : 30_000)))
      }
      assert.ok((await apply(pieces, olds)).equals(content), `basis split at ${split}`)
    }
  }
)

test('a delta that makes no sense is an error or ends early, and never an endless content', async t => {
  const old = open(t, join(temporaryDirectory(t), 'old'), Buffer.from('0123456789'))
  const bad = [[], [1, 2, 3, 4, 0], MAGIC, [...MAGIC, 85], [...MAGIC, 255, 0], [...MAGIC, 5, 1, 2], [...MAGIC, 69, 1]]
  for (const bytes of bad) {
    await assert.rejects(apply([Uint8Array.from(bytes)], [old]), { code: 'IBT_DELTA_CORRUPT' }, `${bytes}`)
  }
  const ended = Uint8Array.from([...MAGIC, 69, 8, 2, 0])
  for (const pieces of [[ended, Uint8Array.of(0)], [Uint8Array.of(...ended, 0)]]) {
    await assert.rejects(apply(pieces, [old]), { code: 'IBT_DELTA_CORRUPT', message: /goes on behind its end/ })
  }
  const far = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]
  assert.equal(String(await apply([Uint8Array.from([...MAGIC, 69, 8, 9, 69, 0, 9, 0])], [old])), '89')
  assert.equal(String(await apply([Uint8Array.from([...MAGIC, 84, ...far, ...far, 0])], [old])), '')
  assert.equal(String(await apply([Uint8Array.from([...MAGIC, 75, 0, 5, ...far, 0])], [old])), '56789')
})
