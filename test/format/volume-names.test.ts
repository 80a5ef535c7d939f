import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseArtifactName } from '../../src/format/names.js'
import { parseVolumeName, volumeName } from '../../src/format/volume-names.js'

const DATE = '20261123T045748.792Z'

test('the name of a volume is read back, whatever the key holds, and is not that of an artifact', () => {
  const keys = ['a', 'a.v00001.b', `x.full.${DATE}`, `x.full.${DATE}.v00002.tar`]
  const cases = keys.flatMap(
    key =>
      [
        [key, `${key}.full.${DATE}.tar.zst`],
        [key, `${key}.state.${DATE}.json`]
      ] as const
  )
  for (const [key, name] of cases) {
    for (const volume of [1, 99_999]) {
      const text = volumeName({ name, volume })
      assert.deepEqual(parseVolumeName(text), { key, name, volume }, text)
      assert.equal(parseArtifactName(text), undefined, text)
    }
    assert.equal(parseVolumeName(name), undefined, name)
  }
  assert.equal(volumeName({ name: `a.full.${DATE}.tar.zst`, volume: 7 }), `a.full.${DATE}.v00007.tar.zst`)
})

test('no other name is that of a volume', () => {
  const names = ['v00000.tar', 'v1.tar', 'v000001.tar', 'V00001.tar', 'v00001', 'v00001.json', 'v00001.v00002.tar']
  for (const end of names) assert.equal(parseVolumeName(`a.full.${DATE}.${end}`), undefined, end)
  assert.equal(parseVolumeName(`../a.full.${DATE}.v00001.tar`), undefined)
  assert.equal(parseVolumeName(`a.full.20260230T000000.000Z.v00001.tar`), undefined)
})
