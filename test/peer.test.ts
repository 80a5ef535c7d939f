import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { isBackupError } from '../src/errors.js'
import { loadPeers, PEER_VERSIONS } from '../src/peer.js'

const MANIFEST = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

test('the message for a missing package is the command that installs it', async () => {
  const absent = 'a-package-that-is-not-installed'
  const load = () => import(absent)
  await assert.rejects(loadPeers('sftp:// stores', ['ssh2'], load), error => {
    assert.ok(isBackupError(error))
    assert.equal(error.code, 'IBT_PEER_MISSING')
    assert.match(error.message, /^sftp:\/\/ stores need .*: npm install ssh2@1$/)
    return true
  })
  const both = loadPeers('s3:// stores', ['@aws-sdk/client-s3', 'webdav'], load)
  await assert.rejects(both, { message: /: npm install @aws-sdk\/client-s3@3 webdav@5$/ })
})

test('another error of an import passes as it is, and a package that is there is given', async () => {
  const broken = new Error('It does not load here')
  await assert.rejects(
    loadPeers('x', ['ssh2'], () => Promise.reject(broken)),
    error => error === broken
  )
  const { FileType } = await loadPeers('WebDAV stores', ['webdav'], async () => ({ FileType: 1 }))
  assert.equal(FileType, 1)
})

test('the versions of the messages are those of package.json, and every peer is optional', () => {
  const { peerDependencies, peerDependenciesMeta } = MANIFEST
  assert.deepEqual(Object.keys(PEER_VERSIONS).sort(), Object.keys(peerDependencies).sort())
  for (const [name, version] of Object.entries(PEER_VERSIONS)) {
    assert.ok(`${peerDependencies[name]}`.startsWith(`^${version}.`), `${name} ${peerDependencies[name]}`)
    assert.equal(peerDependenciesMeta[name].optional, true)
  }
})
