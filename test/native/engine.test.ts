import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..', '..', '..')

test('the engine passes its unit tests under the address and undefined-behaviour sanitizers, at each level of vectors', t => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['native/test/run.mjs', 'unit'], {
    cwd: root,
    encoding: 'utf8'
  })
  if (status === 77 && process.env.REQUIRE_ORACLES !== '1') return t.skip(stderr.trim())
  assert.equal(status, 0, `${stdout}${stderr}`)
  assert.equal(stdout.match(/^\d+ tests, 0 failed$/gm)?.length, 3)
})
