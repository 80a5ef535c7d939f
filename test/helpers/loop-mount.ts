import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** Enough for mkfs.xfs. The image takes only what is written. */
const IMAGE_BYTES = 512 * 1024 * 1024

const MAKE = {
  btrfs: ['mkfs.btrfs', '-q'],
  xfs: ['mkfs.xfs', '-q', '-m', 'reflink=1'],
  ext4: ['mkfs.ext4', '-q']
} as const

export type LoopKind = keyof typeof MAKE

/**
 * A new file system of a kind, in a file, mounted until the end of the test. Undefined, and the test is skipped, if this
 * user or this kernel may not mount it.
 */
export function loopMount(t: TestContext, kind: LoopKind): string | undefined {
  const base = mkdtempSync(join(tmpdir(), 'ibt-loop-'))
  const image = join(base, 'image')
  const mounted = join(base, 'mounted')
  t.after(() => {
    // A test closes its files only later.
    spawnSync('umount', ['--lazy', mounted])
    rmSync(base, { recursive: true, force: true })
  })
  mkdirSync(mounted)
  writeFileSync(image, '')
  truncateSync(image, IMAGE_BYTES)
  const [command, ...args] = MAKE[kind]
  assert.equal(spawnSync(command, [...args, image]).status, 0, command)
  if (spawnSync('mount', ['-o', 'loop', image, mounted]).status === 0) return mounted
  t.skip(`this user or this kernel may not mount ${kind} from a file`)
  return undefined
}
