import {
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { run } from './judges.js'
import { createRandom } from './random.js'

const MIB = 1024 * 1024

/** Sizes at the borders of blocks, of signed files, of batches and of parts. */
export const SIZES: readonly number[] = [
  ...[0, 1, 511, 512, 513, 16383, 16384, 16385, 131071, 131072, 131073],
  ...[3 * MIB, 20 * MIB]
]

/** Names that are hard for tars, shells, JSON and file systems. */
export const ODD_NAMES: readonly (string | Buffer)[] = [
  ...['with blank', ' leading', 'trailing ', 'new\nline', 'tab\t', '"quoted"', "it's", 'back\\slash', '-rf', '*'],
  ...['\u00e9', 'e\u0301', '\u{1f600}', '\uff5e', 'a.b', 'a-b', 'a!', 'x'.repeat(101), `${'\u00fc'.repeat(120)}`],
  ...[Buffer.from([0xff]), Buffer.from([0x66, 0xc3, 0x28]), Buffer.from([0xed, 0xa0, 0x80])],
  Buffer.concat([Buffer.alloc(150, 'y'), Buffer.from([0xfe])])
]

/** A mode as only root can use it, or one that lets the tests' user read and enter what is his. */
export const usableMode = (mode: number): number => (process.geteuid?.() === 0 ? mode : mode | 0o700)

/** Does things to a tree by names that may be any bytes. Random bytes depend on the seed only. */
export class Tree {
  readonly #random

  constructor(
    readonly root: string,
    seed: number
  ) {
    this.#random = createRandom(seed)
  }

  at(name: string | Buffer): Buffer {
    return Buffer.concat([Buffer.from(`${this.root}/`), Buffer.from(name as string)])
  }

  random(sizeBytes: number): Buffer {
    return this.#random.bytes(sizeBytes)
  }

  file(name: string | Buffer, content: string | Buffer | number = 100): void {
    writeFileSync(this.at(name), typeof content === 'number' ? this.random(content) : content)
  }

  directory(name: string | Buffer): void {
    mkdirSync(this.at(name), { recursive: true })
  }

  symlink(name: string | Buffer, target: string | Buffer): void {
    symlinkSync(target, this.at(name))
  }

  link(name: string | Buffer, to: string | Buffer): void {
    linkSync(this.at(to), this.at(name))
  }

  rename(from: string | Buffer, to: string | Buffer): void {
    renameSync(this.at(from), this.at(to))
  }

  remove(name: string | Buffer): void {
    rmSync(this.at(name), { recursive: true })
  }

  truncate(name: string | Buffer, sizeBytes: number): void {
    truncateSync(this.at(name), sizeBytes)
  }

  chmod(name: string | Buffer, mode: number): void {
    chmodSync(this.at(name), mode)
  }

  /** Times to the nanosecond: `@seconds.nanoseconds`. A link's own time, not its target's. */
  touch(name: string | Buffer, time: string): void {
    run('touch', ['-h', '-d', time, this.at(name).toString()])
  }

  /** Replaces `length` bytes at `offset` by `inserted` random ones. */
  splice(name: string | Buffer, offset: number, length: number, inserted: number): void {
    const before = readFileSync(this.at(name))
    const after = [before.subarray(0, offset), this.random(inserted), before.subarray(offset + length)]
    writeFileSync(this.at(name), Buffer.concat(after))
  }
}

/** A tree of all that a backup has to keep. */
export function makeTree(root: string, sizes = SIZES): Tree {
  const tree = new Tree(root, 1)
  tree.directory('.')
  tree.directory('sizes')
  for (const sizeBytes of sizes) tree.file(`sizes/${sizeBytes}`, sizeBytes)
  tree.directory('odd/a')
  tree.file('odd/a/b', 'below a')
  for (const name of ODD_NAMES) tree.file(Buffer.concat([Buffer.from('odd/'), Buffer.from(name as string)]), 300)
  makeDirectories(tree)
  makeLinks(tree)
  tree.directory('modes')
  for (const mode of [0, 0o400, 0o644, 0o4755, 0o2711, 0o1644, 0o7777]) {
    tree.file(`modes/${mode.toString(8)}`)
    tree.chmod(`modes/${mode.toString(8)}`, usableMode(mode))
  }
  makeTimes(tree)
  return tree
}

function makeDirectories(tree: Tree): void {
  tree.directory('directories/empty')
  tree.directory('directories/sticky')
  tree.chmod('directories/sticky', 0o1777)
  tree.directory('directories/setgid')
  tree.chmod('directories/setgid', 0o2755)
  const deep = `directories/${Array.from({ length: 40 }, (_, i) => `level ${i}`).join('/')}`
  tree.directory(deep)
  tree.file(`${deep}/file`)
}

function makeLinks(tree: Tree): void {
  tree.directory('links/d')
  tree.symlink('links/dangling', 'no such file')
  tree.symlink('links/loop', 'pool')
  tree.symlink('links/pool', 'loop')
  tree.symlink('links/self', 'self')
  tree.symlink('links/to-directory', 'd')
  tree.symlink('links/absolute', '/etc/passwd')
  tree.symlink('links/raw', Buffer.from([0x2f, 0xff, 0x0a]))
  tree.symlink('links/long', 'z'.repeat(200))
  tree.file('links/hard', 20_000)
  tree.link('links/hard-too', 'links/hard')
  tree.link('links/d/hard', 'links/hard')
  tree.file('links/pair', 'small')
  tree.link('links/d/pair', 'links/pair')
}

function makeTimes(tree: Tree): void {
  tree.directory('times')
  for (const time of [
    '0',
    '1',
    '-1',
    '-1.500000001',
    '-2000000000.999999999',
    '1700000000.123456789',
    '5000000000.1'
  ]) {
    tree.file(`times/${time}`)
    tree.touch(`times/${time}`, `@${time}`)
  }
  tree.symlink('times/link', 'nowhere')
  tree.touch('times/link', '@-5.000000007')
  tree.touch('directories/empty', '@99.000000001')
}

/** Five increments, in their order, for a tree of `makeTree`: what each changes depends on those before. */
export const EDITS: readonly ((tree: Tree) => void)[] = [
  function editContents(tree) {
    tree.splice(`sizes/${3 * MIB}`, MIB + 7, 1000, 1000)
    tree.splice('sizes/131072', 5000, 0, 333)
    tree.splice('sizes/16385', 16385, 0, 50)
    tree.truncate('sizes/131073', 70_000)
    tree.remove('sizes/511')
    tree.rename('sizes/512', 'sizes/renamed')
    tree.file('sizes/0', 'no longer empty')
    tree.truncate('sizes/1', 0)
    tree.link('links/hard-added', 'links/hard')
    tree.chmod('modes/644', 0o4600)
    tree.touch('times/1', '@1.000000002')
    tree.touch('times/link', '@-6.000000001')
    tree.directory('new/empty')
    tree.file('new/file', 20_000)
  },
  function changeTypes(tree) {
    tree.splice('links/hard', 10_000, 10, 10)
    tree.remove('sizes/513')
    tree.directory('sizes/513')
    tree.file('sizes/513/inside')
    tree.remove('new')
    tree.symlink('new', 'sizes')
    tree.remove('links/dangling')
    tree.file('links/dangling', 'a file by now')
    tree.remove('links/self')
    tree.directory('links/self')
    tree.remove('directories/empty')
    tree.file('directories/empty', 17_000)
    tree.remove('links/to-directory')
    tree.symlink('links/to-directory', '../sizes')
    tree.chmod('directories/sticky', 0o700)
    tree.file(Buffer.concat([Buffer.from('odd/'), Buffer.from([0xff])]), 'changed')
    tree.splice(`sizes/${3 * MIB}`, 0, 0, 5000)
  },
  function unlinkAndMove(tree) {
    tree.remove('links/hard-too')
    tree.file('links/hard-too', 20_000)
    tree.remove('links/hard')
    tree.rename('odd/a', 'odd/moved')
    tree.rename('odd/\u00e9', 'odd/was NFC')
    tree.truncate(`sizes/${3 * MIB}`, MIB)
    tree.file('sizes/131071', 131071)
    tree.rename('directories/level 0', 'directories/renamed')
  },
  function changeNothing() {},
  function changeBack(tree) {
    tree.remove('sizes/513')
    tree.file('sizes/513', 513)
    tree.remove('new')
    tree.directory('new')
    tree.file('new/file', 20_000)
    tree.file('sizes/511', 511)
    tree.splice(`sizes/${3 * MIB}`, MIB, 0, MIB)
    tree.splice('links/d/hard', 0, 1, 1)
    tree.remove('links/d/pair')
    tree.remove('directories/renamed')
    tree.chmod('.', 0o750)
  }
]

/** Edits of the 20 MiB file: of its middle, and one whose delta is longer than a part. */
export const LARGE_EDITS: readonly ((tree: Tree) => void)[] = [
  tree => tree.splice(`sizes/${20 * MIB}`, 9 * MIB, 100, 77),
  tree => tree.splice(`sizes/${20 * MIB}`, MIB, 9 * MIB, 9 * MIB),
  () => {},
  () => {},
  tree => tree.truncate(`sizes/${20 * MIB}`, 11 * MIB)
]
