import { END_OF_ARCHIVE, encodeEntry, padding, type TarHeader } from '../../src/format/tar-encode.js'
import { decodePath } from '../../src/path.js'

/** An entry of a test archive with its body. */
export interface Sample {
  readonly header: TarHeader
  readonly body: Buffer
}

const PLAIN = { mode: 0o644, uid: 1000, gid: 1000, mtimeNs: 1_700_000_000_000_000_000n, sizeBytes: 0 } as const

export function file(path: string, fields: Partial<TarHeader> = {}, body = `body of ${path.length}`): Sample {
  const bytes = Buffer.from(body)
  return { header: { ...PLAIN, type: 'file', path, sizeBytes: bytes.length, ...fields }, body: bytes }
}

export function directory(path: string, fields: Partial<TarHeader> = {}): Sample {
  return { header: { ...PLAIN, type: 'directory', path, mode: 0o755, ...fields }, body: Buffer.alloc(0) }
}

export function symlink(path: string, linkname: string): Sample {
  return { header: { ...PLAIN, type: 'symlink', path, linkname, mode: 0o777 }, body: Buffer.alloc(0) }
}

export function link(path: string, linkname: string): Sample {
  return { header: { ...PLAIN, type: 'link', path, linkname }, body: Buffer.alloc(0) }
}

/** A name of this many bytes that is no UTF-8. */
export function latin1Name(length: number): string {
  return decodePath(Buffer.from('n\xe9\xff'.padEnd(length, 'x\xfc'), 'latin1'))
}

export function encodeArchive(samples: readonly Sample[]): Buffer {
  const parts = samples.flatMap(({ header, body }) => [encodeEntry(header), body, Buffer.alloc(padding(body.length))])
  return Buffer.concat([...parts, END_OF_ARCHIVE])
}

const deep = Array.from({ length: 16 }, (_, i) => `${i}`.padStart(2, '0').padEnd(249, 'd'))

/** Everything odd that a file system can hold, in an order in which it can be extracted. */
export const ODD_SAMPLES: readonly Sample[] = [
  directory('.', { mode: 0o750 }),
  file('plain'),
  file('empty', {}, ''),
  file('full-block', {}, 'x'.repeat(512)),
  file('new\nline'),
  file(' spaces and\ttab '),
  file('-rf'),
  file('back\\slash "quotes" *?[a]'),
  file('%41=b'),
  file('utf-8 é € 😀'),
  file(latin1Name(5)),
  file(latin1Name(100)),
  file(latin1Name(101)),
  file(latin1Name(255), { mtimeNs: 1_700_000_000_123_456_789n }),
  ...[99, 100, 101, 255].map(length => file('n'.repeat(length))),
  file(`${'é'.repeat(50)}`),
  file(`a${'é'.repeat(50)}`),
  file(`${'😀'.repeat(63)}`),
  ...[98, 99, 100, 101].flatMap(length => [directory('d'.repeat(length)), file(`${'d'.repeat(length)}/f`)]),
  directory(latin1Name(99)),
  directory(latin1Name(104)),
  file(`${latin1Name(104)}/in`),
  directory(`${'e'.repeat(99)}`),
  file(`${'e'.repeat(99)}/slash-at-100`),
  ...deep.map((_, i) => directory(deep.slice(0, i + 1).join('/'))),
  file(`${deep.join('/')}/f`),
  symlink('link', 'plain'),
  symlink('link-utf8', 'é'),
  symlink('link-latin1', latin1Name(20)),
  symlink('link-100', 't'.repeat(100)),
  symlink('link-101', 't'.repeat(101)),
  symlink('link-long', `${'é/'.repeat(1300)}é`),
  symlink('link-latin1-long', latin1Name(3000)),
  symlink(latin1Name(200), latin1Name(201)),
  symlink('link-up', '../../etc/passwd'),
  link('hard', 'plain'),
  link('hard-to-long', 'n'.repeat(255)),
  link('hard-to-latin1', latin1Name(255)),
  link('hard-to-deep', `${deep.join('/')}/f`),
  { header: { ...PLAIN, type: 'fifo', path: 'fifo' }, body: Buffer.alloc(0) },
  file('mode-7777', { mode: 0o7777 }),
  file('mode-0', { mode: 0 }),
  file('uname', { uname: 'someone-else', gname: 'some group' }),
  file('uname-long', { uname: 'u'.repeat(32), gname: 'é'.repeat(40) }),
  file('uname-latin1', { uname: decodePath(Buffer.from([0xe9])), gname: decodePath(Buffer.alloc(40, 0xe9)) }),
  file('mtime-0', { mtimeNs: 0n }),
  file('mtime-1ns', { mtimeNs: 1n }),
  file('mtime-ns', { mtimeNs: 1_700_000_000_000_000_001n }),
  file('mtime-early-ns', { mtimeNs: 999_999_999_999_999_999n }),
  file('mtime-negative', { mtimeNs: -2_000_000_000n }),
  file('mtime-2100', { mtimeNs: 4_102_444_800_999_999_999n }),
  file('comment', { comment: '{"sizeBytes":1,"path":"ü=\\n"}' }),
  directory('last', { mode: 0o700, mtimeNs: 1_600_000_000_500_000_000n })
]

/** Numbers that only root can extract. */
export const ROOT_SAMPLES: readonly Sample[] = [
  file('uid-21-bits', { uid: 0o7777777, gid: 0o7777777 }),
  file('uid-22-bits', { uid: 0o10000000, gid: 0o10000000 }),
  file('uid-32-bits', { uid: 4_294_967_294, gid: 4_294_967_294 }),
  { header: { ...PLAIN, type: 'character-device', path: 'null', devMajor: 1, devMinor: 3 }, body: Buffer.alloc(0) },
  {
    header: { ...PLAIN, type: 'block-device', path: 'loop', devMajor: 259, devMinor: 1_048_575 },
    body: Buffer.alloc(0)
  }
]
