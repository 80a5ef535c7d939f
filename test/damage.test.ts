import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Codec, gzip, isBackupError, none, restoreBackup, verifyBackup } from '../src/index.js'
import { NaiveChain } from './helpers/chain.js'
import { run } from './helpers/judges.js'
import { createRandom } from './helpers/random.js'
import { temporaryDirectory } from './native/tree.js'

const KINDS = ['full', 'created', 'updated', 'sigvault', 'state'] as const
const PLACES = ['head', 'middle', 'tail'] as const
type Place = (typeof PLACES)[number]

/** Where a damage begins in so many bytes. */
const offsetOf = (place: Place, length: number) =>
  place === 'head' ? Math.min(5, length - 1) : place === 'middle' ? length >> 1 : length - 3

const DAMAGES: Readonly<Record<string, (path: string, place: Place) => void>> = {
  truncate: (path, place) => truncateSync(path, offsetOf(place, readFileSync(path).length)),
  flip(path, place) {
    const bytes = readFileSync(path)
    bytes[offsetOf(place, bytes.length)]! ^= 0x10
    writeFileSync(path, bytes)
  },
  delete: path => rmSync(path)
}

async function makeChain(t: TestContext, codec: Codec | undefined): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false, codec })
  const bytes = createRandom(1).bytes(300_000)
  mkdirSync(join(chain.source, 'd'))
  const write = () => {
    writeFileSync(join(chain.source, 'd/delta'), bytes)
    writeFileSync(join(chain.source, 'd/other delta'), Buffer.concat([bytes.subarray(100_000), bytes]))
  }
  write()
  for (let i = 0; i < 10; i++) writeFileSync(join(chain.source, `full ${i}`), createRandom(i).bytes(3000))
  await chain.full()
  bytes.fill(7, 150_000, 150_500)
  write()
  for (let i = 0; i < 10; i++) writeFileSync(join(chain.source, `created ${i}`), createRandom(i).bytes(3000))
  await chain.incremental()
  return chain
}

/** What a restore of a damaged chain has written: every file under its name has its very content. */
function assertOnlyTruth(destination: string, truth: string, title: string): void {
  if (!existsSync(destination)) return
  for (const name of readdirSync(destination, { recursive: true }).map(String)) {
    if (existsSync(join(destination, name)) && name !== 'd') {
      assert.ok(readFileSync(join(destination, name)).equals(readFileSync(join(truth, name))), `${title}: ${name}`)
    }
  }
}

const namesOf = (path: string) => readdirSync(path, { recursive: true }).map(String).sort()

/** All that lies beside store and destination, with times and sizes. */
const copiesOf = (chain: NaiveChain) =>
  run('find', [chain.source, join(chain.base, 'copies'), '-printf', '%p %s %T@ %C@\\n']).toString() +
  readdirSync(chain.base).join(' ')

for (const [name, codec] of Object.entries({ zstd: undefined, gzip: gzip(), none: none() })) {
  for (const kind of name === 'zstd' ? KINDS : (['full', 'updated', 'state'] as const)) {
    test(`a damaged ${kind} never brings a wrong content, with the codec ${name}`, async t => {
      const chain = await makeChain(t, codec)
      const options = { store: chain.storePath, cache: false as const }
      for (const artifact of chain.stored(kind)) {
        const path = join(chain.storePath, artifact)
        const before = copiesOf(chain)
        const whole = readFileSync(path)
        for (const [damage, hurt] of Object.entries(DAMAGES)) {
          for (const place of damage === 'delete' ? PLACES.slice(0, 1) : PLACES) {
            hurt(path, place)
            for (const { date } of chain.reports) {
              const title = `${damage} at the ${place} of ${artifact}, restore of ${date}`
              await judge(chain, date, options, title, artifact)
            }
            writeFileSync(path, whole)
          }
        }
        assert.equal(copiesOf(chain), before)
      }
    })
  }
}

async function judge(
  chain: NaiveChain,
  at: string,
  options: { readonly store: string; readonly cache: false },
  title: string,
  artifact: string
): Promise<void> {
  const destination = join(chain.base, 'restored')
  let failure: unknown
  let chosen = at
  try {
    const { date, skippedEntries } = await restoreBackup('key', destination, { ...options, at })
    chosen = date
    assert.equal(skippedEntries, 0, title)
  } catch (error) {
    failure = error
  }
  assertOnlyTruth(destination, chain.copy(chosen), title)
  if (failure === undefined) {
    assert.deepEqual(namesOf(destination), namesOf(chain.copy(chosen)), title)
    const { problems, notes } = await verifyBackup('key', { ...options, at: chosen, readData: true })
    for (const { code, message } of problems) assert.match(code, /^IBT_/, `${title}: ${message}`)
    // A state or a sigvault that is gone may have been pruned: no restore of this date needs it.
    const told = existsSync(join(chain.storePath, artifact)) ? problems : [...problems, ...notes]
    if (isTold(chain, chosen, artifact)) assert.ok(told.length > 0, title)
  } else assert.ok(isBackupError(failure), `${title}: ${(failure as Error).stack}`)
  rmSync(destination, { recursive: true, force: true })
}

/**
 * Whether a verification of a date has to notice that an artifact is damaged. It need not where it is of a later date,
 * or a sigvault of another one; nor can it where it is the newest state, whose digest only its successor will hold.
 */
function isTold(chain: NaiveChain, date: string, artifact: string): boolean {
  if (artifact.includes('.sigvault.')) return artifact.includes(date)
  const newest = chain.reports.at(-1)!.date
  if (artifact.includes('.state.') && artifact.includes(newest)) return false
  return chain.reports.some(report => artifact.includes(report.date) && report.date <= date)
}
