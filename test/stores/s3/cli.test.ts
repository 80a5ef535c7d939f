import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
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
