import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync
} from 'node:fs'
import type { Random } from './random.js'
import { usableMode } from './tree.js'

const NAMES: readonly Buffer[] = [
  ...['a', 'a.b', 'a-', 'a b', 'b', 'c', '-', '\n', '\u00e9', 'e\u0301', 'n'.repeat(120), '\u{1f600}'].map(name =>
    Buffer.from(name)
  ),
  ...[Buffer.from([0x61, 0xff]), Buffer.from([0xfe])]
]
const SIZES: readonly number[] = [
  ...[0, 1, 511, 512, 513, 5000, 16_383, 16_384, 20_000, 70_000, 131_072, 131_073, 400_000],
  ...[0, 1, 511, 512, 513, 5000, 16_383, 16_384, 20_000, 70_000, 131_072, 131_073, 9_000_000]
]
const MODES: readonly number[] = [0o644, 0o600, 0o755, 0o4711, 0o1640, 0]
const OWNERS: readonly number[] = [0, 1, 65_534, 3_000_000_000]
/** Seconds. */
const TIMES: readonly number[] = [0, -1.5, 1_700_000_000.123456, 1_700_000_000, 2_500_000_000.000001]
const DEPTH = 400
const IS_ROOT = process.geteuid?.() === 0

const isFile = (stat: Stats) => stat.isFile()
const isDirectory = (stat: Stats) => stat.isDirectory()

/** A tree to which anything may happen, by paths of whatever bytes. */
export class Playground {
  /** Something had an extended attribute at some time. */
  hasXattrs = false

  constructor(readonly root: string) {}

  at(path: Buffer): Buffer {
    return Buffer.concat([Buffer.from(`${this.root}/`), path])
  }

  #paths(isWanted: (stat: Stats) => boolean): Buffer[] {
    const found: Buffer[] = []
    const list = (directory: Buffer) => {
      for (const name of readdirSync(this.at(directory), { encoding: 'buffer' })) {
        const path = join(directory, name)
        const stat = lstatSync(this.at(path))
        if (isWanted(stat)) found.push(path)
        if (stat.isDirectory()) list(path)
      }
    }
    list(Buffer.alloc(0))
    return found.sort(Buffer.compare)
  }

  some(random: Random, isWanted: (stat: Stats) => boolean = () => true): Buffer | undefined {
    const paths = this.#paths(isWanted)
    return paths.length === 0 ? undefined : random.pick(paths)
  }

  /** A path that is free, in some directory that is not too deep. */
  free(random: Random): Buffer | undefined {
    const directories = this.#paths(isDirectory).filter(path => path.length < DEPTH)
    const path = join(random.pick([Buffer.alloc(0), ...directories]), random.pick(NAMES))
    return lstatSync(this.at(path), { throwIfNoEntry: false }) === undefined ? path : undefined
  }

  make(path: Buffer, random: Random): void {
    const kind = random.int(12)
    if (kind < 7) writeFileSync(this.at(path), random.bytes(random.pick(SIZES)))
    else if (kind < 9) mkdirSync(this.at(path))
    else if (kind < 11) symlinkSync(random.pick(NAMES), this.at(path))
    else spawn('mkfifo', ['--', this.at(path)])
  }
}

function join(directory: Buffer, name: Buffer): Buffer {
  return directory.length === 0 ? name : Buffer.concat([directory, Buffer.from('/'), name])
}

/** Arguments as bytes: a shell makes them of octal escapes. */
function spawn(command: string, args: readonly (string | Buffer)[]): void {
  const quoted = args.map(arg => `$'${[...Buffer.from(arg as string)].map(octal).join('')}'`)
  const { status, stderr } = spawnSync('bash', ['-c', `${command} ${quoted.join(' ')}`], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr}`)
}

const octal = (byte: number) => `\\${byte.toString(8).padStart(3, '0')}`

/** Opens a file to change it in its place. */
function edit(path: Buffer, change: (fd: number) => void): void {
  const fd = openSync(path, 'r+')
  try {
    change(fd)
  } finally {
    closeSync(fd)
  }
}

/** Each does one thing to something, if there is anything to which it can be done. */
export const EDITS = {
  create(ground: Playground, random: Random) {
    const path = ground.free(random)
    if (path) ground.make(path, random)
  },
  overwrite(ground: Playground, random: Random) {
    const path = ground.some(random, isFile)
    if (!path) return
    const { size } = lstatSync(ground.at(path))
    edit(ground.at(path), fd => writeSync(fd, random.bytes(random.pick([1, 100, 3000])), 0, null, random.int(size + 1)))
  },
  insert(ground: Playground, random: Random) {
    const path = ground.some(random, isFile)
    if (!path) return
    const before = readFileSync(ground.at(path))
    const offset = random.int(before.length + 1)
    const inserted = random.bytes(random.pick([1, 100, 2000]))
    const rest = before.subarray(offset + random.pick([0, 0, 1, 3000]))
    writeFileSync(ground.at(path), Buffer.concat([before.subarray(0, offset), inserted, rest]))
  },
  truncate(ground: Playground, random: Random) {
    const path = ground.some(random, isFile)
    if (path) truncateSync(ground.at(path), random.pick(SIZES))
  },
  append(ground: Playground, random: Random) {
    const path = ground.some(random, isFile)
    if (path) appendFileSync(ground.at(path), random.bytes(random.pick([1, 500, 40_000])))
  },
  writeSparse(ground: Playground, random: Random) {
    const path = ground.some(random, isFile) ?? ground.free(random)
    if (!path) return
    writeFileSync(ground.at(path), random.bytes(100))
    edit(ground.at(path), fd => {
      ftruncateSync(fd, 1_000_000 + random.int(1_000_000))
      writeSync(fd, random.bytes(10_000), 0, null, random.int(900_000))
    })
  },
  remove(ground: Playground, random: Random) {
    const path = ground.some(random)
    if (path) rmSync(ground.at(path), { recursive: true })
  },
  rename(ground: Playground, random: Random) {
    const [from, to] = [ground.some(random), ground.free(random)]
    if (
      from &&
      to &&
      !join(to, Buffer.alloc(0))
        .toString('latin1')
        .startsWith(`${from.toString('latin1')}/`)
    )
      renameSync(ground.at(from), ground.at(to))
  },
  retype(ground: Playground, random: Random) {
    const path = ground.some(random)
    if (!path) return
    rmSync(ground.at(path), { recursive: true })
    ground.make(path, random)
  },
  chmod(ground: Playground, random: Random) {
    const path = ground.some(random, stat => !stat.isSymbolicLink())
    if (path) chmodSync(ground.at(path), usableMode(random.pick(MODES)))
  },
  chown(ground: Playground, random: Random) {
    const path = ground.some(random)
    if (path && IS_ROOT) lchownSync(ground.at(path), random.pick(OWNERS), random.pick(OWNERS))
  },
  touch(ground: Playground, random: Random) {
    const path = ground.some(random)
    if (path) lutimesSync(ground.at(path), random.pick(TIMES), random.pick(TIMES))
  },
  setXattr(ground: Playground, random: Random) {
    const path = ground.some(random, stat => stat.isFile() || stat.isDirectory())
    const name = `user.${random.pick(['a', 'b'])}`
    const value = random.pick(['0x', '0x00ff', '0x61'])
    if (!path) return
    ground.hasXattrs = true
    spawn('setfattr', ['-n', name, '-v', value, '--', ground.at(path)])
  },
  link(ground: Playground, random: Random) {
    const [to, path] = [ground.some(random, isFile), ground.free(random)]
    if (to && path) linkSync(ground.at(to), ground.at(path))
  }
} satisfies Record<string, (ground: Playground, random: Random) => void>
