import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { closeSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openRoot } from '../../src/native.js'
import { digestOf } from '../../src/restore/existing.js'
import type { Metadata } from '../../src/types.js'
import { temporaryDirectory } from '../native/tree.js'

test('the digest of a file that has grown is not looked for', async t => {
  const root = temporaryDirectory(t)
  const bytes = Buffer.from('12345')
  writeFileSync(join(root, 'file'), bytes)
  const fd = await openRoot(Buffer.from(root))
  t.after(() => closeSync(fd))
  const digest = (sizeBytes: number) => digestOf(fd, { path: 'file', sizeBytes } as Metadata)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  assert.deepEqual([await digest(5), await digest(4), await digest(0)], [sha256, undefined, undefined])
})
