import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findVersions, type Version } from '../../src/catalog/versions.js'
import { comparePaths } from '../../src/path.js'
import type { StateEntry } from '../../src/types.js'
import { collect, stateEntry } from '../helpers/entries.js'
import { createRandom } from '../helpers/random.js'

const SEED = 20_261_127

/** What one backup after the other has: some paths stay, some change, some come and go. */
function makeHistory(backups: number, paths: number): StateEntry[][] {
  const random = createRandom(SEED)
  const names = Array.from({ length: paths }, (_, i) => `${i % 7}/${i}`).sort(comparePaths)
  const contents = names.map(() => 0)
  return Array.from({ length: backups }, (_, backup) => {
    const bytes = random.bytes(paths)
    return names.flatMap((path, i) => {
      if (bytes[i]! < 4) contents[i] = backup
      return bytes[i]! > 250 ? [] : [stateEntry(path, { sha256: String(contents[i]) })]
    })
  })
}

/** One path at a time, with everything in memory. */
function naive(history: readonly StateEntry[][]): [string, number, number][] {
  const versions = new Map<string, [string, number, number, string][]>()
  for (const [backup, entries] of history.entries()) {
    for (const { path, sha256 } of entries) {
      const known = versions.get(path) ?? []
      versions.set(path, known)
      const last = known.at(-1)
      if (last !== undefined && last[2] === backup - 1 && last[3] === sha256) last[2] = backup
      else known.push([path, backup, backup, sha256!])
    }
  }
  const paths = [...versions.keys()].sort(comparePaths)
  return paths.flatMap(path =>
    versions.get(path)!.map(([, first, last]): [string, number, number] => [path, first, last])
  )
}

const joining = {
  isSame: (entry: StateEntry, previous: StateEntry) => entry.sha256 === previous.sha256,
  isUnknown: () => false
}

const told = ({ entry, first, last }: Version) => [entry.path, first, last]

for (const [backups, paths] of [
  [0, 3],
  [1, 3],
  [16, 50],
  [17, 50],
  [300, 40],
  // More versions than wait in memory.
  [20, 3000]
] as const) {
  test(`${paths} paths in ${backups} backups are merged as one by one, few of them open`, async () => {
    const history = makeHistory(backups, paths)
    let [open, most] = [0, 0]
    const entriesOf = async function* (backup: number) {
      most = Math.max(most, ++open)
      try {
        yield* history[backup]!
      } finally {
        open--
      }
    }
    const merged = await collect(findVersions(entriesOf, 0, backups, joining))
    assert.deepEqual(merged.map(told), naive(history), `seed ${SEED}`)
    assert.ok(most <= 16 && open === 0, `${most} open at once`)
    for await (const _ of findVersions(entriesOf, 0, backups, joining)) break
    assert.equal(open, 0)
  })
}
