import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, createReadStream, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { importBackups, incrementalBackup, restoreBackup, verifyBackup } from '../src/index.js'
import { BY_HAND_TOOLS, byHandScript } from './helpers/by-hand.js'
import { assertLists, assertRestored, type Manifest } from './helpers/fixtures.js'
import { assertSameTree } from './helpers/judges.js'
import { oracle } from './helpers/oracle.js'
import { runIbt } from './helpers/warm-ibt.js'
import { temporaryDirectory } from './native/tree.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const FIXTURES = join(ROOT, 'test/fixtures')
const VERSIONS = readdirSync(FIXTURES).filter(name => /^v\d+$/.test(name))

for (const version of VERSIONS) {
  for (const name of readdirSync(join(FIXTURES, version))) testCase(version, name)
}

function testCase(version: string, name: string): void {
  const directory = join(FIXTURES, version, name)
  const store = join(directory, 'store')
  const { dates, refused }: Manifest = JSON.parse(readFileSync(join(directory, 'expected.json'), 'utf8'))
  if (refused !== undefined) {
    test(`${version}/${name} is refused by name`, t => assertRefused(t, store, refused))
    return
  }
  const title = `${version}/${name}`
  test(`${title} is listed, proven and restored at every date`, oracle('bash', 'getfattr'), async t => {
    for (const [at, expected] of Object.entries(dates!)) {
      await assertLists(store, at, expected)
      const { problems } = await verifyBackup('key', { store, at, readData: true })
      assert.deepEqual(problems, [])
      const restored = join(temporaryDirectory(t), at)
      const owners = process.geteuid?.() === 0 ? 'number' : 'none'
      await restoreBackup('key', restored, { store, cache: false, at, owners })
      assertRestored(restored, expected)
    }
    assert.equal(runIbt(['verify', 'key', '--store', store, '--no-cache', '--read-data']).status, 0)
  })
  test(`${title} is restored by hand at every date`, oracle(...BY_HAND_TOOLS), t => {
    const base = temporaryDirectory(t)
    writeFileSync(join(base, 'restore.sh'), byHandScript())
    for (const [at, expected] of Object.entries(dates!)) {
      const restored = join(base, at)
      const { status, stderr } = spawnSync('bash', [join(base, 'restore.sh'), store, 'key', restored, at])
      assert.equal(status, 0, String(stderr))
      assertRestored(restored, expected)
    }
  })
  // A date that may lie ahead of a machine's clock cannot be built on there.
  if (version === VERSIONS.at(-1) && Object.keys(dates!).at(-1)! < '2025')
    test(`${title} can be built on`, oracle('rsync'), t => assertContinues(t, store, dates!))
}

async function assertRefused(t: TestContext, store: string, refused: NonNullable<Manifest['refused']>): Promise<void> {
  const { code, says, exit } = refused
  const restored = join(temporaryDirectory(t), 'restored')
  await assert.rejects(restoreBackup('key', restored, { store, cache: false }), (error: Error & { code?: string }) => {
    assert.equal(error.code, code)
    return error.message.includes(says)
  })
  for (const args of [
    ['verify', 'key'],
    ['ls', 'key'],
    ['restore', 'key', restored],
    ['full', '.', '--key', 'key', '--dry-run']
  ]) {
    const { status, stderr } = runIbt([...args, '--store', store, '--no-cache'])
    assert.equal(status, exit, `${args.join(' ')}: ${stderr}`)
    assert.ok(stderr.includes(says), stderr)
  }
}

/** A later writer goes on where this chain ends, and no date of it is lost. */
async function assertContinues(t: TestContext, frozen: string, dates: NonNullable<Manifest['dates']>): Promise<void> {
  const base = temporaryDirectory(t)
  const [store, source] = [join(base, 'store'), join(base, 'source')]
  cpSync(frozen, store, { recursive: true })
  await restoreBackup('key', source, { store, cache: false })
  writeFileSync(join(source, 'zz added'), 'later')
  const options = { store, cache: false, key: 'key', allowSourceMismatch: true } as const
  const { date } = await incrementalBackup(source, options)
  const { problems } = await verifyBackup('key', { store, readData: true })
  assert.deepEqual(problems, [])
  const kept = new Set(readdirSync(store))
  for (const name of readdirSync(frozen)) assert.ok(kept.has(name), `${name} is gone`)
  await restoreBackup('key', join(base, 'restored'), { store, cache: false, at: date })
  assertSameTree(join(base, 'restored'), source)
  for (const [at, expected] of Object.entries(dates)) await assertLists(store, at, expected)
}

for (const name of readdirSync(join(FIXTURES, 'bundles'))) {
  test(`bundles/${name} is stored as the case of its name`, async t => {
    const store = join(temporaryDirectory(t), 'store')
    await importBackups(createReadStream(join(FIXTURES, 'bundles', name)), { store, cache: false })
    const frozen = join(FIXTURES, VERSIONS[0]!, name.replace(/\.tar$/, ''), 'store')
    const names = readdirSync(frozen).sort()
    assert.deepEqual(readdirSync(store).sort(), names)
    for (const artifact of names) {
      assert.ok(readFileSync(join(store, artifact)).equals(readFileSync(join(frozen, artifact))), artifact)
    }
  })
}

test('every case is described', () => {
  const page = readFileSync(join(FIXTURES, 'README.md'), 'utf8')
  for (const version of VERSIONS) {
    for (const name of readdirSync(join(FIXTURES, version))) assert.ok(page.includes(`\`${name}\``), name)
  }
})
