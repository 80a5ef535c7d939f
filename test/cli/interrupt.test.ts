import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { parseArtifactName } from '../../src/format/names.js'
import { Desk } from '../helpers/desk.js'
import { createRandom } from '../helpers/random.js'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const CODES: Readonly<Record<(typeof SIGNALS)[number], number>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }

/** Everything below a directory, hidden files too. */
function namesIn(path: string): string[] {
  return existsSync(path) ? readdirSync(path, { recursive: true }).map(String) : []
}

function datesIn(names: readonly string[], isState: boolean): Set<string> {
  const artifacts = names.flatMap(name => parseArtifactName(name) ?? [])
  return new Set(artifacts.filter(({ kind }) => !isState || kind === 'state').map(({ date }) => date))
}

/** What a run that was sent a signal has left: only what its exit code says. */
function assertNothingLeft(desk: Desk, datesBefore: ReadonlySet<string>, isDone: boolean, title: string): void {
  const names = namesIn(desk.at('store'))
  const odd = [...names, ...namesIn(desk.at('cache'))].filter(name => /\.tmp$|\.lock/.test(name))
  assert.deepEqual(odd, [], title)
  const committed = datesIn(names, true)
  assert.equal(committed.size, datesBefore.size + (isDone ? 1 : 0), `${title}: ${names}`)
  assert.deepEqual(datesIn(names, false), committed, title)
}

async function interrupt(desk: Desk, command: string, kills: number): Promise<void> {
  let number = 0
  const change = () => writeFileSync(desk.at('src/new'), createRandom(++number).bytes(200_000))
  change()
  const start = performance.now()
  const { status, stderr } = desk.alone(command, 'src')
  assert.equal(status, 0, stderr)
  const durationMs = performance.now() - start
  for (let i = 0; i < kills; i++) {
    const name = SIGNALS[i % SIGNALS.length]!
    const title = `${command}, ${name} at moment ${i} of ${kills}`
    change()
    const before = datesIn(namesIn(desk.at('store')), true)
    const run = desk.start([command, 'src'])
    await setTimeout((durationMs * 1.1 * i) / kills)
    run.child.kill(name)
    // npx and a terminal send each signal twice.
    if (i % 2 === 1) run.child.kill(name)
    const ended = await run.ended
    const isDone = ended.status === 0
    // Before our code is there, the signal ends Node itself.
    assert.ok(isDone || ended.status === CODES[name] || ended.signal === name, `${title}: ${ended.stderr}`)
    assertNothingLeft(desk, before, isDone, title)
  }
}

test('a signal at any moment leaves no lock and no temporary file, and the exit code says what is stored', async t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  const random = createRandom(7)
  for (let i = 0; i < 150; i++) writeFileSync(desk.at('src', `${i}`), random.bytes(i % 10 === 0 ? 300_000 : 4000))
  await interrupt(desk, 'full', 24)
  await interrupt(desk, 'incremental', 24)
  assert.equal(desk.ibt('verify', 'src', '--read-data').status, 0)
})
