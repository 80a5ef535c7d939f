import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { createServer, request } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { BIN, Desk } from './helpers/desk.js'
import { oracle } from './helpers/oracle.js'
import { S3Place } from './helpers/s3/place.js'
import { CREDENTIALS } from './helpers/s3/server.js'

const EXAMPLES = join(dirname(dirname(BIN)), 'examples')

/** A desk with a source and a backup of it. */
function makeDesk(t: TestContext): Desk {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  writeFileSync(desk.at('src/people.csv'), 'name,mail\n"A, B",ab@host.example\n'.repeat(500_000))
  writeFileSync(desk.at('src/note.txt'), 'text\n')
  return desk
}

function runExample(desk: Desk, name: string, ...args: string[]) {
  return spawn(process.execPath, [join(EXAMPLES, name), ...args], { cwd: desk.path, env: desk.env })
}

async function ended(child: ChildProcess) {
  let [stdout, stderr] = ['', '']
  child.stdout!.on('data', chunk => (stdout += chunk))
  child.stderr!.on('data', chunk => (stderr += chunk))
  const [status] = await once(child, 'close')
  return { status, stdout, stderr }
}

/** Starts an example that serves; resolves to its port. */
async function serve(t: TestContext, desk: Desk, name: string, ...args: string[]): Promise<number> {
  const child = runExample(desk, name, ...args)
  t.after(() => child.kill('SIGKILL'))
  const [line] = await once(child.stdout, 'data')
  return Number(line)
}

test('the page of examples has every one of them, and each fits on a screen', () => {
  const page = readFileSync(join(EXAMPLES, 'README.md'), 'utf8')
  const names = readdirSync(EXAMPLES).filter(name => name !== 'README.md')
  for (const name of names) {
    assert.ok(page.includes(`[${name}](${name})`), name)
    assert.ok(readFileSync(join(EXAMPLES, name), 'utf8').split('\n').length <= 61, name)
  }
})

test('nightly backs up, prunes and tells, also when it fails', async t => {
  const desk = makeDesk(t)
  const messages: { status: string; code?: string; kind?: string; removed?: string[] }[] = []
  const server = createServer(async (incoming, response) => {
    messages.push(JSON.parse(Buffer.concat(await incoming.toArray()).toString()))
    response.end()
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const hook = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  for (const source of ['src', 'src', 'gone']) await ended(runExample(desk, 'nightly.mjs', source, 'store', hook))
  assert.deepEqual(
    messages.map(({ status, kind, removed }) => [status, kind, removed?.length]),
    [
      ['done', 'full', 0],
      ['done', 'incremental', 0],
      ['failed', undefined, undefined]
    ]
  )
})

test('redact-on-restore masks what it restores, in a CSV of any size', async t => {
  const desk = makeDesk(t)
  desk.ibt('full', 'src')
  const { status, stderr } = await ended(runExample(desk, 'redact-on-restore.mjs', 'src', 'store', 'out'))
  assert.equal(status, 0, stderr)
  assert.equal(readFileSync(desk.at('out/people.csv'), 'utf8'), 'name,mail\n"A, B",user@example.org\n'.repeat(500_000))
  assert.ok(!existsSync(desk.at('out/note.txt')))
})

test('socket-to-tar sends what another tar unpacks', oracle('bsdtar', 'diff'), async t => {
  const desk = makeDesk(t)
  desk.ibt('full', 'src')
  const port = await serve(t, desk, 'socket-to-tar.mjs', 'src', 'store', '0')
  mkdirSync(desk.at('out'))
  const tar = spawn('bsdtar', ['-xpf', '-', '-C', desk.at('out')], { stdio: ['pipe', 'ignore', 'inherit'] })
  connect(port, '127.0.0.1').pipe(tar.stdin)
  assert.deepEqual(await once(tar, 'close'), [0, null])
  assert.equal(spawnSync('diff', ['-r', desk.at('src'), desk.at('out')]).status, 0)
})

test('web-server sends progress, and a client that goes away cancels its backup', async t => {
  const desk = makeDesk(t)
  // Without a hole it would fill a disk: nobody reads it to its end.
  writeFileSync(desk.at('src/endless'), '')
  truncateSync(desk.at('src/endless'), 2 ** 40)
  const port = await serve(t, desk, 'web-server.mjs', 'src', 'store', '0')
  const post = () => request({ port, host: '127.0.0.1', path: '/backup', method: 'POST' }).end()
  const first = post()
  const [cut] = await once(first, 'response')
  await once(cut, 'data')
  first.destroy()
  rmSync(desk.at('src/endless'))
  // The next one gets the lock when the first has given it back, and makes the first backup.
  for (;;) {
    const [response] = await once(post(), 'response')
    const events = String(await response.toArray().then((chunks: Uint8Array[]) => Buffer.concat(chunks)))
    if (events.includes('IBT_LOCKED')) continue
    assert.match(events, /^event: started\ndata: .*\n\nevent: progress\n/)
    assert.match(events, /event: done\ndata: .*"kind":"full"/)
    break
  }
  assert.equal(desk.ibt('list', 'src').stdout.trim().split('\n').length, 1)
})

test('push-over-tls stores what was sent, and no stranger can send', oracle('openssl'), async t => {
  const desk = makeDesk(t)
  mkdirSync(desk.at('certs'))
  const ssl = (...args: string[]) => execFileSync('openssl', args, { cwd: desk.at('certs'), stdio: 'pipe' })
  for (const ca of ['ca', 'other']) {
    ssl(
      'req',
      '-x509',
      '-newkey',
      'ed25519',
      '-nodes',
      '-keyout',
      `${ca}.key`,
      '-out',
      `${ca}.pem`,
      '-subj',
      `/CN=${ca}`
    )
  }
  const sign = (name: string, ca: string, out = name) => {
    ssl(
      'req',
      '-newkey',
      'ed25519',
      '-nodes',
      '-keyout',
      `${out}.key`,
      '-out',
      'csr',
      '-subj',
      `/CN=${name}`,
      '-addext',
      `subjectAltName=DNS:${name}`
    )
    ssl(
      'x509',
      '-req',
      '-in',
      'csr',
      '-CA',
      `${ca}.pem`,
      '-CAkey',
      `${ca}.key`,
      '-CAcreateserial',
      '-copy_extensions',
      'copy',
      '-out',
      `${out}.pem`
    )
  }
  for (const name of ['receiver', 'sender']) sign(name, 'ca')
  const port = await serve(t, desk, 'push-over-tls.mjs', 'receive', 'store', '0', 'certs')
  const send = () => ended(runExample(desk, 'push-over-tls.mjs', 'send', 'src', `127.0.0.1:${port}`, 'certs'))
  for (const kind of ['full', 'incremental']) {
    const { status, stdout, stderr } = await send()
    assert.equal(status, 0, stderr)
    assert.equal(JSON.parse(stdout).kind, kind)
    writeFileSync(desk.at('src/note.txt'), 'other text\n')
  }
  assert.equal(desk.ibt('verify', 'src', '--read-data').status, 0)
  sign('sender', 'other')
  assert.equal((await send()).status, 1)
  assert.equal(desk.ibt('list', 'src').stdout.trim().split('\n').length, 2)
})

test('postgres makes increments that a server starts from', oracle('pg_basebackup', 'psql', 'setpriv'), async t => {
  const desk = new Desk(t)
  const version = readdirSync('/usr/lib/postgresql').sort().at(-1)!
  const bin = (name: string) => `/usr/lib/postgresql/${version}/bin/${name}`
  // A server refuses to run as root.
  const as = process.geteuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : []
  const own = (path: string) => as.length > 0 && chownSync(path, 65534, 65534)
  const env = {
    ...desk.env,
    HOME: desk.path,
    PGHOST: desk.path,
    PGUSER: 'me',
    PGDATABASE: 'postgres',
    // Seconds: the default is less than a loaded machine may take.
    PGCTLTIMEOUT: '600',
    PATH: `/usr/lib/postgresql/${version}/bin:${process.env.PATH}`
  }
  const run = (...args: string[]) => {
    const [program, ...rest] = [...as, ...args]
    return execFileSync(program!, rest, { cwd: desk.path, env, stdio: 'pipe', encoding: 'utf8' })
  }
  chmodSync(desk.path, 0o755)
  own(desk.path)
  const start = (data: string) =>
    run(bin('pg_ctl'), '-D', data, '-w', '-l', `${data}.log`, '-o', `-k '${desk.path}' -h ''`, 'start')
  const stop = (data: string) => run(bin('pg_ctl'), '-D', data, '-m', 'fast', '-w', 'stop')
  run(bin('initdb'), '-D', 'data', '-U', 'me', '-A', 'trust', '--no-sync')
  start('data')
  t.after(() => spawnSync('sh', ['-c', `kill -9 $(head -n 1 '${desk.at('data/postmaster.pid')}')`]))
  run('psql', '-qc', "CREATE TABLE t AS SELECT i, repeat('x', 100) AS x FROM generate_series(1, 20000) i")
  const reports: { kind: string; storedBytes: number }[] = []
  for (let i = 0; i < 2; i++) {
    const { status, stdout, stderr } = await ended(
      spawn(process.execPath, [join(EXAMPLES, 'postgres.mjs'), 'pg', 'store'], { cwd: desk.path, env })
    )
    assert.equal(status, 0, stderr)
    reports.push(JSON.parse(stdout))
    run('psql', '-qc', "UPDATE t SET x = 'new' WHERE i = 7")
  }
  assert.deepEqual(
    reports.map(({ kind }) => kind),
    ['full', 'incremental']
  )
  assert.ok(reports[1]!.storedBytes < reports[0]!.storedBytes / 2, JSON.stringify(reports))
  writeFileSync(desk.at('catalog.sql'), desk.ibt('catalog').stdout)
  // A second run makes the tables anew.
  for (const _ of [1, 2]) run('psql', '-q', '-v', 'ON_ERROR_STOP=1', '-f', 'catalog.sql')
  const kinds = run('psql', '-Atc', 'SELECT kind FROM ibt_backups WHERE files > 0 AND size_bytes > 0 ORDER BY date')
  assert.equal(kinds, 'full\nincremental\n')
  stop('data')
  assert.equal(desk.ibt('restore', 'pg', 'restored').status, 0)
  spawnSync('chown', ['-R', ...(as.length > 0 ? ['65534:65534'] : [String(process.geteuid?.())]), desk.at('restored')])
  chmodSync(desk.at('restored'), 0o700)
  start('restored')
  try {
    assert.equal(run('psql', '-Atc', "SELECT count(*), count(*) FILTER (WHERE x = 'new') FROM t").trim(), '20000|1')
  } finally {
    stop('restored')
  }
})

test(
  's3-with-age stores what only its keys read, and what only its key signs',
  oracle('age-keygen', 'openssl'),
  async t => {
    const desk = makeDesk(t)
    const place = await S3Place.open()
    const bucket = await place.bucket()
    Object.assign(desk.env, {
      S3_ENDPOINT: place.proxy.url,
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
      AWS_REGION: 'us-east-1',
      IBT_STORE: `s3://${bucket}/backups?endpoint=${encodeURIComponent(place.proxy.url)}`
    })
    for (const name of ['host.txt', 'recovery.txt'])
      execFileSync('age-keygen', ['-o', desk.at(name)], { stdio: 'ignore' })
    const recipients = ['host.txt', 'recovery.txt'].map(name => execFileSync('age-keygen', ['-y', desk.at(name)]))
    writeFileSync(desk.at('recipients.txt'), Buffer.concat(recipients))
    execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', desk.at('sign.pem')])
    execFileSync('openssl', ['pkey', '-in', desk.at('sign.pem'), '-pubout', '-out', desk.at('verify.pem')])
    for (const kind of ['full', 'incremental']) {
      writeFileSync(desk.at('src/note.txt'), kind)
      const example = runExample(desk, 's3-with-age.mjs', 'src', bucket, 'host.txt', 'recipients.txt', 'sign.pem')
      const { status, stdout, stderr } = await ended(example)
      assert.equal(status, 0, stderr)
      assert.ok(stdout.startsWith(`${kind} backup of src`), stdout)
    }
    const keys = ['--identity', 'recovery.txt', '--verify-key', 'verify.pem', '--no-cache']
    const restored = await desk.start(['restore', 'src', 'out', ...keys]).ended
    assert.equal(restored.status, 0, restored.stderr)
    assert.equal(readFileSync(desk.at('out/note.txt'), 'utf8'), 'incremental')
    const locked = await desk.start(['restore', 'src', 'out2', '--no-cache']).ended
    assert.match(locked.stderr, /IBT_KEY_MISSING/)
  }
)
