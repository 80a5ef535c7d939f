import { readFile } from 'node:fs/promises'
import { BackupError } from '../errors.js'
import { printPath } from '../path.js'

/** Recipients that this package writes to: keys of age-keygen, and the other kinds that age-encryption has. */
const RECIPIENT = /^age1[a-z0-9]+$/
const IDENTITY = /^AGE-SECRET-KEY-(?:PQ-)?1[A-Z0-9]+$/

/** The identities in the files of `age-keygen`: one a line, with comments. @throws BackupError IBT_READ_FAILED; RangeError */
export async function readIdentities(...files: readonly string[]): Promise<string[]> {
  return (await Promise.all(files.map(async file => parseIdentities(await readKeys(file), printPath(file))))).flat()
}

/** The recipients in files, one a line, with comments: what `age -R` takes. @throws BackupError IBT_READ_FAILED; RangeError */
export async function readRecipients(...files: readonly string[]): Promise<string[]> {
  return (await Promise.all(files.map(async file => parseRecipients(await readKeys(file), printPath(file))))).flat()
}

/** The passphrase in a file, without the end of its line. @throws BackupError IBT_READ_FAILED; RangeError if it is empty */
export async function readPassphrase(file: string): Promise<string> {
  return parsePassphrase(await readKeys(file), printPath(file))
}

/** As `readIdentities`, of a text; `from` is its name in messages. @throws RangeError */
export function parseIdentities(text: string, from = 'the text'): string[] {
  const lines = linesIn(text)
  for (const { line, number } of lines) checkIdentity(line, `Line ${number} of ${from}`)
  if (lines.length === 0) throw new RangeError(`${from} holds no identity`)
  return lines.map(({ line }) => line)
}

/** As `readRecipients`, of a text; `from` is its name in messages. @throws RangeError */
export function parseRecipients(text: string, from = 'the text'): string[] {
  const lines = linesIn(text)
  for (const { line, number } of lines) checkRecipient(line, ` in line ${number} of ${from}`)
  if (lines.length === 0) throw new RangeError(`${from} holds no recipient`)
  return lines.map(({ line }) => line)
}

/** As `readPassphrase`, of a text; `from` is its name in messages. @throws RangeError */
export function parsePassphrase(text: string, from = 'the text'): string {
  const passphrase = text.replace(/\r?\n$/, '')
  if (passphrase === '') throw new RangeError(`${from} holds no passphrase`)
  return passphrase
}

/** @throws RangeError for what age-encryption does not write to */
export function checkRecipient(recipient: string, where = ''): void {
  if (RECIPIENT.test(recipient)) return
  if (/^AGE-SECRET-KEY-/i.test(recipient)) {
    throw new RangeError(`A recipient${where} is a secret key: give its public half, which age-keygen -y prints`)
  }
  const shown = recipient.slice(0, 24)
  if (/^(?:ssh|ecdsa|sk)-/.test(recipient)) {
    throw new RangeError(
      `'${shown}…'${where} is an SSH key, which the package age-encryption cannot write to: make a key with age-keygen`
    )
  }
  throw new RangeError(`'${shown}'${where} is not a recipient of age: it begins with age1`)
}

/** The message shows nothing of an identity. @throws RangeError */
export function checkIdentity(identity: string, where: string): void {
  if (IDENTITY.test(identity)) return
  const what = /^-----BEGIN .*PRIVATE KEY/.test(identity)
    ? 'is an SSH key, which the package age-encryption cannot read with'
    : /^(?:age-encryption\.org|-----BEGIN AGE)/.test(identity)
      ? 'is itself encrypted: decrypt it with age -d first'
      : identity.startsWith('AGE-PLUGIN-')
        ? 'is for a plugin of age, which cannot be used here'
        : 'is not an identity of age: AGE-SECRET-KEY-1…, as age-keygen writes it'
  throw new RangeError(`${where} ${what}`)
}

function linesIn(text: string): { readonly line: string; readonly number: number }[] {
  const lines = text.split('\n').map((line, i) => ({ line: line.trim(), number: i + 1 }))
  return lines.filter(({ line }) => line !== '' && !line.startsWith('#'))
}

async function readKeys(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new BackupError('IBT_READ_FAILED', `Cannot read ${printPath(file)}`, { path: file, cause })
  }
}
