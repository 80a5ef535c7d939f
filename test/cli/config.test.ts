import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { Desk } from '../helpers/desk.js'

/** A desk with two small sources and a config, whose store no environment overrides. */
function makeDesk(t: TestContext, config: string, name = 'ibt.config.mjs'): Desk {
  const desk = new Desk(t)
  delete desk.env.IBT_STORE
  for (const source of ['photos', 'srv']) {
    mkdirSync(desk.at(source, 'sub'), { recursive: true })
    writeFileSync(desk.at(source, 'file.txt'), `${source}\n`)
    writeFileSync(desk.at(source, 'sub/file.o'), 'object\n')
  }
  writeFileSync(desk.at(name), config)
  return desk
}

const TWO = `export default { store: 'store', sources: { photos: { path: 'photos', codec: 'gzip' }, srv: { path: 'srv', key: 'server' } } }`

function lines(stdout: string): Record<string, unknown>[] {
  return stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
}

test('ibt backup backs up every source of the config above, and other commands find its store', t => {
  const desk = makeDesk(t, TWO)
  mkdirSync(desk.at('deep/er'), { recursive: true })
  const deep = { path: desk.at('deep/er'), at: desk.at, env: desk.env, ibt: desk.ibt, start: desk.start } as Desk
  const { status, stdout, stderr } = deep.ibt('backup', '--json')
  assert.equal(status, 0, stderr)
  const events = lines(stdout).filter(({ event }) => event !== 'progress')
  assert.deepEqual(
    events.map(({ event, name }) => [event, name]),
    [
      ['source', 'photos'],
      ['report', 'photos'],
      ['source', 'srv'],
      ['report', 'srv'],
      ['run', undefined]
    ]
  )
  assert.match(JSON.stringify(events[1]), /photos\.full\.\S+\.tar\.gz/)
  const sources = [
    { name: 'photos', key: 'photos', exitCode: 0 },
    { name: 'srv', key: 'server', exitCode: 0 }
  ]
  assert.deepEqual({ ...events.at(-1), elapsedMs: 0 }, { event: 'run', exitCode: 0, elapsedMs: 0, sources, hooks: [] })
  assert.match(deep.ibt('ls', 'server').stdout, /^file\.txt$/m)
  assert.equal(deep.ibt('restore', 'server', desk.at('out')).status, 0)
  assert.equal(readFileSync(desk.at('out/file.txt'), 'utf8'), 'srv\n')
  assert.match(deep.ibt('verify').stdout, /^2 sources: all done$/m)
})

test('a source is backed up by its name, a directory by its path, and what is neither is refused', t => {
  const desk = makeDesk(t, TWO)
  assert.match(desk.ibt('backup', 'srv').stdout, /Full backup of server/)
  assert.match(desk.ibt('backup', './srv').stdout, /Full backup of srv/)
  const { status, stderr } = desk.ibt('backup', 'srv', 'phots')
  assert.equal(status, 2)
  assert.match(stderr, /'phots' is not a source of .*ibt\.config\.mjs: photos\?/)
  assert.equal(desk.ibt('backup', 'srv', 'photos', '--key', 'x').status, 2)
  rmSync(desk.at('ibt.config.mjs'))
  assert.match(desk.ibt('backup').stderr, /Give a source, or a config/)
  assert.match(desk.ibt('backup', 'srv', 'photos').stderr, /Several sources need a config/)
})

test('an option is stronger than the environment, and that than the config', t => {
  const desk = makeDesk(t, TWO.replace("codec: 'gzip'", "codec: 'gzip', rules: { exclude: ['*.o'] }"))
  const storeOf = (...args: string[]) => {
    const { stdout, stderr } = desk.ibt('backup', 'photos', ...args)
    assert.equal(stderr, '')
    return [/Full backup/.test(stdout), /\.tar\.(\w+)$/m.exec(stdout)?.[1]]
  }
  assert.deepEqual(storeOf(), [true, 'gz'])
  desk.env.IBT_STORE = 'from-env'
  assert.deepEqual(storeOf(), [true, 'gz'])
  assert.deepEqual(storeOf('--store', 'typed', '--compress', 'none'), [true, undefined])
  assert.equal(desk.ibt('list', 'photos', '--store', 'typed').status, 0)
  // What is typed is excluded, too: the patterns of the config still hold.
  desk.ibt('full', 'photos', '--exclude', 'file.txt', '--store', 'typed')
  assert.equal(desk.ibt('ls', 'photos', '--store', 'typed').stdout, '.\nsub\n')
  const { stderr } = desk.ibt('list', '--no-config', '--store', 'nowhere')
  assert.match(stderr, /nowhere, which is not there/)
})

test('the worst exit code of the sources is that of the run, which goes on behind a failure', t => {
  const desk = makeDesk(t, TWO)
  rmSync(desk.at('photos'), { recursive: true })
  const { status, stdout, stderr } = desk.ibt('backup', '--json')
  assert.equal(status, 1)
  assert.match(stderr, /^ibt: photos: /m)
  const events = lines(stdout)
  assert.deepEqual(
    events
      .filter(({ event }) => event === 'failed' || event === 'report')
      .map(({ name, exitCode }) => [name, exitCode]),
    [
      ['photos', 1],
      ['srv', 0]
    ]
  )
  assert.equal(events.at(-1)!.exitCode, 1)
  assert.match(desk.ibt('backup').stdout, /^2 sources: ended photos with 1$/m)
})

test('ibt prune takes the retention of the config, of each source or of the one that has the key', t => {
  const desk = makeDesk(t, TWO.replace("store: 'store',", "store: 'store', retention: { keepLast: 1, grace: '0' },"))
  for (let i = 0; i < 3; i++) desk.ibt('full')
  assert.match(desk.ibt('prune', 'server').stdout, /server: 3 backups, 1 kept, 2 removed[\s\S]*for good/)
  assert.match(desk.ibt('prune', 'photos', '--keep-last', '2').stdout, /photos: 3 backups, 2 kept/)
  assert.match(
    desk.ibt('prune').stdout,
    /photos: 2 backups, 1 kept[\s\S]*server: 1 backup, 1 kept[\s\S]*2 sources: all done/
  )
  writeFileSync(desk.at('ibt.config.mjs'), TWO)
  const { status, stderr } = desk.ibt('prune')
  assert.equal(status, 2)
  assert.match(stderr, /Give a key: .* has no source for this/)
})

test('a config may hold stages and stores, and gets this package where it is not installed', t => {
  const desk = makeDesk(
    t,
    `import { compose, defineConfig } from 'incremental-backups-tools'
     import { mapContents } from 'incremental-backups-tools/stages'
     import { directoryStore } from 'incremental-backups-tools/stores'
     async function * upper (source) { for await (const chunk of source) yield Buffer.from(String(chunk).toUpperCase()) }
     const redact = mapContents(entry => entry.path.endsWith('.txt') ? upper : undefined, { version: 'upper 1' })
     export default defineConfig({
       store: directoryStore('objects'),
       sources: { photos: { path: 'photos', stages: d => ({ filter: compose(d.filter, redact) }) } }
     })`
  )
  const { status, stderr } = desk.ibt('backup')
  assert.equal(status, 0, stderr)
  assert.equal(desk.ibt('cat', 'photos', 'file.txt').stdout, 'PHOTOS\n')
  assert.match(desk.ibt('backup').stdout, /0 created, 0 updated, .* 4 unchanged/)
})

test('JSON is a config, too; TypeScript is where Node runs it', t => {
  const json = makeDesk(t, JSON.stringify({ store: 'store', sources: { srv: { path: 'srv' } } }), 'ibt.config.json')
  assert.equal(json.ibt('backup').status, 0)
  const code = `import { defineConfig, type Config } from 'incremental-backups-tools'
    const config: Config = { store: 'store', sources: { srv: { path: 'srv' } } }
    export default defineConfig(config)`
  const { status, stderr } = makeDesk(t, code, 'ibt.config.ts').ibt('backup')
  if ((process.features as { typescript?: unknown }).typescript) assert.equal(status, 0, stderr)
  else {
    assert.equal(status, 2)
    assert.match(stderr, /does not run TypeScript.*use Node 22\.18 or later, or ibt\.config\.mjs/)
  }
})

test('a config that is wrong is said with its file and line or field, and --no-config does without', t => {
  const desk = makeDesk(t, 'export default {\n  sources: {\n}')
  const saysOf = (config: string) => {
    writeFileSync(desk.at('ibt.config.mjs'), config)
    const { status, stderr } = desk.ibt('list')
    assert.equal(status, 2)
    return stderr
  }
  assert.match(
    saysOf('export default {\n  sources: {\n}'),
    /ibt\.config\.mjs(:3)? cannot be loaded: .*(Unexpected|missing)/
  )
  assert.match(saysOf('const a = 1\nthrow new Error("stop")'), /ibt\.config\.mjs:2 cannot be loaded: stop/)
  assert.match(saysOf('export const config = {}'), /has no default export/)
  assert.match(saysOf('export default { stor: "x" }'), /ibt\.config\.mjs: stor is not known: store\?/)
  assert.match(saysOf('export default { stor: "x" }'), /ibt help IBT_CONFIG_INVALID/)
  assert.equal(desk.ibt('list', '--no-config', '--store', 'srv').status, 0)
  assert.match(desk.ibt('list', '--config', 'gone.mjs').stderr, /gone\.mjs cannot be read/)
  writeFileSync(desk.at('ibt.config.json'), '{}')
  assert.match(desk.ibt('list').stderr, /There are two configs/)
})

test('a config that another user can write is refused', t => {
  const desk = makeDesk(t, 'console.log("it ran")\nexport default { store: "store" }')
  const refused = (why: RegExp) => {
    const { status, stdout, stderr } = desk.ibt('list')
    assert.deepEqual([status, stdout], [5, ''])
    assert.match(stderr, why)
    assert.match(stderr, /IBT_CONFIG_UNSAFE/)
  }
  chmodSync(desk.at('ibt.config.mjs'), 0o666)
  refused(/can be written by everybody/)
  chmodSync(desk.at('ibt.config.mjs'), 0o644)
  chmodSync(desk.path, 0o777)
  refused(/can be written by everybody/)
  chmodSync(desk.path, 0o1777)
  assert.match(desk.ibt('list').stdout, /it ran/)
  if (process.geteuid?.() !== 0) return
  chownSync(desk.at('ibt.config.mjs'), 65534, 65534)
  refused(/belongs to user 65534, not to user 0/)
  chownSync(desk.at('ibt.config.mjs'), 0, 0)
  chownSync(desk.path, 65534, 65534)
  refused(/belongs to user 65534/)
  // A link to it lies elsewhere: what counts is where it leads to, too.
  mkdirSync(desk.at('linked'))
  symlinkSync(desk.at('ibt.config.mjs'), desk.at('linked/ibt.config.mjs'))
  assert.match(desk.ibt('list', '--config', 'linked/ibt.config.mjs').stderr, /belongs to user 65534/)
})

test('ibt init writes a config that works at once, and replaces none unasked', t => {
  const desk = new Desk(t)
  delete desk.env.IBT_STORE
  mkdirSync(desk.at("it's 1/node_modules"), { recursive: true })
  writeFileSync(desk.at("it's 1/.gitignore"), 'x')
  mkdirSync(desk.at('other/photos'), { recursive: true })
  mkdirSync(desk.at('photos'))
  const { status, stdout, stderr } = desk.ibt('init', "it's 1", 'photos', 'other/photos', '--store', "st'ore")
  assert.equal(status, 0, stderr)
  assert.match(stdout, /Wrote ibt\.config\.mjs: 3 sources \(it%27s%201, photos, photos-2\)/)
  const text = readFileSync(desk.at('ibt.config.mjs'), 'utf8')
  assert.match(text, /\/\/ , exclude: \['node_modules', '\*\.tmp'\]/)
  assert.match(text, /\.gitignore/)
  assert.match(desk.ibt('backup').stdout, /^3 sources: all done$/m)
  assert.match(desk.ibt('prune').stdout, /^3 sources: all done$/m)
  assert.equal(desk.ibt('list', '--store', "st'ore").stdout.trim().split('\n').length, 3)
  assert.match(desk.ibt('init').stderr, /There is a config already, .*: --force replaces it/)
  desk.env.IBT_STORE = desk.at('elsewhere')
  assert.equal(desk.ibt('init', '--force').status, 0)
  assert.match(readFileSync(desk.at('ibt.config.mjs'), 'utf8'), /path: '\.'/)
  assert.equal(desk.ibt('backup').status, 0)
  writeFileSync(desk.at('ibt.config.json'), '{}')
  assert.match(desk.ibt('init', '--force').stderr, /ibt\.config\.json: remove it first/)
  assert.match(new Desk(t).ibt('init', '--store', 'https://a:b@c/d').stderr, /must not contain a password/)
  assert.match(new Desk(t).ibt('init', 'gone').stderr, /gone is not there/)
})
