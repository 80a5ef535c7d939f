import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A pair of age keys. */
export interface KeyPair {
  readonly identity: string
  readonly recipient: string
}

interface KeyMaker {
  generateX25519Identity(): Promise<string>
  identityToRecipient(identity: string): Promise<string>
}

export async function makeKeyPair(): Promise<KeyPair> {
  // Its types name those of browsers.
  const { generateX25519Identity, identityToRecipient } = (await import('age-encryption' as string)) as KeyMaker
  const identity = await generateX25519Identity()
  return { identity, recipient: await identityToRecipient(identity) }
}

/** Writes an identity into a file as `age-keygen` does, and gives its path. */
export function identityFile(directory: string, { identity, recipient }: KeyPair, name = 'identity.txt'): string {
  const path = join(directory, name)
  writeFileSync(path, `# created: 2026-11-27T00:00:00Z\n# public key: ${recipient}\n${identity}\n`, { mode: 0o600 })
  return path
}

/** What Debian's age decrypts. @throws if it refuses */
export function ageDecrypts(file: string, identity: string): Buffer {
  return execFileSync('age', ['-d', '-i', identity, file], { stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 30 })
}
