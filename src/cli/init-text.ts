/** A source as `ibt init` has found it. */
export interface FoundSource {
  readonly name: string
  readonly path: string
  /** Names in it that are often excluded. */
  readonly excludable: readonly string[]
  readonly hasGitignore: boolean
  /** A file system whose snapshots a hook can make. */
  readonly snapshots?: 'btrfs' | 'zfs' | undefined
}

/** What `ibt init` writes about. */
export interface InitFacts {
  readonly isTypeScript: boolean
  readonly store: string
  readonly isStoreFromEnvironment: boolean
  readonly sources: readonly FoundSource[]
}

const quote = (text: string) => `'${text.replace(/[\\']/g, '\\$&').replaceAll('\n', '\\n')}'`

const PACKAGE = quote('incremental-backups-tools')

const HEAD = {
  ts: `import { defineConfig } from ${PACKAGE}

export default defineConfig({`,
  js: `/** @type {import(${PACKAGE}).Config} */
export default {`
}

/** A config with comments, which runs as it is. */
export function configText({ isTypeScript, store, isStoreFromEnvironment, sources }: InitFacts): string {
  const where = isStoreFromEnvironment
    ? 'As IBT_STORE says; where that is set, it is stronger than this line.'
    : 'A directory, best on another disk, or a URL. IBT_STORE and --store are stronger.'
  return `// What ibt backs up, and how. docs/config.md of the package describes every field.
//   ibt backup           every source: a full backup first, then the changes
//   ibt backup NAME      one of them
//   ibt prune            removes what the retention does not keep
//   ibt restore NAME DIR
${isTypeScript ? HEAD.ts : HEAD.js}
  // ${where}
  store: ${quote(store)},

  // What ibt prune keeps. A removed backup can come back for a week: ibt undelete.
  retention: { keepDaily: 7, keepWeekly: 4, keepMonthly: 12 },

  sources: {
${sources.map(sourceText).join(',\n')}
  }

  // Commands around every run of ibt backup; a source may have its own.
  // hooks: {
  //   onSuccess: ['curl', '-fsS', '-m', '10', 'https://hc-ping.com/UUID'],
  //   onFailure: { shell: 'mail -s "ibt: exit code $IBT_EXIT" root < "$IBT_REPORT"' }
  // }
}${isTypeScript ? ')' : ''}
`
}

function sourceText({ name, path, excludable, hasGitignore, snapshots }: FoundSource): string {
  const patterns = [...excludable, '*.tmp'].map(quote).join(', ')
  const lines = [
    `path: ${quote(path)},`,
    'rules: {',
    '  // Directories that programs have marked as a cache.',
    '  excludeCaches: true',
    `  // , exclude: [${patterns}]`,
    ...(hasGitignore ? ["  // , ignoreFiles: ['.exclude', '.gitignore']"] : []),
    '},',
    '// A full again after so many incrementals.',
    `maxChain: 30${snapshots === undefined ? '' : ','}`,
    ...(snapshots === undefined ? [] : SNAPSHOTS[snapshots])
  ]
  const key = /^[A-Za-z_$][\w$]*$/.test(name) ? name : quote(name)
  return [`    ${key}: {`, ...lines.map(line => `      ${line}`), '    }'].join('\n')
}

const SNAPSHOTS = {
  btrfs: [
    '// Read from a snapshot, if the path is a subvolume:',
    '// hooks: {',
    "//   before: { command: ['btrfs', 'subvolume', 'snapshot', '-r', 'PATH', 'PATH/.ibt'], path: 'PATH/.ibt' },",
    "//   after: ['btrfs', 'subvolume', 'delete', 'PATH/.ibt']",
    '// }'
  ],
  zfs: [
    '// Read from a snapshot:',
    '// hooks: {',
    "//   before: { command: ['zfs', 'snapshot', 'POOL/FS@ibt'], path: 'PATH/.zfs/snapshot/ibt' },",
    "//   after: ['zfs', 'destroy', 'POOL/FS@ibt']",
    '// }'
  ]
}
