import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pipe } from '../../src/interop/pipe.js'
import { bundle, unbundle } from '../../src/stages/index.js'
import {
  bundleItems,
  chunk,
  contentsOf,
  cut,
  DATE,
  FULL,
  STATE,
  seal,
  toBundle,
  VOLUME_BYTES
} from '../helpers/bundle-samples.js'
import { code } from '../helpers/entries.js'
import { run } from '../helpers/judges.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'
import * as contract from '../helpers/stage-contract.js'
import { drain, Watched } from '../helpers/watched.js'
import { temporaryDirectory } from '../native/tree.js'

const read = (bytes: Iterable<Uint8Array>, options = {}) => drain(unbundle(options)(bytes))

test('chunks and seals come back, however the bytes are cut', async () => {
  const bytes = await toBundle(bundleItems())
  for (const size of [1, 7, 511, 512, 1000, bytes.length]) {
    assert.deepEqual(contentsOf(await read(cut(bytes, size))), contentsOf(bundleItems()), `${size}`)
  }
  assert.deepEqual(await read([await toBundle([])]), [])
})

test('artifacts of every length about that of a volume come back', async () => {
  for (const length of [
    0,
    1,
    VOLUME_BYTES - 1,
    VOLUME_BYTES,
    VOLUME_BYTES + 1,
    2 * VOLUME_BYTES,
    2 * VOLUME_BYTES + 1
  ]) {
    const bytes = createRandom(length).bytes(length)
    const items = [...cut(bytes, 300)].map(part => chunk(FULL, 'full', part))
    const all = [...items, seal(FULL, 'full', bytes)]
    assert.deepEqual(contentsOf(await read([await toBundle(all)])), contentsOf(all), `${length}`)
  }
})

test(
  'GNU tar and bsdtar read a bundle, and its volumes are joined by cat',
  oracle('tar', 'bsdtar', 'bash'),
  async t => {
    const base = temporaryDirectory(t)
    const items = bundleItems()
    const archive = join(base, 'bundle.tar')
    writeFileSync(archive, await toBundle(items))
    const names = [1, 2].map(n => `key.full.${DATE}.v0000${n}.tar.zst`)
    for (const tar of ['tar', 'bsdtar']) {
      const directory = join(base, tar)
      mkdirSync(directory)
      run(tar, ['-C', directory, '-xf', archive])
      assert.deepEqual(readdirSync(directory).sort(), [...names, `key.full.${DATE}.v00003.tar.zst`, STATE])
      execFileSync('bash', ['-c', `cat key.full.${DATE}.v*.tar.zst > '${FULL}'`], { cwd: directory })
      for (const name of [FULL, STATE]) {
        const sealed = items.find(item => item.item === 'sealed' && item.name === name)
        const bytes = readFileSync(join(directory, name))
        assert.deepEqual(seal(name, sealed!.kind, bytes), sealed)
      }
    }
  }
)

test('a bundle that is cut off anywhere is known to be, and the error names the artifact and the volume', async () => {
  const bytes = await toBundle(bundleItems())
  const messages = new Set<string>()
  for (let length = 0; length < bytes.length - 1024 + 511; length += length % 512 === 0 ? 1 : 511) {
    await assert.rejects(read([bytes.subarray(0, length)]), (error: Error & { path?: string }) => {
      assert.ok(code('IBT_ARCHIVE_TRUNCATED')(error), `${length}: ${error}`)
      const named = [FULL, STATE].find(name => error.message.includes(name))
      assert.equal(error.path, named, error.message)
      messages.add(error.message)
      return true
    })
  }
  const volume = (n: number) => `${FULL}, volume ${n}`
  const where = [
    'at its beginning',
    ...[1, 2, 3].map(n => `in ${volume(n)}`),
    ...[1, 2, 3].map(n => `behind ${volume(n)}`)
  ]
  const expected = [...where, `in ${STATE}`, `behind ${STATE}`].map(text => `The bundle was cut off ${text}`)
  assert.deepEqual([...messages].sort(), expected.sort())
})

test('an artifact whose last volume is missing is not whole', async () => {
  const [first] = bundleItems()
  await assert.rejects(toBundle([first!]), code('IBT_STORE_FAILED'))
  const whole = await toBundle(bundleItems())
  // Volumes of 512 bytes of header with its comment before it: headers of three blocks, bodies of two.
  const blocks = [...cut(whole, 512)]
  const third = blocks.findIndex(block => block.toString('latin1').startsWith(`key.full.${DATE}.v00003`))
  const without = Buffer.concat([...blocks.slice(0, third - 2), ...blocks.slice(third + 1 + 1)])
  await assert.rejects(read([without]), (error: Error) => {
    assert.equal(error.message, `The bundle does not have ${FULL}, volume 3`)
    return code('IBT_ARCHIVE_TRUNCATED')(error)
  })
})

test(
  'artifacts that somebody put into a tar by hand are read, and sealed with what they are',
  oracle('tar'),
  async t => {
    const base = temporaryDirectory(t)
    const state = Buffer.from('state')
    writeFileSync(join(base, STATE), state)
    const bytes = run('tar', ['-C', base, '-cf', '-', '.'])
    assert.deepEqual(
      contentsOf(await read([bytes])),
      contentsOf([chunk(STATE, 'state', state), seal(STATE, 'state', state)])
    )
  }
)

test('other names, other keys, other digests and other types are refused', oracle('tar'), async t => {
  const base = temporaryDirectory(t)
  writeFileSync(join(base, 'passwd'), 'x')
  execFileSync('ln', ['-s', '/etc/passwd', join(base, STATE)])
  await assert.rejects(read([run('tar', ['-C', base, '-cf', '-', 'passwd'])]), code('IBT_NAME_INVALID'))
  await assert.rejects(read([run('tar', ['-C', base, '-cf', '-', STATE])]), code('IBT_ARCHIVE_CORRUPT'))
  await assert.rejects(read([await toBundle(bundleItems())], { key: 'other' }), code('IBT_NAME_INVALID'))
  assert.throws(() => unbundle({ key: '..' }), code('IBT_NAME_INVALID'))
  const wrong = bundleItems().map(item => ('sha256' in item ? { ...item, sha256: '0'.repeat(64) } : item))
  await assert.rejects(read([await toBundle(wrong)]), code('IBT_HASH_MISMATCH'))
  const again = bundleItems()
  await assert.rejects(read([await toBundle([...again, ...again])]), code('IBT_ARCHIVE_CORRUPT'))
})

test('entries and pieces are refused on their way into a bundle, and sizes that make no sense', async () => {
  for (const item of [
    { path: 'a', type: 'file' },
    { item: 'piece', kind: 'full', frame: Buffer.alloc(1) }
  ]) {
    await assert.rejects(toBundle([item as never]), TypeError)
  }
  for (const volumeBytes of [0, -1, 1.5, Number.NaN]) assert.throws(() => bundle({ volumeBytes }), RangeError)
})

test('a bundle pulls no chunk before its bytes are taken, and gathers no more than a volume', async () => {
  const items = Array.from({ length: 100 }, (_, i) => chunk(FULL, 'full', Buffer.alloc(100, i)))
  const source = new Watched([...items, seal(FULL, 'full', ...items.map(({ bytes }) => bytes as Buffer))])
  let taken = 0
  for await (const bytes of bundle({ volumeBytes: VOLUME_BYTES })(source)) {
    taken += bytes.length
    assert.ok(source.pulls * 100 - taken <= VOLUME_BYTES + 100, `${source.pulls} chunks for ${taken} bytes`)
  }
  assert.ok(source.isClosed)
})

const makeMark = (index: number) => chunk(FULL, 'full', Buffer.alloc(VOLUME_BYTES, index))
const subject = {
  makeStage: () => bundle({ volumeBytes: VOLUME_BYTES }),
  makeItems: () => bundleItems(),
  makeMark,
  emitsAtEnd: true
}
const SHARED = [
  contract.pullsNothingUntilPulled,
  contract.closesItsSourceWhenTheConsumerBreaks,
  contract.closesItsSourceWhenItThrows,
  contract.passesASourceErrorUnchanged,
  contract.startsNothingAfterAnAbort,
  contract.yieldsNothingForNothing
]
for (const check of SHARED) test(`bundle keeps the promise of every stage: ${check.name}`, () => check(subject))

test('an abort ends a bundle and its reader, also while their sources are parked', async () => {
  const bytes = await toBundle(bundleItems())
  for (const [items, stage] of [
    [bundleItems().slice(0, 3), bundle({ volumeBytes: VOLUME_BYTES })],
    [[bytes.subarray(0, 2000)], unbundle()]
  ] as const) {
    const controller = new AbortController()
    const reason = new Error('enough')
    const onPark = () => setImmediate(() => controller.abort(reason))
    const source = new Watched<unknown>(items as Iterable<unknown>, { onPark })
    const outcome = drain(
      pipe(source as never, stage as never, { signal: controller.signal }) as AsyncIterable<unknown>
    )
    await assert.rejects(outcome, error => error === reason)
  }
})

test('a reader of a bundle passes an error of its source on, and closes it when nobody reads on', async () => {
  const bytes = await toBundle(bundleItems())
  const error = new Error('of the source')
  const failing = new Watched([bytes.subarray(0, 3000)], { error })
  await assert.rejects(drain(unbundle()(failing)), found => found === error)
  const source = new Watched(cut(bytes, 100))
  for await (const _ of unbundle()(source)) break
  assert.ok(source.isClosed)
})
