import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { parseArtifactName } from '../src/index.js'
import { Desk } from './helpers/desk.js'
import { assertSameTree, copyTree } from './helpers/judges.js'
import { oracle } from './helpers/oracle.js'
import { createRandom } from './helpers/random.js'

const SEED = Number(process.env.SEED ?? 1)
const CRASHES = process.env.SLOW === '1' ? 100 : 4

function succeed(desk: Desk, ...args: string[]): string {
  const { status, stdout, stderr } = desk.ibt(...args)
  assert.equal(status, 0, `ibt ${args.join(' ')}: ${stderr}`)
  return stdout
}

test(`a merge that is killed at any moment leaves the chain as it was, with seed ${SEED}`, oracle('rsync'), async t => {
  const desk = new Desk(t)
  const random = createRandom(SEED)
  mkdirSync(desk.at('src'))
  mkdirSync(desk.at('store'))
  for (let i = 0; i < 3; i++) writeFileSync(desk.at('src', `large ${i}`), random.bytes(9 << 20))
  succeed(desk, 'full', 'src')
  for (let i = 0; i < 3; i++) {
    const bytes = readFileSync(desk.at('src', `large ${i}`))
    random.bytes(100_000).copy(bytes, random.int(8 << 20))
    writeFileSync(desk.at('src', `large ${i}`), bytes)
    copyTree(desk.at('src'), desk.at(`copy ${i}`))
    succeed(desk, 'incremental', 'src')
  }
  const backups = succeed(desk, 'list', 'src', '--json').trim().split('\n')
  const dates = backups.map(line => JSON.parse(line).date as string)
  for (let i = 0; i < CRASHES; i++) {
    const [at, from, to] = [dates[2 - (i % 2)]!, dates[0]!, dates[3]!]
    const run = desk.start(['merge', 'src', ...(i % 2 === 0 ? ['--at', at] : ['--from', from, '--to', to])], {
      stdio: 'ignore'
    })
    await setTimeout(100 + random.int(700))
    run.child.kill('SIGKILL')
    await run.ended
    const listed = succeed(desk, 'list', 'src', '--json').trim().split('\n')
    assert.deepEqual(
      listed.map(line => JSON.parse(line).date),
      dates,
      `crash ${i}`
    )
    succeed(desk, 'verify', 'src')
  }
  succeed(desk, 'merge', 'src', '--at', dates[2]!)
  succeed(desk, 'merge', 'src', '--from', dates[2]!, '--to', dates[3]!)
  const names = readdirSync(desk.at('store'))
  const parsed = names.map(name => parseArtifactName(name))
  assert.ok(!parsed.includes(undefined), `only artifacts are left: ${names}`)
  const states = new Set(parsed.filter(name => name!.kind === 'state').map(name => name!.date))
  for (const name of parsed) assert.ok(states.has(name!.date), JSON.stringify(name))
  for (const [i, at] of dates.slice(1).entries()) {
    succeed(desk, 'restore', 'src', `out ${i}`, '--at', at)
    assertSameTree(desk.at(`out ${i}`), desk.at(`copy ${i}`))
  }
})
