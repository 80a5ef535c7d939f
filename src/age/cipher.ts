import { getCipherInfo } from 'node:crypto'
import { corrupt } from '../codec/limits.js'
import { ByteReader } from '../format/byte-reader.js'
import type { Cipher } from '../types.js'
import { FileKeys } from './file-keys.js'
import { type Header, payloadStart, readHeader, takeHeader } from './header.js'
import { checkIdentity, checkRecipient } from './key-files.js'
import { KeyLog } from './key-log.js'
import { SCRYPT_LOG_N } from './passphrase.js'
import { ALGORITHM, openPayload, openPayloadRange, payloadKey, payloadSize, sealPayload } from './payload.js'

/** Options of `age`. */
export interface AgeOptions {
  /** Who can read what is written: public keys, `age1…`. */
  readonly recipients?: readonly string[] | undefined
  /** What can be read: secret keys, `AGE-SECRET-KEY-1…`. */
  readonly identities?: readonly string[] | undefined
  /** Reads, and without recipients writes, by a passphrase. Each artifact takes a second and 256 MiB then. */
  readonly passphrase?: string | undefined
  /** scrypt's cost for what is written, as a power of two, 10 to 20. Default: 18, as that of `age -p`. */
  readonly scryptLogN?: number | undefined
  /**
   * A directory that remembers the keys of the states and signatures that are written: a machine without an identity can
   * build on its own backups. The same as in the option `localState` of a run, and as secret as those files.
   */
  readonly localState?: string | undefined
}

/**
 * A cipher whose artifacts are plain age files: Debian's `age -d` reads them. The header is made and read by the optional
 * package `age-encryption`, loaded on use; the payload goes through `node:crypto`. Any part of an artifact can be read: of
 * each, the header and the last chunk of 64 KiB once, then the chunks of what is wanted.
 * Memory: 2 MiB for each artifact that is under way.
 *
 * @throws RangeError at the call for a recipient or identity of another kind; TypeError for none at all, or where
 * `node:crypto` lacks the cipher, as that of Bun does.
 */
export function age(options: AgeOptions): Cipher {
  const { recipients = [], identities = [], passphrase, scryptLogN = SCRYPT_LOG_N, localState } = options
  if (getCipherInfo(ALGORITHM) === undefined)
    throw new TypeError(`age: node:crypto of this runtime does not have ${ALGORITHM}. That of Node.js has`)
  for (const recipient of recipients) checkRecipient(recipient)
  for (const [i, identity] of identities.entries()) checkIdentity(identity, `Identity ${i + 1}`)
  if (passphrase === '') throw new RangeError('age: the passphrase is empty')
  if (!Number.isInteger(scryptLogN) || scryptLogN < 10 || scryptLogN > 20)
    throw new RangeError(`age: scryptLogN is an integer from 10 to 20, not ${scryptLogN}`)
  const seals = recipients.length > 0 || passphrase !== undefined
  const opensAll = identities.length > 0 || passphrase !== undefined
  if (!seals && !opensAll && localState === undefined)
    throw new TypeError('age: give recipients to write, identities to read, or a passphrase')
  const log = localState === undefined ? undefined : new KeyLog(localState)
  const keys = new FileKeys({ recipients, identities, passphrase, scryptLogN, log })
  const opened = async (header: Header, name: string) => payloadKey(await keys.open(header.bytes, name), header.nonce)
  return {
    name: 'age',
    suffix: '.age',
    opens: opensAll ? 'all' : log === undefined ? 'none' : 'states',
    seals,

    async *seal(source, { name }) {
      if (!seals) throw new TypeError('age: without recipients or a passphrase nothing can be encrypted')
      const { start, fileKey } = await keys.make(name)
      yield start
      yield* sealPayload(payloadKey(fileKey, start.subarray(start.length - 16)), source)
    },

    async *open(source, name) {
      const reader = new ByteReader(source)
      try {
        const key = await opened(await takeHeader(reader, name), name)
        yield* openPayload(key, reader, name)
      } finally {
        await reader.close()
      }
    },

    async openRange(read, storedBytes, name) {
      const header = await readHeader(read, storedBytes, name)
      const start = payloadStart(header)
      const key = await opened(header, name)
      return openPayloadRange(key, { read, start, storedBytes: storedBytes - start, name })
    },

    async sizeOf(read, storedBytes, name) {
      return payloadSize(storedBytes - payloadStart(await readHeader(read, storedBytes, name)), name)
    },

    async checkSealed(sealed, sizeBytes) {
      const read = async (start: number, end: number) => sealed.subarray(start, end)
      const header = await readHeader(read, sealed.length, 'sample')
      const found = payloadSize(sealed.length - payloadStart(header), 'sample')
      if (found !== sizeBytes) throw corrupt('sample', `${found} bytes, not ${sizeBytes}`)
    }
  }
}
