import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

test('everything exported is documented, and every type that it uses is exported', () => {
  const typedoc = ['node_modules/typedoc/bin/typedoc', '--emit', 'none', '--logLevel', 'Warn']
  const { status, stdout, stderr } = spawnSync(process.execPath, typedoc, { cwd: ROOT, encoding: 'utf8' })
  assert.equal(status, 0, stdout + stderr)
})
