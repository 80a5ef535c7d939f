import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { age, parseIdentities, parsePassphrase, parseRecipients } from '../age/index.js'
import { printPath } from '../path.js'
import type { Cipher } from '../types.js'
import { checkText } from './arguments.js'
import { UsageError } from './exit.js'

/** Keys of backups that are encrypted with age. */
export interface KeyValues {
  readonly identity?: readonly string[]
  readonly passphraseFile?: string
  readonly localState?: string
  readonly encrypt?: readonly string[]
  readonly recipientsFile?: readonly string[]
}

/** Options for reading. */
export function addKeyOptions(command: Command): Command {
  return command
    .option('--identity <file>', 'key to read encrypted backups with; may be repeated (default: IBT_IDENTITY)', collect)
    .option('--passphrase-file <file>', 'file with the passphrase of the backups (default: IBT_PASSPHRASE_FILE)')
    .option('--local-state <dir>', 'copies of states and signatures that stay here, to build on without an identity')
}

/** Options for writing. */
export function addEncryptOptions(command: Command): Command {
  return command
    .option('--encrypt <recipient>', 'encrypt to this public key of age (age1…); may be repeated', collect)
    .option('--recipients-file <file>', 'encrypt to the public keys in this file; may be repeated', collect)
}

/** What the keys make of a run. */
export interface Keys {
  /** Reads, and writes if it can. */
  readonly cipher: Cipher | undefined
  /** Only if there is something to write to. */
  readonly encrypt: Cipher | undefined
  readonly localState: string | undefined
}

/** The cipher for the keys that a command was given. Secrets come in files: a command line is seen by all. @throws UsageError */
export function toKeys(values: KeyValues): Keys {
  const { localState, encrypt = [], recipientsFile = [] } = values
  const { IBT_IDENTITY, IBT_PASSPHRASE_FILE } = process.env
  const recipients = [...encrypt, ...recipientsFile.flatMap(file => parseRecipients(readKeys(file), printPath(file)))]
  const identityFiles = values.identity ?? (IBT_IDENTITY ? [IBT_IDENTITY] : [])
  const identities = identityFiles.flatMap(file => parseIdentities(readKeys(file), printPath(file)))
  const passphraseFile = values.passphraseFile ?? (IBT_PASSPHRASE_FILE || undefined)
  const passphrase =
    passphraseFile === undefined ? undefined : parsePassphrase(readKeys(passphraseFile), printPath(passphraseFile))
  if (localState !== undefined) checkText('the local state', localState)
  const isGiven = recipients.length + identities.length > 0 || passphrase !== undefined || localState !== undefined
  if (!isGiven) return { cipher: undefined, encrypt: undefined, localState }
  const cipher = age({ recipients, identities, passphrase, localState })
  return { cipher, encrypt: cipher.seals ? cipher : undefined, localState }
}

/**
 * What a machine cannot do later with the keys that a run was given: said by the runs that could still be repeated with
 * others.
 */
export function keyNotes({ encrypt, localState }: { encrypt?: Cipher | undefined; localState?: unknown }): string[] {
  if (encrypt === undefined || encrypt.opens === 'all') return []
  if (encrypt.opens === 'none') {
    return ['Nothing here can read this backup: the next incremental needs --identity, or --local-state from now on']
  }
  const where = typeof localState === 'string' ? printPath(localState) : 'the local state'
  return [`The next incremental needs ${where}: if it is lost, make a full (ibt full) or give an identity once`]
}

function readKeys(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`Cannot read ${printPath(file)}: ${(error as Error).message}`)
  }
}

function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value]
}
