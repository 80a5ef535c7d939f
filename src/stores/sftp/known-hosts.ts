import { createHash, createHmac, randomBytes } from 'node:crypto'
import { appendFile, mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { BackupError } from '../../errors.js'
import { shellQuote } from '../shell-quote.js'
import type { HostSettings } from './host-settings.js'

/** A key that a file names for a host. */
interface KnownKey {
  readonly file: string
  readonly type: string
  readonly base64: string
  readonly isRevoked: boolean
}

/** Decides on the keys of one host. Source: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. */
export class KnownHost {
  /** Types of the keys that are known, for which the server is asked first. */
  readonly types: readonly string[]
  readonly #keys: readonly KnownKey[]

  private constructor(
    readonly settings: HostSettings,
    keys: readonly KnownKey[]
  ) {
    this.#keys = keys
    this.types = [...new Set(keys.filter(({ isRevoked }) => !isRevoked).map(({ type }) => type))]
  }

  static async read(settings: HostSettings): Promise<KnownHost> {
    const keys: KnownKey[] = []
    for (const file of settings.knownHosts) {
      const text = await readFile(file, 'utf8').catch(() => '')
      keys.push(...text.split('\n').flatMap(line => parseLine(line, settings.knownAs, file)))
    }
    return new KnownHost(settings, keys)
  }

  /**
   * Undefined if a key is that of the host. One that is new is accepted only if the settings say so.
   * @returns BackupError IBT_HOST_KEY that says how to accept it
   */
  refusal(key: Buffer): BackupError | undefined {
    const base64 = key.toString('base64')
    const same = this.#keys.filter(known => known.base64 === base64)
    if (same.some(({ isRevoked }) => isRevoked)) return this.#refuse(key, 'has been revoked')
    if (same.length > 0) return undefined
    const other = this.#keys.find(({ isRevoked }) => !isRevoked)
    if (other !== undefined) return this.#refuse(key, `has changed: ${other.file} has another`, other.file)
    return this.settings.acceptsNew ? undefined : this.#refuse(key, 'is not known')
  }

  /** Writes down a key that is new. A file that cannot be written is left: the next connection sees a new key again. */
  async add(key: Buffer): Promise<void> {
    const base64 = key.toString('base64')
    const file = this.settings.knownHosts[0]
    if (file === undefined || this.#keys.some(known => known.base64 === base64)) return
    try {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 })
      const text = await readFile(file, 'utf8').catch(() => '')
      const before = text === '' || text.endsWith('\n') ? '' : '\n'
      await appendFile(file, `${before}${this.#line(key)}\n`, { mode: 0o600 })
    } catch {}
  }

  #line(key: Buffer): string {
    const { knownAs, hashesNames } = this.settings
    return `${hashesNames ? hashed(knownAs) : knownAs} ${typeOf(key)} ${key.toString('base64')}`
  }

  #refuse(key: Buffer, what: string, changedIn?: string): BackupError {
    const { knownAs, knownHosts } = this.settings
    const fingerprint = createHash('sha256').update(key).digest('base64').replace(/=+$/, '')
    const file = shellQuote(knownHosts[0] ?? '~/.ssh/known_hosts')
    const accept = `echo ${shellQuote(`${knownAs} ${typeOf(key)} ${key.toString('base64')}`)} >> ${file}`
    const forget = changedIn === undefined ? '' : `ssh-keygen -R ${shellQuote(knownAs)} -f ${shellQuote(changedIn)}; `
    const message =
      `The host key of ${knownAs} ${what}: it showed ${typeOf(key)} SHA256:${fingerprint}. ` +
      `If that is the fingerprint on the server itself (ssh-keygen -lf /etc/ssh/ssh_host_…_key.pub), accept it: ${forget}${accept}`
    return new BackupError('IBT_HOST_KEY', message, { path: knownAs })
  }
}

/** The first field of a key in its wire format. */
function typeOf(key: Buffer): string {
  return key.subarray(4, 4 + key.readUInt32BE(0)).toString('latin1')
}

function parseLine(line: string, host: string, file: string): KnownKey[] {
  if (line.startsWith('#')) return []
  const fields = line.trim().split(/\s+/)
  const mark = fields[0]?.startsWith('@') ? fields.shift() : undefined
  const [names, type, base64] = fields
  // A certificate of a host is nothing that ssh2 asks for.
  if (base64 === undefined || mark === '@cert-authority' || !isNamed(names!, host)) return []
  return [{ file, type: type!, base64, isRevoked: mark === '@revoked' }]
}

/** Whether a list of patterns, or a hashed name, is of a host. */
function isNamed(names: string, host: string): boolean {
  const [, salt, hash] = /^\|1\|([^|]+)\|([^|]+)$/.exec(names) ?? []
  if (salt !== undefined) return hmac(host, Buffer.from(salt, 'base64')) === hash
  const patterns = names.toLowerCase().split(',')
  const matches = (pattern: string) => toRegExp(pattern).test(host)
  if (patterns.some(pattern => pattern.startsWith('!') && matches(pattern.slice(1)))) return false
  return patterns.some(matches)
}

function toRegExp(pattern: string): RegExp {
  const escaped = pattern.replace(/[\\^$.|+()[\]{}]/g, '\\$&')
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`)
}

function hashed(host: string): string {
  const salt = randomBytes(20)
  return `|1|${salt.toString('base64')}|${hmac(host, salt)}`
}

function hmac(host: string, salt: Buffer): string {
  return createHmac('sha1', salt).update(host).digest('base64')
}
