/** Fields of a ustar header that a test wants to be odd; texts are Latin-1, a character a byte. */
export interface OddHeader {
  readonly size?: number | string
  readonly flag?: string
  readonly link?: string
  readonly mode?: number
  readonly uid?: string
  readonly gid?: string
  readonly mtime?: string
  readonly magic?: string
}

const TIME = 1_700_000_000

const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, '0')}\0`
const field = (text: string, width: number) => Buffer.from(text.slice(0, width).padEnd(width, '\0'), 'latin1')

/** A number in base 256, as GNU tar writes what octal cannot hold. */
export function base256(value: bigint, width: number): string {
  const bytes = Buffer.alloc(width)
  let rest = BigInt.asUintN(8 * width, value)
  for (let i = width - 1; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn)
  bytes[0] = value < 0n ? 0xff : 0x80
  return bytes.toString('latin1')
}

export function header(name: string, options: OddHeader = {}): Buffer {
  const { size = 0, flag = '0', link = '', mode = 0o644, uid = octal(0, 8), gid = octal(0, 8) } = options
  const { mtime = octal(TIME, 12), magic = 'ustar\x0000' } = options
  const sizeField = typeof size === 'string' ? size : octal(size, 12)
  const block = Buffer.concat([
    ...[field(name, 100), field(octal(mode, 8), 8), field(uid, 8), field(gid, 8), field(sizeField, 12)],
    ...[field(mtime, 12), Buffer.from(' '.repeat(8)), field(flag, 1), field(link, 100), field(magic, 8)],
    ...[field('', 64), field(octal(0, 8), 8), field(octal(0, 8), 8), field('', 155), field('', 12)]
  ])
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

export function body(bytes: string | Buffer): Buffer {
  const buffer = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes
  return Buffer.concat([buffer, Buffer.alloc(-buffer.length & 511)])
}

export function oddFile(name: string, bytes = 'hello\n', options: OddHeader = {}): Buffer {
  return Buffer.concat([header(name, { size: bytes.length, ...options }), body(bytes)])
}

export function oddDirectory(name = './', options: OddHeader = {}): Buffer {
  return header(name, { flag: '5', mode: 0o755, ...options })
}

export function pax(records: Readonly<Record<string, string>>, flag = 'x'): Buffer {
  let text = ''
  for (const [key, value] of Object.entries(records)) {
    const rest = key.length + value.length + 3
    let length = rest + String(rest).length
    length = rest + String(length).length
    text += `${length} ${key}=${value}\n`
  }
  return Buffer.concat([header('PaxHeader', { size: text.length, flag }), body(text)])
}

const END = Buffer.alloc(1024)
const tar = (...parts: readonly Buffer[]) => Buffer.concat([...parts, END])
const root = oddDirectory()
const after = oddFile('./z.txt', 'zz\n')
const longName = `./long-${'n'.repeat(120)}.txt`
const longRecord = (bytes: string) => [header('././@LongLink', { size: bytes.length, flag: 'L' }), body(bytes)]
const sparse = (realsize: number, map: string) => [
  pax({
    size: String(realsize),
    'GNU.sparse.major': '1',
    'GNU.sparse.minor': '0',
    'GNU.sparse.name': './sp.bin',
    'GNU.sparse.realsize': String(realsize)
  }),
  header('./GNUSparseFile.0/sp.bin', { size: 1024 }),
  body(map),
  body('D'.repeat(512))
]

/** What is to become of an odd tar: as one of the tools leaves it on disk, or refused with a code. */
export interface OddTar {
  readonly tar: Buffer
  readonly like?: 'tar' | 'bsdtar'
  readonly refused?: string
  /** Names that are left out, or entries that are not wholly taken over. */
  readonly losses?: number
  /** The tools leave the time of extraction in directories that the tar does not name. */
  readonly madeDirectories?: boolean
}

/** Tars as no tool of this package writes them, from other tools' bug reports. */
export const ODD_TARS: Readonly<Record<string, OddTar>> = {
  'a directory with a size': {
    tar: tar(root, oddDirectory('./sub/', { size: 4096 }), oddFile('./sub/a.txt'), after),
    like: 'tar'
  },
  'a FIFO with a size': { tar: tar(root, header('./f', { size: 512, flag: '6' }), after), like: 'tar' },
  'a symlink with a size': {
    tar: tar(root, header('./l', { size: 512, flag: '2', link: 'a' }), after),
    like: 'tar'
  },
  'a hard link with a size': {
    tar: tar(root, oddFile('./a.txt'), header('./b.txt', { size: 6, flag: '1', link: './a.txt' }), after),
    like: 'tar'
  },
  'double slashes and dots': {
    tar: tar(root, oddDirectory('./p/'), oddDirectory('./p/q/'), oddFile('./p/q//t.txt'), oddFile('./p/q/./u.txt')),
    like: 'tar'
  },
  'absolute names': { tar: tar(oddDirectory('/'), oddDirectory('/p/'), oddFile('/p/t.txt')), like: 'tar' },
  'no directories': {
    tar: tar(oddFile('pkg/lib/a.js'), oddFile('pkg/package.json')),
    like: 'tar',
    madeDirectories: true
  },
  'a link to itself': { tar: tar(root, oddFile('./foo'), header('./foo', { flag: '1', link: './foo' })), like: 'tar' },
  'numbers that are NULs': {
    tar: tar(
      ...[root, oddFile('./a', undefined, { mtime: '' }), oddFile('./b', undefined, { uid: '', gid: '' })],
      header('./c', { size: '' })
    ),
    like: 'tar'
  },
  'numbers that are blanks': {
    tar: tar(
      root,
      oddFile('./a', undefined, { mtime: ' '.repeat(12) }),
      oddFile('./b', undefined, { uid: ' '.repeat(8) })
    ),
    like: 'bsdtar'
  },
  'numbers that are none': {
    tar: tar(root, oddFile('./a', undefined, { mtime: 'yesterday', gid: 'nobody' })),
    like: 'bsdtar',
    losses: 1
  },
  'empty records': { tar: tar(root, pax({}), oddFile('./a'), pax({}, 'g'), oddFile('./b')), like: 'tar' },
  'an empty value': { tar: tar(root, pax({ uname: 'x', mtime: '' }), oddFile('./a')), like: 'tar' },
  'times before 1970': { tar: tar(root, pax({ mtime: '-2146608000.5', atime: '-1.25' }), oddFile('./a')), like: 'tar' },
  'a time with an exponent': { tar: tar(root, pax({ mtime: '1e-05' }), oddFile('./a')), like: 'tar' },
  'times without one side of the point': {
    tar: tar(root, pax({ mtime: '1700000000.' }), oddFile('./a'), pax({ mtime: '.5' }), oddFile('./b')),
    like: 'bsdtar'
  },
  'negative owners': {
    tar: tar(root, oddFile('./a', undefined, { uid: base256(-2n, 8), gid: base256(-1n, 8) })),
    like: 'bsdtar'
  },
  'an owner of 33 bits': {
    tar: tar(root, oddFile('./a', undefined, { uid: base256(2n ** 32n, 8) })),
    like: 'tar',
    losses: 1
  },
  'an owner with decimals': { tar: tar(root, pax({ uid: '0.0' }), oddFile('./a')), like: 'tar' },
  'a long name and a size in records': {
    tar: tar(
      ...[root, pax({ size: '2048' }), ...longRecord(`${longName}\0`), header('./long', { size: 6 })],
      ...[body(Buffer.alloc(2048, 'x')), after]
    ),
    like: 'tar'
  },
  'a long name without a NUL': { tar: tar(root, ...longRecord(longName), oddFile('./long'), after), like: 'tar' },
  'a link to an absolute name': {
    tar: tar(root, oddFile('./a'), header('./b', { flag: '1', link: '/a' })),
    like: 'tar'
  },
  "a link through '..'": {
    tar: tar(root, oddDirectory('./s/'), oddFile('./s/a'), header('./s/b', { flag: '1', link: '../s/a' })),
    like: 'tar'
  },
  'a link to nothing': {
    tar: tar(root, header('./a', { flag: '1', link: './gone' }), oddFile('./b')),
    like: 'tar',
    losses: 1
  },
  'headers of Unix V7': {
    tar: tar(
      header('d/', { flag: '\0', magic: '', mode: 0o755 }),
      header('d/a', { size: 6, flag: '\0', magic: '' }),
      body('hello\n')
    ),
    like: 'tar'
  },
  'an unknown type': { tar: tar(root, oddFile('./a', undefined, { flag: 'Z' }), after), like: 'tar' },
  "a vendor's type": { tar: tar(root, oddFile('./a', undefined, { flag: 'A' }), after), like: 'tar' },
  'garbage behind the end': { tar: Buffer.concat([tar(root, oddFile('./a')), Buffer.alloc(2100, 'x')]), like: 'tar' },
  'one closing block': { tar: Buffer.concat([root, oddFile('./a'), Buffer.alloc(512)]), like: 'tar' },
  'no closing block': { tar: Buffer.concat([root, oddFile('./a')]), refused: 'IBT_ARCHIVE_TRUNCATED' },
  'names with control characters': { tar: tar(root, oddFile('./a\r'), oddFile('./b '), oddFile('./c\n')), like: 'tar' },
  'a backslash': { tar: tar(root, oddFile('./dir\\file.txt')), like: 'tar' },
  'an empty name': { tar: tar(root, oddFile('', ''), after), like: 'bsdtar', losses: 1 },
  "a name with '..'": { tar: tar(root, oddFile('./../up'), after), like: 'bsdtar', losses: 1 },
  'names of dots': { tar: tar(root, oddFile('./...'), oddDirectory('./a/'), oddFile('./a/..b')), like: 'tar' },
  'a name of any bytes': {
    tar: tar(root, pax({ hdrcharset: 'BINARY', path: './caf\xe9' }), oddFile('./x')),
    like: 'tar'
  },
  'ACLs as text': {
    tar: tar(root, pax({ 'SCHILY.acl.access': 'user::rw-,group::r--,other::r--' }), oddFile('./a')),
    like: 'tar',
    losses: 1
  },
  'a sparse file with the size of its content': {
    tar: tar(root, ...sparse(1_048_576, '1\n1048064\n512\n'), oddFile('./z1')),
    like: 'bsdtar'
  }
}
