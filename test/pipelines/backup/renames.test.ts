import assert from 'node:assert/strict'
import {
  appendFileSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { PART_BYTES } from '../../../src/constants.js'
import { type BackupReport, verifyBackup } from '../../../src/index.js'
import { assertRestoresByHand, BY_HAND_TOOLS } from '../../helpers/by-hand.js'
import { NaiveChain } from '../../helpers/chain.js'
import { oracle } from '../../helpers/oracle.js'
import { randomBytes, temporaryDirectory } from '../../native/tree.js'

const RSYNC = oracle('rsync')

class Tree extends NaiveChain {
  constructor(t: TestContext) {
    super(temporaryDirectory(t))
  }
  at(path: string): string {
    return join(this.source, path)
  }
  write(path: string, content: Buffer | string): void {
    mkdirSync(join(this.at(path), '..'), { recursive: true })
    writeFileSync(this.at(path), content)
  }
  move(from: string, to: string): void {
    renameSync(this.at(from), this.at(to))
  }
  /** Of contents and signatures; the state is not counted. */
  storedOf(report: BackupReport): number {
    return report.files.filter(({ kind }) => kind !== 'state').reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  }
  async assertAll(): Promise<void> {
    for (const { date } of this.reports) await this.assertRestores(date)
    const { problems } = await verifyBackup('key', { store: this.storePath, cache: false, readData: true })
    assert.deepEqual(problems, [])
  }
}

/** Bytes that an incremental of this test has in archives without any content: headers of directories. */
const HEADERS_BYTES = 2500

test('what was renamed, moved with its directory, copied or swapped is not stored again', RSYNC, async t => {
  const tree = new Tree(t)
  const names = ['small', 'd/signed', 'd/e/deep', 'd/large', 'swap 1', 'swap 2', 'group 1']
  for (const [i, name] of names.entries()) {
    tree.write(name, randomBytes(name.endsWith('large') ? PART_BYTES + 1 : 3000 + i * 9000, i))
  }
  tree.write('d/empty', '')
  linkSync(tree.at('group 1'), tree.at('group 2'))
  await tree.full()
  const steps = [
    () => tree.move('small', 'small, renamed'),
    () => tree.move('d', 'moved'),
    () => tree.move('moved', 'a'),
    () => copyFileSync(tree.at('a/signed'), tree.at('copy')),
    () => {
      tree.move('swap 1', 'swap')
      tree.move('swap 2', 'swap 1')
      tree.move('swap', 'swap 2')
    },
    () => tree.move('group 1', 'z group 1'),
    () => tree.move('a/large', 'large')
  ]
  for (const [i, step] of steps.entries()) {
    step()
    const report = await tree.incremental()
    assert.ok(tree.storedOf(report) < HEADERS_BYTES, `step ${i} stored ${tree.storedOf(report)} bytes`)
  }
  await tree.assertAll()
})

test('what was renamed is found by hand, too', oracle(...BY_HAND_TOOLS), async t => {
  const tree = new Tree(t)
  tree.write('d/file', randomBytes(40_000, 1))
  await tree.full()
  appendFileSync(tree.at('d/file'), 'more')
  await tree.incremental()
  tree.move('d', 'e')
  await tree.incremental()
  tree.move('e/file', 'e/file.1')
  appendFileSync(tree.at('e/file.1'), 'and more')
  await tree.incremental()
  for (const { date } of tree.reports) assertRestoresByHand(tree, date)
})

const ROTATIONS: Readonly<Record<string, (tree: Tree) => void>> = {
  'a rename': tree => {
    for (let i = 5; i > 0; i--) {
      const from = tree.at(i === 1 ? 'log/app.log' : `log/app.log.${i - 1}`)
      try {
        renameSync(from, tree.at(`log/app.log.${i}`))
      } catch {
        // Not that old yet.
      }
    }
    tree.write('log/app.log', '')
  },
  'a copy and a truncation': tree => {
    rmSync(tree.at('log/app.log.1'), { force: true })
    copyFileSync(tree.at('log/app.log'), tree.at('log/app.log.1'))
    truncateSync(tree.at('log/app.log'))
  },
  'a date': tree => {
    tree.move('log/app.log', `log/app.log-202611${10 + tree.reports.length}`)
    tree.write('log/app.log', '')
  }
}

for (const [how, rotate] of Object.entries(ROTATIONS)) {
  test(`a log that is rotated five times by ${how} is stored as what was added to it`, RSYNC, async t => {
    const tree = new Tree(t)
    let seed = 0
    const log = (bytes: number) => appendFileSync(tree.at('log/app.log'), randomBytes(bytes, ++seed))
    tree.write('log/app.log', '')
    log(300_000)
    await tree.full()
    for (let i = 0; i < 5; i++) {
      // What was written behind the last backup and before the rotation is in the rotated file only.
      log(20_000)
      rotate(tree)
      log(100_000)
      const stored = tree.storedOf(await tree.incremental())
      assert.ok(stored < 135_000, `rotation ${i} stored ${stored} bytes for 120,000 new ones`)
    }
    await tree.assertAll()
  })
}

test(
  'a moved file without its sigvault, and one that only has a deleted one’s inode, are stored whole',
  RSYNC,
  async t => {
    const tree = new Tree(t)
    tree.write('app.log', randomBytes(50_000, 1))
    await tree.full()
    tree.move('app.log', 'another name')
    writeFileSync(tree.at('another name'), randomBytes(60_000, 2))
    const reused = await tree.incremental()
    assert.ok(tree.storedOf(reused) > 60_000)
    tree.move('another name', 'another name.1')
    appendFileSync(tree.at('another name.1'), randomBytes(10, 3))
    for (const name of tree.stored('sigvault')) rmSync(join(tree.storePath, name))
    rmSync(tree.cachePath, { recursive: true })
    const lost = await tree.incremental()
    assert.ok(tree.storedOf(lost) > 60_000)
    await tree.assertAll()
  }
)

test('a file that changed in its place has its own content as the basis', RSYNC, async t => {
  const tree = new Tree(t)
  tree.write('file.1', randomBytes(50_000, 1))
  tree.write('file.2', randomBytes(50_000, 2))
  await tree.full()
  // Written anew: another inode, the same beginning.
  const content = readFileSync(tree.at('file.1'))
  rmSync(tree.at('file.1'))
  tree.write('file.1', Buffer.concat([content, Buffer.from('more')]))
  const report = await tree.incremental()
  assert.ok(tree.storedOf(report) < 6000, `${tree.storedOf(report)} bytes`)
  await tree.assertAll()
})
