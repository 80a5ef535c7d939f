import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { Desk } from '../helpers/desk.js'
import type { Said } from '../helpers/warm-ibt.js'

function makeDesk(t: TestContext): Desk {
  const desk = new Desk(t)
  delete desk.env.IBT_STORE
  desk.env.IBT_CACHE = 'cache'
  mkdirSync(desk.at('src'))
  writeFileSync(desk.at('src/file'), 'first')
  return desk
}

function succeeds({ status, stdout, stderr }: Said): string {
  assert.equal(status, 0, stderr)
  return stdout + stderr
}

/** Names of artifacts. */
const stored = (desk: Desk, store: string) => readdirSync(desk.at(store)).filter(name => !name.startsWith('.'))

/** What nothing can be stored in, and what does not answer. */
function breakStore(desk: Desk, store: string): void {
  renameSync(desk.at(store), desk.at(`${store} away`))
  writeFileSync(desk.at(store), 'not a directory')
}

function mendStore(desk: Desk, store: string): void {
  rmSync(desk.at(store))
  renameSync(desk.at(`${store} away`), desk.at(store))
}

test('--store twice stores in both, and every command reads from the one that answers', t => {
  const desk = makeDesk(t)
  const both = ['--store', 'a', '--store', 'b']
  succeeds(desk.ibt('backup', 'src', ...both))
  writeFileSync(desk.at('src/file'), 'second')
  succeeds(desk.ibt('backup', 'src', ...both))
  assert.deepEqual(stored(desk, 'a'), stored(desk, 'b'))
  for (const broken of ['a', 'b']) {
    breakStore(desk, broken)
    rmSync(desk.at('cache'), { recursive: true, force: true })
    const out = `out ${broken}`
    assert.equal(
      succeeds(desk.ibt('list', 'src', ...both, '--quiet'))
        .trim()
        .split('\n').length,
      2
    )
    for (const args of [
      ['ls', 'src'],
      ['verify', 'src', '--read-data'],
      ['stats', 'src'],
      ['find', 'file'],
      ['diff', 'src']
    ]) {
      succeeds(desk.ibt(...args, ...both))
    }
    assert.equal(desk.ibt('cat', 'src', 'file', ...both).stdout, 'second')
    succeeds(desk.ibt('restore', 'src', out, ...both))
    assert.equal(readFileSync(desk.at(out, 'file'), 'utf8'), 'second')
    // Both have to store.
    assert.notEqual(desk.ibt('backup', 'src', ...both).status, 0)
    mendStore(desk, broken)
  }
})

test('with a quorum of 1, a store that cannot store is a warning, and ibt copy catches it up', t => {
  const desk = makeDesk(t)
  writeFileSync(
    desk.at('ibt.config.mjs'),
    `import { directoryStore, wrapStore } from 'incremental-backups-tools/stores'
    const full = wrapStore(directoryStore('b'), { put: () => Promise.reject(new Error('No space left')) })
    export default { store: ['a', full], quorum: 1, sources: { src: { path: 'src' } } }`
  )
  const { status, stderr } = desk.ibt('backup')
  assert.equal(status, 0, stderr)
  assert.match(stderr, /b failed \(put src\.full\.\S+\), and the other stores went on: .*No space left/)
  assert.equal(stderr.split('went on').length, 2)
  assert.doesNotMatch(desk.ibt('full', 'src', '--quiet').stderr, /went on/)
  succeeds(desk.ibt('copy', 'src', '--store', 'a', '--to', 'b'))
  assert.deepEqual(stored(desk, 'a'), stored(desk, 'b'))
  succeeds(desk.ibt('restore', 'src', 'out', '--store', 'b'))
  // It could be that only the other one has the newest backup.
  breakStore(desk, 'b')
  const both = ['--store', 'a', '--store', 'b', '--quorum', '1']
  assert.match(desk.ibt('list', 'src', ...both).stderr, /IBT_STORE_FAILED/)
})

/** The command that a warning says, as a shell takes it apart. */
function commandIn(stderr: string): string[] {
  const [, command] = /^\(to bring it up to date: ibt (.*)\)$/m.exec(stderr) ?? assert.fail(stderr)
  return execFileSync('sh', ['-c', `printf '%s\\n' ${command}`], { encoding: 'utf8' })
    .trimEnd()
    .split('\n')
}

test('of three stores with a quorum of 2, any one may be away, and the command that is said catches it up', t => {
  const desk = makeDesk(t)
  const all = ['first', "it's the 2nd", 'third']
  const stores = [...all.flatMap(store => ['--store', store]), '--quorum', '2']
  succeeds(desk.ibt('backup', 'src', ...stores))
  for (const [i, away] of all.entries()) {
    writeFileSync(desk.at('src/file'), `version ${i}`)
    breakStore(desk, away)
    const { status, stderr } = desk.ibt('backup', 'src', ...stores)
    assert.equal(status, 0, stderr)
    mendStore(desk, away)
    const command = commandIn(stderr)
    assert.deepEqual(command, ['copy', 'src', '--store', all[away === 'first' ? 1 : 0], '--to', away])
    succeeds(desk.ibt(...command))
    succeeds(desk.ibt('restore', 'src', `out ${i}`, '--store', away))
    assert.equal(readFileSync(desk.at(`out ${i}`, 'file'), 'utf8'), `version ${i}`)
  }
  for (const store of all) assert.deepEqual(stored(desk, store), stored(desk, 'first'))
})

test('also with encrypted names, a store that misses an artifact does not get the state of its backup', t => {
  const desk = makeDesk(t)
  writeFileSync(desk.at('names.txt'), 'a secret for names')
  writeFileSync(
    desk.at('ibt.config.mjs'),
    `import { directoryStore, wrapStore } from 'incremental-backups-tools/stores'
    const b = directoryStore('b')
    let puts = 0
    const full = { put: (...call) => ++puts === 1 ? Promise.reject(new Error('No space left')) : b.put(...call) }
    const sources = { src: { path: 'src' } }
    export default { store: ['a', wrapStore(b, full)], opaqueNames: 'names.txt', quorum: 1, sources }`
  )
  const { status, stderr } = desk.ibt('backup')
  assert.equal(status, 0, stderr)
  const plain = ['--no-config', '--opaque-names', 'names.txt']
  assert.equal(desk.ibt('list', 'src', '--store', 'b', ...plain).stdout, '')
  const command = commandIn(stderr)
  assert.deepEqual(command.slice(-4), [
    '--opaque-names',
    desk.at('names.txt'),
    '--to-opaque-names',
    desk.at('names.txt')
  ])
  succeeds(desk.ibt(...command, '--no-config'))
  succeeds(desk.ibt('verify', 'src', '--read-data', '--store', 'b', ...plain))
  assert.deepEqual(stored(desk, 'a'), stored(desk, 'b'))
})

test('a quorum that makes no sense is a mistake of usage', t => {
  const desk = makeDesk(t)
  for (const args of [
    ['--quorum', '1'],
    ['--store', 'a', '--quorum', '1'],
    ['--store', 'a', '--store', 'b', '--quorum', '3'],
    ['--store', 'a', '--store', 'b', '--quorum', '0']
  ]) {
    const { status, stderr } = desk.ibt('backup', 'src', ...args)
    assert.equal(status, 2, `${args}: ${stderr}`)
  }
  assert.equal(desk.ibt('list', '--store', 'a', '--store', '').status, 2)
})

test('a config names several stores by a list, or by a store of its own', t => {
  const desk = makeDesk(t)
  const sources = { src: { path: 'src' }, own: { path: 'src', key: 'own', store: ['c', 'd'] } }
  const config = { store: ['a', 'b'], quorum: 2, sources }
  writeFileSync(desk.at('ibt.config.json'), JSON.stringify(config))
  succeeds(desk.ibt('backup'))
  for (const [store, key] of Object.entries({ a: 'src', b: 'src', c: 'own', d: 'own' })) {
    assert.ok(stored(desk, store).length > 0)
    assert.ok(stored(desk, store).every(name => name.startsWith(`${key}.`)))
  }
  breakStore(desk, 'c')
  succeeds(desk.ibt('restore', 'own', 'out'))
  assert.equal(readFileSync(desk.at('out/file'), 'utf8'), 'first')
  for (const wrong of [
    { store: 'a', quorum: 1 },
    { quorum: 1 },
    { store: ['a', 'b'], quorum: 3 },
    { store: [] },
    { store: [1] }
  ]) {
    writeFileSync(desk.at('wrong.json'), JSON.stringify(wrong))
    assert.match(desk.ibt('list', '--config', 'wrong.json').stderr, /IBT_CONFIG_INVALID/, JSON.stringify(wrong))
  }
  writeFileSync(
    desk.at('own.mjs'),
    `import { directoryStore, mirror } from 'incremental-backups-tools/stores'
    export default { store: mirror([directoryStore('e'), directoryStore('f')]), sources: { src: { path: 'src' } } }`
  )
  succeeds(desk.ibt('backup', '--config', 'own.mjs'))
  assert.deepEqual(stored(desk, 'e'), stored(desk, 'f'))
})
