import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  age,
  parseIdentities,
  parsePassphrase,
  parseRecipients,
  readIdentities,
  readPassphrase,
  readRecipients
} from '../../src/age/index.js'
import type { Cipher } from '../../src/types.js'
import { rangesOf, someBytes } from '../codec/archives.js'
import { bytesOf, code } from '../helpers/entries.js'
import { ageDecrypts, identityFile, makeKeyPair } from '../helpers/keys.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'
import { temporaryDirectory } from '../native/tree.js'

const CHUNK = 64 * 1024
const STORED = CHUNK + 16
const SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 16 * CHUNK, 16 * CHUNK + 1, 17 * CHUNK, 3_000_001]
const [host, recovery, stranger] = [await makeKeyPair(), await makeKeyPair(), await makeKeyPair()]
const recipients = [host.recipient]
const cipher = age({ recipients, identities: [host.identity] })

function* cut(bytes: Uint8Array, length: number) {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

const seal = (by: Cipher, bytes: Uint8Array, length = 1 << 20) => bytesOf(by.seal(cut(bytes, length), {}))
const open = (by: Cipher, stored: Uint8Array, length = 100_000) => bytesOf(by.open(cut(stored, length), 'name'))
const openRange = (by: Cipher, stored: Uint8Array) => by.openRange!(rangesOf(stored), stored.length, 'name')

async function readAt(by: Cipher, stored: Uint8Array, start: number, end: number): Promise<Buffer> {
  const { read } = await openRange(by, stored)
  return Buffer.from(await read(start, end))
}

test("Debian's age decrypts what is sealed, of every size, for each of several recipients", oracle('age'), async t => {
  const directory = temporaryDirectory(t)
  const files = [host, recovery].map((pair, i) => identityFile(directory, pair, `${i}.txt`))
  const both = age({ recipients: [host.recipient, recovery.recipient] })
  for (const size of SIZES) {
    const path = join(directory, 'x.age')
    writeFileSync(path, await seal(both, someBytes(size), 50_000))
    for (const file of files) assert.ok(ageDecrypts(path, file).equals(someBytes(size)), `${size} bytes`)
  }
  assert.throws(() => ageDecrypts(join(directory, 'x.age'), identityFile(directory, stranger)))
})

test("what Debian's age encrypts is opened, as a stream and by ranges", oracle('age'), async () => {
  for (const size of SIZES) {
    const to = ['-r', recovery.recipient, '-r', host.recipient]
    const stored = execFileSync('age', ['-e', ...to], { input: someBytes(size), maxBuffer: 1 << 30 })
    assert.ok((await open(cipher, stored)).equals(someBytes(size)))
    const { sizeBytes } = await openRange(cipher, stored)
    assert.equal(sizeBytes, size)
    assert.equal(await cipher.sizeOf!(rangesOf(stored), stored.length, 'name'), size)
    assert.ok((await readAt(cipher, stored, 0, size)).equals(someBytes(size)))
  }
})

test("passphrases are those of Debian's age", oracle('age', 'script'), async t => {
  const directory = temporaryDirectory(t)
  const secret = age({ passphrase: 'six random words are better', scryptLogN: 10 })
  const stored = await seal(secret, someBytes(100_000))
  writeFileSync(join(directory, 'x.age'), stored)
  // age asks the terminal.
  const command = `age -d -o ${join(directory, 'x')} ${join(directory, 'x.age')}`
  execFileSync('script', ['-qec', command, '/dev/null'], { input: 'six random words are better\n' })
  assert.ok(readFileSync(join(directory, 'x')).equals(someBytes(100_000)))
  assert.ok((await open(secret, stored)).equals(someBytes(100_000)))
  await assert.rejects(open(age({ passphrase: 'other' }), stored), code('IBT_KEY_WRONG'))
  // A header that would take gigabytes to try is refused.
  const dear = Buffer.from(stored.toString('latin1').replace(/ 10\n/, ' 30\n'), 'latin1')
  await assert.rejects(open(secret, dear), code('IBT_ARCHIVE_CORRUPT'))
})

test('any cut of the source seals to the same plain bytes, and nothing that came in is changed', async () => {
  const bytes = someBytes(5 * CHUNK + 3)
  for (const length of [1000, CHUNK - 1, CHUNK, CHUNK + 1, 1 << 20]) {
    const stored = await seal(cipher, bytes, length)
    assert.equal(stored.length, stored.indexOf('\n---') + 1 + 48 + 16 + bytes.length + 6 * 16)
    for (const reading of [1, 7777, STORED]) {
      if (reading === 1 && length !== 1000) continue
      assert.ok((await open(cipher, stored, reading)).equals(bytes))
    }
  }
  assert.ok(Buffer.from(bytes).equals(someBytes(5 * CHUNK + 3)))
  // No two files have a key in common.
  assert.ok(!(await seal(cipher, bytes)).subarray(200).equals((await seal(cipher, bytes)).subarray(200)))
})

test('ranges cost the header, the end and the chunks that are wanted', async () => {
  const bytes = createRandom(1).bytes(100 * CHUNK + 5)
  const stored = await seal(cipher, bytes)
  const counted = rangesOf(stored)
  let asked: [number, number][] = []
  const read = async (start: number, end: number) => {
    asked.push([start, end])
    return counted(start, end)
  }
  const opened = await cipher.openRange!(read, stored.length, 'name')
  assert.equal(opened.sizeBytes, bytes.length)
  assert.equal(asked.length, 2)
  const total = asked.reduce((sum, [start, end]) => sum + end - start, 0)
  assert.ok(total < 8192, `${total} bytes for the header and the last chunk`)
  asked = []
  const random = createRandom(2)
  for (let round = 0; round < 200; round++) {
    const start = random.int(bytes.length)
    const end = Math.min(bytes.length, start + random.int(3 * CHUNK))
    asked = []
    assert.ok(bytes.subarray(start, end).equals(Buffer.from(await opened.read(start, end))), `${start} to ${end}`)
    assert.ok(asked.length <= 1)
    for (const [from, to] of asked) assert.ok(to - from <= end - start + 2 * STORED)
  }
  // Who reads on in small steps reads every chunk once.
  asked = []
  for (let at = 0; at < 10 * CHUNK; at += 10_000) await opened.read(at, at + 10_000)
  assert.ok(asked.reduce((sum, [start, end]) => sum + end - start, 0) <= 11 * STORED)
})

test('damage is an error with a code and the name, whichever way it is read', async () => {
  const bytes = someBytes(4 * CHUNK)
  const stored = await seal(cipher, bytes)
  const start = stored.length - 4 * STORED
  const chunk = (i: number) => stored.subarray(start + i * STORED, start + (i + 1) * STORED)
  const flipped = (at: number) => {
    const copy = Buffer.from(stored)
    copy[at]! ^= 1
    return copy
  }
  const head = stored.subarray(0, start)
  const other = await seal(cipher, bytes)
  const empty = await seal(cipher, new Uint8Array(0))
  const damages: Record<string, [Buffer, ...string[]]> = {
    'cut off at a chunk': [stored.subarray(0, -STORED), 'IBT_ARCHIVE_TRUNCATED'],
    'cut off in a chunk': [stored.subarray(0, -100), 'IBT_ARCHIVE_CORRUPT'],
    'cut off in the tag of a chunk': [stored.subarray(0, start + STORED + 7), 'IBT_ARCHIVE_TRUNCATED'],
    'cut off behind the header': [head, 'IBT_ARCHIVE_TRUNCATED'],
    'cut off in the header': [stored.subarray(0, 100), 'IBT_ARCHIVE_TRUNCATED'],
    'nothing at all': [Buffer.alloc(0), 'IBT_ARCHIVE_TRUNCATED'],
    'a byte more': [Buffer.concat([stored, Buffer.of(0)]), 'IBT_ARCHIVE_CORRUPT', 'IBT_ARCHIVE_TRUNCATED'],
    'a chunk more': [Buffer.concat([stored, chunk(3)]), 'IBT_ARCHIVE_CORRUPT'],
    'an empty last chunk': [Buffer.concat([stored, empty.subarray(-16)]), 'IBT_ARCHIVE_CORRUPT'],
    'two chunks exchanged': [Buffer.concat([head, chunk(1), chunk(0), chunk(2), chunk(3)]), 'IBT_ARCHIVE_CORRUPT'],
    'a chunk twice': [Buffer.concat([head, chunk(0), chunk(0), chunk(2), chunk(3)]), 'IBT_ARCHIVE_CORRUPT'],
    'a chunk left out': [Buffer.concat([head, chunk(0), chunk(2), chunk(3)]), 'IBT_ARCHIVE_CORRUPT'],
    'the payload of another file': [Buffer.concat([head, other.subarray(start)]), 'IBT_ARCHIVE_CORRUPT'],
    'a flipped bit in a chunk': [flipped(start + STORED + 5), 'IBT_ARCHIVE_CORRUPT'],
    'a flipped bit in the nonce': [flipped(start - 3), 'IBT_ARCHIVE_CORRUPT'],
    'a flipped bit in the MAC': [flipped(start - 30), 'IBT_ARCHIVE_CORRUPT'],
    'a flipped bit in the recipient': [flipped(80), 'IBT_ARCHIVE_CORRUPT', 'IBT_KEY_WRONG'],
    'another version': [flipped(5), 'IBT_ARCHIVE_CORRUPT'],
    'ASCII armor': [Buffer.from('-----BEGIN AGE ENCRYPTED FILE-----\n'), 'IBT_ARCHIVE_CORRUPT'],
    'a header without an end': [
      Buffer.concat([stored.subarray(0, 60), Buffer.alloc(600_000, 'A')]),
      'IBT_ARCHIVE_CORRUPT'
    ]
  }
  for (const [title, [damaged, ...codes]] of Object.entries(damages)) {
    const isExpected = (error: unknown) => {
      const { code, path } = error as { code: string; path: string }
      assert.ok(codes.includes(code), `${title}: ${error}`)
      return path === 'name'
    }
    await assert.rejects(open(cipher, damaged), isExpected, title)
    const readAll = async () => {
      const { sizeBytes, read } = await openRange(cipher, damaged)
      for (let at = 0; at < sizeBytes; at += CHUNK) await read(at, Math.min(sizeBytes, at + CHUNK))
    }
    await assert.rejects(readAll(), isExpected, `${title}, by ranges`)
  }
})

test('who has no key or the wrong one is told so, with the name of the artifact and what to give', async () => {
  const stored = await seal(cipher, someBytes(100))
  const secret = await seal(age({ passphrase: 'x', scryptLogN: 10 }), someBytes(100))
  const cases: [Cipher, Buffer, string, RegExp][] = [
    [age({ recipients }), stored, 'IBT_KEY_MISSING', /^name is encrypted.*--identity FILE/],
    [age({ identities: [stranger.identity] }), stored, 'IBT_KEY_WRONG', /None of the identities given opens name/],
    [age({ passphrase: 'x' }), stored, 'IBT_KEY_MISSING', /to recipients/],
    [cipher, secret, 'IBT_KEY_MISSING', /a passphrase.*--passphrase-file/],
    [age({ passphrase: 'y' }), secret, 'IBT_KEY_WRONG', /not that of name/]
  ]
  for (const [by, bytes, expected, message] of cases) {
    for (const failing of [open(by, bytes), openRange(by, bytes)]) {
      await assert.rejects(failing, error => {
        assert.match((error as Error).message, message)
        return code(expected)(error)
      })
    }
  }
  await assert.rejects(seal(age({ identities: [host.identity] }), someBytes(1)), TypeError)
})

test('keys are read from the files of age-keygen, and what is no key is refused without showing it', async t => {
  const directory = temporaryDirectory(t)
  const write = (text: string) => {
    const path = join(directory, 'keys')
    writeFileSync(path, text)
    return path
  }
  assert.deepEqual(await readIdentities(identityFile(directory, host), identityFile(directory, recovery, '2')), [
    host.identity,
    recovery.identity
  ])
  const list = `# host\n${host.recipient}\n\n  # recovery\r\n${recovery.recipient}\r\n`
  assert.deepEqual(await readRecipients(write(list)), [host.recipient, recovery.recipient])
  assert.deepEqual(parseRecipients(list), [host.recipient, recovery.recipient])
  assert.deepEqual(parseIdentities(`${host.identity}\n`), [host.identity])
  assert.throws(() => parsePassphrase(''), { name: 'RangeError', message: 'the text holds no passphrase' })
  assert.throws(() => parseRecipients('ssh-rsa x', 'RECIPIENTS'), {
    name: 'RangeError',
    message: /line 1 of RECIPIENTS/
  })
  assert.equal(await readPassphrase(write('a b \r\n')), 'a b ')
  for (const text of [
    '',
    '# nothing\n',
    'AGE-PLUGIN-X-1ABC\n',
    'secret text\n',
    '-----BEGIN OPENSSH PRIVATE KEY-----\n'
  ]) {
    await assert.rejects(readIdentities(write(text)), error => {
      assert.doesNotMatch((error as Error).message, /secret text|1ABC/)
      return error instanceof RangeError
    })
  }
  for (const text of ['', 'ssh-ed25519 AAAAC3Nz comment\n', 'AGE-SECRET-KEY-1X\n']) {
    await assert.rejects(readRecipients(write(text)), RangeError)
  }
  await assert.rejects(readPassphrase(write('\n')), RangeError)
  await assert.rejects(readIdentities(join(directory, 'missing')), code('IBT_READ_FAILED'))
  assert.throws(() => age({ recipients: ['ssh-rsa AAAA'] }), /SSH key.*age-keygen/)
  assert.throws(() => age({ identities: [host.recipient] }), RangeError)
  assert.throws(() => age({}), TypeError)
  assert.throws(() => age({ passphrase: '' }), RangeError)
  // A damaged recipient is noticed before anything is written, and a damaged identity is not shown.
  await assert.rejects(seal(age({ recipients: [`${host.recipient}q`] }), someBytes(1)), /is not a recipient of age/)
  const damaged = `${host.identity.slice(0, -1)}${host.identity.endsWith('Q') ? 'P' : 'Q'}`
  await assert.rejects(open(age({ identities: [damaged] }), await seal(cipher, someBytes(1))), error => {
    assert.doesNotMatch(`${(error as Error).stack} ${(error as Error).cause}`, new RegExp(damaged.slice(15, 40)))
    return error instanceof RangeError
  })
})

test('an error of the source passes unchanged, and a reader that stops closes the source', async () => {
  const error = new Error('of the source')
  let isClosed = false
  async function* failing() {
    yield someBytes(10)
    throw error
  }
  await assert.rejects(bytesOf(cipher.seal(failing(), {})), thrown => thrown === error)
  const stored = await seal(cipher, someBytes(2_000_000))
  function* watched() {
    try {
      yield* cut(stored, 10_000)
    } finally {
      isClosed = true
    }
  }
  for await (const _ of cipher.open(watched(), 'name')) break
  assert.ok(isClosed)
  isClosed = false
  await assert.rejects(bytesOf(age({ recipients }).open(watched(), 'name')), code('IBT_KEY_MISSING'))
  assert.ok(isClosed)
})
