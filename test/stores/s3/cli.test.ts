import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { Desk } from '../../helpers/desk.js'
import { createRandom } from '../../helpers/random.js'
import { S3Place } from '../../helpers/s3/place.js'
import { CREDENTIALS } from '../../helpers/s3/server.js'

const place = await S3Place.open()

/** A desk whose store is a bucket, with credentials as a user has them. */
async function s3Desk(t: test.TestContext, query = ''): Promise<{ desk: Desk; bucket: string }> {
  const desk = new Desk(t)
  const bucket = await place.bucket()
  Object.assign(desk.env, {
    IBT_STORE: `s3://${bucket}/back%20ups?endpoint=${encodeURIComponent(place.proxy.url)}${query}`,
    AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    AWS_CONFIG_FILE: desk.at('none'),
    AWS_SHARED_CREDENTIALS_FILE: desk.at('none'),
    AWS_REGION: 'eu-central-1'
  })
  return { desk, bucket }
}

/** Runs `ibt` while this process serves the proxy. */
async function ibt(desk: Desk, ...args: string[]) {
  return desk.start(args).ended
}

async function succeeds(desk: Desk, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await ibt(desk, ...args)
  assert.equal(status, 0, stdout + stderr)
  return stdout
}

test('a user makes a full and increments in a bucket, reads them back and prunes', async t => {
  const { desk, bucket } = await s3Desk(t)
  mkdirSync(desk.at('src/sub'), { recursive: true })
  const large = createRandom(1).bytes(12 * 1024 * 1024)
  writeFileSync(desk.at('src/large'), large)
  writeFileSync(desk.at('src/sub/%2F ü'), 'one')
  await succeeds(desk, 'full', 'src')
  assert.ok(place.proxy.count('UploadPart') >= 2)
  writeFileSync(desk.at('src/sub/%2F ü'), 'two')
  large.fill(7, 5_000_000, 5_100_000)
  writeFileSync(desk.at('src/large'), large)
  await succeeds(desk, 'incremental', 'src')

  assert.match(await succeeds(desk, 'list'), /full[\s\S]*incremental/)
  await succeeds(desk, 'restore', 'src', 'out')
  assert.ok(readFileSync(desk.at('out/large')).equals(large))
  assert.equal(readFileSync(desk.at('out/sub/%2F ü'), 'utf8'), 'two')
  assert.equal(await succeeds(desk, 'cat', 'src', 'sub/%2F ü'), 'two')
  await succeeds(desk, 'verify', 'src', '--read-data')
  await succeeds(desk, 'full', 'src')
  await succeeds(desk, 'prune', 'src', '--keep-last', '1', '--grace', '0')
  const left = [...place.proxy.features.objects.keys()].filter(path => path.startsWith(`/${bucket}/`))
  assert.ok(
    left.every(path => path.startsWith(`/${bucket}/back ups/src.`)),
    left.join()
  )
  assert.equal(left.filter(path => path.includes('.full.')).length, 1)
  assert.deepEqual(
    left.filter(path => path.includes('.lock')),
    []
  )
  assert.equal(place.proxy.features.uploads.size, 0)
  assert.equal(place.proxy.refused, 0)
})

test('a restore from cold archives names them and writes nothing; after ibt thaw it works', async t => {
  const { desk, bucket } = await s3Desk(t, '&class.full=DEEP_ARCHIVE&class.created=GLACIER')
  mkdirSync(desk.at('src/sub'), { recursive: true })
  writeFileSync(desk.at('src/file'), 'one')
  await succeeds(desk, 'full', 'src')
  writeFileSync(desk.at('src/sub/new'), 'two')
  await succeeds(desk, 'incremental', 'src')
  const objects = [...place.proxy.features.objects].filter(([path]) => path.startsWith(`/${bucket}/`))
  const cold = objects.filter(([path]) => /\.(full|created)\./.test(path))
  assert.deepEqual(cold.map(([, { storageClass }]) => storageClass).sort(), ['DEEP_ARCHIVE', 'GLACIER'])
  const endThaw = (kind: RegExp) => {
    for (const [path, facts] of cold) if (kind.test(path)) facts.thaw = 'done'
  }

  const plan = await succeeds(desk, 'plan', 'restore', 'src')
  assert.match(plan, /2 archives \(.*\) must be thawed before, 2 not asked for yet: ibt thaw src/)
  assert.match(plan, /src\.full\..* \(frozen\)/)
  const { archives } = JSON.parse(await succeeds(desk, 'plan', 'restore', 'src', '--path', 'sub', '--json'))
  assert.deepEqual(
    archives.map((archive: { kind: string; cold: string }) => [archive.kind, archive.cold]),
    [['created', 'frozen']]
  )
  for (const dest of ['out', '-']) {
    const refused = await ibt(desk, 'restore', 'src', dest)
    assert.equal(refused.status, 5, refused.stderr)
    assert.match(
      refused.stderr,
      /have to be thawed first \(src\.full\..*, src\.created\..*\): ibt thaw src asks for it/
    )
  }
  assert.equal(existsSync(desk.at('out')), false)
  const verified = await ibt(desk, 'verify', 'src', '--read-data')
  assert.equal(verified.status, 5, verified.stderr)

  assert.match(await succeeds(desk, 'thaw', 'src', '--path', 'sub'), /Asked for 1 archive, 0 asked for before/)
  assert.match(await succeeds(desk, 'thaw', 'src'), /Asked for 1 archive, 1 asked for before/)
  assert.match((await ibt(desk, 'restore', 'src', 'out')).stderr, /thawed first .*: wait until the store has done it/)
  endThaw(/created/)
  await succeeds(desk, 'restore', 'src', 'part', '--path', 'sub')
  assert.equal(readFileSync(desk.at('part/sub/new'), 'utf8'), 'two')
  assert.equal((await ibt(desk, 'restore', 'src', 'out')).status, 5)
  endThaw(/full/)
  assert.match(await succeeds(desk, 'thaw', 'src'), /Every archive .* can be read/)
  await succeeds(desk, 'restore', 'src', 'out')
  assert.equal(readFileSync(desk.at('out/file'), 'utf8'), 'one')
})

test('SIGINT in the middle of an upload leaves nothing; after SIGKILL the next run removes the parts', async t => {
  const { desk, bucket } = await s3Desk(t)
  const { proxy } = place
  mkdirSync(desk.at('src'))
  writeFileSync(desk.at('src/large'), createRandom(2).bytes(12 * 1024 * 1024))
  const objects = () => [...proxy.features.objects.keys()].filter(path => path.startsWith(`/${bucket}/`))
  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    proxy.calls.length = 0
    proxy.faults = [{ operation: 'UploadPart', kind: 'silent', times: 1 }]
    const running = desk.start(['full', 'src'])
    await running.until(() => proxy.count('UploadPart') >= 2)
    running.child.kill(signal)
    const { status } = await running.ended
    assert.equal(status, signal === 'SIGINT' ? 130 : null)
    assert.equal(proxy.features.uploads.size, signal === 'SIGINT' ? 0 : 1)
    if (signal === 'SIGINT') assert.deepEqual(objects(), [])
  }
  await succeeds(desk, 'full', 'src')
  assert.equal(proxy.features.uploads.size, 0)
  assert.deepEqual(
    objects()
      .map(path => path.split('.')[1])
      .sort(),
    ['full', 'sigvault', 'state']
  )
})

test('the command line says what is wrong with a bucket, and no secret', async t => {
  const { desk } = await s3Desk(t)
  mkdirSync(desk.at('src'))
  const store = (url: string) => ['--store', url]
  const at = `endpoint=${encodeURIComponent(place.proxy.url)}`
  const missing = await ibt(desk, 'full', 'src', ...store(`s3://not-there?${at}`))
  assert.deepEqual(
    [missing.status, /The bucket not-there at http:.* does not exist/.test(missing.stderr)],
    [1, true],
    missing.stderr
  )
  const unknown = await ibt(desk, 'list', ...store(`s3://bucket?${at}&storageclass=x`))
  assert.match(unknown.stderr, /does not know 'storageclass': give endpoint/)
  desk.env.AWS_SECRET_ACCESS_KEY = 'another-secret'
  const refused = await ibt(desk, 'list')
  assert.match(refused.stderr, /does not accept the AWS credentials \(SignatureDoesNotMatch\)/)
  assert.doesNotMatch(refused.stdout + refused.stderr, /another-secret/)
})

test('ibt lock and extend set Object Lock for what a restore needs; prune keeps it, erase changes nothing', async t => {
  const { desk, bucket } = await s3Desk(t, '&objectLock=COMPLIANCE')
  mkdirSync(desk.at('src'))
  writeFileSync(desk.at('src/file'), 'one')
  await succeeds(desk, 'full', 'src')
  const nothing = await ibt(desk, 'extend', 'src', '--until', '30d')
  assert.equal(nothing.status, 1)
  assert.match(nothing.stderr, /No backup of src is locked/)
  await succeeds(desk, 'lock', 'src', '--until', '2098-01-01')
  writeFileSync(desk.at('src/other'), 'two')
  await succeeds(desk, 'incremental', 'src')
  const untils = () => {
    const objects = [...place.proxy.features.objects].filter(([path]) => path.startsWith(`/${bucket}/`))
    return objects.map(([path, { retainUntil }]) => [path.split('.')[1], retainUntil?.slice(0, 4)]).sort()
  }
  const locked = (year: string) => [
    ['created', undefined],
    ['full', year],
    ['state', undefined],
    ['state', year]
  ]
  assert.deepEqual(untils(), locked('2098'))
  const extended = await succeeds(desk, 'extend', 'src', '--until', '2099-01-01', '--json')
  assert.equal(JSON.parse(extended.trim().split('\n').at(-1)!).dates.length, 1)
  assert.deepEqual(untils(), locked('2099'))
  // The plan says so, and nothing is tried in vain.
  const pruned = await succeeds(desk, 'prune', 'src', '--keep-last', '1', '--grace', '0')
  assert.match(pruned, /2 kept, 0 removed/)
  assert.match(pruned, /full .* keep .*locked until 2099/)
  const erased = await ibt(desk, 'erase', 'src', 'file')
  assert.equal(erased.status, 5)
  assert.match(erased.stderr, /IBT_RETAINED/)
  assert.deepEqual(untils(), locked('2099'))
})
