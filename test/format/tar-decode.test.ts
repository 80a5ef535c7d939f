import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import fc from 'fast-check'
import { extract } from 'tar-stream'
import { isBackupError } from '../../src/errors.js'
import { encodeRecord } from '../../src/format/pax.js'
import { BLOCK_BYTES, Field, RECORDS_BYTES, type TarHeader } from '../../src/format/tar.js'
import { decodeEntryAt, decodeHeader, isEndBlock } from '../../src/format/tar-decode.js'
import { END_OF_ARCHIVE, encodeEntry, padding } from '../../src/format/tar-encode.js'
import { decodePath, encodePath, isUtf8Path } from '../../src/path.js'
import { oracle } from '../helpers/oracle.js'
import {
  directory,
  encodeArchive,
  file,
  latin1Name,
  link,
  ODD_SAMPLES,
  ROOT_SAMPLES,
  symlink
} from '../helpers/tar-samples.js'

const SAMPLES = [...ODD_SAMPLES, ...ROOT_SAMPLES]
const CORRUPT = { code: 'IBT_ARCHIVE_CORRUPT' }

/** Sets a field and mends the checksum. */
function patched(at: number, bytes: string | Uint8Array, header: TarHeader = file('x').header): Buffer {
  const block = encodeEntry(header)
  block.set(Buffer.from(bytes as string), at)
  return summed(block)
}

function summed(block: Buffer): Buffer {
  block.fill(' ', Field.checksum, Field.type)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, Field.checksum, 'latin1')
  return block
}

/** An entry with these bytes as PAX records. */
function withRecords(records: Uint8Array, flag = 'x'): Buffer {
  const header = patched(Field.type, flag, { ...file('records').header, sizeBytes: records.length })
  return Buffer.concat([header, records, Buffer.alloc(padding(records.length)), encodeEntry(file('x', {}, '').header)])
}

function record(key: string, value: string | Uint8Array): Buffer {
  return withRecords(Buffer.from(encodeRecord(key, Buffer.from(value as string).toString('latin1')), 'latin1'))
}

test('headers are whole blocks, and everything that is encoded is decoded again', () => {
  for (const { header } of SAMPLES) {
    const bytes = encodeEntry(header)
    assert.equal(bytes.length % BLOCK_BYTES, 0)
    const { uname, gname, ...meant } = header
    const isLost = (name = '') => !isUtf8Path(name) && encodePath(name).length > 31
    const expected = { ...meant, ...(uname && !isLost(uname) && { uname }), ...(gname && !isLost(gname) && { gname }) }
    assert.deepEqual(decodeEntryAt(bytes), { header: expected, headerBytes: bytes.length })
  }
})

test('any numbers, names, times and attributes come back', () => {
  const bytes = (maxLength: number) =>
    fc
      .uint8Array({ minLength: 1, maxLength })
      .map(part => part.map(byte => (byte === 0 || byte === 0x2f ? 0x61 : byte)))
  const name = fc
    .array(bytes(120), { minLength: 1, maxLength: 3 })
    .map(parts => `p${parts.map(part => decodePath(part)).join('/q')}`)
  const text = fc
    .string({ unit: 'binary', minLength: 1, maxLength: 60 })
    .filter(value => value.isWellFormed() && !value.includes('\0'))
  const header = fc.record(
    {
      path: name,
      type: fc.constantFrom('file', 'symlink', 'link'),
      mode: fc.nat(0o7777),
      uid: fc.nat(0xffffffff),
      gid: fc.nat(0xffffffff),
      mtimeNs: fc.oneof(
        fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
        fc.bigInt(-5n, 5n),
        fc.bigInt(0n, 2n ** 33n).map(seconds => seconds * 1_000_000_000n)
      ),
      sparseSizeBytes: fc.maxSafeNat(),
      sizeBytes: fc.oneof(fc.nat(100_000), fc.maxSafeNat(), fc.constantFrom(2 ** 33 - 1, 2 ** 33)),
      uname: text,
      gname: text,
      linkname: name,
      comment: text,
      xattrs: fc
        .array(fc.tuple(text, fc.uint8Array({ maxLength: 700 })), { minLength: 1, maxLength: 4 })
        .map(entries => new Map(entries.map(([key, value]) => [`user.${key}`, value])))
    },
    { requiredKeys: ['path', 'type', 'mode', 'uid', 'gid', 'mtimeNs', 'sizeBytes', 'linkname'] }
  )
  fc.assert(
    fc.property(header, ({ linkname, sizeBytes, sparseSizeBytes, ...rest }) => {
      const sparse = sparseSizeBytes === undefined ? {} : { sparseSizeBytes }
      const meant = rest.type === 'file' ? { ...rest, sizeBytes, ...sparse } : { ...rest, sizeBytes: 0, linkname }
      const encoded = encodeEntry(meant as TarHeader)
      const decoded = decodeEntryAt(encoded)
      assert.deepEqual(decoded, { header: meant, headerBytes: encoded.length })
    }),
    { seed: 4, numRuns: 2000 }
  )
})

test('a part of a header says how many bytes it needs, and the whole one does not look further', () => {
  for (const { header } of SAMPLES) {
    const bytes = encodeEntry(header)
    let length = 0
    let rounds = 0
    for (; ; rounds++) {
      const found = decodeEntryAt(bytes.subarray(0, length))
      if ('header' in found) break
      assert.ok(found.needBytes > length && found.needBytes <= bytes.length)
      length = found.needBytes
    }
    assert.ok(rounds <= 7)
    assert.deepEqual(decodeEntryAt(Buffer.concat([bytes, Buffer.alloc(512, 0xff)])), decodeEntryAt(bytes))
  }
})

test('a block without records is decoded by itself', () => {
  assert.deepEqual(decodeHeader(encodeEntry(file('x').header)), file('x').header)
})

test('the end of an archive is told from a header', () => {
  assert.ok(isEndBlock(END_OF_ARCHIVE.subarray(0, 512)))
  assert.ok(!isEndBlock(encodeEntry(file('x').header)))
  assert.throws(() => decodeEntryAt(END_OF_ARCHIVE), CORRUPT)
})

for (const [what, bytes] of [
  ['a wrong checksum', Buffer.from(encodeEntry(file('x').header)).fill('y', 0, 1)],
  ['letters in an octal field', patched(Field.uid, '00x0000\0')],
  ['the digit 8 in an octal field', patched(Field.size, '00000000008\0')],
  ['a negative size', patched(Field.size, Buffer.alloc(12, 0xff))],
  ['a size beyond 2^53', patched(Field.size, Buffer.from('800000000020000000000001', 'hex'))],
  ['a base-256 number of another sign byte', patched(Field.size, Buffer.from('c00000000000000000000001', 'hex'))],
  ['a negative owner', patched(Field.uid, Buffer.alloc(8, 0xff))],
  ['an owner beyond 32 bits', patched(Field.gid, Buffer.from('8000000100000000', 'hex'))],
  ['a directory with a body', patched(Field.type, '5', { ...file('x').header, sizeBytes: 1 })],
  ['a link with a body', patched(Field.type, '1', { ...symlink('x', 'y').header, sizeBytes: 1 })],
  ['a symlink without a target', patched(Field.type, '2')],
  ['records above the limit', patched(Field.type, 'x', { ...file('x').header, sizeBytes: RECORDS_BYTES + 1 })],
  ['a long name above the limit', patched(Field.type, 'L', { ...file('x').header, sizeBytes: 2 ** 40 })],
  ['a NUL in a PAX path', record('path', 'a\0b')],
  ['a NUL in a PAX number', record('size', '1\x00')],
  ['a negative PAX size', record('size', '-1')],
  ['a PAX size beyond 2^53', record('size', '9007199254740993')],
  ['a PAX owner beyond 32 bits', record('uid', '4294967296')],
  ['an overlong PAX number', record('gid', '0'.repeat(10_000))],
  ['a PAX time that is none', record('mtime', '1e9')],
  ['an overlong PAX time', record('mtime', '1'.repeat(13))],
  ['a record that is longer than all of them', withRecords(Buffer.from('99 path=a\n'))],
  ['a record of length 0', withRecords(Buffer.from('0 path=a\n'))],
  ['a record without length', withRecords(Buffer.from(' path=a\n'))],
  ['a record with a huge length', withRecords(Buffer.from(`${'9'.repeat(400)} path=a\n`))],
  ['a record without key', withRecords(Buffer.from('6 =ab\n'))],
  ['a record without value', withRecords(Buffer.from('8 path\n\n'))],
  ['a record that does not end in a line feed', withRecords(Buffer.from('9 path=a '))],
  ['a NUL in a PAX key', withRecords(Buffer.from(encodeRecord('pa\0th', 'a')))],
  ['bytes after the last record', withRecords(Buffer.from(`${encodeRecord('path', 'a')}\0`))],
  ['records upon records', Buffer.concat(Array.from({ length: 10 }, () => record('path', 'a').subarray(0, 1024)))]
] as const) {
  test(`${what} is a corrupt archive`, () => {
    assert.throws(() => decodeEntryAt(bytes), CORRUPT)
  })
}

test('special entries and sparse files are refused by name', () => {
  for (const flag of ['S', 'g', 'D', 'M', 'V', 'N', 'A', 'X', '\xff']) {
    assert.throws(
      () => decodeEntryAt(patched(Field.type, Buffer.from(flag, 'latin1'))),
      { code: 'IBT_UNSUPPORTED_TYPE' },
      flag
    )
  }
  assert.throws(() => decodeEntryAt(record('GNU.sparse.major', '1')), { code: 'IBT_UNSUPPORTED_TYPE' })
  assert.throws(() => decodeEntryAt(record('GNU.sparse.map', '0,1')), { code: 'IBT_UNSUPPORTED_TYPE' })
})

test('paths that leave the tree are refused, as names and as targets of hard links', () => {
  for (const path of ['../x', '/etc/passwd', 'a/../../b', 'a//b']) {
    assert.throws(() => decodeEntryAt(encodeEntry(file(path).header)), { code: 'IBT_UNSAFE_PATH' }, path)
    assert.throws(() => decodeEntryAt(record('path', path)), { code: 'IBT_UNSAFE_PATH' }, path)
    assert.throws(() => decodeEntryAt(encodeEntry(link('x', path).header)), { code: 'IBT_UNSAFE_PATH' }, path)
  }
  assert.equal(
    (decodeEntryAt(encodeEntry(symlink('x', '/etc/passwd').header)) as { header: TarHeader }).header.linkname,
    '/etc/passwd'
  )
})

test('paths of other writers lose their leading and trailing dots and slashes', () => {
  for (const [name, path] of [
    ['./', '.'],
    ['.', '.'],
    ['./a', 'a'],
    ['./a/b/', 'a/b'],
    ['a/', 'a']
  ] as const) {
    const { header } = decodeEntryAt(record('path', name)) as { header: TarHeader }
    assert.equal(header.path, path)
    assert.equal(header.type, name.endsWith('/') ? 'directory' : 'file')
  }
})

test('a prefix, signed checksums and spaces around numbers of old writers are read', () => {
  const prefixed = decodeEntryAt(patched(Field.prefix, 'some/where')) as { header: TarHeader }
  assert.equal(prefixed.header.path, 'some/where/x')
  const spaced = decodeEntryAt(patched(Field.uid, '  1750 \0')) as { header: TarHeader }
  assert.equal(spaced.header.uid, 0o1750)
  const signed = encodeEntry(file('\xff\xff').header)
  const high = signed.reduce((count, byte) => count + (byte >> 7), 0)
  const sum = Number.parseInt(signed.toString('latin1', Field.checksum, Field.checksum + 6), 8) - 256 * high
  signed.write(sum.toString(8).padStart(6, '0'), Field.checksum, 'latin1')
  assert.equal((decodeEntryAt(signed) as { header: TarHeader }).header.path, '\xff\xff')
})

test('an empty record takes a field back to what the header says', () => {
  assert.equal((decodeEntryAt(record('path', '')) as { header: TarHeader }).header.path, 'x')
})

for (const format of ['posix', 'gnu', 'ustar', 'oldgnu']) {
  test(`headers that GNU tar writes as ${format} are read`, oracle('tar'), () => {
    const script = `mkdir d && printf hello > d/f && ln d/f d/h && ln -s ${'t'.repeat(60)} d/s && printf x > "d/$(printf '\\351%090d' 7)" && tar -c --format=${format} --sort=name --numeric-owner -f - d`
    const { stdout, stderr } = spawnSync('sh', ['-c', `D=$(mktemp -d) && cd "$D" && ${script}; rm -r "$D"`])
    assert.equal(stderr.toString(), '')
    const found: string[] = []
    for (let at = 0; !isEndBlock(stdout.subarray(at, at + 512)); ) {
      const decoded = decodeEntryAt(stdout.subarray(at))
      assert.ok('header' in decoded)
      found.push(`${decoded.header.type} ${decoded.header.path} ${decoded.header.sizeBytes}`)
      at += decoded.headerBytes + decoded.header.sizeBytes + padding(decoded.header.sizeBytes)
    }
    const odd = `d/${decodePath(Buffer.from([0xe9]))}${'7'.padStart(90, '0')}`
    assert.deepEqual(found, ['directory d 0', 'file d/f 5', 'link d/h 0', 'symlink d/s 0', `file ${odd} 1`])
  })
}

test('tar-stream reads names, sizes, types and targets as we wrote them', async () => {
  const samples = SAMPLES.filter(({ header }) => isUtf8Path(header.path) && isUtf8Path(header.linkname ?? ''))
  const found: unknown[] = []
  const reader = extract()
  reader.end(encodeArchive(samples))
  for await (const entry of reader) {
    const { name, size, type, linkname, mode, uid } = entry.header
    found.push({ name, size, type, linkname, mode, uid })
    entry.resume()
  }
  const expected = samples.map(({ header: { path, type, sizeBytes, linkname, mode, uid } }) => ({
    name: type === 'directory' ? `${path}/` : path,
    size: sizeBytes,
    type,
    linkname: linkname ?? null,
    mode,
    uid
  }))
  assert.deepEqual(found, expected)
})

test('damaged headers never cause anything but a BackupError', () => {
  const valid = SAMPLES.map(({ header }) => encodeEntry(header)).concat(
    encodeEntry(directory(latin1Name(300), { comment: '{}' }).header)
  )
  const damage = fc.array(fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 0x20, 0x30, 0x37, 0x80, 0xff))), {
    minLength: 1,
    maxLength: 8
  })
  fc.assert(
    fc.property(fc.constantFrom(...valid), damage, fc.boolean(), fc.nat(), (header, damages, mends, cut) => {
      const bytes = Buffer.from(header)
      for (const [at, byte] of damages) bytes[at % bytes.length] = byte
      if (mends)
        for (let at = 0; at < bytes.length; at += 512)
          if (at === 0 || at + 512 === bytes.length) summed(bytes.subarray(at, at + 512))
      const input = cut % 3 === 0 ? bytes.subarray(0, cut % bytes.length) : bytes
      try {
        const found = decodeEntryAt(input)
        if ('needBytes' in found) assert.ok(found.needBytes > input.length)
        else assert.ok(found.headerBytes <= input.length && found.header.sizeBytes >= 0)
      } catch (error) {
        assert.ok(isBackupError(error), String(error))
      }
    }),
    { seed: 5, numRuns: 20_000 }
  )
})
