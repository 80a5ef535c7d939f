import { parseArtifactName, parseSegmentName } from '../format/names.js'
import { printPath } from '../path.js'
import type { NamedBehind } from '../places/several-stores.js'
import { shellQuote } from '../stores/shell-quote.js'
import type { Store } from '../types.js'
import { describeError } from './exit.js'
import type { KeyValues } from './keys.js'
import { secretFileOf } from './opaque-names.js'
import { say } from './output.js'

/** What a command that copies backups needs of the options that were given. */
export interface CatchUpValues extends Pick<KeyValues, 'identity' | 'passphraseFile'> {
  readonly config?: string | false
}

/** Tells a person, once for each store, that it missed something while the others went on, and the command that helps. */
export function sayBehind(values: CatchUpValues): (behind: NamedBehind) => void {
  const failed = new Set<Store | string>()
  const commands = new Set<string | undefined>()
  return behind => {
    const { store, named, call, name, error } = behind
    if (!failed.has(named)) {
      const place = printPath(placeOf(named) ?? store.id)
      say(`ibt: ${place} failed (${call} ${name}), and the other stores went on: ${describeError(error)}\n`)
      failed.add(named)
    }
    if (call === 'get' || call === 'list') return
    const others = behind.others.filter(other => !failed.has(other))
    const command = catchUp({ ...behind, others }, values)
    if (command !== undefined && !commands.has(command)) say(`(to bring it up to date: ${command})\n`)
    commands.add(command)
  }
}

/** Undefined: no command can name what it would need. */
function catchUp({ store, named, others, call, name }: NamedBehind, values: CatchUpValues): string | undefined {
  const key = call === 'clean' ? name : keyOf(name)
  const from = others.map(placeOf).find(place => place !== undefined)
  const to = placeOf(named)
  const secretFile = secretFileOf(store)
  const { identity = [], passphraseFile, config } = values
  const words = [
    ...['ibt', 'copy', key, '--store', from, '--to', to],
    ...(secretFile === undefined ? [] : ['--opaque-names', secretFile, '--to-opaque-names', secretFile]),
    ...identity.flatMap(file => ['--identity', file]),
    ...(passphraseFile === undefined ? [] : ['--passphrase-file', passphraseFile]),
    ...(typeof config === 'string' ? ['--config', config] : [])
  ]
  // A terminal shows some names in another way than a shell would have to be given them.
  const canType = (word: string | undefined) => word !== undefined && printPath(word) === word
  return words.every(canType) ? words.map(word => shellQuote(word!)).join(' ') : undefined
}

/** The key that a name is of: also of a lock, a manifest and the like. */
function keyOf(name: string): string | undefined {
  const { key } = parseArtifactName(name) ?? parseSegmentName(name) ?? {}
  return key ?? /^(.+)\.lock(?:\.[0-9a-f]{16})*$/.exec(name)?.[1]
}

/** What names a store on the command line. */
function placeOf(named: Store | string): string | undefined {
  return typeof named === 'string' ? named : named.places?.[0]
}
