import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { Exit } from '../../src/cli/exit.js'
import { fullBackup, incrementalBackup, parseArtifactName } from '../../src/index.js'
import { Desk } from '../helpers/desk.js'

async function makeDesk(t: TestContext, keys: readonly string[] = ['src']): Promise<Desk> {
  const desk = new Desk(t)
  for (const key of keys) {
    mkdirSync(desk.at(key))
    for (let i = 0; i < 4; i++) {
      writeFileSync(desk.at(key, `file ${i}`), String(i))
      const options = { store: desk.at('store'), cache: desk.at('cache'), key }
      await (i % 2 === 0 ? fullBackup : incrementalBackup)(desk.at(key), options)
    }
  }
  return desk
}

const states = (desk: Desk, key = 'src') =>
  readdirSync(desk.at('store')).filter(name => name.startsWith(`${key}.state.`))

test('prune prints a table first, and removes what it says', async t => {
  const desk = await makeDesk(t)
  const dry = desk.ibt('prune', 'src', '--keep-last', '1', '--dry-run')
  assert.equal(dry.status, 0, dry.stderr)
  const rows = dry.stdout.split('\n').filter(line => /^ {2}\d{8}T/.test(line))
  assert.deepEqual(
    rows.map(row =>
      row
        .replace(/ +[\d.]+ (?:Ki)?B {2}/, '  ')
        .trim()
        .split(/ {2,}/)
        .slice(1, 3)
    ),
    [
      ['full', 'remove'],
      ['incremental', 'remove'],
      ['full', 'stays as data'],
      ['incremental', 'keep']
    ]
  )
  assert.match(rows[3]!, /newest, last 1/)
  assert.equal(states(desk).length, 4)
  const merging = desk.ibt('prune', 'src', '--keep-last', '1', '--merge', '--dry-run')
  assert.match(merging.stdout, /^First 1 merge: then only what the rules keep stays$/m)
  assert.doesNotMatch(merging.stdout, /--merge/)
  const done = desk.ibt('prune', 'src', '--keep-last', '1')
  assert.equal(done.status, 0, done.stderr)
  assert.ok(done.stdout.startsWith(dry.stdout.slice(0, dry.stdout.indexOf('Dry run'))))
  assert.match(done.stdout, /3 backups removed, 1 kept/)
  assert.equal(states(desk).length, 1)
})

test('--json has the plan and the report', async t => {
  const desk = await makeDesk(t)
  const { stdout, status } = desk.ibt('prune', 'src', '--keep', '2', '--json')
  assert.equal(status, 0)
  const events = stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.deepEqual(
    events.map(({ event }) => event),
    ['plan', 'report']
  )
  assert.equal(events[0].backups.length, 4)
  assert.equal(events[1].removed.length, 2)
  assert.equal(events[1].swept.waiting.length, 2)
})

test('undelete lists what can come back, brings it back, and clean ends that', async t => {
  const desk = await makeDesk(t)
  desk.ibt('prune', 'src', '--keep-last', '2', '--quiet')
  const listed = desk.ibt('undelete', 'src').stdout.trim().split('\n')
  assert.equal(listed.length, 2)
  const [, date] = listed[1]!.split(/ +/)
  assert.match(desk.ibt('undelete', 'src', '--at', date!).stdout, /is back/)
  assert.equal(desk.ibt('verify', 'src', '--at', date!, '--read-data', '--quiet').status, 0)
  const cleaned = desk.ibt('clean', 'src', '--grace', '0')
  assert.match(cleaned.stdout, /1 removed backup for good/)
  const gone = desk.ibt('undelete', 'src', '--at', date!)
  assert.deepEqual([gone.status, /No removed backup/.test(gone.stderr)], [Exit.failed, true])
  assert.match(desk.ibt('undelete', 'src').stderr, /No removed backup of src can come back/)
})

test('--all prunes each key by itself, and a key that cannot be pruned does not keep the others', async t => {
  const desk = await makeDesk(t, ['a', 'b', 'c'])
  writeFileSync(desk.at('store', states(desk, 'b').sort()[3]!), 'damaged')
  const { status, stderr } = desk.ibt('prune', '--all', '--keep-last', '1')
  assert.equal(status, Exit.integrity)
  assert.match(stderr, /backup of b of/)
  assert.deepEqual(
    ['a', 'b', 'c'].map(key => states(desk, key).length),
    [1, 4, 1]
  )
})

test('lock keeps backups, and extend for longer', async t => {
  const desk = await makeDesk(t)
  assert.match(desk.ibt('lock', 'src', '--until', '2d', '--keep-last', '1').stdout, /Locked 1 backup of src until/)
  assert.match(desk.ibt('extend', 'src', '--until', '3d').stdout, /Locked 1 backup/)
  writeFileSync(desk.at('src/file'), 'more')
  assert.equal(desk.ibt('full', 'src', '--quiet').status, 0)
  const { stdout } = desk.ibt('prune', 'src', '--keep-last', '1', '--grace', '0')
  assert.match(stdout, /locked until/)
  assert.equal(states(desk).length, 2)
  for (const name of states(desk)) {
    assert.equal(desk.ibt('verify', 'src', '--at', parseArtifactName(name)!.date, '--read-data', '--quiet').status, 0)
  }
})

test('what makes no sense is refused with 2, and nothing is removed', async t => {
  const desk = await makeDesk(t)
  const wrong = [
    ['prune', 'src'],
    ['prune', '--keep-last', '1'],
    ['prune', 'src', '--all', '--keep-last', '1'],
    ['prune', 'src', '--keep-last', '0'],
    ['prune', 'src', '--keep-last', 'x'],
    ['prune', 'src', '--keep-daily', '7', '--keep-daily', '8'],
    ['prune', 'src', '--keep-daily', 'all', '--keep-weekly', '4'],
    ['prune', 'src', '--keep-last', '1', '--grace', 'x'],
    ['lock', 'src'],
    ['lock', 'src', '--until', '2020-01-01'],
    ['merge', 'src', '--segment', '0'],
    ['clean', 'src', '--grace', '7']
  ]
  for (const args of wrong) assert.equal(desk.ibt(...args).status, Exit.usage, args.join(' '))
  assert.equal(states(desk).length, 4)
  assert.equal(desk.ibt('prune', 'none', '--keep-last', '1').status, Exit.failed)
  assert.ok(!existsSync(desk.at('store/none.lock')))
})

test('erase prints a table first, names what has it elsewhere, and says when a pattern matches nothing', async t => {
  const desk = await makeDesk(t)
  writeFileSync(desk.at('src', 'secret'), 'a secret')
  writeFileSync(desk.at('src', 'copy'), 'a secret')
  assert.equal(desk.ibt('backup', 'src').status, 0)
  const before = readdirSync(desk.at('store')).sort()
  const dry = desk.ibt('erase', 'src', 'secret', '--dry-run')
  assert.equal(dry.status, 0, dry.stderr)
  assert.match(dry.stdout, /^src: 1 backup written again, 0 removed backups deleted for good\n/)
  assert.match(dry.stdout, /incremental +1 file, +8 B erased +.* written +.* deleted\n/)
  assert.match(dry.stdout, /Has the same content, and stays:\n {2}copy {2}\S+ to \S+\n/)
  assert.match(dry.stdout, /Dry run: nothing of src was erased\n$/)
  assert.deepEqual(readdirSync(desk.at('store')).sort(), before)
  assert.equal(desk.ibt('lock', 'src', '--until', '2100-01-01').status, 0)
  assert.match(
    desk.ibt('erase', 'src', 'secret', '--dry-run').stdout,
    /\d files locked until 2100-01-01\S+: nothing can be/
  )
  const refused = desk.ibt('erase', 'src', 'secret')
  assert.equal(refused.status, Exit.refused)
  assert.match(refused.stderr, /is locked until 2100-01-01\S+ \(and \d+ more of src\): nothing is erased/)
  for (const name of readdirSync(desk.at('store'))) if (name.endsWith('.until')) rmSync(desk.at('store', name))
  const done = desk.ibt('erase', 'src', 'secret')
  assert.equal(done.status, 0, done.stderr)
  assert.match(done.stdout, /Erased from src: 1 backup written again/)
  assert.match(done.stderr, /the next backup stores them again: exclude them/)
  assert.match(
    desk.ibt('ls', 'src', 'secret', '--long').stdout,
    /^\?\S+ .* {2}secret {2}\(erased \d{8}T\d{6}\.\d{3}Z\)\n$/
  )
  assert.match(desk.ibt('history', 'src', 'secret').stdout, /erased \d{8}T/)
  assert.match(desk.ibt('verify', 'src').stdout, /Note: 1 file was erased from all backups/)
  const restored = desk.ibt('restore', 'src', 'out')
  assert.equal(restored.status, 0, restored.stderr)
  assert.match(restored.stdout, /1 file not restored: erased from all backups/)
  assert.equal(desk.ibt('cat', 'src', 'secret').status, Exit.failed)
  const none = desk.ibt('erase', 'src', 'nothing')
  assert.equal(none.status, Exit.failed)
  assert.match(none.stderr, /Nothing in the backups of src matches nothing/)
  const events = desk.ibt('erase', 'src', 'secret', '--json').stdout.trim().split('\n')
  assert.deepEqual(
    events.map(line => JSON.parse(line).event),
    ['plan', 'report']
  )
})
