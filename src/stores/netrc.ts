import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { BackupError } from '../errors.js'

/** A user and a password for a host. */
export interface Login {
  readonly user: string
  readonly password: string
}

/**
 * What `~/.netrc`, or the file that `NETRC` names, has for a host, as curl reads it; undefined if there is nothing.
 *
 * @throws BackupError IBT_READ_FAILED for a file that is there and cannot be read
 */
export async function readLogin(host: string, user?: string): Promise<Login | undefined> {
  const path = process.env.NETRC || join(homedir(), '.netrc')
  const text = await readFile(path, 'utf8').catch(cause => {
    if (cause.code === 'ENOENT' && !process.env.NETRC) return ''
    throw new BackupError('IBT_READ_FAILED', `Cannot read ${path}`, { path, cause })
  })
  return findLogin(text, host, user)
}

/** The first entry for a host, and for a user if one is given; else the one without a host. Source: netrc(5). */
export function findLogin(text: string, host: string, user?: string): Login | undefined {
  // The lines of a macro end in an empty one.
  const plain = text.replace(/^\s*macdef\s.*?(?:\n[ \t]*\n|(?!.))/gms, '').replace(/^\s*#.*$/gm, '')
  // A word, or one in quotes, in which a backslash stands for what follows it.
  const words = plain.match(/"(?:\\.|[^"\\])*"|\S+/g) ?? []
  for (const entry of splitEntries(words)) {
    const isHost = (entry.get('machine') ?? host).toLowerCase() === host.toLowerCase()
    const login = entry.get('login') ?? user ?? ''
    const password = entry.get('password')
    if (isHost && (user ?? login) === login && password !== undefined) return { user: login, password }
  }
  return undefined
}

/** Entries begin with `machine HOST` or `default`, and consist of pairs. */
function splitEntries(words: readonly string[]): ReadonlyMap<string, string>[] {
  const entries: Map<string, string>[] = []
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    if (word === 'machine' || word === 'default') entries.push(new Map())
    if (word !== 'default') entries.at(-1)?.set(word, unquote(words[++i]))
  }
  return entries
}

function unquote(word = ''): string {
  return word.startsWith('"') ? word.slice(1, -1).replace(/\\(.)/g, '$1') : word
}
