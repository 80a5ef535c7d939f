import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pack } from '../../src/stages/pack.js'
import { unpack } from '../../src/stages/unpack.js'
import { type Archive, isPacked, isPiece, type OpenArchive, type Place, type StateEntry } from '../../src/types.js'
import { archiveOf, bytesOf, code, collect, directory, file, stateEntry } from '../helpers/entries.js'
import { sourceContract } from '../helpers/source-contract.js'
import { randomBytes } from '../native/tree.js'

/** A full and its state. */
async function backup(bodies: Readonly<Record<string, Buffer>>) {
  const entries = [directory('.'), ...Object.entries(bodies).map(([path, body]) => file(path, body))]
  const items = await collect(pack({ whole: 'full' })(entries))
  const state = items.filter(isPacked).map(item => ({
    ...item.state!,
    places: item.state?.places?.map(place => ({ ...place, date: 'D' }))
  }))
  const full = archiveOf('full', Buffer.concat(items.filter(isPiece).map(({ frame }) => frame)))
  return { state, full }
}

const refuse: OpenArchive = async () => assert.fail('an archive was opened')
const several = [stateEntry('a'), stateEntry('b', { places: [{ date: 'D', in: 'full', offset: 0 }] }), stateEntry('c')]
sourceContract('unpack', () => unpack(several, refuse))

test('contents come out of the archives that the state names', async () => {
  const bodies = { a: Buffer.from('aa'), b: randomBytes(3_000_000, 1), c: Buffer.alloc(0) }
  const { state, full } = await backup(bodies)
  const opened: string[] = []
  const archives: OpenArchive = async (date, kind) => {
    opened.push(`${date} ${kind}`)
    return full
  }
  const [root, ...files] = await collect(unpack(state, archives))
  assert.deepEqual([root?.path, root?.layers], ['.', undefined])
  assert.deepEqual(opened, [])
  for (const { path, layers } of files) {
    assert.deepEqual(
      layers?.map(({ form }) => form),
      ['whole']
    )
    assert.ok((await bytesOf(layers![0]!.open())).equals(bodies[path as keyof typeof bodies]))
  }
  assert.deepEqual(opened, Array(3).fill('D full'))
})

test('a small body is read at once, from a frame or over several; whoever replaces `open` gets what that opens', async () => {
  const bodies = { a: Buffer.alloc(0), b: Buffer.from('b'), c: randomBytes(200_000, 1), large: randomBytes(300_000, 2) }
  const { state, full } = await backup(bodies)
  const split: Archive = {
    ...full,
    bytes: full.bytes.bind(full),
    read: async (offset, length) => full.read(offset, Math.min(length, 4096))
  }
  for (const archive of [full, split]) {
    const files = (await collect(unpack(state, async () => archive))).filter(({ layers }) => layers !== undefined)
    for (const { path, layers } of files) {
      const [layer] = layers!
      assert.equal({ ...layer!, open: () => [] }.read, undefined)
      if (path === 'large') assert.equal(layer!.read, undefined)
      else assert.deepEqual(Buffer.from(await layer!.read!()), bodies[path as keyof typeof bodies])
    }
  }
})

test('another entry in the place of a small body is refused', async () => {
  const { state, full } = await backup({ a: Buffer.from('aa'), b: Buffer.from('bb') })
  const [, a, b] = state
  const [found] = await collect(unpack([{ ...a!, places: b!.places }], async () => full))
  await assert.rejects(found!.layers![0]!.read!(), code('IBT_ARCHIVE_CORRUPT'))
})

test('layers are the whole and each delta on it, oldest first', async () => {
  const places: Place[] = [
    { date: 'D', in: 'full', offset: 0 },
    { date: 'E', in: 'updated', offset: 512, sizeBytes: 7 },
    { date: 'F', in: 'created', offset: 0, path: 'old name' }
  ]
  const [found] = await collect(unpack([stateEntry('a', { places })], refuse))
  assert.deepEqual(
    found?.layers?.map(({ form }) => form),
    ['whole', 'delta', 'whole']
  )
  assert.deepEqual([Reflect.get(found, 'places'), Reflect.get(found, 'signature')], [undefined, undefined])
})

test('an archive that has something else at that place is damaged', async () => {
  const { state, full } = await backup({ a: Buffer.from('aa'), b: Buffer.from('bb') })
  const cases: [Partial<StateEntry>, number, string][] = [
    [{ path: 'x' }, 0, 'IBT_ARCHIVE_CORRUPT'],
    [{ sizeBytes: 3 }, 0, 'IBT_ARCHIVE_CORRUPT'],
    [{}, 3, 'IBT_ARCHIVE_CORRUPT'],
    [{}, 1e9, 'IBT_ARCHIVE_TRUNCATED']
  ]
  for (const [wrong, shift, expected] of cases) {
    const entry = state.find(({ path }) => path === 'b')!
    const places = entry.places!.map(place => ({ ...place, offset: place.offset + shift }))
    const [found] = await collect(unpack([{ ...entry, ...wrong, places }], async () => full))
    await assert.rejects(bytesOf(found!.layers![0]!.open()), code(expected), JSON.stringify(wrong))
  }
})

test('an error of the state and of the archives passes unchanged', async () => {
  const error = new Error('gone')
  async function* failing() {
    yield several[1]!
    throw error
  }
  const entries = unpack(failing(), async () => {
    throw error
  })
  const { value } = await entries.next()
  await assert.rejects(bytesOf(value!.layers![0]!.open()), thrown => thrown === error)
  await assert.rejects(entries.next(), thrown => thrown === error)
})

test('many entries leave the event loop free', async () => {
  let ticks = 0
  const timer = setInterval(() => ticks++, 1)
  function* many() {
    for (let i = 0; i < 100_000; i++) yield several[0]!
  }
  for await (const _ of unpack(many(), refuse));
  clearInterval(timer)
  assert.ok(ticks > 5, `${ticks} ticks`)
})
