import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { fullBackup, restoreBackup } from '../../src/index.js'
import { directoryStore, storeFromUrl } from '../../src/stores/index.js'
import { sftpStore } from '../../src/stores/sftp/index.js'
import { storeUrlId } from '../../src/stores/store-url.js'
import { NaiveChain } from '../helpers/chain.js'
import { Desk } from '../helpers/desk.js'
import { temporaryDirectory } from '../native/tree.js'

test('a file: URL is the directory of that path, also with odd names', async t => {
  const chain = new NaiveChain(temporaryDirectory(t))
  writeFileSync(join(chain.source, 'file'), 'text')
  const path = join(chain.base, 'a #?%41 ü')
  const store = pathToFileURL(path).href
  await fullBackup(chain.source, { store, cache: false, key: 'key' })
  await restoreBackup('key', join(chain.base, 'out'), { store: path, cache: false })
  assert.deepEqual(readdirSync(join(chain.base, 'out')), ['file'])
  assert.equal(storeFromUrl(store).id, directoryStore(path).id)
  assert.deepEqual(storeFromUrl(new URL(store)).places, [path])
})

test('a store has the same id by its URL and by its options, and a host of another config is another store', () => {
  for (const [url, options] of [
    ['sftp://nas/backups', { host: 'nas', path: '/backups' }],
    ['sftp://me@nas:22/~/backups', { host: 'nas', path: 'backups', username: 'me', port: 22 }],
    ['sftp://nas/backups?config=%2Fetc%2Fibt%2Fssh', { host: 'nas', path: '/backups', config: '/etc/ibt/ssh' }]
  ] as const) {
    assert.equal(sftpStore(options).id, url)
    assert.equal(storeFromUrl(url).id, url)
  }
})

test('what is no URL of a store is refused, and the message names those that are', () => {
  for (const url of ['ftp://host/path', 'constructor://x', 'toString://x'])
    assert.throws(() => storeFromUrl(url), { name: 'RangeError', message: /not a kind of store: .*file:/ })
  for (const url of ['file:relative', 'file://host/path', 'file:///a?b', 'file:///a#b', 'http://', 'x'])
    assert.throws(() => storeFromUrl(url), RangeError, url)
})

test('a password or another secret in a URL is refused, and no message repeats it', () => {
  const urls = [
    ...['https://user:hunter2@host/path', 'sftp://user:hunter2@host/', 's3://key:hunter2@bucket', 'ftp://:hunter2@x'],
    ...['s3://bucket?secretAccessKey=hunter2', 'https://host/?token=hunter2', 'https://x:hunter2@host:99999/']
  ]
  for (const url of urls) {
    assert.throws(
      () => storeFromUrl(url),
      error => error instanceof RangeError && !error.message.includes('hunter2'),
      url
    )
  }
})

test('an id has no password, and is the same however the URL is written', () => {
  const id = (url: string) => storeUrlId(new URL(url))
  assert.equal(id('s3://bucket/a/b/?region=x&endpoint=y'), id('s3://bucket/a/b?endpoint=y&region=x'))
  assert.equal(id('https://user:secret@HOST:443/a'), 'https://user@host/a')
  assert.notEqual(id('sftp://a@host/x'), id('sftp://b@host/x'))
})

test('the command line takes URLs of stores, and refuses with exit code 2 those that it does not know', t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  const store = pathToFileURL(desk.at('there')).href
  assert.match(desk.ibt('list', '--store', store).stderr, /there, which is not there/)
  assert.equal(desk.ibt('backup', 'src', '--store', store).status, 0)
  assert.match(desk.ibt('list', '--store', store).stdout, /^src /)
  assert.match(desk.ibt('restore', 'other', 'out', '--store', store).stderr, /looked in \/.*there, which has src/)
  const { status, stderr } = desk.ibt('backup', 'src', '--store', 'gopher://host/path')
  assert.deepEqual([status, /not a kind of store/.test(stderr)], [2, true])
})
