import { type Command, Help } from 'commander'

// Options of `ibt send` and `ibt receive` that fit only one of the two things that each does: names and flags.

/** What `ibt send` takes for a backup alone. */
export const SEND_BACKUP_OPTIONS = {
  ...{ key: '--key', full: '--full', checkpoint: '--checkpoint', skipUnchanged: '--skip-unchanged' },
  ...{ allowSourceMismatch: '--allow-source-mismatch', sourceId: '--source-id', maxChain: '--max-chain' },
  ...{ compare: '--compare', sort: '--sort', stripComponents: '--strip-components' }
} as const

/** What `ibt send --tree` takes alone. */
export const SEND_TREE_OPTIONS = { dryRun: '--dry-run' } as const

/** What `ibt receive` takes for a store alone. */
export const RECEIVE_STORE_OPTIONS = {
  ...{ store: '--store', quorum: '--quorum', temporary: '--temporary', opaqueNames: '--opaque-names', key: '--key' },
  ...{ identity: '--identity', passphraseFile: '--passphrase-file', localState: '--local-state' },
  ...{ encrypt: '--encrypt', recipientsFile: '--recipients-file', verifyKey: '--verify-key', signKey: '--sign-key' },
  ...{ unsigned: '--unsigned', maxChain: '--max-chain', deleteOldSigvaults: '--delete-old-sigvaults' },
  ...{ init: '--init', lockWait: '--lock-wait' }
} as const

/** What `ibt receive --into` takes alone. */
export const RECEIVE_TREE_OPTIONS = {
  ...{ overwrite: '--overwrite', delete: '--delete', maxDelete: '--max-delete', allowShrink: '--allow-shrink' },
  ...{ dryRun: '--dry-run', exclude: '--exclude', numericOwner: '--numeric-owner' }
} as const

/** The flag of the first of some options that was given. */
export function givenOf(options: Readonly<Record<string, string>>, values: object): string | undefined {
  return Object.entries(options).find(([name]) => (values as Record<string, unknown>)[name] !== undefined)?.[1]
}

/** Gives the options of each thing that the two commands do a heading of their own in the help, below those of both. */
export function groupTreeOptions(program: Command): void {
  group(program, 'send', {
    'Options of a backup, not of --tree:': SEND_BACKUP_OPTIONS,
    'Options of --tree:': { tree: '--tree', ...SEND_TREE_OPTIONS }
  })
  group(program, 'receive', {
    'Options of a store, not of --into:': RECEIVE_STORE_OPTIONS,
    'Options of --into:': { into: '--into', ...RECEIVE_TREE_OPTIONS }
  })
}

function group(program: Command, name: string, groups: Readonly<Record<string, Readonly<Record<string, string>>>>) {
  const command = program.commands.find(candidate => candidate.name() === name)!
  for (const [heading, options] of Object.entries(groups)) {
    for (const option of command.options) if (option.attributeName() in options) option.helpGroup(heading)
  }
  command.configureHelp({
    ...command.configureHelp(),
    groupItems: (...items) => {
      const grouped = new Help().groupItems(...items)
      return new Map([...grouped].sort(([a], [b]) => Number(a in groups) - Number(b in groups)))
    }
  })
}
